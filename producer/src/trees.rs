//! Full sync as the site that is asked sees it: cuts that peers hold, and what stands in them.
//!
//! A cut is a view of the trees, pinned. It ends when its peer makes others, says so, or does not
//! use it for a while; whoever asks of it then is told (410) and makes a new one. No lock is held
//! while anything crosses the link: a stream has its own handle to the view.

mod held;
mod source;
mod streams;

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use async_trait::async_trait;
use bus::wire::{
    SiteInfo,
    tree::{
        self, Asked, Building, CodeError, CutAsked, CutMade, End, KEYS_MAX, KeysAsked, KeysPage,
        ROOTS_MAX, RootsAsked, RootsDigest, RootsPage, RootsWhat,
    },
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use model::{
    SiteName,
    tree::{Leaf, Scope, Summary, TreeError, View},
};
use ops::{
    Metrics,
    link::{LinkBody, full},
};
use schemas::Codec;
use serde::de::DeserializeOwned;

use self::held::{Cut, Cuts};

/// A request's body: 4,096 paths of 64 nibbles, each of a bucket of its own and with 32 leaves
/// sketched, are 908 KiB.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A site's trees as of one instant.
pub struct Pinned {
    pub view: Arc<dyn View>,
    /// What each partition was written up to in it, in order of partitions.
    pub ends: Vec<End>,
}

/// Who has trees.
#[async_trait]
pub trait TreeSource: Send + Sync {
    /// Pins the trees as they are now, all marks folded.
    async fn pin(&self) -> Result<Pinned, PinError>;
}

/// Why trees were not pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("the hash tree is still being built, {} of {} records", .0.done, .0.of)]
    Building(Building),
    #[error(transparent)]
    Read(#[from] TreeError),
}

/// Answers other sites about this site's trees. Clones are the same.
#[derive(Clone)]
pub struct Trees {
    source: Arc<dyn TreeSource>,
    info: SiteInfo,
    codec: Codec,
    metrics: Metrics,
    cuts: Cuts,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum TreeRefused {
    #[error("no such path")]
    Path,
    #[error("bad request: {0}")]
    Request(String),
    /// Not used for a while, made before a restart, or its peer has made others since.
    #[error("this cut has ended; make a new one")]
    Ended,
    /// Asked again later, it will.
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error(transparent)]
    Read(#[from] TreeError),
}

impl From<CodeError> for TreeRefused {
    fn from(error: CodeError) -> Self {
        Self::Request(error.to_string())
    }
}

impl TreeRefused {
    /// As HTTP says it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Ended => StatusCode::GONE,
            Self::Pin(PinError::Building(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Pin(PinError::Read(_)) | Self::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Pin(PinError::Building(building)) => {
                serde_json::to_string(building).expect("two numbers are JSON")
            }
            other => other.to_string(),
        }
    }
}

impl Trees {
    /// A service over a site's trees.
    #[must_use]
    pub fn new(
        source: Arc<dyn TreeSource>,
        info: SiteInfo,
        codec: Codec,
        metrics: Metrics,
    ) -> Self {
        let cuts = Cuts::new(metrics.clone());
        Self { source, info, codec, metrics, cuts }
    }

    /// Answers one request of a peer; its path begins with `/v1/tree/`.
    pub async fn answer(self, peer: SiteName, request: Request<Incoming>) -> Response<LinkBody> {
        match self.route(&peer, request).await {
            Ok(body) => Response::new(body),
            Err(refused) => {
                if refused.status() == StatusCode::INTERNAL_SERVER_ERROR {
                    let error = ops::chain(&refused);
                    tracing::error!(%peer, error, "a peer was not answered about the hash tree");
                }
                let mut response = Response::new(full(refused.text()));
                *response.status_mut() = refused.status();
                response
            }
        }
    }

    pub(crate) async fn route(
        &self,
        peer: &SiteName,
        request: Request<Incoming>,
    ) -> Result<LinkBody, TreeRefused> {
        let path = request.uri().path().to_owned();
        match (request.method().clone(), path.as_str()) {
            (Method::POST, tree::CUTS) => self.make(peer, json(request).await?).await,
            (Method::POST, tree::ROOTS) => self.roots(peer, json(request).await?),
            (Method::POST, tree::KEYS) => self.keys(peer, json(request).await?).await,
            (Method::POST, tree::NODES) => {
                let asked = Asked::from_bytes(bytes(request).await?)?;
                let cut = self.cut(peer, asked.cut)?;
                Ok(streams::branches(cut, asked, self.home(), self.metrics.clone()))
            }
            (Method::POST, tree::STATES) => {
                let asked = Asked::from_bytes(bytes(request).await?)?;
                let cut = self.cut(peer, asked.cut)?;
                Ok(streams::states(cut, asked, self.codec.clone(), self.metrics.clone()))
            }
            (Method::DELETE, path) => {
                let id = path.strip_prefix(tree::CUTS).and_then(|rest| rest.strip_prefix('/'));
                let id = id.and_then(|id| id.parse().ok()).ok_or(TreeRefused::Path)?;
                self.cuts.end(peer, id);
                Ok(full("null"))
            }
            _ => Err(TreeRefused::Path),
        }
    }

    fn home(&self) -> tree::Home {
        tree::Home { site: self.info.site, epoch: self.info.epoch }
    }

    fn cut(&self, peer: &SiteName, id: u64) -> Result<Arc<Cut>, TreeRefused> {
        self.cuts.get(peer, id).ok_or(TreeRefused::Ended)
    }

    async fn make(&self, peer: &SiteName, asked: CutAsked) -> Result<LinkBody, TreeRefused> {
        let Pinned { view, ends } = self.source.pin().await?;
        let pinned = Arc::clone(&view);
        let roots = ops::blocking(move || pinned.roots()).await?;
        let leaves = roots.values().map(|root| root.leaves).sum();
        let id = self.cuts.make(peer, view, roots);
        tracing::info!(%peer, release = asked.release, leaves, "a peer compares");
        answer(&CutMade {
            id,
            site: self.info.clone(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            ends,
            leaves,
            keys: self.codec.fingerprints().to_vec(),
        })
    }

    fn roots(&self, peer: &SiteName, asked: RootsAsked) -> Result<LinkBody, TreeRefused> {
        let cut = self.cut(peer, asked.cut)?;
        let of = |scope: &Scope| asked.scope.as_ref().is_none_or(|only| only == scope);
        match asked.what {
            RootsWhat::Digest => {
                answer(&RootsDigest::of(cut.roots.iter().filter(|(scope, _)| of(scope))))
            }
            RootsWhat::Page(after) => {
                let roots = behind(&cut.roots, after.as_ref()).filter(|(scope, _)| of(scope));
                let mut roots = roots.map(|(scope, root)| (scope.clone(), *root));
                let page: Vec<_> = roots.by_ref().take(ROOTS_MAX).collect();
                let page = RootsPage { more: roots.next().is_some(), roots: page };
                Ok(full(page.to_bytes()))
            }
        }
    }

    async fn keys(&self, peer: &SiteName, asked: KeysAsked) -> Result<LinkBody, TreeRefused> {
        let cut = self.cut(peer, asked.cut)?;
        let KeysAsked { span, here, .. } = asked;
        // One more than a page, to know whether it ends there.
        let found = ops::blocking(move || cut.view.keys(&span, KEYS_MAX + 1)).await?;
        let stopped = (found.len() > KEYS_MAX).then(|| found[KEYS_MAX - 1].0.clone());
        let mut leaves: Vec<Leaf> =
            found.into_iter().take(KEYS_MAX).map(|(_, leaf)| leaf).collect();
        leaves.sort_by_key(|leaf| leaf.entity);
        let same = stopped.is_none() && Summary::of_leaves(&leaves) == here;
        let page = if same { KeysPage::Same } else { KeysPage::Leaves(leaves, stopped) };
        Ok(full(page.to_bytes(self.home())))
    }
}

fn behind<'a>(
    roots: &'a BTreeMap<Scope, Summary>,
    after: Option<&Scope>,
) -> impl Iterator<Item = (&'a Scope, &'a Summary)> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    roots.range((start, Bound::Unbounded))
}

async fn bytes(request: Request<Incoming>) -> Result<Bytes, TreeRefused> {
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| TreeRefused::Request(error.to_string()))
}

async fn json<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, TreeRefused> {
    let body = bytes(request).await?;
    serde_json::from_slice(&body).map_err(|error| TreeRefused::Request(error.to_string()))
}

fn answer(value: &impl serde::Serialize) -> Result<LinkBody, TreeRefused> {
    let body = serde_json::to_vec(value);
    body.map(full).map_err(|error| TreeRefused::Request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bus::wire::tree::{BRANCHES_MAX, Sketched};
    use model::{
        BucketName, Digest, EntityHash,
        tree::{LEAVES_MAX, Path, Sketch},
    };

    use super::*;

    #[test]
    fn the_largest_request_is_read() {
        let here = Sketch::Leaves(vec![[7; 4]; LEAVES_MAX]);
        let sketched = Sketched { path: Path::to(EntityHash(Digest([7; 32]))), here };
        let places = (0..BRANCHES_MAX).map(|number| {
            let bucket = BucketName::try_from(format!("{number:063}")).unwrap();
            (Scope::Bucket(bucket), sketched.clone())
        });
        assert!(Asked::new(u64::MAX, places).to_bytes().len() <= REQUEST_BYTES_MAX);
    }
}
