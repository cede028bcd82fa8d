//! `/v1/fullsync`: jobs that compare this site with its origin, and what they proved.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use model::{BucketName, RequestId, tree::Scope};
use ops::config::MaxDeletes;
use serde::{Deserialize, Serialize};
use store::{KeepError, StoredProof};
use utoipa::ToSchema;

use super::{
    Shared, Site,
    error::{ApiError, ErrorBody},
};

/// What the roles of the process do about full sync.
#[async_trait]
pub trait FullSyncControl: Send + Sync + 'static {
    async fn start(&self, wanted: WantedFullSync) -> Result<FullSyncJob, FullSyncError>;

    /// Ends the job that is under way; one that runs may take a moment.
    async fn cancel(&self) -> Result<FullSyncJob, FullSyncError>;

    /// The last jobs, in order.
    fn jobs(&self) -> Vec<FullSyncJob>;

    /// One of them, with what it found to differ, as long as that is known.
    fn job(&self, id: u64) -> Option<FullSyncJob>;
}

/// A full sync that was asked for, checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WantedFullSync {
    pub bucket: Option<BucketName>,
    pub prefix: Option<String>,
    pub deep: bool,
    pub both: bool,
    pub dry_run: bool,
    /// `None`: as the site is configured.
    pub max_deletes: Option<MaxDeletes>,
}

/// Why what was asked is not done.
#[derive(Debug, thiserror::Error)]
pub enum FullSyncError {
    #[error("full sync {id} is under way")]
    Runs { id: u64 },
    #[error("no full sync is under way")]
    NoneRuns,
    #[error("full sync with `{origin}` is off")]
    Off { origin: String },
    #[error("bucket `{bucket}` is left out of full sync")]
    LeftOut { bucket: BucketName },
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// What to compare, and how. What is left out: everything, repaired, as the site is configured.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FullSyncRequest {
    /// One bucket alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Keys of the bucket that begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Read all records and blocks again, and compare them with what they should be.
    pub deep: bool,
    /// With `deep`: at the origin too.
    pub both: bool,
    /// Change nothing, and tell what differs.
    pub dry_run: bool,
    /// Deletes beyond it are held back: a number, a part of what is here like `5%`, or `default`,
    /// the larger of 1000 and 5%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_deletes: Option<String>,
}

/// One full sync, from what asked for it to what came of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FullSyncJob {
    pub id: u64,
    pub origin: String,
    /// `schedule`, `by_hand`, `on_connect`, `gap`, `parked` or `bootstrap`.
    pub cause: String,
    pub request: FullSyncRequest,
    pub state: FullSyncState,
    pub asked: String,
    /// `null` before its first try.
    pub began: Option<String>,
    /// `null` until it is over.
    pub ended: Option<String>,
    /// While it waits.
    pub next_try: Option<String>,
    /// Since it began, until it ended.
    pub seconds: f64,
    pub progress: FullSyncProgress,
    /// Whether both sites were equal at its end; `null` before.
    pub converged: Option<bool>,
    /// Buckets that it proved to be equal.
    pub proofs: u64,
    /// How long it takes to move what is left, as far as can be said.
    pub estimate_seconds: Option<f64>,
    /// What last stood in the way, also if it is over.
    pub last_error: Option<FullSyncFault>,
    /// The first thousand; told of the last job alone, and until the site is started again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<DifferenceShown>,
}

/// Where a job stands; the last four are its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FullSyncState {
    Queued,
    Running,
    /// For its next try.
    Waiting,
    Done,
    Failed,
    Refused,
    Cancelled,
}

impl FullSyncState {
    /// As JSON has it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Refused | Self::Cancelled)
    }
}

/// Counters of one job.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct FullSyncProgress {
    /// `waiting`, `comparing`, `repairing`, `proving`, `scrubbing` or `done`.
    pub phase: String,
    /// What it waits for and does nothing, if so.
    #[serde(default)]
    pub waits: Option<String>,
    /// Buckets that are done with, and of how many; users and buckets themselves count as one.
    pub buckets: u64,
    pub buckets_total: u64,
    /// Keys.
    pub compared: u64,
    pub differ: u64,
    /// By reason.
    pub repaired: BTreeMap<String, u64>,
    pub deletes_held_back: u64,
    pub unrepaired: u64,
    /// Content of objects.
    pub bytes_to_move: u64,
    pub bytes_moved: u64,
    /// What else the comparison took of the link.
    pub wire_bytes: u64,
    pub round_trips: u64,
}

/// What stood in the way, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FullSyncFault {
    pub at: String,
    pub what: String,
}

/// A key that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Difference)]
pub struct DifferenceShown {
    /// `null`: it is a bucket or a user.
    pub bucket: Option<String>,
    /// Its key; or the hash of it, where the key is not known.
    pub key: String,
    /// `ahead`, `behind`, `attributes`, `deleted` or `foreign`.
    pub what: String,
    pub bytes: u64,
}

/// The job that is under way, or the last one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FullSyncNow {
    /// `null`: there never was one.
    pub job: Option<FullSyncJob>,
}

/// The last hundred jobs, in order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FullSyncJobs {
    pub jobs: Vec<FullSyncJob>,
}

