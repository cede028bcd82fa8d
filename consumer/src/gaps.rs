//! Since when each gap is open and does not shrink. Kept in memory alone: after a restart it begins
//! anew.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::{Hole, Line, Millis, Seq};

/// A run of events that this site waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    pub line: Line,
    pub first: Seq,
    pub last: Seq,
    /// When it was first seen to begin there: it is refilled from its beginning.
    pub since: Millis,
}

/// The gaps of an origin's lines. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Gaps(Arc<Mutex<BTreeMap<(Line, Seq), Gap>>>);

impl Gaps {
    /// Takes note of the gaps that there are now.
    pub(crate) fn see(&self, now: Millis, gaps: &[(Line, Hole)]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = gaps.iter().map(|(line, hole)| {
            let Hole { first, last, .. } = *hole;
            let key = (*line, first);
            let since = known.get(&key).map_or(now, |gap| gap.since);
            (key, Gap { line: *line, first, last, since })
        });
        *known = seen.collect();
    }

    /// The one that has not changed for the longest.
    pub(crate) fn oldest(&self) -> Option<Gap> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().min_by_key(|gap| gap.since).copied()
    }
}

#[cfg(test)]
mod tests {
    use model::{Digest, Epoch, HoleReason, Partition, SiteId};

    use super::*;

    #[test]
    fn law_12_a_gap_that_shrinks_is_young_and_one_that_does_not_is_as_old_as_it_is() {
        let line = |n| Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(n) };
        let hole = |n, first, last| {
            let reason = HoleReason::Gap { after: Digest::ZERO, last: Digest::ZERO };
            (line(n), Hole { first: Seq(first), last: Seq(last), reason })
        };
        let gaps = Gaps::default();
        let oldest = || gaps.oldest().map(|gap| (gap.line, gap.first.0, gap.last.0, gap.since.0));
        assert_eq!(oldest(), None);
        gaps.see(Millis(10), &[hole(1, 5, 9)]);
        gaps.see(Millis(20), &[hole(1, 5, 9), hole(2, 1, 4)]);
        assert_eq!(oldest(), Some((line(1), 5, 9, 10)));
        gaps.see(Millis(30), &[hole(1, 6, 9), hole(2, 1, 4)]);
        assert_eq!(oldest(), Some((line(2), 1, 4, 20)), "the first one was refilled by one event");
        gaps.see(Millis(40), &[hole(1, 6, 9)]);
        assert_eq!(oldest(), Some((line(1), 6, 9, 30)));
        gaps.see(Millis(50), &[]);
        assert_eq!(oldest(), None);
    }
}
