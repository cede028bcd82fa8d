//! The port to other sites: bytes that a manifest here names and that are not here yet.
//!
//! The gateway needs nothing of replication but this. Whoever implements it verifies the bytes
//! before it returns them (law 5).

use async_trait::async_trait;
use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, SiteId};

/// Brings blocks from the sites that wrote them.
#[async_trait]
pub trait ReadMiss: Send + Sync {
    /// Brings a block from the site where the object was written, verified, and keeps it here.
    ///
    /// Concurrent calls for one block share one transfer, and a caller that gives up stops
    /// nobody else's. May be called again after any error.
    async fn fetch(
        &self,
        origin: SiteId,
        block: BlockRef,
        kind: BlockKind,
    ) -> Result<Bytes, MissError>;
}

/// Why a block could not be brought.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MissError {
    #[error("site `{site}`, which holds the bytes, is away")]
    OriginAway { site: String },
    /// Freed there, or never there: the object was replaced, or that site has lost it.
    #[error("site `{site}` does not hold block `{block}` any more")]
    Gone { site: String, block: BlockHash },
    #[error("too many reads are waiting for other sites")]
    Busy,
}
