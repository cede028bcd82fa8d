//! Whether this site holds what its origin holds, as the last full syncs say (law 9). Pure.

use model::Millis;

use super::job::{Job, JobError, JobId, State};

/// What is known of convergence with one origin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The job that is under way, and why it waits, if so.
    pub running: Option<JobId>,
    pub waits: Option<String>,
    /// The last job of everything that came to an end of any kind, dry runs aside.
    pub last: Option<JobId>,
    /// The last such job that came to its end found both equal.
    pub converged: bool,
    /// The oldest of the newest proofs of every scope: at that time, at the latest, all were equal.
    pub proved: Option<Millis>,
    /// Entities that were found to differ and still do.
    pub differ: u64,
    pub deletes_held_back: u64,
    /// What could not be repaired.
    pub unrepaired: u64,
    /// Of a last job that failed or was refused.
    pub failed: Option<(State, JobError)>,
}

impl Standing {
    /// From jobs in order, and the times of proofs.
    pub(super) fn of<'a>(
        jobs: impl Iterator<Item = &'a Job>,
        proofs: impl Iterator<Item = Millis>,
    ) -> Self {
        let mut standing = Self { proved: proofs.min(), ..Self::default() };
        for job in jobs {
            standing.take(job);
        }
        standing
    }

    fn take(&mut self, job: &Job) {
        if !job.state.is_over() {
            self.running = Some(job.id);
            self.waits.clone_from(&job.progress.waits);
            return;
        }
        if !job.is_whole() || job.state == State::Cancelled {
            return;
        }
        let progress = &job.progress;
        if job.request.dry_run {
            // It says what differs and changes nothing.
            if job.state == State::Done {
                (self.converged, self.differ) = (job.converged == Some(true), progress.differ);
            }
            return;
        }
        self.last = Some(job.id);
        self.failed = match job.state {
            State::Failed | State::Refused => job.last_error.clone().map(|why| (job.state, why)),
            _ => None,
        };
        if job.state == State::Done {
            self.converged = job.converged == Some(true);
            self.deletes_held_back = progress.deletes_held_back;
            self.unrepaired = progress.unrepaired;
            self.differ = progress.deletes_held_back + progress.unrepaired;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::SiteName;

    use super::*;
    use crate::fullsync::{Cause, Progress, Report, Request, RunError};

    fn job(id: u64, request: Request) -> Job {
        let origin = SiteName::try_from("east".to_owned()).unwrap();
        let mut job = Job::new((JobId(id), origin), (Cause::Schedule, request), None, Millis(id));
        job.begin(Millis(id));
        job
    }

    fn done(id: u64, request: Request, progress: Progress) -> Job {
        let mut job = job(id, request);
        let converged = progress.differ == 0;
        let report = Report { progress, converged, ..Report::default() };
        job.end(Ok(report), Millis(id + 1), 0.0);
        job
    }

    fn standing(jobs: &[Job]) -> Standing {
        Standing::of(jobs.iter(), [Millis(9), Millis(4)].into_iter())
    }

    #[test]
    fn law_9_in_sync_is_what_the_last_full_sync_of_everything_found() {
        let equal = done(1, Request::default(), Progress::default());
        let told = standing(std::slice::from_ref(&equal));
        assert_eq!(
            (told.converged, told.proved, told.last),
            (true, Some(Millis(4)), Some(JobId(1)))
        );
        let held =
            Progress { differ: 5, deletes_held_back: 3, unrepaired: 1, ..Progress::default() };
        let part = Request { prefix: Some("p".to_owned()), ..Request::default() };
        let jobs = [equal.clone(), done(2, part, held.clone())];
        assert!(standing(&jobs).converged, "a part says nothing of everything");
        let told = standing(&[equal.clone(), done(2, Request::default(), held.clone())]);
        assert_eq!((told.converged, told.differ), (false, 4));
        assert_eq!((told.deletes_held_back, told.unrepaired), (3, 1));
        let dry = Request { dry_run: true, ..Request::default() };
        let told = standing(&[equal, done(2, dry, held)]);
        assert_eq!((told.converged, told.differ, told.last), (false, 5, Some(JobId(1))));
        assert_eq!(Standing::of([].iter(), [].into_iter()), Standing::default());
    }

    #[test]
    fn law_12_a_job_that_failed_is_told_until_one_comes_to_its_end() {
        let mut refused = job(2, Request::default());
        refused.end(Err(RunError::Refused("another site".to_owned())), Millis(3), 0.0);
        let jobs = [done(1, Request::default(), Progress::default()), refused];
        let told = standing(&jobs);
        let (state, why) = told.failed.unwrap();
        assert_eq!((state, &why.what[..], told.converged), (State::Refused, "another site", true));
        let [first, refused] = jobs;
        let mut cancelled = job(3, Request::default());
        cancelled.cancel(Millis(4));
        let running = job(4, Request::default());
        let jobs = [first, refused, cancelled, running];
        assert_eq!(
            (standing(&jobs).running, standing(&jobs).failed.is_some()),
            (Some(JobId(4)), true)
        );
        let last = done(5, Request::default(), Progress::default());
        assert_eq!(standing(&[&jobs[..], &[last]].concat()).failed, None);
    }
}
