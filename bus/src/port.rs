//! The contract with the log.
//!
//! What must stay true: within a partition a log is what its publisher appended, in that order.
//! A publisher that starts again repeats a tail of what is there and then goes on, so that after
//! any record of seq `s` everything after `s` follows. Consumers drop repetitions; the log does
//! not. The search for a start relies on exactly this.

use async_trait::async_trait;
use model::{Digest, Epoch, Heartbeat, Partition, SealedEvent, Seq};

use crate::BusError;

/// What a subscriber hands out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Event(SealedEvent),
    Heartbeat(Heartbeat),
    /// A record that is not ours or not whole. It is passed over; who counts it raises an alarm.
    Unreadable {
        partition: Partition,
        /// The log's own number of the record.
        offset: u64,
        why: String,
    },
}

/// Last event that a partition of the log ends with, of any epoch. It may already have been
/// trimmed there: heartbeats keep naming it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tail {
    pub epoch: Epoch,
    pub seq: Seq,
    pub digest: Digest,
}

impl Tail {
    /// The tail of a partition that ends with this event.
    #[must_use]
    pub fn of(event: &SealedEvent) -> Self {
        Self { epoch: event.position.epoch, seq: event.position.seq, digest: event.digest() }
    }
}

/// The writing end, one per origin site.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// End of the log for each partition, all of them, in order. `None`: nothing is there that
    /// names an event. Creates the log where it does not exist.
    ///
    /// # Errors
    /// [`BusError::Rejected`] if the log is not configured as it must be.
    async fn tails(&self) -> Result<Vec<(Partition, Option<Tail>)>, BusError>;

    /// Appends in order; returns when all are acknowledged by the log (`acks=all`).
    ///
    /// On an error, or if the future is dropped, any of the events may or may not be in the log,
    /// now or a little later: the caller asks nothing, it starts again after the last position
    /// that was acknowledged, and consumers drop what they have seen. One call per partition at
    /// a time; partitions are independent, but an error in one may end the calls of others.
    /// Waits for as long as the log is away.
    ///
    /// # Errors
    /// Whatever kept one of the events from being acknowledged.
    async fn publish(&self, partition: Partition, events: &[SealedEvent]) -> Result<(), BusError>;

    /// Sends heartbeats. Best effort: it never waits for the log, and sends none while the ones
    /// before are still on their way.
    ///
    /// # Errors
    /// If they were not sent.
    async fn heartbeat(&self, heartbeats: &[Heartbeat]) -> Result<(), BusError>;
}

/// Where a subscription starts in a partition: at what follows `after` in `epoch`, and everything
/// of later epochs. `after` need not be in the log; if it starts later, delivery does too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    pub partition: Partition,
    pub epoch: Epoch,
    pub after: Seq,
}

/// The reading end of one subscription.
#[async_trait]
pub trait Subscriber: Send {
    /// Waits for at least one message; returns what is ready, bounded by count and bytes, in
    /// order within a partition. Repetitions are delivered. Safe to cancel: no message is lost.
    ///
    /// # Errors
    /// After an error the subscription is over: subscribe again from what was handled.
    async fn next(&mut self) -> Result<Vec<Message>, BusError>;
}

/// The log of one origin, for those who read it.
#[async_trait]
pub trait Log: Send + Sync {
    /// Opens a subscription of the named partitions. It ends when dropped.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] also if the origin has not made the log yet.
    async fn subscribe(&self, starts: Vec<Start>) -> Result<Box<dyn Subscriber>, BusError>;
}
