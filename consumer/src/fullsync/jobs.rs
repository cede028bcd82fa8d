//! The jobs of one origin, carried out one at a time.
//!
//! What is due and what follows from an outcome is decided elsewhere; this waits, runs, and keeps.
//! A job is kept in the store at every change of its state and every few seconds, so that a restart
//! goes on with it.

mod tell;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use model::{Millis, SiteId, SiteName, tree::Scope};
use ops::Metrics;
use rand::Rng;
use store::{KeepError, ReadError, RecordError, Store, StoredJob, StoredProof};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    job::{Cause, Job, JobId, State},
    runner::{Runner, Told},
    schedule::{self, Due, Schedule, Seen, Settings},
    standing::Standing,
    types::{Difference, Progress, Proof, Report, Request, RunError},
};
use crate::pulse::Pulse;

/// Why no job was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("full sync {} is under way", .0.0)]
    Runs(JobId),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// Why no job was cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("no full sync is under way")]
    NoneRuns,
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// What the jobs of an origin are made of.
pub(crate) struct JobsParts {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) origin: SiteName,
    /// Of the sessions with it; `None`: there are none, it is only looked at by full sync.
    pub(crate) pulse: Option<Pulse>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) settings: watch::Receiver<Settings>,
}

/// The jobs of one origin. Clones are the same.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    parts: JobsParts,
    started: Millis,
    desk: Mutex<Desk>,
    news: Notify,
}

#[derive(Default)]
struct Desk {
    /// The last ones; all but the last are over.
    jobs: BTreeMap<JobId, Job>,
    schedule: Schedule,
    /// Of the last job.
    cancel: CancellationToken,
    checkpoint: Bytes,
    sample: Vec<Difference>,
    proven: bool,
}

/// What to do next.
enum Step {
    Run(JobId),
    Start(Cause, Request),
    Wait(Duration),
}

/// Jobs in memory; the store keeps as many.
const JOBS_MAX: usize = 100;
/// Between two looks at whether something is due.
const LOOK: Duration = Duration::from_secs(1);
/// Between two times that a running job is kept: what a kill takes of its counters.
const KEEP: Duration = Duration::from_secs(5);
/// For a run that was cancelled to end by itself.
const CANCEL_MAX: Duration = Duration::from_secs(30);

impl Jobs {
    /// Goes on from what the store holds.
    pub(crate) fn open(parts: JobsParts) -> Result<Self, ReadError> {
        let mut desk = Desk { proven: !parts.store.proofs()?.is_empty(), ..Desk::default() };
        for (id, StoredJob { job, checkpoint }) in parts.store.jobs()? {
            let damaged = |_| RecordError::Damaged { record: "job" };
            let mut job: Job = serde_json::from_slice(&job).map_err(damaged)?;
            job.resume();
            desk.jobs.insert(JobId(id), job);
            desk.checkpoint = checkpoint;
        }
        let started = parts.store.now();
        let shared = Shared { parts, started, desk: Mutex::new(desk), news: Notify::new() };
        Ok(Self(Arc::new(shared)))
    }

    /// Starts a job by hand.
    ///
    /// # Errors
    /// If one is under way, or it could not be kept.
    pub async fn start(&self, request: Request) -> Result<Job, StartError> {
        self.queue(Cause::ByHand, request).await
    }

    /// Cancels the job that is under way; it ends within moments.
    ///
    /// # Errors
    /// If none is, or that could not be kept.
    pub async fn cancel(&self) -> Result<Job, CancelError> {
        let now = self.now();
        let job = {
            let mut desk = self.desk();
            let cancel = desk.cancel.clone();
            let job = desk.current().ok_or(CancelError::NoneRuns)?;
            cancel.cancel();
            if job.state != State::Running {
                job.cancel(now);
            }
            job.clone()
        };
        self.keep(job.id).await?;
        self.0.news.notify_one();
        Ok(job)
    }

