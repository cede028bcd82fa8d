//! Where a read gets its blocks: here, or else from the site that wrote the object.

use std::sync::Arc;

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, SegmentError, SiteId};
use store::{BlockError, NotOpened, Store};

use crate::{MissError, ReadMiss, meter::Meter};

/// Why the bytes of an object could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Miss(#[from] MissError),
    #[error("block `{0}` is not at this site, and there is no other site to ask")]
    NotHere(BlockHash),
    #[error(transparent)]
    Here(#[from] BlockError),
    #[error("block `{block}` has {actual} bytes, the manifest says {expected}")]
    Length { block: BlockHash, expected: u32, actual: usize },
    #[error("block `{0}`")]
    Segment(BlockHash, #[source] SegmentError),
    #[error(transparent)]
    Sealed(#[from] NotOpened),
    #[error("the body ends {missing} bytes early")]
    Short { missing: u64 },
    #[error("the body goes on past its {size} bytes")]
    Long { size: u64 },
    #[error("read ahead")]
    Stopped(#[from] tokio::task::JoinError),
}

/// The blocks of this site and, behind them, those of the others.
pub(crate) struct Blocks {
    store: Store,
    miss: Option<Arc<dyn ReadMiss>>,
    meter: Meter,
}

impl Blocks {
    pub(crate) fn new(store: Store, miss: Option<Arc<dyn ReadMiss>>, meter: Meter) -> Self {
        Self { store, miss, meter }
    }

    /// The whole block, verified.
    pub(crate) async fn get(
        &self,
        origin: SiteId,
        block: BlockRef,
        kind: BlockKind,
    ) -> Result<Bytes, FetchError> {
        let bytes = match self.store.block(block).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => self.fetch(origin, block, kind, FetchError::NotHere(block.hash)).await?,
            Err(error @ BlockError::Damaged(_)) => {
                tracing::error!(block = %block.hash, "a block is damaged on disk");
                self.fetch(origin, block, kind, error.into()).await?
            }
            Err(error) => return Err(error.into()),
        };
        let expected = block.length;
        if u32::try_from(bytes.len()) == Ok(expected) {
            Ok(bytes)
        } else {
            Err(FetchError::Length { block: block.hash, expected, actual: bytes.len() })
        }
    }

    async fn fetch(
        &self,
        origin: SiteId,
        block: BlockRef,
        kind: BlockKind,
        otherwise: FetchError,
    ) -> Result<Bytes, FetchError> {
        let elsewhere = origin != self.store.identity().site;
        let Some(miss) = self.miss.as_ref().filter(|_| elsewhere) else {
            return Err(otherwise);
        };
        let fetched = miss.fetch(origin, block, kind).await;
        self.meter.read_miss(fetched.is_ok());
        Ok(fetched?)
    }
}
