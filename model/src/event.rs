//! Events and heartbeats: what travels from site to site.

use bytes::Bytes;

use crate::{
    Change, Digest, EntityHash, Epoch, Millis, Partition, Position, RequestId, Seq, SiteId, Version,
};

/// No encoded event is larger, whatever the size of its object: half of what the topic takes.
pub const EVENT_BYTES_MAX: usize = 512 * 1024;

/// One change with its place in the origin's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub position: Position,
    pub version: Version,
    /// Digest of the encoded event before this one in the partition; [`Digest::ZERO`] for seq 1.
    pub prev: Digest,
    /// Sum of [`Change::volume`] over the partition in this epoch, this event's included.
    pub volume: u64,
    /// Of the client that asked for the change, for log lines.
    pub request: RequestId,
    pub change: Change,
}

impl Event {
    /// When the origin wrote it, by the origin's clock.
    #[must_use]
    pub fn time(&self) -> Millis {
        self.version.hlc.millis()
    }
}

/// An event as it is kept in history and as it travels: encoded, its change encrypted, beside it
/// what must stay readable when neither can be undone here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedEvent {
    pub position: Position,
    pub version: Version,
    /// Of whom it speaks, so that an undecodable payload still has a name.
    pub entity: EntityHash,
    /// The encoded event. Its [`Digest`] is what the next event of the partition names.
    pub payload: Bytes,
}

impl SealedEvent {
    /// Digest of the payload.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }
}

/// What the origin says of a partition once a second, written or not (law 10). Never stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    pub site: SiteId,
    pub epoch: Epoch,
    pub partition: Partition,
    /// Last written seq, its digest and the partition's volume up to it.
    pub written: Seq,
    pub digest: Digest,
    pub volume: u64,
    /// The origin's clock.
    pub time: Millis,
}
