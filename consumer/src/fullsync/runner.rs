//! What runs one full sync: the port between jobs and the walk of the two trees.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::types::{Progress, Report, Request, RunError};

/// Runs one full sync.
///
/// A run that is dropped, or that ends with an error, has lost nothing: what it repaired is in the
/// store, and the next run does not find it again. It ends soon after `cancelled`, with
/// [`RunError::Cancelled`].
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    async fn run(
        &self,
        request: &Request,
        told: &Told,
        cancelled: &CancellationToken,
    ) -> Result<Report, RunError>;
}

/// What a run tells while it runs.
pub struct Told {
    /// Of this run alone: it begins empty.
    pub progress: watch::Sender<Progress>,
    /// Where a run goes on that was broken off: holds what the run before it left.
    pub checkpoint: watch::Sender<Bytes>,
}
