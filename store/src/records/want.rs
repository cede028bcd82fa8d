//! Who waits for a block. Key: hash, then the waiter: `e` line seq, or `s` segment hash.

use bytes::Bytes;
use model::{BlockHash, Digest, Position, Seq};
use serde::{Deserialize, Serialize};

use super::{line_bytes, line_from};
use crate::engine::Table;

/// What becomes more complete when the block comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiter {
    /// The object version of the event there.
    Event(Position),
    /// A segment that names the block.
    Segment(BlockHash),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WantRecord;

super::record!(WantRecord, Table::Wants, "want", format 1);

impl WantRecord {
    pub(crate) fn key(hash: BlockHash, waiter: Waiter) -> Bytes {
        match waiter {
            Waiter::Event(position) => {
                let seq = position.seq.0.to_be_bytes();
                super::join(&[&hash.0.0, b"e", &line_bytes(position.line()), &seq])
            }
            Waiter::Segment(segment) => super::join(&[&hash.0.0, b"s", &segment.0.0]),
        }
    }

    pub(crate) fn split(key: &[u8]) -> Option<(BlockHash, Waiter)> {
        let (hash, rest) = key.split_first_chunk::<32>()?;
        let waiter = match rest.split_first()? {
            (b'e', rest) => {
                let (line, seq) = line_from(rest)?;
                Waiter::Event(line.at(Seq(u64::from_be_bytes(seq.try_into().ok()?))))
            }
            (b's', rest) => Waiter::Segment(BlockHash(Digest(rest.try_into().ok()?))),
            _ => return None,
        };
        Some((BlockHash(Digest(*hash)), waiter))
    }
}
