//! The fetch service: what other sites ask of this one, over the link.

use std::sync::Arc;

use bus::wire::{self, Acks, Registration, Run, SiteInfo};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use model::{BlockHash, Digest, SiteName};
use ops::{
    Metrics,
    link::{LinkBody, full},
};
use schemas::Codec;
use serde::{Serialize, de::DeserializeOwned};
use store::{Acknowledged, KeepError, ReadError, Store};

use crate::{
    blocks::Blocks,
    feed,
    heard::Heard,
    heartbeat, past, scrub,
    trees::{TreeRefused, Trees},
};

/// A request's body: claims for 1,024 partitions are 150 KiB.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// No block is larger: the configuration allows 8 MiB.
const BLOCK_BYTES_MAX: usize = 8 << 20;
/// Blocks of one stream.
const STREAM_BLOCKS_MAX: usize = 1_024;

/// Answers other sites. Clones are the same.
#[derive(Clone)]
pub struct FetchService {
    store: Store,
    codec: Codec,
    blocks: Blocks,
    metrics: Metrics,
    heard: Heard,
    trees: Trees,
}

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no such path")]
    Path,
    #[error("bad request: {0}")]
    Request(String),
    #[error("site `{0}` is not registered here")]
    NotRegistered(SiteName),
    #[error("history no longer holds what was asked")]
    Trimmed,
    #[error("{0}")]
    Block(StatusCode),
    #[error("read the store")]
    Read(#[from] ReadError),
    #[error("write the store")]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Tree(#[from] TreeRefused),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::NotRegistered(_) => StatusCode::CONFLICT,
            Self::Trimmed => StatusCode::GONE,
            Self::Block(status) => *status,
            Self::Tree(refused) => refused.status(),
            Self::Read(_) | Self::Keep(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl FetchService {
    /// A service over a store.
    #[must_use]
    pub fn new(store: Store, codec: Codec, metrics: Metrics, heard: Heard) -> Self {
        let blocks = Blocks::new(store.clone());
        let source = Arc::new(store.clone());
        let trees = Trees::new(source, info(&store), codec.clone(), metrics.clone());
        Self { store, codec, blocks, metrics, heard, trees }
    }

    /// Answers questions about other trees than the store's.
    #[must_use]
    pub fn with_trees(self, trees: Trees) -> Self {
        Self { trees, ..self }
    }

    /// Answers one request of a peer, whose name its certificate says.
    pub async fn answer(self, peer: SiteName, request: Request<Incoming>) -> Response<LinkBody> {
        self.heard.asked(&peer, self.store.now());
        match self.route(&peer, request).await {
            Ok(body) => Response::new(body),
            Err(refused) => {
                if refused.status().is_server_error() && !matches!(refused, Refused::Block(_)) {
                    tracing::error!(%peer, error = %ops::chain(&refused), "a peer was not answered");
                }
                let mut response = Response::new(full(refused.to_string()));
                *response.status_mut() = refused.status();
                response
            }
        }
    }

    async fn route(
        &self,
        peer: &SiteName,
        request: Request<Incoming>,
    ) -> Result<LinkBody, Refused> {
        let path = request.uri().path().to_owned();
        if path.starts_with("/v1/tree/") {
            return Ok(self.trees.route(peer, request).await?);
        }
        match (request.method().clone(), path.as_str()) {
            (Method::GET, wire::SITE) => answer(&info(&self.store)),
            (Method::PUT, wire::PEERS) => self.register(peer, body(request).await?).await,
            (Method::POST, wire::ACKS) => self.acknowledge(peer, body(request).await?).await,
            (Method::POST, wire::CHANGES) => {
                let from: Vec<wire::From> = body(request).await?;
                Ok(feed::changes(self.store.clone(), self.codec.clone(), from))
            }
            (Method::POST, wire::HISTORY) => {
                let run: Run = body(request).await?;
                feed::history(&self.store, run)?.ok_or(Refused::Trimmed)
            }
            (Method::POST, wire::BLOCKS) => {
                let hashes: Vec<BlockHash> = body(request).await?;
                if hashes.len() > STREAM_BLOCKS_MAX {
                    let what = format!("{} blocks, at most {STREAM_BLOCKS_MAX}", hashes.len());
                    return Err(Refused::Request(what));
                }
                Ok(self.blocks.stream(hashes))
            }
            (Method::POST, wire::SCRUB) => {
                answer(&scrub::page(&self.store, body(request).await?).await?)
            }
            (Method::PUT, path) => {
                let hash = block_of(path)?;
                let body = Limited::new(request.into_body(), BLOCK_BYTES_MAX).collect().await;
                let body = body.map_err(|error| Refused::Request(error.to_string()))?.to_bytes();
                let taken = scrub::take(&self.store, peer, hash, body).await;
                answer(&taken.map_err(Refused::Block)?)
            }
            (Method::GET, wire::HEARTBEATS) => {
                Ok(full(heartbeat::frames(&self.store, &self.codec)))
            }
            (Method::GET, path) => {
                let bytes = self.blocks.read(block_of(path)?).await;
                bytes.map(full).map_err(Refused::Block)
            }
            _ => Err(Refused::Path),
        }
    }

    async fn register(
        &self,
        peer: &SiteName,
        registration: Registration,
    ) -> Result<LinkBody, Refused> {
        let Registration { site, claims, reads } = registration;
        self.compare(peer, &claims)?;
        self.store.register_peer(site, peer.clone(), reads).await?;
        self.heard.registered(peer, site, self.store.now());
        answer(&info(&self.store))
    }

    async fn acknowledge(&self, peer: &SiteName, acks: Acks) -> Result<LinkBody, Refused> {
        let claims: Vec<_> = acks.acks.iter().map(|ack| ack.claim).collect();
        self.compare(peer, &claims)?;
        let acknowledged = acks.acks.iter().map(|ack| Acknowledged {
            epoch: ack.claim.epoch,
            partition: ack.claim.partition,
            handled: ack.claim.seq,
            applied: ack.applied,
            complete: ack.complete,
        });
        if !self.store.acknowledge(acks.site, acknowledged.collect()).await? {
            return Err(Refused::NotRegistered(peer.clone()));
        }
        answer(&())
    }

    fn compare(&self, peer: &SiteName, claims: &[wire::Claim]) -> Result<(), ReadError> {
        if past::compare(&self.store, &format!("site `{peer}`"), claims)?.is_some() {
            self.metrics.alarm("history_disputed");
        }
        Ok(())
    }
}

fn block_of(path: &str) -> Result<BlockHash, Refused> {
    let hash = path.strip_prefix(wire::BLOCKS).and_then(|rest| rest.strip_prefix('/'));
    hash.and_then(Digest::parse).map(BlockHash).ok_or(Refused::Path)
}

/// Who a site is.
fn info(store: &Store) -> SiteInfo {
    let identity = store.identity().clone();
    SiteInfo {
        site: identity.site,
        name: identity.name,
        epoch: identity.epoch,
        past_epochs: identity.past_epochs,
        partitions: identity.partitions,
    }
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refused> {
    let bad = |error: &dyn std::fmt::Display| Refused::Request(error.to_string());
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|error| bad(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| bad(&error))
}

fn answer(value: &impl Serialize) -> Result<LinkBody, Refused> {
    let body = serde_json::to_vec(value);
    body.map(full).map_err(|error| Refused::Request(error.to_string()))
}
