//! The admin API's port to full sync, met by the consumer's jobs.

use async_trait::async_trait;
use consumer::{
    Modes,
    fullsync::{
        CancelError, Difference, Job, JobError, JobId, Jobs, Progress, Request, Settings,
        StartError, State,
    },
};
use gateway::admin::{
    DifferenceShown, FullSyncControl, FullSyncError, FullSyncFault, FullSyncJob, FullSyncProgress,
    FullSyncRequest, FullSyncState, WantedFullSync,
};
use model::{
    Millis, SiteName,
    tree::{Scope, Verdict},
};
use store::Store;
use tokio::sync::watch;

/// Full sync with the one origin of this site.
pub(crate) struct Control {
    pub(crate) store: Store,
    pub(crate) origin: SiteName,
    pub(crate) modes: Modes,
    pub(crate) settings: watch::Receiver<Settings>,
    /// `None`: it is off.
    pub(crate) jobs: Option<Jobs>,
}

#[async_trait]
impl FullSyncControl for Control {
    async fn start(&self, wanted: WantedFullSync) -> Result<FullSyncJob, FullSyncError> {
        let jobs = self.on()?;
        let WantedFullSync { bucket, prefix, deep, both, dry_run, max_deletes } = wanted;
        if let Some(bucket) = bucket.clone().filter(|it| self.modes.without_fullsync.contains(it)) {
            return Err(FullSyncError::LeftOut { bucket });
        }
        let max_deletes = max_deletes.unwrap_or_else(|| self.settings.borrow().max_deletes);
        let request = Request { bucket, prefix, deep, both, dry_run, max_deletes };
        match jobs.start(request).await {
            Ok(job) => Ok(self.shown(job)),
            Err(StartError::Runs(JobId(id))) => Err(FullSyncError::Runs { id }),
            Err(StartError::Keep(error)) => Err(error.into()),
        }
    }

    async fn cancel(&self) -> Result<FullSyncJob, FullSyncError> {
        match self.on()?.cancel().await {
            Ok(job) => Ok(self.shown(job)),
            Err(CancelError::NoneRuns) => Err(FullSyncError::NoneRuns),
            Err(CancelError::Keep(error)) => Err(error.into()),
        }
    }

    fn jobs(&self) -> Vec<FullSyncJob> {
        let jobs = self.jobs.as_ref().map(Jobs::all).unwrap_or_default();
        jobs.into_iter().map(|job| self.shown(job)).collect()
    }

    fn job(&self, id: u64) -> Option<FullSyncJob> {
        let jobs = self.jobs.as_ref()?;
        let job = jobs.all().into_iter().find(|job| job.id.0 == id)?;
        let differences = jobs.sample(job.id).into_iter().map(difference).collect();
        Some(FullSyncJob { differences, ..self.shown(job) })
    }
}

impl Control {
    fn on(&self) -> Result<&Jobs, FullSyncError> {
        let off = || FullSyncError::Off { origin: self.origin.to_string() };
        self.jobs.as_ref().ok_or_else(off)
    }

    fn shown(&self, job: Job) -> FullSyncJob {
        shown(job, self.store.now(), self.settings.borrow().bytes_per_second)
    }
}

fn shown(job: Job, now: Millis, bytes_per_second: Option<u64>) -> FullSyncJob {
    let seconds =
        job.began.map_or(0.0, |began| job.ended.unwrap_or(now).since(began).as_secs_f64());
    let text = |time: Option<Millis>| time.map(|time| time.to_string());
    FullSyncJob {
        id: job.id.0,
        estimate_seconds: estimate(&job.progress, seconds, bytes_per_second),
        origin: job.origin.to_string(),
        cause: job.cause.label().to_owned(),
        request: request(job.request),
        state: state(job.state),
        asked: job.asked.to_string(),
        began: text(job.began),
        ended: text(job.ended),
        next_try: text(job.next_try),
        seconds,
        progress: progress(job.progress),
        converged: job.converged,
        proofs: job.proofs,
        last_error: job
            .last_error
            .map(|JobError { at, what }| FullSyncFault { at: at.to_string(), what }),
        differences: Vec::new(),
    }
}

/// At the rate so far, or at what is allowed if nothing has moved yet.
fn estimate(progress: &Progress, seconds: f64, bytes_per_second: Option<u64>) -> Option<f64> {
    let left = progress.bytes_to_move.saturating_sub(progress.bytes_moved) as f64;
    if left == 0.0 {
        return Some(0.0);
    }
    let so_far = Some(progress.bytes_moved as f64 / seconds).filter(|rate| rate.is_normal());
    let allowed = bytes_per_second.map(|rate| rate as f64);
    so_far.or(allowed).map(|rate| left / rate)
}

fn request(request: Request) -> FullSyncRequest {
    let Request { bucket, prefix, deep, both, dry_run, max_deletes } = request;
    let (bucket, max_deletes) = (bucket.map(String::from), Some(max_deletes.to_string()));
    FullSyncRequest { bucket, prefix, deep, both, dry_run, max_deletes }
}

fn progress(progress: Progress) -> FullSyncProgress {
    let repaired = progress.repaired.into_iter();
    FullSyncProgress {
        phase: progress.phase.label().to_owned(),
        waits: progress.waits,
        buckets: progress.scopes,
        buckets_total: progress.scopes_total,
        compared: progress.compared,
        differ: progress.differ,
        repaired: repaired.map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
        deletes_held_back: progress.deletes_held_back,
        unrepaired: progress.unrepaired,
        bytes_to_move: progress.bytes_to_move,
        bytes_moved: progress.bytes_moved,
        wire_bytes: progress.wire_bytes,
        round_trips: progress.round_trips,
    }
}

fn difference(difference: Difference) -> DifferenceShown {
    let Difference { scope, entity, name, verdict, bytes } = difference;
    let bucket = match scope {
        Scope::Entities => None,
        Scope::Bucket(bucket) => Some(bucket.to_string()),
    };
    let what = match verdict {
        Verdict::Same => "same",
        Verdict::Ahead => "ahead",
        Verdict::Behind => "behind",
        Verdict::Attributes => "attributes",
        Verdict::Deleted => "deleted",
        Verdict::Foreign => "foreign",
    };
    let key = name.unwrap_or_else(|| entity.0.to_string());
    DifferenceShown { bucket, key, what: what.to_owned(), bytes }
}

fn state(state: State) -> FullSyncState {
    match state {
        State::Queued => FullSyncState::Queued,
        State::Running => FullSyncState::Running,
        State::Waiting => FullSyncState::Waiting,
        State::Done => FullSyncState::Done,
        State::Failed => FullSyncState::Failed,
        State::Refused => FullSyncState::Refused,
        State::Cancelled => FullSyncState::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_the_rate_so_far_or_the_one_allowed_says() {
        let progress =
            |bytes_moved| Progress { bytes_to_move: 3_000, bytes_moved, ..Progress::default() };
        assert_eq!(estimate(&progress(1_000), 2.0, Some(1)), Some(4.0));
        assert_eq!(estimate(&progress(0), 2.0, Some(1_000)), Some(3.0));
        assert_eq!(estimate(&progress(0), 0.0, None), None);
        assert_eq!(estimate(&progress(1), 0.0, None), None);
        assert_eq!(estimate(&progress(3_000), 0.0, None), Some(0.0), "nothing is left");
    }
}
