//! From a Kafka record to what we hand out.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use model::{Digest, Partition, SealedEvent};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::headers::{self, Label};
use crate::{HeartbeatCodec, Message, Place};

/// What of a record a search goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Landmark {
    /// The last event up to and with this record.
    pub(super) place: Place,
    /// Of that event's payload.
    pub(super) digest: Digest,
}

/// The partition a record was found in.
pub(super) fn partition(record: &BorrowedMessage<'_>) -> Partition {
    Partition(u16::try_from(record.partition()).expect("invariant: assigned from a u16"))
}

/// What the record's headers say, or why it is not ours.
pub(super) fn label(record: &BorrowedMessage<'_>) -> Result<Label, String> {
    // The library panics on a header whose name is not UTF-8; whoever may write to the topic
    // must not be able to stop us with one.
    let read = || headers::read(record.headers(), partition(record));
    std::panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("a header's name is no text".to_owned()))
}

/// The landmark that a record is, if it is one.
pub(super) fn landmark(record: &BorrowedMessage<'_>) -> Option<Landmark> {
    let (position, digest) = match label(record).ok()? {
        Label::Event { position, .. } => (position, Digest::of(record.payload()?)),
        Label::Heartbeat(last) => last?,
    };
    Some(Landmark { place: position.into(), digest })
}

/// The message that a record with this label is.
pub(super) fn message(
    record: &BorrowedMessage<'_>,
    label: Result<Label, String>,
    codec: &dyn HeartbeatCodec,
) -> Message {
    let payload = record.payload().ok_or("it has no payload");
    let read = label.and_then(|label| match label {
        Label::Event { position, version, entity } => Ok(Message::Event(SealedEvent {
            position,
            version,
            entity,
            payload: Bytes::copy_from_slice(payload?),
        })),
        Label::Heartbeat(_) => codec.decode(payload?).map(Message::Heartbeat),
    });
    read.unwrap_or_else(|why| Message::Unreadable {
        partition: partition(record),
        offset: u64::try_from(record.offset()).unwrap_or(0),
        why,
    })
}
