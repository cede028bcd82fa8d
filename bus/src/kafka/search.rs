//! Where to read, decided without I/O: the start of a subscription and the end of a partition.
//!
//! Both ask for spans of offsets to be read, and learn what was found there. Records that are no
//! landmark (foreign ones, heartbeats of a publisher that did not know) are passed over.

use model::Seq;

use crate::Place;

/// Offsets `from` up to, not with, `until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// Questions that may all be guesses; of those after them every other one halves what is left.
const GUESSES: u32 = 4;

/// Finds an offset such that every record before it is at or below the target, and what follows
/// is all that is above it.
///
/// A log may repeat a tail of itself (`5 6 7 6 7 8`), so that the boundary is not unique; any
/// will do, because after a record at `s` everything above `s` follows. Reading one record costs
/// a whole batch, so it guesses from the seqs it has seen, which run along with the offsets.
#[derive(Clone, Debug)]
pub(super) struct StartSearch {
    target: Place,
    low: i64,
    high: i64,
    /// Landmarks next to the boundary, of the target's epoch.
    below: Option<(i64, Seq)>,
    above: Option<(i64, Seq)>,
    asked: u32,
}

impl StartSearch {
    /// Over the records that the partition holds.
    pub(super) fn new(held: Span, target: Place) -> Self {
        Self { target, low: held.from, high: held.until, below: None, above: None, asked: 0 }
    }

    /// In which span to find the first landmark next; `None` once the search is over.
    pub(super) fn ask(&self) -> Option<Span> {
        let middle = self.low + (self.high - self.low) / 2;
        let halve = self.asked > GUESSES && self.asked.is_multiple_of(2);
        let from = if halve { middle } else { self.guess(middle) };
        (self.low < self.high)
            .then(|| Span { from: from.clamp(self.low, self.high - 1), until: self.high })
    }

    /// Takes the first landmark of the span that was asked for, with its offset.
    pub(super) fn learn(&mut self, found: Option<(i64, Place)>) {
        let Some(asked) = self.ask() else { return };
        self.asked += 1;
        let Some((offset, place)) = found else {
            self.high = asked.from;
            return;
        };
        let landmark = (place.epoch == self.target.epoch).then_some((offset, place.seq));
        if place <= self.target {
            self.low = offset + 1;
            self.below = landmark.or(self.below);
        } else {
            self.high = asked.from;
            self.above = landmark.or(self.above);
        }
        if place == self.target {
            self.high = self.low;
        }
    }

    /// The offset that was found.
    pub(super) fn start(&self) -> i64 {
        self.low
    }

    /// Where the target should be, by what was seen: first of all at the end, where most
    /// subscriptions start.
    fn guess(&self, middle: i64) -> i64 {
        let ahead = |of: Seq, behind: Seq| i128::from(of.0) - i128::from(behind.0);
        let target = self.target.seq;
        let (from, by) = match (self.below, self.above) {
            (Some((low, below)), Some((high, above))) if above > below => {
                let share = ahead(target, below) * i128::from(high - low) / ahead(above, below);
                (low, share)
            }
            (Some((low, below)), None) => (low, ahead(target, below)),
            (None, Some((high, above))) => (high, ahead(target, above)),
            (None, None) if self.asked == 0 => (self.high, -1),
            _ => (middle, 0),
        };
        let guess = i128::from(from) + by;
        i64::try_from(guess.clamp(i128::from(self.low), i128::from(self.high)))
            .expect("invariant: between two offsets")
    }
}

/// Finds the last landmark of a partition, from the end backwards in growing steps.
#[derive(Clone, Debug)]
pub(super) struct TailSearch {
    low: i64,
    /// Nothing was found at or after it.
    high: i64,
    step: i64,
}

impl TailSearch {
    /// Over the records that the partition holds.
    pub(super) fn new(held: Span) -> Self {
        Self { low: held.from, high: held.until, step: 1 }
    }

    /// In which span to find the last landmark next; `None` if there is none left to search.
    pub(super) fn ask(&self) -> Option<Span> {
        (self.low < self.high)
            .then_some(Span { from: self.low.max(self.high - self.step), until: self.high })
    }

    /// The span that was asked for holds no landmark.
    pub(super) fn learn_nothing(&mut self) {
        if let Some(asked) = self.ask() {
            self.high = asked.from;
            self.step *= 4;
        }
    }
}

#[cfg(test)]
mod tests;
