//! When a full sync is due that nobody asked for. Pure.
//!
//! Holes that only a full sync closes come first: what they changed may be old or missing here. It
//! is not limited to their partitions by hand: a walk goes down only where the trees differ, so
//! everything else costs one root a bucket.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{HoleReason, Line, Millis, Seq};
use ops::config::MaxDeletes;
use store::LineProgress;

use super::{
    job::{Cause, Job},
    types::Request,
};

/// When, and how much. A running site may take on others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// From the end of one to the beginning of the next; `None`: never by itself.
    pub interval: Option<Duration>,
    pub jitter: Duration,
    pub on_connect: bool,
    pub max_deletes: MaxDeletes,
    /// The same for deep ones.
    pub scrub_interval: Option<Duration>,
    /// `None`: no limit.
    pub bytes_per_second: Option<u64>,
    /// Requests at once.
    pub parallel: usize,
}

/// A site that has just begun to follow has events to take in first.
const FIRST: Duration = Duration::from_mins(1);
/// Holes come in rows, and one job is for all of them.
const SETTLE: Duration = Duration::from_secs(2);
/// A link that comes and goes does not begin a full sync each time.
const CONNECT_REST: Duration = Duration::from_secs(10);
/// What the last full sync did not close, the next may, as when a class key has come. Doubles.
const AGAIN_FIRST: Duration = Duration::from_mins(10);
const AGAIN_MAX: Duration = Duration::from_hours(6);

/// A run of events that only a full sync closes.
type Lost = BTreeMap<(Line, Seq), Cause>;

/// What the decision rests on.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Seen {
    /// Since when there is a session with the origin.
    pub(super) connected: Option<Millis>,
    pub(super) lost: Lost,
    /// Whether the origin's state was ever proved here.
    pub(super) proven: bool,
    /// When the last job of everything was asked for and ended.
    pub(super) whole: Option<(Millis, Millis)>,
    /// When the last deep one ended, or the first job of all was asked for.
    pub(super) deep: Option<Millis>,
}

/// What is next.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Due {
    Now(Cause, Request),
    Later,
}

/// The schedule of one origin.
#[derive(Default)]
pub(super) struct Schedule {
    /// From 0 to 1: where in the jitter the next one is.
    draw: f64,
    /// Holes that the last full sync met, or meets, and how often that was for nothing.
    met: BTreeSet<(Line, Seq)>,
    in_vain: u32,
    /// Since when there are holes that none has met.
    news: Option<Millis>,
}

impl Schedule {
    /// A job of everything begins and meets these holes.
    pub(super) fn began(&mut self, lost: &Lost, draw: f64) {
        let held: BTreeSet<_> = lost.keys().copied().collect();
        let same = !held.is_empty() && held.is_subset(&self.met);
        self.in_vain = if same { self.in_vain.saturating_add(1) } else { 0 };
        (self.met, self.news, self.draw) = (held, None, draw);
    }

    /// What is due now, while no job is under way.
    pub(super) fn look(&mut self, now: Millis, settings: &Settings, seen: &Seen) -> Due {
        // An origin that is away would only make it wait.
        let Some(connected) = seen.connected else {
            return Due::Later;
        };
        let ended = seen.whole.map(|(_, ended)| ended);
        let request = Request { max_deletes: settings.max_deletes, ..Request::default() };
        if let Some(cause) = self.lost(now, seen) {
            return Due::Now(cause, request);
        }
        let after = |time: Millis, wait: Duration| now.since(time) >= wait;
        let asked = seen.whole.is_some_and(|(asked, _)| asked >= connected);
        let rested = ended.is_none_or(|ended| after(ended, CONNECT_REST));
        if settings.on_connect && !asked && rested {
            return Due::Now(Cause::OnConnect, request);
        }
        let jitter = settings.jitter.mul_f64(self.draw);
        let deep = seen.deep.unwrap_or(connected);
        if settings.scrub_interval.is_some_and(|interval| after(deep, interval + jitter)) {
            return Due::Now(Cause::Schedule, Request { deep: true, ..request });
        }
        let interval = settings.interval.is_some_and(|interval| match ended {
            Some(ended) => after(ended, interval + jitter),
            None => after(connected, FIRST.min(interval)),
        });
        if interval { Due::Now(Cause::Schedule, request) } else { Due::Later }
    }

    fn lost(&mut self, now: Millis, seen: &Seen) -> Option<Cause> {
        // One that was closed, and opens again at the same place, is another.
        self.met.retain(|hole| seen.lost.contains_key(hole));
        let (_, first) = seen.lost.first_key_value()?;
        let new = seen.lost.iter().find(|(hole, _)| !self.met.contains(hole));
        let Some((_, cause)) = new else {
            let again = AGAIN_FIRST.saturating_mul(1 << self.in_vain.min(6)).min(AGAIN_MAX);
            let ended = seen.whole.map_or(Millis::default(), |(_, ended)| ended);
            return (now.since(ended) >= again).then_some(*first);
        };
        let since = *self.news.get_or_insert(now);
        let cause = if seen.proven { *cause } else { Cause::Bootstrap };
        (now.since(since) >= SETTLE).then_some(cause)
    }
}

/// The holes of a line that only a full sync closes.
pub(crate) fn lost(line: Line, progress: &LineProgress) -> Vec<((Line, Seq), Cause)> {
    let cause = |reason: &HoleReason| match reason {
        HoleReason::LostAtOrigin => Some(Cause::Gap),
        HoleReason::Adopted => Some(Cause::Bootstrap),
        HoleReason::Parked { .. } => Some(Cause::Parked),
        HoleReason::Gap { .. } | HoleReason::BlocksMissing { .. } => None,
    };
    let holes = progress.holes.iter();
    holes.filter_map(|(first, hole)| Some(((line, *first), cause(&hole.reason)?))).collect()
}

/// What jobs that are over say of when the next is due.
pub(super) fn history<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Seen {
    let mut seen = Seen::default();
    for job in jobs {
        seen.deep = Some(job.deep());
        if let Some(ended) = job.ended.filter(|_| job.is_whole() && !job.request.dry_run) {
            seen.whole = Some((job.asked, ended));
        }
    }
    seen
}

#[cfg(test)]
mod tests;
