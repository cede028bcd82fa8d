//! Records that were set aside. Key: id (8, big-endian), `o`, `s` or `e` for the table that it is of
//! (objects, slots, entities), and its key there.
//!
//! Layout after the format byte: reason (1), then the row as it was. Not `postcard`: it may be
//! anything.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::engine::Table;

/// Names a record that was set aside: when that was, in milliseconds, or the next number that was
/// free.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct QuarantineId(pub u64);

/// Why a record was set aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum QuarantineReason {
    /// Its origin says that it never issued it.
    Foreign,
    /// It cannot be read.
    Rotten,
}

impl QuarantineReason {
    /// Name in metrics and status.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Rotten => "rotten",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QuarantineRecord {
    pub(crate) reason: QuarantineReason,
    pub(crate) row: Bytes,
}

impl QuarantineRecord {
    /// `None`: nothing is set aside out of this table.
    pub(crate) fn key(id: QuarantineId, table: Table, row: &[u8]) -> Option<Bytes> {
        let tag = match table {
            Table::Objects => b"o",
            Table::Slots => b"s",
            Table::Entities => b"e",
            _ => return None,
        };
        Some(super::join(&[&Self::prefix(id), tag, row]))
    }

    pub(crate) fn prefix(id: QuarantineId) -> [u8; 8] {
        id.0.to_be_bytes()
    }

    /// Its id, and the table and key that it was under.
    pub(crate) fn split(key: &[u8]) -> Option<(QuarantineId, Table, &[u8])> {
        let (id, rest) = key.split_first_chunk::<8>()?;
        let (tag, row) = rest.split_first()?;
        let table = match tag {
            b'o' => Table::Objects,
            b's' => Table::Slots,
            b'e' => Table::Entities,
            _ => return None,
        };
        Some((QuarantineId(u64::from_be_bytes(*id)), table, row))
    }
}

impl super::Plain for QuarantineRecord {}

impl Record for QuarantineRecord {
    const TABLE: Table = Table::Quarantine;
    const NAME: &'static str = "quarantine";
    const FORMAT: u8 = 1;

    fn encode_body(&self, body: &mut Vec<u8>) {
        body.push(match self.reason {
            QuarantineReason::Foreign => 0,
            QuarantineReason::Rotten => 1,
        });
        body.extend_from_slice(&self.row);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        let reason = match body.first()? {
            0 => QuarantineReason::Foreign,
            1 => QuarantineReason::Rotten,
            _ => return None,
        };
        Some(Self { reason, row: body.slice(1..) })
    }
}
