//! Blocks on their way: each crosses the link once, however many want it at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef};
use ops::Metrics;
use store::{KeepBlockError, Store};
use tokio::sync::watch;

use crate::origin::{Origin, OriginError};

/// Why a block did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlightError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("keep a pulled block")]
    Keep(#[from] KeepBlockError),
    #[error("the transfer was given up")]
    Abandoned,
}

type Landed = Option<Result<Bytes, Arc<FlightError>>>;

/// Transfers under way. Clones are the same.
#[derive(Clone)]
pub(crate) struct Flights {
    store: Store,
    origin: Origin,
    metrics: Metrics,
    under_way: Arc<Mutex<HashMap<BlockHash, watch::Receiver<Landed>>>>,
}

impl Flights {
    pub(crate) fn new(store: Store, origin: Origin, metrics: Metrics) -> Self {
        Self { store, origin, metrics, under_way: Arc::default() }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<BlockHash, watch::Receiver<Landed>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a block is on its way.
    pub(crate) fn contains(&self, hash: BlockHash) -> bool {
        self.under_way().contains_key(&hash)
    }

    /// Brings a block: verified, kept, noted. A caller that goes away stops nobody else's.
    pub(crate) async fn fetch(
        &self,
        block: BlockRef,
        kind: BlockKind,
    ) -> Result<Bytes, Arc<FlightError>> {
        let mut landed = self.join(block, kind);
        let outcome = landed.wait_for(Option::is_some).await;
        match outcome {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(FlightError::Abandoned.into())),
            Err(_) => Err(FlightError::Abandoned.into()),
        }
    }

    fn join(&self, block: BlockRef, kind: BlockKind) -> watch::Receiver<Landed> {
        let mut under_way = self.under_way();
        if let Some(landed) = under_way.get(&block.hash) {
            return landed.clone();
        }
        let (land, landed) = watch::channel(None);
        under_way.insert(block.hash, landed.clone());
        let flights = self.clone();
        tokio::spawn(async move {
            // Removed also if the transfer panics, so that the block can be asked for again.
            let _removed = Removed { flights: &flights, hash: block.hash };
            let outcome = flights.transfer(block, kind).await;
            land.send_replace(Some(outcome.map_err(Arc::new)));
        });
        landed
    }

    async fn transfer(&self, block: BlockRef, kind: BlockKind) -> Result<Bytes, FlightError> {
        let bytes = self.origin.block(block).await?;
        self.store.keep_block(block.hash, kind, bytes.clone()).await?;
        self.metrics.blocks_pulled.inc();
        self.metrics.blocks_pulled_bytes.inc_by(bytes.len() as u64);
        Ok(bytes)
    }
}

struct Removed<'a> {
    flights: &'a Flights,
    hash: BlockHash,
}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.hash);
    }
}
