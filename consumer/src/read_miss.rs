//! Reads of blocks that are not here yet, served through the origin.

use std::sync::Arc;

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, SiteName};
use ops::Metrics;
use store::{BlockError, KeepBlockError};

use crate::{
    flights::{FlightError, Flights},
    origin::OriginError,
};

/// Why a read could not be served through the origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadMissError {
    Away(SiteName),
    Gone(SiteName, BlockHash),
    Busy,
}

/// Reads through the origin.
#[derive(Clone)]
pub struct OriginReads {
    flights: Flights,
    metrics: Metrics,
}

impl OriginReads {
    pub(crate) fn new(flights: Flights, metrics: Metrics) -> Self {
        Self { flights, metrics }
    }

    /// Brings a block from the origin, verified and kept; one transfer for all who ask at once.
    ///
    /// # Errors
    /// See [`ReadMissError`]; each may be asked again.
    pub async fn fetch(&self, block: BlockRef, kind: BlockKind) -> Result<Bytes, ReadMissError> {
        let outcome = self.flights.fetch(block, kind).await;
        let label = if outcome.is_ok() { "served" } else { "failed" };
        self.metrics.read_misses.with_label_values(&[label]).inc();
        outcome.map_err(|error| self.reason(&error, block.hash))
    }

    fn reason(&self, error: &Arc<FlightError>, block: BlockHash) -> ReadMissError {
        let site = self.flights.origin().name().clone();
        match &**error {
            FlightError::Origin(OriginError::Busy { .. }) | FlightError::Abandoned => {
                ReadMissError::Busy
            }
            FlightError::Origin(OriginError::Freed { .. } | OriginError::Unknown { .. }) => {
                ReadMissError::Gone(site, block)
            }
            FlightError::Origin(_) => ReadMissError::Away(site),
            FlightError::Keep(KeepBlockError::Block(BlockError::Damaged(_))) => {
                tracing::error!(%block, %site, "the origin sent other bytes than the block's name says");
                ReadMissError::Gone(site, block)
            }
            FlightError::Keep(error) => {
                tracing::error!(error = %ops::chain(error), "a block that was read through cannot be kept");
                ReadMissError::Busy
            }
        }
    }
}