    /// The last jobs, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Job> {
        self.desk().jobs.values().cloned().collect()
    }

    /// What the last job found to differ; empty once another one has begun, or the site has been
    /// started again.
    #[must_use]
    pub fn sample(&self, id: JobId) -> Vec<Difference> {
        let desk = self.desk();
        let last = desk.jobs.last_key_value().is_some_and(|(last, _)| *last == id);
        if last { desk.sample.clone() } else { Vec::new() }
    }

    /// Whether this site holds what the origin holds.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standing(&self) -> Result<Standing, ReadError> {
        let proofs = self.0.parts.store.proofs()?;
        let desk = self.desk();
        Ok(Standing::of(desk.jobs.values(), proofs.iter().map(|(_, proof)| proof.at)))
    }

    /// Carries jobs out until it is told to stop; a job that runs then goes on at the next start.
    ///
    /// # Errors
    /// If a job could not be kept.
    pub async fn run_forever(self, stopped: CancellationToken) -> Result<(), KeepError> {
        loop {
            tokio::select! {
                biased;
                () = stopped.cancelled() => return Ok(()),
                done = Box::pin(self.step()) => done?,
            }
        }
    }

    async fn step(&self) -> Result<(), KeepError> {
        match self.next() {
            Step::Run(id) => self.carry_out(id).await,
            Step::Start(cause, request) => match self.queue(cause, request).await {
                Ok(_) | Err(StartError::Runs(_)) => Ok(()),
                Err(StartError::Keep(error)) => Err(error),
            },
            Step::Wait(wait) => {
                tokio::select! {
                    () = self.0.news.notified() => {}
                    () = tokio::time::sleep(wait) => {}
                }
                Ok(())
            }
        }
    }

    fn next(&self) -> Step {
        let now = self.now();
        let settings = self.0.parts.settings.borrow().clone();
        let lost = self.lost();
        let mut desk = self.desk();
        if let Some(job) = desk.current() {
            return match job.next_try {
                Some(at) if at > now => Step::Wait(at.since(now)),
                _ => Step::Run(job.id),
            };
        }
        let connected = match &self.0.parts.pulse {
            Some(pulse) => Some(pulse.get()).filter(|it| it.connected).map(|it| it.since),
            None => Some(self.0.started),
        };
        let proven = desk.proven;
        let seen = Seen { connected, lost, proven, ..schedule::history(desk.jobs.values()) };
        match desk.schedule.look(now, &settings, &seen) {
            Due::Now(cause, request) => Step::Start(cause, request),
            Due::Later => Step::Wait(LOOK),
        }
    }

    fn lost(&self) -> BTreeMap<(model::Line, model::Seq), Cause> {
        self.0.parts.store.lines(schedule::lost).into_iter().flatten().collect()
    }

    async fn queue(&self, cause: Cause, request: Request) -> Result<Job, StartError> {
        let (now, lost) = (self.now(), self.lost());
        let job = {
            let mut desk = self.desk();
            if let Some(job) = desk.current() {
                return Err(StartError::Runs(job.id));
            }
            let before = desk.jobs.last_key_value().map(|(_, job)| job);
            let id = JobId(before.map_or(1, |job| job.id.0 + 1));
            let job = Job::new((id, self.0.parts.origin.clone()), (cause, request), before, now);
            if job.is_whole() && !job.request.dry_run {
                desk.schedule.began(&lost, draw());
            }
            desk.jobs.insert(id, job.clone());
            if desk.jobs.len() > JOBS_MAX {
                desk.jobs.pop_first();
            }
            (desk.cancel, desk.checkpoint, desk.sample) = Default::default();
            job
        };
        self.keep(job.id).await?;
        self.0.news.notify_one();
        Ok(job)
    }

    /// One try of a job.
    async fn carry_out(&self, id: JobId) -> Result<(), KeepError> {
        let Some((job, cancel, checkpoint)) = self.begin(id) else {
            return Ok(());
        };
        self.keep(id).await?;
        let (progress, mut advanced) = watch::channel(Progress::default());
        let told = Told { progress, checkpoint: watch::channel(checkpoint).0 };
        let mut keep = tokio::time::interval(KEEP);
        let gone = async {
            cancel.cancelled().await;
            tokio::time::sleep(CANCEL_MAX).await;
        };
        let outcome = {
            let run = self.0.parts.runner.run(&job.request, &told, &cancel);
            tokio::pin!(run, gone);
            loop {
                tokio::select! {
                    outcome = &mut run => break outcome,
                    () = &mut gone => break Err(RunError::Cancelled),
                    Ok(()) = advanced.changed() => {
                        let progress = advanced.borrow_and_update().clone();
                        self.change(id, |job| job.advance(progress));
                    }
                    _ = keep.tick() => {
                        self.desk().checkpoint = told.checkpoint.borrow().clone();
                        self.keep(id).await?;
                    }
                }
            }
        };
        self.change(id, |job| job.advance(advanced.borrow().clone()));
        self.desk().checkpoint = told.checkpoint.borrow().clone();
        self.end(id, outcome).await
    }

    fn begin(&self, id: JobId) -> Option<(Job, CancellationToken, Bytes)> {
        let now = self.now();
        let mut desk = self.desk();
        let (cancel, checkpoint) = (desk.cancel.clone(), desk.checkpoint.clone());
        let job = desk.current().filter(|job| job.id == id)?;
        job.begin(now);
        Some((job.clone(), cancel, checkpoint))
    }

    /// Proofs are kept first: a job is not done without what it proved.
    async fn end(&self, id: JobId, outcome: Result<Report, RunError>) -> Result<(), KeepError> {
        let now = self.now();
        if let Ok(report) = &outcome {
            let whole = self.desk().jobs.get(&id).is_some_and(Job::is_whole) && report.converged;
            for (site, proofs) in by_site(&report.proofs) {
                self.0.parts.store.put_proofs(site, proofs, whole).await?;
                self.desk().proven = true;
            }
        }
        let sample = outcome.as_ref().map(|report| report.sample.clone()).unwrap_or_default();
        // First: who sees that a job is over sees what it found.
        self.desk().sample = sample;
        self.change(id, |job| job.end(outcome, now, draw()));
        let job = {
            let mut desk = self.desk();
            if desk.jobs.get(&id).is_some_and(|job| job.state.is_over()) {
                desk.checkpoint = Bytes::new();
            }
            desk.jobs.get(&id).cloned()
        };
        self.keep(id).await?;
        if let Some(job) = job {
            tell::ended(&job, &self.0.parts.metrics);
        }
        Ok(())
    }

    fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        let mut desk = self.desk();
        if let Some(job) = desk.jobs.get_mut(&id) {
            let before = job.progress.clone();
            change(job);
            tell::advanced(job, &before, &self.0.parts.metrics);
        }
    }

    async fn keep(&self, id: JobId) -> Result<(), KeepError> {
        let stored = {
            let desk = self.desk();
            let Some(job) = desk.jobs.get(&id) else {
                return Ok(());
            };
            let job = serde_json::to_vec(job).expect("a job has only what JSON can hold");
            StoredJob { job: job.into(), checkpoint: desk.checkpoint.clone() }
        };
        self.0.parts.store.put_job(id.0, stored).await
    }

    fn now(&self) -> Millis {
        self.0.parts.store.now()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// The job that is not over.
    fn current(&mut self) -> Option<&mut Job> {
        let last = self.jobs.last_entry()?.into_mut();
        (!last.state.is_over()).then_some(last)
    }
}

/// By chance, from 0 to 1.
fn draw() -> f64 {
    rand::rng().random_range(0.0..1.0)
}

fn by_site(proofs: &[Proof]) -> BTreeMap<SiteId, Vec<(Scope, StoredProof)>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for Proof { scope, root, cut, at } in proofs {
        let proof = StoredProof { root: *root, cut: cut.clone(), at: *at };
        found.entry(cut.site).or_default().push((scope.clone(), proof));
    }
    found
}

#[cfg(test)]
mod tests;
