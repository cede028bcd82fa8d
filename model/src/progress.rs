//! The arithmetic of positions: trimmed ≤ fenced ≤ complete ≤ applied ≤ published ≤ written.

use serde::{Deserialize, Serialize};

use crate::{Digest, Hole, Millis, Seq};

/// How far a consumer has come in one partition of an origin: all up to `seq` is applied or in
/// a hole. Persisted in the commit of what was applied (law 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Handled {
    pub seq: Seq,
    /// Digest of the event `seq`: what the next one must name.
    pub digest: Digest,
    /// [`crate::Event::volume`] of the event `seq`.
    pub volume: u64,
    /// When the origin wrote the event `seq`.
    pub time: Millis,
}

impl Handled {
    /// Before the first event of an epoch.
    pub const START: Self =
        Self { seq: Seq::NONE, digest: Digest::ZERO, volume: 0, time: Millis(0) };
}

/// Last seq up to which every event is applied, blocks or not.
#[must_use]
pub fn applied<'a>(handled: Seq, holes: impl IntoIterator<Item = &'a Hole>) -> Seq {
    let holes = holes.into_iter().filter(|hole| !hole.reason.is_applied());
    holes.map(|hole| hole.first.before()).fold(handled, Seq::min)
}

/// Last seq up to which every event is applied and every block is here.
#[must_use]
pub fn complete<'a>(handled: Seq, holes: impl IntoIterator<Item = &'a Hole>) -> Seq {
    holes.into_iter().map(|hole| hole.first.before()).fold(handled, Seq::min)
}

/// What every registered site has acknowledged as complete: nothing is freed ahead of it.
/// With no site registered nothing waits, so the fence is at `written`.
#[must_use]
pub fn fenced(written: Seq, acknowledged: impl IntoIterator<Item = Seq>) -> Seq {
    acknowledged.into_iter().fold(written, Seq::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HoleReason;

    fn hole(first: u64, reason: HoleReason) -> Hole {
        Hole { first: Seq(first), last: Seq(first), reason }
    }

    #[test]
    fn law_4_complete_never_passes_applied_and_applied_never_passes_handled() {
        let blocks = hole(5, HoleReason::BlocksMissing { count: 2 });
        let parked = hole(7, HoleReason::Parked { digest: Digest::ZERO, why: String::new() });
        let holes = [parked, blocks];
        assert_eq!(applied(Seq(9), &holes), Seq(6));
        assert_eq!(complete(Seq(9), &holes), Seq(4));
        assert_eq!(applied(Seq(9), &[]), Seq(9));
    }

    #[test]
    fn law_7_the_slowest_site_holds_the_fence() {
        assert_eq!(fenced(Seq(9), [Seq(4), Seq(8)]), Seq(4));
        assert_eq!(fenced(Seq(9), []), Seq(9));
    }
}
