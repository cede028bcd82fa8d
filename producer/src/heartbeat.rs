//! Law 10: what a site says of every partition once a second, written or not.

use std::time::Duration;

use bus::wire::heartbeat_frame;
use bytes::Bytes;
use model::Heartbeat;
use schemas::Codec;
use store::Store;

/// Time between two heartbeats of a partition.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// A heartbeat for each partition, of this moment.
pub(crate) fn heartbeats(store: &Store) -> Vec<Heartbeat> {
    let identity = store.identity();
    // The clock first: all that was written before it is in what is read after.
    let time = store.now();
    let written = store.written().borrow().clone();
    let beat = |(partition, written): (_, &store::Written)| Heartbeat {
        site: identity.site,
        epoch: identity.epoch,
        partition,
        written: written.seq,
        digest: written.digest,
        volume: written.volume,
        time,
    };
    identity.partitions.iter().zip(written.iter()).map(beat).collect()
}

/// The same as frames of a stream, for a peer.
pub(crate) fn frames(store: &Store, codec: &Codec) -> Bytes {
    let beats = heartbeats(store);
    let frames = beats.iter().map(|beat| heartbeat_frame(&codec.encode_heartbeat(beat)));
    frames.collect::<Vec<_>>().concat().into()
}
