//! The gateway's port to other sites, met by the consumer.

use async_trait::async_trait;
use bytes::Bytes;
use consumer::{OriginReads, ReadMissError};
use gateway::{MissError, ReadMiss};
use model::{BlockKind, BlockRef, SiteId};

/// Reads through the one origin of this site.
pub(crate) struct Miss(pub(crate) OriginReads);

#[async_trait]
impl ReadMiss for Miss {
    async fn fetch(
        &self,
        _origin: SiteId,
        block: BlockRef,
        kind: BlockKind,
    ) -> Result<Bytes, MissError> {
        self.0.fetch(block, kind).await.map_err(|error| match error {
            ReadMissError::Away(site) => MissError::OriginAway { site: site.to_string() },
            ReadMissError::Gone(site, block) => MissError::Gone { site: site.to_string(), block },
            ReadMissError::Busy => MissError::Busy,
        })
    }
}
