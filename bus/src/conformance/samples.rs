//! Events and heartbeats to publish.

use bytes::Bytes;
use model::{
    Entity, Epoch, Heartbeat, Hlc, Millis, Partition, Position, SealedEvent, Seq, SiteId, UserId,
    Version,
};
use schemas::{Codec, Keys};

const SITE: SiteId = SiteId([0x51; 16]);

/// An event whose payload says which one it is.
#[must_use]
pub fn event(partition: Partition, epoch: u64, seq: u64) -> SealedEvent {
    let user = UserId::try_from(format!("user-{seq}")).expect("a valid name");
    SealedEvent {
        position: Position { site: SITE, epoch: Epoch(epoch), partition, seq: Seq(seq) },
        version: Version { hlc: Hlc(epoch * 1_000_000 + seq), site: SITE },
        entity: Entity::User(user).hash(),
        payload: Bytes::from(format!("{}/{epoch}/{seq}", partition.0)),
    }
}

/// A run of events.
#[must_use]
pub fn events(
    partition: Partition,
    epoch: u64,
    seqs: std::ops::RangeInclusive<u64>,
) -> Vec<SealedEvent> {
    seqs.map(|seq| event(partition, epoch, seq)).collect()
}

/// A heartbeat of a partition whose last written event is `written`.
#[must_use]
pub fn heartbeat(partition: Partition, epoch: u64, written: u64) -> Heartbeat {
    Heartbeat {
        site: SITE,
        epoch: Epoch(epoch),
        partition,
        written: Seq(written),
        digest: event(partition, epoch, written).digest(),
        volume: written,
        time: Millis(written),
    }
}

/// A codec with a key that everybody knows.
#[must_use]
pub fn codec() -> Codec {
    let keys = Keys::parse(&format!("test:{}", "5".repeat(64)), "built in");
    Codec::new(keys.expect("a valid key"))
}
