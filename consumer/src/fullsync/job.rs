//! One full sync as a job: from what asked for it to what came of it. Pure.
//!
//! ```text
//! queued ──▶ running ──▶ done | failed | refused | cancelled
//!               ▲  │
//!               │  ▼  the link was lost, the origin is busy
//!             waiting
//! ```
//! Every state is persisted. A job that a restart interrupted is queued again under its id: what was
//! repaired is equal by then and is not walked again.

use std::time::Duration;

use model::{Millis, SiteName};
use serde::{Deserialize, Serialize};

use super::types::{Progress, Report, Request, RunError};
use crate::origin::OriginError;

/// Dense, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// Why a job began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Schedule,
    ByHand,
    OnConnect,
    /// Events are lost at the origin.
    Gap,
    /// Events cannot be read here.
    Parked,
    /// This site has never held what the origin holds.
    Bootstrap,
}

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Running,
    /// For its next try.
    Waiting,
    /// It came to its end; whether both sites are equal, `converged` says.
    Done,
    Failed,
    /// The origin is not the one that this site followed, or there is something else that only a
    /// person can decide.
    Refused,
    Cancelled,
}

impl Cause {
    /// Name in metrics and status.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::ByHand => "by_hand",
            Self::OnConnect => "on_connect",
            Self::Gap => "gap",
            Self::Parked => "parked",
            Self::Bootstrap => "bootstrap",
        }
    }
}

impl State {
    /// Whether nothing more happens.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Refused | Self::Cancelled)
    }
}

/// What went wrong, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobError {
    pub at: Millis,
    pub what: String,
}

/// A full sync that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub origin: SiteName,
    pub cause: Cause,
    pub request: Request,
    pub state: State,
    pub asked: Millis,
    /// Its first try.
    pub began: Option<Millis>,
    pub ended: Option<Millis>,
    pub next_try: Option<Millis>,
    /// Of all tries.
    pub progress: Progress,
    /// Whether both sites were equal at its end; `None` before.
    pub converged: Option<bool>,
    /// Scopes that it proved.
    pub proofs: u64,
    /// What last stood in the way, also if it is over.
    pub last_error: Option<JobError>,
    /// Tries in a row that moved nothing.
    failures: u32,
    /// When the last deep one before it ended, or the first job of all was asked for: jobs are
    /// forgotten sooner than the next deep one is due.
    deep_before: Millis,
    /// What the tries before this one did.
    before: Progress,
}

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Tries in a row for what may be a passing fault of the origin, and is a mistake if it stays.
const TRIES_MAX: u32 = 5;

/// What follows from an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// It passes by itself: an origin that is away comes back.
    Retry,
    RetryFew,
    End(State),
}

fn next(error: &RunError) -> Next {
    match error {
        RunError::Busy | RunError::Passed => Next::Retry,
        // Here too, a large site takes a while.
        error if error.building().is_some() => Next::Retry,
        RunError::Cancelled => Next::End(State::Cancelled),
        RunError::Refused(_) => Next::End(State::Refused),
        RunError::Store(..) => Next::End(State::Failed),
        RunError::Origin(error) => match error {
            OriginError::Link(_)
            | OriginError::TimedOut { .. }
            | OriginError::Busy { .. }
            | OriginError::Building { .. } => Next::Retry,
            OriginError::Freed { .. }
            | OriginError::Unknown { .. }
            | OriginError::Refused { .. }
            | OriginError::Nonsense { .. } => Next::RetryFew,
        },
    }
}

/// Before the next try, after so many in a row that moved nothing. `draw` is from 0 to 1.
fn backoff(failures: u32, draw: f64) -> Duration {
    let wait = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(6));
    wait.min(RETRY_MAX).mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
}

impl Job {
    pub(super) fn new(
        (id, origin): (JobId, SiteName),
        (cause, request): (Cause, Request),
        before: Option<&Self>,
        now: Millis,
    ) -> Self {
        Self {
            id,
            origin,
            cause,
            request,
            state: State::Queued,
            asked: now,
            began: None,
            ended: None,
            next_try: None,
            progress: Progress::default(),
            converged: None,
            proofs: 0,
            last_error: None,
            failures: 0,
            deep_before: before.map_or(now, Self::deep),
            before: Progress::default(),
        }
    }

    /// Whether it says something of everything: its end is that of a full sync of the site.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.request.bucket.is_none() && self.request.prefix.is_none()
    }

    /// When a deep one last ended, as far as this job knows.
    pub(super) fn deep(&self) -> Millis {
        let counts = self.is_whole() && self.request.deep && !self.request.dry_run;
        self.ended.filter(|_| counts).unwrap_or(self.deep_before)
    }

    /// A try begins.
    pub(super) fn begin(&mut self, now: Millis) {
        self.state = State::Running;
        self.began.get_or_insert(now);
        self.next_try = None;
        self.before = self.progress.clone();
    }

    /// Takes note of how far this try is.
    pub(super) fn advance(&mut self, progress: Progress) {
        self.progress = progress.after(&self.before);
    }

    /// The try ended. `draw` is from 0 to 1.
    pub(super) fn end(&mut self, outcome: Result<Report, RunError>, now: Millis, draw: f64) {
        let error = match outcome {
            Ok(report) => {
                self.advance(report.progress);
                self.converged = Some(report.converged);
                self.proofs = report.proofs.len() as u64;
                return self.over(State::Done, now);
            }
            Err(error) => error,
        };
        let moved = self.progress.moved() > self.before.moved();
        self.failures = if moved { 1 } else { self.failures.saturating_add(1) };
        let what = ops::chain(&error);
        match next(&error) {
            Next::End(State::Cancelled) => return self.over(State::Cancelled, now),
            Next::End(state) => self.over(state, now),
            Next::RetryFew if self.failures >= TRIES_MAX => self.over(State::Failed, now),
            Next::Retry | Next::RetryFew => {
                let wait = backoff(self.failures, draw);
                self.state = State::Waiting;
                let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                self.next_try = Some(Millis(now.0.saturating_add(wait)));
            }
        }
        self.last_error = Some(JobError { at: now, what });
    }

    /// Ends it where it does not run.
    pub(super) fn cancel(&mut self, now: Millis) {
        self.over(State::Cancelled, now);
    }

    /// The site was started again.
    pub(super) fn resume(&mut self) {
        if !self.state.is_over() {
            self.state = State::Queued;
            self.next_try = None;
        }
    }

    fn over(&mut self, state: State, now: Millis) {
        self.state = state;
        self.progress.waits = None;
        self.ended = Some(now);
        self.next_try = None;
    }
}

impl Progress {
    /// Of a job whose earlier tries came to `before`: work adds up, and what is left to do is what
    /// the last try says.
    fn after(mut self, before: &Self) -> Self {
        self.compared += before.compared;
        self.bytes_to_move += before.bytes_moved;
        self.bytes_moved += before.bytes_moved;
        self.wire_bytes += before.wire_bytes;
        self.round_trips += before.round_trips;
        for (reason, count) in &before.repaired {
            *self.repaired.entry(*reason).or_default() += count;
        }
        self
    }

    /// Grows with what has been repaired.
    fn moved(&self) -> u64 {
        self.bytes_moved + self.repaired.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests;
