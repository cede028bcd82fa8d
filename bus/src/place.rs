//! Where in a partition a record stands, across epochs.

use model::{Epoch, Position, Seq};

/// Order of the events of one partition: earlier epochs first, then by seq.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub epoch: Epoch,
    pub seq: Seq,
}

impl Place {
    /// Whether `self` can directly follow `previous` in a log of which nothing is missing: the
    /// next event, a repetition, or the first event of a later epoch.
    #[must_use]
    pub fn continues(self, previous: Self) -> bool {
        if self.epoch > previous.epoch {
            self.seq == Seq::NONE.next()
        } else {
            self <= Self { seq: previous.seq.next(), ..previous }
        }
    }
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch, seq: position.seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_event_a_repetition_or_a_new_epoch_continue() {
        let at = |epoch, seq| Place { epoch: Epoch(epoch), seq: Seq(seq) };
        assert!(at(1, 6).continues(at(1, 5)));
        assert!(at(1, 2).continues(at(1, 5)));
        assert!(!at(1, 7).continues(at(1, 5)));
        assert!(at(2, 1).continues(at(1, 5)));
        assert!(!at(2, 2).continues(at(1, 5)));
        assert!(at(1, 9).continues(at(2, 5)), "an old epoch's repetition");
    }
}
