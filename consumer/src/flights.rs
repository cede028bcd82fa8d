//! Blocks on their way: each crosses the link once, however many want it at the same time.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::future::join_all;
use model::{BlockHash, BlockKind, BlockRef};
use ops::Metrics;
use store::{KeepBlockError, Store};
use tokio::sync::watch;

use crate::{
    fullsync::{Urgent, UrgentWork},
    origin::{Origin, OriginError},
};

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

/// The bytes of a block, verified and kept, or why they did not come.
pub(crate) type Outcome = Result<Bytes, Arc<FlightError>>;

type Landed = Option<Outcome>;

/// Transfers under way. Clones are the same.
#[derive(Clone)]
pub(crate) struct Flights {
    store: Store,
    origin: Origin,
    metrics: Metrics,
    /// Blocks go before full sync.
    urgent: Urgent,
    under_way: Arc<Mutex<HashMap<BlockHash, watch::Receiver<Landed>>>>,
}

/// One block on its way. Forgotten when dropped, also if its transfer panics, so that the block
/// can be asked for again.
struct Flight {
    flights: Flights,
    block: BlockRef,
    kind: BlockKind,
    land: watch::Sender<Landed>,
    _urgent: UrgentWork,
}

impl Flights {
    pub(crate) fn new(store: Store, origin: Origin, metrics: Metrics) -> Self {
        let urgent = Urgent::default();
        Self { store, origin, metrics, urgent, under_way: Arc::default() }
    }

    /// Busy while blocks are on their way.
    pub(crate) fn urgent(&self) -> &Urgent {
        &self.urgent
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

    /// Brings a block. A caller that goes away stops nobody else's.
    pub(crate) async fn fetch(&self, block: BlockRef, kind: BlockKind) -> Outcome {
        let outcome = self.fetch_together(vec![(block, kind)]).await.pop();
        outcome.expect("one block has one outcome")
    }

    /// Brings blocks in one request, in this order; one outcome for each. Those that are under
    /// way already come as they do.
    pub(crate) async fn fetch_together(&self, blocks: Vec<(BlockRef, BlockKind)>) -> Vec<Outcome> {
        join_all(self.depart(blocks).into_iter().map(land)).await
    }

    fn depart(&self, blocks: Vec<(BlockRef, BlockKind)>) -> Vec<watch::Receiver<Landed>> {
        let mut departed = VecDeque::new();
        let mut under_way = self.under_way();
        let landings = blocks.into_iter().map(|(block, kind)| {
            let landing = under_way.entry(block.hash).or_insert_with(|| {
                let (land, landing) = watch::channel(None);
                let (flights, _urgent) = (self.clone(), self.urgent.begin());
                departed.push_back(Flight { flights, block, kind, land, _urgent });
                landing
            });
            landing.clone()
        });
        let landings = landings.collect();
        drop(under_way);
        if !departed.is_empty() {
            tokio::spawn(self.clone().transfer(departed));
        }
        landings
    }

    async fn transfer(self, mut departed: VecDeque<Flight>) {
        if let Err(error) = self.receive(&mut departed).await {
            let error = Arc::new(FlightError::Origin(error));
            for flight in departed {
                flight.land(Err(Arc::clone(&error)));
            }
        }
    }

    /// Lands every flight that the origin answers for; the others remain.
    async fn receive(&self, departed: &mut VecDeque<Flight>) -> Result<(), OriginError> {
        let blocks = departed.iter().map(|flight| flight.block).collect();
        let mut answers = self.origin.blocks(blocks).await?;
        while let Some(answer) = answers.next().await? {
            let Some(flight) = departed.pop_front() else { break };
            match answer {
                // Written while the next one arrives: what comes together shares a disk sync.
                Ok(bytes) => drop(tokio::spawn(flight.keep(bytes))),
                Err(error) => flight.land(Err(Arc::new(error.into()))),
            }
        }
        Ok(())
    }
}

impl Flight {
    async fn keep(self, bytes: Bytes) {
        let Self { flights: Flights { store, metrics, .. }, block, kind, .. } = &self;
        let kept = store.keep_block(block.hash, *kind, bytes.clone()).await;
        if kept.is_ok() {
            metrics.blocks_pulled.inc();
            metrics.blocks_pulled_bytes.inc_by(bytes.len() as u64);
        }
        self.land(kept.map(|()| bytes).map_err(|error| Arc::new(error.into())));
    }

    fn land(self, outcome: Outcome) {
        self.land.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.block.hash);
    }
}

async fn land(mut landing: watch::Receiver<Landed>) -> Outcome {
    let landed = landing.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
    landed.unwrap_or_else(|| Err(FlightError::Abandoned.into()))
}
