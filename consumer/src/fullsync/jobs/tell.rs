//! What jobs say in the log and in metrics.

use model::{Millis, SiteName};
use ops::Metrics;
use store::ReadError;

use super::{
    super::{
        job::{Job, State},
        standing::Standing,
        types::{Phase, Progress, Reason},
    },
    Jobs,
};

impl Reason {
    /// Name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Older => "older",
            Self::Attributes => "attributes",
            Self::Deleted => "deleted",
            Self::Foreign => "foreign",
            Self::Rotten => "rotten",
            Self::Block => "block",
            Self::Count => "count",
        }
    }
}

impl Phase {
    /// Name in status.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Comparing => "comparing",
            Self::Repairing => "repairing",
            Self::Proving => "proving",
            Self::Scrubbing => "scrubbing",
            Self::Done => "done",
        }
    }
}

impl State {
    /// Name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counts what was repaired, and what crossed the link for it, since `before`.
pub(super) fn advanced(job: &Job, before: &Progress, metrics: &Metrics) {
    for (reason, count) in &job.progress.repaired {
        let counted = before.repaired.get(reason).copied().unwrap_or_default();
        let labels = [job.origin.as_str(), reason.label()];
        let counter = metrics.keys_repaired.with_label_values(&labels);
        counter.inc_by(count.saturating_sub(counted));
    }
    let now = &job.progress;
    for (what, bytes) in [
        ("comparison", now.wire_bytes.saturating_sub(before.wire_bytes)),
        ("objects", now.bytes_moved.saturating_sub(before.bytes_moved)),
    ] {
        let labels = [job.origin.as_str(), what];
        metrics.full_sync_bytes.with_label_values(&labels).inc_by(bytes);
    }
}

/// A try of a job ended.
pub(super) fn ended(job: &Job, metrics: &Metrics) {
    let (id, origin) = (job.id.0, job.origin.as_str());
    let why = job.last_error.as_ref().map_or("", |error| &error.what);
    let Progress { compared, differ, deletes_held_back, unrepaired, .. } = job.progress;
    match job.state {
        State::Queued | State::Running => return,
        State::Waiting => return tracing::info!(id, origin, why, "full sync waits"),
        State::Cancelled => tracing::info!(id, origin, "full sync was cancelled"),
        State::Failed => {
            metrics.alarm("full_sync_failed");
            tracing::error!(id, origin, why, "full sync failed");
        }
        State::Refused => {
            metrics.alarm("full_sync_refused");
            tracing::error!(id, origin, why, "full sync is refused");
        }
        State::Done => {
            let converged = job.converged == Some(true);
            tracing::info!(id, origin, converged, compared, differ, "full sync is done");
        }
    }
    if job.state == State::Done && !job.request.dry_run {
        if deletes_held_back > 0 {
            metrics.alarm("deletes_held_back");
            tracing::warn!(id, origin, deletes_held_back, "full sync holds deletes back");
        }
        if unrepaired > 0 {
            metrics.alarm("unrepaired");
            tracing::error!(id, origin, unrepaired, "full sync could not repair everything");
        }
    }
    metrics.full_syncs.with_label_values(&[origin, job.state.label()]).inc();
    if let (Some(began), Some(ended)) = (job.began, job.ended) {
        let seconds = ended.since(began).as_secs_f64();
        metrics.full_sync_seconds.with_label_values(&[origin]).set(seconds);
    }
}

impl Jobs {
    /// Brings the metrics of this origin up to now: a proof grows old by the clock.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn report(&self) -> Result<(), ReadError> {
        let parts = &self.0.parts;
        gauges(&self.standing()?, &parts.origin, (&parts.metrics, self.now()));
        Ok(())
    }
}

fn gauges(standing: &Standing, origin: &SiteName, (metrics, now): (&Metrics, Millis)) {
    let origin = [origin.as_str()];
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.converged.with_label_values(&origin).set(i64::from(standing.converged));
    let running = i64::from(standing.running.is_some());
    metrics.full_sync_running.with_label_values(&origin).set(running);
    metrics.keys_differ.with_label_values(&origin).set(count(standing.differ));
    let held_back = count(standing.deletes_held_back);
    metrics.deletes_held_back.with_label_values(&origin).set(held_back);
    if let Some(proved) = standing.proved {
        let age = now.since(proved).as_secs_f64();
        metrics.proof_age_seconds.with_label_values(&origin).set(age);
    }
}
