//! Which wants go next, and which of them together.

use std::collections::BTreeMap;

use model::BlockHash;
use store::{ReadError, Wanted};

/// Wants looked at in one round, to take the smallest of them first.
pub(super) const ROUND: usize = 512;
/// Small blocks share a request up to so many and so many bytes: a round trip and a disk sync
/// then bring a megabyte, however small they are.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: u32 = 1 << 20;

/// Wants that the store told of and that are not under way, smallest first.
#[derive(Default)]
pub(super) struct Queue {
    wants: BTreeMap<(u32, BlockHash), Wanted>,
    /// The store had more than a round of them.
    more: bool,
}

impl Queue {
    /// Takes what the store wants now in place of what it wanted before.
    pub(super) fn fill(&mut self, wants: Vec<Wanted>) {
        self.more = wants.len() == ROUND;
        self.wants =
            wants.into_iter().map(|want| ((want.block.length, want.block.hash), want)).collect();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }

    /// Whether the store is to be asked for the next round.
    pub(super) fn is_due(&self) -> bool {
        self.wants.is_empty() && self.more
    }

    /// The smallest that `still` says are wanted, for one of `free` requests: as many as its
    /// share, so that none waits behind others while a request could be made for it.
    pub(super) fn take(
        &mut self,
        free: usize,
        still: impl Fn(&Wanted) -> Result<bool, ReadError>,
    ) -> Result<Vec<Wanted>, ReadError> {
        let share = self.wants.len().div_ceil(free).min(TOGETHER);
        let (mut taken, mut bytes) = (Vec::new(), 0_u32);
        while taken.len() < share
            && let Some(next) = self.wants.first_entry()
        {
            let length = next.get().block.length;
            bytes = bytes.saturating_add(length);
            if bytes > TOGETHER_BYTES && !taken.is_empty() {
                break;
            }
            let want = next.remove();
            if still(&want)? {
                taken.push(want);
            } else {
                bytes -= length;
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use model::{BlockKind, BlockRef, SiteId};

    use super::*;

    fn queue(lengths: &[u32]) -> Queue {
        let mut queue = Queue::default();
        queue.fill(lengths.iter().enumerate().map(|(i, length)| want(i, *length)).collect());
        queue
    }

    fn want(number: usize, length: u32) -> Wanted {
        let hash = BlockHash::of(&number.to_be_bytes());
        let block = BlockRef { hash, length };
        Wanted { block, kind: BlockKind::Block, origin: SiteId([1; 16]) }
    }

    fn taken(queue: &mut Queue, free: usize) -> Vec<u32> {
        let all = |_: &Wanted| Ok(true);
        queue.take(free, all).unwrap().iter().map(|want| want.block.length).collect()
    }

    #[test]
    fn small_blocks_share_a_request_and_large_ones_do_not() {
        let mut small = queue(&[10; 1_000]);
        assert_eq!(taken(&mut small, 1).len(), TOGETHER);
        let mut mixed = queue(&[TOGETHER_BYTES, 7, TOGETHER_BYTES / 2, 8 << 20]);
        assert_eq!(taken(&mut mixed, 1), [7, TOGETHER_BYTES / 2]);
        assert_eq!(taken(&mut mixed, 1), [TOGETHER_BYTES]);
        assert_eq!(taken(&mut mixed, 1), [8 << 20]);
        assert!(taken(&mut mixed, 1).is_empty());
    }

    #[test]
    fn nothing_waits_behind_others_while_a_request_is_free() {
        let mut queue = queue(&[1, 2, 3, 4]);
        assert_eq!(taken(&mut queue, 8), [1]);
        assert_eq!(taken(&mut queue, 2), [2, 3]);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_passed_over() {
        let mut queue = queue(&[TOGETHER_BYTES, TOGETHER_BYTES]);
        let mut turn = std::cell::Cell::new(0);
        let second = |_: &Wanted| Ok(turn.replace(turn.get() + 1) == 1);
        assert_eq!(queue.take(1, second).unwrap().len(), 1);
        assert_eq!(*turn.get_mut(), 2);
    }
}
