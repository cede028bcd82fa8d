//! Blocks for other sites: found, freed (410), unknown (404) and busy (503) told apart.

use std::{sync::Arc, time::Duration};

use bus::wire::block_head;
use bytes::Bytes;
use futures::SinkExt;
use http::StatusCode;
use http_body::Frame;
use model::BlockHash;
use ops::link::{LinkBody, pushed};
use store::{BlockState, Store};
use tokio::sync::Semaphore;

/// Blocks being read at once for all peers: 32 MiB at the usual size.
const READS: usize = 32;
/// How long a request waits for its turn before it is told to come again.
const TURN_MAX: Duration = Duration::from_secs(2);
/// Pieces that wait for a slow peer.
const PIECES: usize = 2;

/// Reads blocks for peers.
#[derive(Clone)]
pub(crate) struct Blocks {
    store: Store,
    reads: Arc<Semaphore>,
}

impl Blocks {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, reads: Arc::new(Semaphore::new(READS)) }
    }

    /// The bytes of a block, or the status that says why not.
    pub(crate) async fn read(&self, hash: BlockHash) -> Result<Bytes, StatusCode> {
        let turn = tokio::time::timeout(TURN_MAX, self.reads.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        };
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(%hash, error = %ops::chain(error), "a block cannot be read for a peer");
            StatusCode::INTERNAL_SERVER_ERROR
        };
        // The file first: it may be on disk though nothing names it any more.
        match self.store.block_for_peer(hash).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => match self.store.block_state(hash) {
                Ok(BlockState::Freed) => Err(StatusCode::GONE),
                Ok(BlockState::Wanted) => Err(StatusCode::SERVICE_UNAVAILABLE),
                Ok(BlockState::Here | BlockState::Unknown) => Err(StatusCode::NOT_FOUND),
                Err(error) => Err(failed(&error)),
            },
            Err(error) => Err(failed(&error)),
        }
    }

    /// Many blocks in the order they were asked for.
    pub(crate) fn stream(&self, hashes: Vec<BlockHash>) -> LinkBody {
        let blocks = self.clone();
        pushed(PIECES, async move |mut pieces| {
            for hash in hashes {
                let (status, bytes) = match blocks.read(hash).await {
                    Ok(bytes) => (StatusCode::OK, bytes),
                    Err(status) => (status, Bytes::new()),
                };
                let head = block_head(status.as_u16(), bytes.len());
                for piece in [head, bytes] {
                    if pieces.send(Ok(Frame::data(piece))).await.is_err() {
                        return;
                    }
                }
            }
        })
    }
}
