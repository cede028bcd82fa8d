//! Work for the collector. Keys: `s` line seq version-key (a version superseded by the event
//! there), and `g` hash (a block that nothing names any more).

use bytes::Bytes;
use model::{BlockHash, Position, Seq};
use serde::{Deserialize, Serialize};

use super::{line_bytes, line_from};
use crate::engine::Table;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SupersededRecord;

super::record!(SupersededRecord, Table::Queues, "superseded", format 1);

impl SupersededRecord {
    pub(crate) const PREFIX: &'static [u8] = b"s";

    /// Rows of what the event at `successor` superseded.
    pub(crate) fn prefix(successor: Position) -> Bytes {
        let seq = successor.seq.0.to_be_bytes();
        super::join(&[Self::PREFIX, &line_bytes(successor.line()), &seq])
    }

    pub(crate) fn key(successor: Position, version_key: &[u8]) -> Bytes {
        super::join(&[&Self::prefix(successor), version_key])
    }

    /// The successor, and the key in `versions` of what it superseded.
    pub(crate) fn split(key: &[u8]) -> Option<(Position, &[u8])> {
        let (line, rest) = line_from(key.strip_prefix(Self::PREFIX)?)?;
        let (seq, version_key) = rest.split_first_chunk::<8>()?;
        Some((line.at(Seq(u64::from_be_bytes(*seq))), version_key))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct GarbageRecord;

super::record!(GarbageRecord, Table::Queues, "garbage", format 1);

impl GarbageRecord {
    pub(crate) const PREFIX: &'static [u8] = b"g";

    pub(crate) fn key(hash: BlockHash) -> Bytes {
        super::join(&[Self::PREFIX, &hash.0.0])
    }

    pub(crate) fn hash(key: &[u8]) -> Option<BlockHash> {
        super::BlockRecord::hash(key.strip_prefix(Self::PREFIX)?)
    }
}