/// That this site and its origin held the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Proof)]
pub struct ProofShown {
    /// `null`: of buckets and users themselves.
    pub bucket: Option<String>,
    /// Of what both held; the same in both trees.
    pub root: String,
    pub keys: u64,
    /// Id of the origin, and what of it they were compared at.
    pub origin: String,
    pub epoch: u64,
    /// Seq of each partition.
    pub cut: BTreeMap<u16, u64>,
    pub at: String,
    pub age_seconds: f64,
}

/// The newest proof of every bucket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProofList {
    pub proofs: Vec<ProofShown>,
}

impl FullSyncRequest {
    fn checked(self) -> Result<WantedFullSync, ApiError> {
        let Self { bucket, prefix, deep, both, dry_run, max_deletes } = self;
        if prefix.is_some() && bucket.is_none() {
            return Err(ApiError::invalid("`prefix` is of keys in a bucket; say `bucket` too"));
        }
        if both && !deep {
            return Err(ApiError::invalid("`both` is for `deep` full sync; set `deep` too"));
        }
        let bucket = bucket.map(BucketName::try_from).transpose();
        let bucket = bucket.map_err(|error| ApiError::invalid(error.to_string()))?;
        let max_deletes = max_deletes.as_deref().map(str::parse).transpose();
        let max_deletes = max_deletes
            .map_err(|error: ops::config::NoCeiling| ApiError::invalid(error.to_string()))?;
        Ok(WantedFullSync { bucket, prefix, deep, both, dry_run, max_deletes })
    }
}

impl ProofShown {
    fn new(scope: &Scope, proof: StoredProof, now: model::Millis) -> Self {
        let StoredProof { root, cut, at } = proof;
        Self {
            bucket: match scope {
                Scope::Entities => None,
                Scope::Bucket(bucket) => Some(bucket.to_string()),
            },
            root: root.digest.to_string(),
            keys: root.leaves,
            origin: cut.site.to_string(),
            epoch: cut.epoch.0,
            cut: cut.written.iter().map(|(partition, seq)| (partition.0, seq.0)).collect(),
            at: at.to_string(),
            age_seconds: now.since(at).as_secs_f64(),
        }
    }
}

fn control(site: &Shared) -> Result<&dyn FullSyncControl, ApiError> {
    site.fullsync.as_deref().ok_or_else(ApiError::no_origin)
}

/// The full sync that is under way, or the last one.
#[utoipa::path(get, path = "/v1/fullsync", tag = "full sync", operation_id = "get_full_sync", responses(
    (status = OK, body = FullSyncNow),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn now(State(site): Site) -> Result<Json<FullSyncNow>, ApiError> {
    Ok(Json(FullSyncNow { job: control(&site)?.jobs().pop() }))
}

/// Starts a full sync; 409 with its id if one is under way.
#[utoipa::path(post, path = "/v1/fullsync", tag = "full sync", operation_id = "start_full_sync", request_body = FullSyncRequest, responses(
    (status = ACCEPTED, body = FullSyncJob),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn start(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Json(asked): Json<FullSyncRequest>,
) -> Result<(StatusCode, Json<FullSyncJob>), ApiError> {
    let control = control(&site)?;
    let job = control.start(asked.checked()?).await?;
    tracing::info!(id = job.id, %request, "full sync was asked for");
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Cancels the full sync that is under way. What it has repaired stays.
#[utoipa::path(delete, path = "/v1/fullsync", tag = "full sync", operation_id = "cancel_full_sync", responses(
    (status = OK, body = FullSyncJob),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn cancel(
    State(site): Site,
    Extension(request): Extension<RequestId>,
) -> Result<Json<FullSyncJob>, ApiError> {
    let job = control(&site)?.cancel().await?;
    tracing::info!(id = job.id, %request, "full sync is to end");
    Ok(Json(job))
}

/// The last full syncs.
#[utoipa::path(get, path = "/v1/fullsync/jobs", tag = "full sync", operation_id = "list_full_syncs", responses(
    (status = OK, body = FullSyncJobs),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn jobs(State(site): Site) -> Result<Json<FullSyncJobs>, ApiError> {
    Ok(Json(FullSyncJobs { jobs: control(&site)?.jobs() }))
}

/// One of the last full syncs, with what it found to differ.
#[utoipa::path(get, path = "/v1/fullsync/jobs/{id}", tag = "full sync", operation_id = "get_full_sync_job",
    params(("id" = u64, Path, description = "Id of the job")),
    responses((status = OK, body = FullSyncJob), (status = "default", body = ErrorBody)),
)]
pub(super) async fn job(
    State(site): Site,
    Path(id): Path<u64>,
) -> Result<Json<FullSyncJob>, ApiError> {
    let job = control(&site)?.job(id);
    job.map(Json).ok_or_else(|| {
        let message = format!("there is no full sync {id}, or it is no longer known");
        ApiError::not_found("no_such_job", message)
    })
}

/// What was proved to be equal, bucket by bucket, and when.
#[utoipa::path(get, path = "/v1/fullsync/proofs", tag = "full sync", operation_id = "list_proofs", responses(
    (status = OK, body = ProofList),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn proofs(State(site): Site) -> Result<Json<ProofList>, ApiError> {
    let now = site.store.now();
    let proofs = super::read(move || site.store.proofs()).await?;
    let shown = |(scope, proof): (Scope, StoredProof)| ProofShown::new(&scope, proof, now);
    Ok(Json(ProofList { proofs: proofs.into_iter().map(shown).collect() }))
}
