//! Persisted records: one file each, its layout and key written down there.
//!
//! A value is one format byte and then the body, which is `postcard` unless the file says
//! otherwise. A release reads every format up to its own; a higher one is refused.

mod account;
mod attributes;
mod block;
mod entity;
mod evicted;
mod floor;
mod handled;
mod history;
mod hole;
mod identity;
mod job;
mod marks;
mod multipart;
mod object;
mod peer;
mod proof;
mod quarantine;
mod queue;
mod rewrapped;
mod scrub;
mod slot;
mod tombstone;
mod tree;
mod voided;
mod want;
mod written;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::engine::Table;

pub(crate) use account::{AccountRecord, CountedRecord, RecountRecord};
pub(crate) use attributes::AttributesRecord;
pub(crate) use block::BlockRecord;
pub(crate) use entity::{BucketRecord, KeyHolderRecord, UserRecord};
pub use evicted::Evicted;
pub(crate) use floor::FloorRecord;
pub(crate) use handled::HandledRecord;
pub(crate) use history::HistoryRecord;
pub(crate) use hole::HoleRecord;
pub use identity::Identity;
pub use job::StoredJob;
pub(crate) use marks::MarksRecord;
pub use multipart::{Completed, MultipartChecksum, MultipartId, SealedAs};
pub(crate) use multipart::{
    CompletedRecord, DeletedBucketRecord, EndedRecord, HeldSegmentRecord, MultipartRecord,
    PartRecord, PartsBytesRecord, RevisionRecord,
};
pub(crate) use object::{ObjectRecord, ObjectState, split_object_key};
pub use peer::{Acknowledged, Peer, Registered};
pub use proof::StoredProof;
pub(crate) use quarantine::QuarantineRecord;
pub use quarantine::{QuarantineId, QuarantineReason};
pub(crate) use queue::{GarbageRecord, SupersededRecord};
pub(crate) use rewrapped::{RewrapPlace, RewrappedRecord};
pub(crate) use scrub::ScrubRecord;
pub(crate) use slot::SlotRecord;
pub(crate) use tombstone::{TombstoneRecord, TombstonesFound};
pub(crate) use tree::{
    Branches, LeafRecord, NODE, NodeRecord, Round, TreeStateRecord, VerifiedRecord, scope_bytes,
    scope_of, split_place,
};
pub(crate) use voided::VoidedRecord;
pub(crate) use want::{Waiter, WantRecord};
pub use written::Written;

/// A row that this release cannot read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("{record} record has format {found}, this release reads up to {known}")]
    Newer { record: &'static str, found: u8, known: u8 },
    #[error("{record} record is damaged")]
    Damaged { record: &'static str },
}

/// One kind of row.
pub(crate) trait Record: Sized {
    const TABLE: Table;
    const NAME: &'static str;
    const FORMAT: u8;

    fn encode_body(&self, body: &mut Vec<u8>);
    fn decode_body(body: &Bytes) -> Option<Self>;

    /// Reads what an earlier format wrote. Where a format only added a variant, that is the same.
    fn decode_before(_format: u8, body: &Bytes) -> Option<Self> {
        Self::decode_body(body)
    }

    fn encode(&self) -> Bytes {
        let mut value = vec![Self::FORMAT];
        self.encode_body(&mut value);
        value.into()
    }

    fn decode(value: &Bytes) -> Result<Self, RecordError> {
        let damaged = RecordError::Damaged { record: Self::NAME };
        let Some(&found) = value.first() else {
            return Err(damaged);
        };
        if found > Self::FORMAT {
            return Err(RecordError::Newer { record: Self::NAME, found, known: Self::FORMAT });
        }
        let body = value.slice(1..);
        let read = match found {
            _ if found == Self::FORMAT => Self::decode_body(&body),
            before => Self::decode_before(before, &body),
        };
        read.ok_or(damaged)
    }
}

/// A record that says nothing of an entity that replicates. Those that do go through the typed
/// writes of the section, which keep the hash tree with them.
pub(crate) trait Plain: Record {}

fn encode_postcard(value: &impl Serialize, body: &mut Vec<u8>) {
    let start = std::mem::take(body);
    *body = postcard::to_extend(value, start)
        .expect("a record has no value that postcard cannot write");
}

fn decode_postcard<T: DeserializeOwned>(body: &Bytes) -> Option<T> {
    postcard::from_bytes(body).ok()
}

/// Implements [`Record`] by `postcard`, and [`Plain`] unless it is of an entity.
macro_rules! record {
    ($type:ty, $table:expr, $name:literal, format $format:literal) => {
        crate::records::record!(entity $type, $table, $name, format $format);
        impl crate::records::Plain for $type {}
    };
    (
        entity $type:ty, $table:expr, $name:literal, format $format:literal
        $(, before $before:expr)?
    ) => {
        impl crate::records::Record for $type {
            const TABLE: crate::engine::Table = $table;
            const NAME: &'static str = $name;
            const FORMAT: u8 = $format;

            fn encode_body(&self, body: &mut Vec<u8>) {
                crate::records::encode_postcard(self, body);
            }

            fn decode_body(body: &bytes::Bytes) -> Option<Self> {
                crate::records::decode_postcard(body)
            }

            $(fn decode_before(format: u8, body: &bytes::Bytes) -> Option<Self> {
                $before(format, body)
            })?
        }
    };
}
use record;

/// Bytes of a line: site, epoch, partition, big-endian, so that rows sort by position.
fn line_bytes(line: model::Line) -> [u8; 26] {
    let mut bytes = [0; 26];
    bytes[..16].copy_from_slice(&line.site.0);
    bytes[16..24].copy_from_slice(&line.epoch.0.to_be_bytes());
    bytes[24..].copy_from_slice(&line.partition.0.to_be_bytes());
    bytes
}

fn line_from(bytes: &[u8]) -> Option<(model::Line, &[u8])> {
    let (site, rest) = bytes.split_first_chunk::<16>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (partition, rest) = rest.split_first_chunk::<2>()?;
    let line = model::Line {
        site: model::SiteId(*site),
        epoch: model::Epoch(u64::from_be_bytes(*epoch)),
        partition: model::Partition(u16::from_be_bytes(*partition)),
    };
    Some((line, rest))
}

/// Joins the parts of a key.
fn join(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}
