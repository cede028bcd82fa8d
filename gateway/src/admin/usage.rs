//! `/v1/usage`, `/v1/buckets/{bucket}`: what stands in buckets and in those of users, and what may.

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use model::{BucketName, Quota, QuotaChange, RequestId, Usage};
use serde::{Deserialize, Deserializer, Serialize};
use store::{BucketUsage, UsageError, UserUsage};
use utoipa::ToSchema;

use super::{
    Site,
    error::{ApiError, ErrorBody},
    users,
};

/// What stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageShown {
    /// Keys whose latest version is an object.
    pub objects: u64,
    /// Versions of objects, the latest ones among them.
    pub versions: u64,
    /// These count towards no quota.
    pub delete_markers: u64,
    /// Bytes of all versions, as clients have sent them.
    pub bytes: u64,
}

/// What may stand at most; `null`: as much as there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaShown {
    /// Of all versions.
    pub bytes: Option<u64>,
    /// Each version counts as one.
    pub objects: Option<u64>,
}

/// Uploads in parts that are under way at this site; they count towards no quota before they are
/// completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Uploads)]
pub struct UploadsShown {
    pub count: u64,
    /// Of the parts that have come.
    pub bytes: u64,
}

/// What stands in a bucket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BucketUsage)]
pub struct BucketUsageShown {
    pub bucket: String,
    /// Id of the user.
    pub owner: String,
    #[serde(flatten)]
    pub usage: UsageShown,
    pub uploads: UploadsShown,
    pub quota: QuotaShown,
    /// Of the limit that is nearest: 1 is full. `null` without a quota.
    pub full: Option<f64>,
}

/// What stands in all buckets of a user together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UserUsage)]
pub struct UserUsageShown {
    pub user: String,
    /// For people; `null` of the root user, and of one who is gone.
    pub name: Option<String>,
    pub buckets: u64,
    #[serde(flatten)]
    pub usage: UsageShown,
    pub quota: QuotaShown,
    /// Of the limit that is nearest: 1 is full. `null` without a quota.
    pub full: Option<f64>,
}

/// What stands, as of one instant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UsageList {
    /// By name.
    pub buckets: Vec<BucketUsageShown>,
    /// By id; none if one bucket was asked for.
    pub users: Vec<UserUsageShown>,
    /// Of these buckets together.
    pub total: UsageShown,
}

/// Which buckets; all, if nothing is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    bucket: Option<String>,
    user: Option<String>,
}

/// What to set of a quota; what is left out stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuota {
    /// Of all versions; `null` takes the limit away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub bytes: Option<Option<u64>>,
    /// Each version counts as one; `null` takes the limit away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub objects: Option<Option<u64>>,
}

/// What to change of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBucket {
    pub quota: ChangeQuota,
}

/// What an administrator has set of a bucket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Bucket)]
pub struct BucketShown {
    pub bucket: String,
    pub quota: QuotaShown,
}

/// Tells `null` from what is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl From<ChangeQuota> for QuotaChange {
    fn from(ChangeQuota { bytes, objects }: ChangeQuota) -> Self {
        Self { bytes, objects }
    }
}

impl From<Quota> for QuotaShown {
    fn from(Quota { bytes, objects }: Quota) -> Self {
        Self { bytes, objects }
    }
}

impl From<Usage> for UsageShown {
    fn from(usage: Usage) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            objects: count(usage.objects),
            versions: count(usage.versions),
            delete_markers: count(usage.markers),
            bytes: count(usage.bytes),
        }
    }
}

impl From<BucketUsage> for BucketUsageShown {
    fn from(BucketUsage { name, owner, usage, quota, uploads }: BucketUsage) -> Self {
        let uploads = UploadsShown { count: uploads.count, bytes: uploads.bytes };
        let (bucket, owner, full) = (name.to_string(), owner.to_string(), full(usage, quota));
        Self { bucket, owner, usage: usage.into(), uploads, quota: quota.into(), full }
    }
}

impl From<UserUsage> for UserUsageShown {
    fn from(UserUsage { id, name, buckets, usage, quota }: UserUsage) -> Self {
        let (user, full) = (id.to_string(), full(usage, quota));
        Self { user, name, buckets, usage: usage.into(), quota: quota.into(), full }
    }
}

/// How full it is, by the limit that is nearest.
fn full(usage: Usage, quota: Quota) -> Option<f64> {
    let UsageShown { versions, bytes, .. } = usage.into();
    let of = |there: u64, most: Option<u64>| most.map(|most| there as f64 / most.max(1) as f64);
    [of(bytes, quota.bytes), of(versions, quota.objects)].into_iter().flatten().reduce(f64::max)
}

fn bucket(name: String) -> Result<BucketName, ApiError> {
    BucketName::try_from(name).map_err(|error| ApiError::invalid(error.to_string()))
}

/// What stands in buckets, and in all buckets of each user, as this site has it.
#[utoipa::path(get, path = "/v1/usage", tag = "usage", operation_id = "get_usage",
    params(
        ("bucket" = Option<String>, Query, description = "Name of one bucket"),
        ("user" = Option<String>, Query, description = "Id of the user who owns them"),
    ),
    responses((status = OK, body = UsageList), (status = "default", body = ErrorBody)),
)]
pub(super) async fn show(
    State(site): Site,
    Query(which): Query<Which>,
) -> Result<Json<UsageList>, ApiError> {
    let name = which.bucket.map(bucket).transpose()?;
    let user = which.user.map(users::parse).transpose()?;
    let asked = (name.clone(), user.clone());
    let read = move || site.store.usage(asked.0.as_ref(), asked.1.as_ref());
    let report = tokio::task::spawn_blocking(read).await;
    let report = report.map_err(|error| ApiError::internal(&error))??;
    if let Some(name) = name.filter(|_| report.buckets.is_empty()) {
        let whose = user.map(|user| format!(" of user `{user}`")).unwrap_or_default();
        return Err(ApiError::no_such_bucket(format!("there is no bucket `{name}`{whose}")));
    }
    if let Some(user) = user.filter(|_| report.buckets.is_empty() && report.users.is_empty()) {
        return Err(store::UserError::NoSuchUser(user).into());
    }
    let total: Usage = report.buckets.iter().map(|bucket| bucket.usage).sum();
    let buckets = report.buckets.into_iter().map(Into::into).collect();
    let users = report.users.into_iter().map(Into::into).collect();
    Ok(Json(UsageList { buckets, users, total: total.into() }))
}

/// Changes the quota of a bucket.
#[utoipa::path(patch, path = "/v1/buckets/{bucket}", tag = "usage", operation_id = "change_bucket", request_body = ChangeBucket,
    params(("bucket" = String, Path, description = "Name of the bucket")),
    responses((status = OK, body = BucketShown), (status = "default", body = ErrorBody)),
)]
pub(super) async fn change(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path(name): Path<String>,
    Json(change): Json<ChangeBucket>,
) -> Result<Json<BucketShown>, ApiError> {
    let name = bucket(name)?;
    let quota = site.store.set_bucket_quota(name.clone(), change.quota.into(), request).await?;
    tracing::info!(bucket = %name, %quota, %request, "bucket changed");
    Ok(Json(BucketShown { bucket: name.to_string(), quota: quota.into() }))
}

impl From<UsageError> for ApiError {
    fn from(error: UsageError) -> Self {
        match error {
            counting @ UsageError::Counting { .. } => Self::counting(counting.to_string()),
            UsageError::Read(error) => error.into(),
        }
    }
}
