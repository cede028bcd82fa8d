//! The newest events of this site, in memory: the change feed and the publisher are woken by what
//! was just written, and take it from here instead of reading the engine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use model::{Epoch, Partition, SealedEvent, Seq};

/// Bytes of payloads that are kept. Whoever is further behind reads the engine.
const BYTES: usize = 2 << 20;

/// Events that are durable, the newest of each partition without a gap.
#[derive(Default)]
pub(crate) struct Recent {
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    partitions: BTreeMap<Partition, VecDeque<SealedEvent>>,
    /// Whose event is the oldest, the next oldest and so on.
    order: VecDeque<Partition>,
    bytes: usize,
}

impl Recent {
    /// Takes what a commit wrote, in the order of its seqs.
    pub(crate) fn push(&self, written: Vec<SealedEvent>) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for event in written {
            events.push(event);
        }
    }

    /// Events of a partition after a seq, as [`crate::Store::history`] gives them; `None` if the
    /// first of them is not here.
    pub(crate) fn after(
        &self,
        (epoch, partition): (Epoch, Partition),
        after: Seq,
        bytes_max: usize,
    ) -> Option<Vec<SealedEvent>> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let held = events.partitions.get(&partition)?;
        let oldest = held.front()?.position;
        let skipped = after.next().0.checked_sub(oldest.seq.0).filter(|_| oldest.epoch == epoch)?;
        let wanted = held.range(usize::try_from(skipped).ok().filter(|at| *at < held.len())?..);
        let mut bytes = 0;
        let fits = |event: &&SealedEvent| {
            bytes += event.payload.len();
            bytes <= bytes_max || bytes == event.payload.len()
        };
        Some(wanted.take_while(fits).cloned().collect())
    }
}

impl Events {
    fn push(&mut self, event: SealedEvent) {
        let partition = event.position.partition;
        self.bytes += event.payload.len();
        self.partitions.entry(partition).or_default().push_back(event);
        self.order.push_back(partition);
        while self.bytes > BYTES {
            let oldest = self.order.pop_front();
            let held = oldest.and_then(|oldest| self.partitions.get_mut(&oldest));
            let Some(dropped) = held.and_then(VecDeque::pop_front) else { return };
            self.bytes -= dropped.payload.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::{Digest, EntityHash, Hlc, Line, SiteId, Version};

    use super::*;

    const PARTITION: Partition = Partition(3);

    fn event(seq: u64, bytes: usize) -> SealedEvent {
        let site = SiteId([1; 16]);
        SealedEvent {
            position: Line { site, epoch: Epoch(5), partition: PARTITION }.at(Seq(seq)),
            version: Version { hlc: Hlc(seq), site },
            entity: EntityHash(Digest::ZERO),
            payload: Bytes::from(vec![0; bytes]),
        }
    }

    fn seqs(recent: &Recent, after: u64, bytes_max: usize) -> Option<Vec<u64>> {
        let events = recent.after((Epoch(5), PARTITION), Seq(after), bytes_max)?;
        Some(events.iter().map(|event| event.position.seq.0).collect())
    }

    #[test]
    fn what_follows_a_seq_is_given_up_to_so_many_bytes_and_at_least_one() {
        let recent = Recent::default();
        recent.push((7..=10).map(|seq| event(seq, 100)).collect());
        assert_eq!(seqs(&recent, 6, 250), Some(vec![7, 8]));
        assert_eq!(seqs(&recent, 8, 1_000), Some(vec![9, 10]));
        assert_eq!(seqs(&recent, 8, 1), Some(vec![9]));
    }

    #[test]
    fn what_is_not_here_is_for_the_engine_to_tell() {
        let recent = Recent::default();
        recent.push(vec![event(7, 1)]);
        assert_eq!(seqs(&recent, 5, 100), None, "older");
        assert_eq!(seqs(&recent, 7, 100), None, "newer than all");
        assert!(recent.after((Epoch(4), PARTITION), Seq(6), 100).is_none(), "another epoch");
        assert!(recent.after((Epoch(5), Partition(0)), Seq(6), 100).is_none());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let recent = Recent::default();
        recent.push((1..=3).map(|seq| event(seq, BYTES / 2)).collect());
        assert_eq!(seqs(&recent, 0, BYTES), None);
        assert_eq!(seqs(&recent, 1, BYTES), Some(vec![2, 3]));
        recent.push(vec![event(4, BYTES + 1)]);
        assert_eq!(seqs(&recent, 3, BYTES), None, "one that is too large alone is not kept");
    }
}
