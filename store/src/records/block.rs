//! What is known of one block or segment. Key: its hash.

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, Digest, SiteId};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A block that some manifest or segment names, or named until a moment ago.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BlockRecord {
    pub(crate) kind: BlockKind,
    pub(crate) length: u32,
    /// How many manifests, segments and parts of uploads name it, each counted once. At zero the
    /// collector may take it: then this row goes first.
    pub(crate) refs: u32,
    /// The bytes are on this site's disk.
    pub(crate) here: bool,
    /// How much of it is not here: one for its own bytes, or for a segment that is here, one for
    /// each of its blocks that is not. Zero: complete.
    pub(crate) missing: u32,
    /// Whom to ask for it.
    pub(crate) origin: SiteId,
}

super::record!(BlockRecord, Table::Blocks, "block", format 1);

impl BlockRecord {
    pub(crate) fn absent(kind: BlockKind, length: u32, origin: SiteId) -> Self {
        Self { kind, length, refs: 0, here: false, missing: 1, origin }
    }

    pub(crate) fn key(hash: BlockHash) -> Bytes {
        Bytes::copy_from_slice(&hash.0.0)
    }

    pub(crate) fn hash(key: &[u8]) -> Option<BlockHash> {
        key.try_into().ok().map(|hash| BlockHash(Digest(hash)))
    }

    pub(crate) fn block(&self, hash: BlockHash) -> BlockRef {
        BlockRef { hash, length: self.length }
    }
}
