//! A log in memory, for tests and the simulation.
//!
//! What must stay true: it passes the same conformance suite as Kafka, and what a test does to
//! it ([`MemoryLog::truncate`], [`MemoryLog::wipe`]) looks to its users as it does in Kafka.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::{Heartbeat, Partition, PartitionCount, SealedEvent, Seq};
use tokio::sync::watch;

use self::partition::Records;
use self::subscriber::MemorySubscriber;
use crate::{BusError, Log, Message, Place, Publisher, Start, Subscriber, Tail};

mod partition;
mod subscriber;

/// A log whose clones are one log: publisher, subscriber and test each hold one.
#[derive(Clone)]
pub struct MemoryLog(Arc<Shared>);

struct Shared {
    partitions: Mutex<Vec<Records>>,
    /// Changes with every append, truncation, wipe and outage; subscribers wait for it.
    version: watch::Sender<u64>,
    state: Mutex<State>,
}

/// Whether the log serves. Set by tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    Down,
    Closed,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(partitions: PartitionCount) -> Self {
        let records = partitions.iter().map(|_| Records::default()).collect();
        Self(Arc::new(Shared {
            partitions: Mutex::new(records),
            version: watch::Sender::new(0),
            state: Mutex::new(State::Up),
        }))
    }

    /// Drops what is before the event `before`, as retention does. A subscriber that has not
    /// read so far gets [`BusError::Truncated`].
    pub fn truncate(&self, partition: Partition, before: Seq) {
        self.change(|partitions| {
            if let Some(records) = partitions.get_mut(usize::from(partition.0)) {
                records.truncate(before);
            }
        });
    }

    /// Drops everything, as if the topic had been deleted and made anew.
    pub fn wipe(&self) {
        self.change(|partitions| {
            let fresh = |records: &mut Records| *records = records.anew();
            partitions.iter_mut().for_each(fresh);
        });
    }

    /// Appends a record that nobody can read.
    pub fn append_unreadable(&self, partition: Partition, why: &str) {
        self.change(|partitions| {
            if let Some(records) = partitions.get_mut(usize::from(partition.0)) {
                records.push_unreadable(partition, why);
            }
        });
    }

    /// Takes the log down or up again. While it is down calls fail and subscribers wait.
    pub fn set_up(&self, up: bool) {
        self.set(if up { State::Up } else { State::Down });
    }

    /// Shuts the log down for good: every call ends with [`BusError::Closed`].
    pub fn close(&self) {
        self.set(State::Closed);
    }

    /// Every event that the partition holds, in order, repetitions included.
    #[must_use]
    pub fn events(&self, partition: Partition) -> Vec<SealedEvent> {
        let partitions = self.partitions();
        let records = partitions.get(usize::from(partition.0));
        records.map_or_else(Vec::new, Records::events)
    }

    fn change(&self, edit: impl FnOnce(&mut Vec<Records>)) {
        edit(&mut self.partitions());
        self.0.version.send_modify(|version| *version += 1);
    }

    fn set(&self, state: State) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.0.version.send_modify(|version| *version += 1);
    }

    fn check(&self) -> Result<(), BusError> {
        match *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Up => Ok(()),
            State::Down => Err(BusError::Unavailable("taken down by the test".to_owned())),
            State::Closed => Err(BusError::Closed),
        }
    }

    fn partitions(&self) -> MutexGuard<'_, Vec<Records>> {
        let partitions = self.0.partitions.lock();
        partitions.unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Appends to a partition that must exist.
    fn append(
        &self,
        partition: Partition,
        messages: impl Iterator<Item = Message>,
    ) -> Result<(), BusError> {
        self.check()?;
        let mut outcome = Ok(());
        self.change(|partitions| {
            let count = partitions.len();
            match partitions.get_mut(usize::from(partition.0)) {
                Some(records) => records.extend(messages),
                None => outcome = Err(unknown(partition, count)),
            }
        });
        outcome
    }
}

#[async_trait]
impl Publisher for MemoryLog {
    async fn tails(&self) -> Result<Vec<(Partition, Option<Tail>)>, BusError> {
        self.check()?;
        let partitions = self.partitions();
        let tails = (0..).map(Partition).zip(partitions.iter().map(Records::tail));
        Ok(tails.collect())
    }

    async fn publish(&self, partition: Partition, events: &[SealedEvent]) -> Result<(), BusError> {
        self.append(partition, events.iter().cloned().map(Message::Event))
    }

    async fn heartbeat(&self, heartbeats: &[Heartbeat]) -> Result<(), BusError> {
        for heartbeat in heartbeats {
            let message = Message::Heartbeat(*heartbeat);
            self.append(heartbeat.partition, std::iter::once(message))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn subscribe(&self, starts: Vec<Start>) -> Result<Box<dyn Subscriber>, BusError> {
        self.check()?;
        let mut cursors = Vec::with_capacity(starts.len());
        let partitions = self.partitions();
        for start in starts {
            let records = partitions.get(usize::from(start.partition.0));
            let records = records.ok_or_else(|| unknown(start.partition, partitions.len()))?;
            let target = Place { epoch: start.epoch, seq: start.after };
            cursors.push(records.cursor(start.partition, target));
        }
        drop(partitions);
        Ok(Box::new(MemorySubscriber::new(self.clone(), cursors)))
    }
}

fn unknown(partition: Partition, count: usize) -> BusError {
    let partition = partition.0;
    BusError::Rejected(format!("the log has {count} partitions, {partition} is none"))
}

#[cfg(test)]
mod tests;
