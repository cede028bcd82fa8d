//! Tombstones by the position of their event, in `queues`: key `t` line seq slot-row. And in `meta`
//! how far those of earlier releases, which wrote no such rows, have been found: key `tombstones`.

use bytes::Bytes;
use model::{Position, Seq};
use serde::{Deserialize, Serialize};

use super::{line_bytes, line_from};
use crate::engine::Table;

/// Says that the slot whose row is in its key holds a tombstone, of the event there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct TombstoneRecord;

super::record!(TombstoneRecord, Table::Queues, "tombstone", format 1);

impl TombstoneRecord {
    /// Rows of the tombstones of the event at a position; those of earlier ones sort before it.
    pub(crate) fn prefix(at: Position) -> Bytes {
        super::join(&[b"t", &line_bytes(at.line()), &at.seq.0.to_be_bytes()])
    }

    pub(crate) fn key(at: Position, row: &[u8]) -> Bytes {
        super::join(&[&Self::prefix(at), row])
    }

    /// The position, and the row of the slot.
    pub(crate) fn split(key: &[u8]) -> Option<(Position, &[u8])> {
        let (line, rest) = line_from(key.strip_prefix(b"t")?)?;
        let (seq, row) = rest.split_first_chunk::<8>()?;
        Some((line.at(Seq(u64::from_be_bytes(*seq))), row))
    }
}

/// How far the objects have been searched for tombstones without such a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum TombstonesFound {
    /// Up to this key of `objects`.
    UpTo(Bytes),
    All,
}

super::record!(TombstonesFound, Table::Meta, "tombstones found", format 1);

impl TombstonesFound {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"tombstones")
    }
}
