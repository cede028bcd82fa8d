//! The admin API of a site, under `/v1` of its admin listener: JSON, for who holds the token.
//!
//! It keeps nothing itself. What replication knows comes through [`StatusSource`], and full sync is
//! asked for through [`FullSyncControl`]; users, registered sites and proofs are the store's. The types of its answers are those of its document, and what
//! the command line reads.

mod error;
mod fullsync;
mod human;
mod keys;
mod openapi;
mod quarantine;
mod sites;
mod status;
mod token;
mod usage;
mod users;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    routing::{delete, get, patch, post},
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::Service};
use hyper_util::service::TowerToHyperService;
use model::RequestId;
use ops::{Metrics, link::LinkBody};
use store::Store;

use error::ApiError;
use token::Token;

pub use error::ErrorBody;
pub use fullsync::{
    DifferenceShown, FullSyncControl, FullSyncError, FullSyncFault, FullSyncJob, FullSyncJobs,
    FullSyncNow, FullSyncProgress, FullSyncRequest, FullSyncState, ProofList, ProofShown,
    WantedFullSync,
};
pub use keys::{ChangeKey, GivenKey, KeyCreated, Rekey};
pub use quarantine::{Discard, Discarded, QuarantineList, QuarantinedShown};
pub use sites::{RegisteredSite, SiteList, registered_sites};
pub use status::{
    Convergence, Evicted, HoleShown, Lag, LastError, LogStatus, Observed, Origin,
    PartitionPositions, Positions, Refused, Role, SiteShown, Status, StatusSource, Wait,
};
pub use usage::{
    BucketShown, BucketUsageShown, ChangeBucket, ChangeQuota, QuotaShown, UploadsShown, UsageList,
    UsageShown, UserUsageShown,
};
pub use users::{AccessKeyShown, ChangeUser, CreateUser, UserCreated, UserList, UserShown};

/// Bytes of a request's body: a user with a key pair has less than one of them.
const BODY_BYTES_MAX: usize = 64 << 10;

/// For a whole request, its body and its commit.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Names a request in its answer, in the log, and in the event of what it changed.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the API is made of.
pub struct AdminOptions {
    pub store: Store,
    pub metrics: Metrics,
    /// Of those who may use it. `None`: nobody may.
    pub token: Option<String>,
    /// No user can have this one.
    pub root_access_key: String,
    pub status: Arc<dyn StatusSource>,
    /// At a site that follows another.
    pub fullsync: Option<Arc<dyn FullSyncControl>>,
}

/// The admin API. Clones are handles to the same.
#[derive(Clone)]
pub struct AdminApi {
    token: Arc<Token>,
    router: Router,
}

/// What its handlers work with.
struct Shared {
    store: Store,
    metrics: Metrics,
    root_access_key: String,
    status: Arc<dyn StatusSource>,
    fullsync: Option<Arc<dyn FullSyncControl>>,
}

type Site = State<Arc<Shared>>;

impl AdminApi {
    /// The API over a store.
    #[must_use]
    pub fn new(options: AdminOptions) -> Self {
        let AdminOptions { store, metrics, token, root_access_key, status, fullsync } = options;
        let shared = Arc::new(Shared { store, metrics, root_access_key, status, fullsync });
        Self { token: Arc::new(Token::new(token)), router: router(shared) }
    }

    /// Answers a request of any path below `/v1`.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<LinkBody> {
        self.answer_any(request.map(Body::new)).await.map(|body| {
            let body = body.map_err(std::io::Error::other);
            body.boxed_unsync()
        })
    }

    async fn answer_any(&self, mut request: Request<Body>) -> Response<Body> {
        let id = crate::service::new_id();
        request.extensions_mut().insert(id);
        let answer = match self.token.check(request.headers()) {
            Ok(()) => self.routed(request).await,
            Err(error) => error.answer(),
        };
        with_id(answer, id)
    }

    async fn routed(&self, request: Request<Body>) -> Response<Body> {
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        match tokio::time::timeout(ANSWER_MAX, answer).await {
            Ok(Ok(answer)) => error::uniform(answer).await,
            Ok(Err(never)) => match never {},
            Err(_) => ApiError::slow(ANSWER_MAX).answer(),
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/users", get(users::list).post(users::create))
        .route("/v1/users/{user}", get(users::show).patch(users::change).delete(users::delete))
        .route("/v1/users/{user}/keys", post(keys::create))
        .route("/v1/users/{user}/keys/{key}", patch(keys::change).delete(keys::delete))
        .route("/v1/usage", get(usage::show))
        .route("/v1/buckets/{bucket}", patch(usage::change))
        .route("/v1/sites", get(sites::list))
        .route("/v1/sites/{name}", delete(sites::remove))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/discard", post(quarantine::discard))
        .route("/v1/fullsync", get(fullsync::now).post(fullsync::start).delete(fullsync::cancel))
        .route("/v1/fullsync/jobs", get(fullsync::jobs))
        .route("/v1/fullsync/jobs/{id}", get(fullsync::job))
        .route("/v1/fullsync/proofs", get(fullsync::proofs))
        .route("/v1/openapi.json", get(openapi::show))
        .fallback(async || ApiError::no_such_path())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

fn with_id(mut answer: Response<Body>, id: RequestId) -> Response<Body> {
    if let Ok(shown) = HeaderValue::try_from(id.to_string()) {
        answer.headers_mut().insert(REQUEST_ID, shown);
    }
    answer
}

/// Reads something of the store that may take long, beside the requests of others.
async fn read<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::ReadError> + Send + 'static,
) -> Result<T, ApiError> {
    let read = tokio::task::spawn_blocking(work).await;
    Ok(read.map_err(|error| ApiError::internal(&error))??)
}

#[cfg(test)]
mod tests;
