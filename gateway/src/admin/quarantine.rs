//! `/v1/quarantine`: records that were set aside, until somebody who has looked at them says so.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State};
use model::{Millis, RequestId};
use serde::{Deserialize, Serialize};
use store::{Quarantined, QuarantinedEntity, ReadError, Store};
use utoipa::ToSchema;

use super::{
    Site,
    error::{ApiError, ErrorBody},
};

/// A record that was set aside: of a key, a bucket or a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Quarantined)]
pub struct QuarantinedShown {
    pub id: u64,
    pub at: String,
    /// `foreign`: its origin says that it never issued it. `rotten`: it cannot be read.
    pub reason: String,
    pub bucket: Option<String>,
    /// `null`: it is the bucket itself, or a user.
    pub key: Option<String>,
    pub user: Option<String>,
    /// `null`: it cannot be read.
    pub version: Option<String>,
    /// Of the record; blocks are not counted.
    pub bytes: u64,
}

/// The first thousand, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuarantineList {
    pub records: Vec<QuarantinedShown>,
    /// How many there are in all, by reason.
    pub counts: BTreeMap<String, u64>,
}

/// Which records to discard: exactly one of these, `key` beside its `bucket`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discard {
    /// Name of this site, to say that all of its records are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The bucket and all of its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// This key of the bucket alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    pub discarded: u64,
}

/// How many records are set aside, by reason.
pub(super) fn counts(store: &Store) -> Result<BTreeMap<String, u64>, ReadError> {
    let counts = store.quarantined_counts()?.into_iter();
    Ok(counts.map(|(reason, count)| (reason.to_owned(), count)).collect())
}

impl From<Quarantined> for QuarantinedShown {
    fn from(found: Quarantined) -> Self {
        let Quarantined { id, reason, what, version, bytes } = found;
        let (bucket, key, user) = match what {
            QuarantinedEntity::Object { bucket, key } => (Some(bucket), Some(key), None),
            QuarantinedEntity::Bucket(bucket) => (Some(bucket), None, None),
            QuarantinedEntity::User(user) => (None, None, Some(user)),
        };
        let (id, at, reason) = (id.0, Millis(id.0).to_string(), reason.label().to_owned());
        let version = version.map(|version| version.to_string());
        Self { id, at, reason, bucket, key, user, version, bytes }
    }
}

/// What one request names.
enum Which {
    All,
    Id(u64),
    User(String),
    Bucket(String, Option<String>),
}

impl Discard {
    fn checked(self, site: &str) -> Result<Which, ApiError> {
        match self {
            Self { all: Some(named), id: None, user: None, bucket: None, key: None } => {
                if named == site {
                    return Ok(Which::All);
                }
                let message = format!("`all` must name this site, which is `{site}`");
                Err(ApiError::invalid(message))
            }
            Self { id: Some(id), all: None, user: None, bucket: None, key: None } => {
                Ok(Which::Id(id))
            }
            Self { user: Some(user), all: None, id: None, bucket: None, key: None } => {
                Ok(Which::User(user))
            }
            Self { bucket: Some(bucket), key, all: None, id: None, user: None } => {
                Ok(Which::Bucket(bucket, key))
            }
            _ => Err(ApiError::invalid(
                "say which records: one of `bucket` (with or without `key`), `user`, `id`, or `all` \
                 with the name of this site",
            )),
        }
    }
}

impl Which {
    fn names(&self, found: u64, what: &QuarantinedEntity) -> bool {
        match (self, what) {
            (Self::All, _) => true,
            (Self::Id(id), _) => *id == found,
            (Self::User(user), QuarantinedEntity::User(of)) => user == of,
            (Self::Bucket(bucket, None), QuarantinedEntity::Bucket(of)) => bucket == of,
            (Self::Bucket(bucket, wanted), QuarantinedEntity::Object { bucket: of, key }) => {
                bucket == of && wanted.as_ref().is_none_or(|wanted| wanted == key)
            }
            _ => false,
        }
    }
}

/// Records that are set aside.
#[utoipa::path(get, path = "/v1/quarantine", tag = "quarantine", operation_id = "list_quarantine", responses(
    (status = OK, body = QuarantineList),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn list(State(site): Site) -> Result<Json<QuarantineList>, ApiError> {
    let list = super::read(move || {
        let records = site.store.quarantined()?.into_iter().map(QuarantinedShown::from).collect();
        Ok(QuarantineList { records, counts: counts(&site.store)? })
    });
    Ok(Json(list.await?))
}

/// Forgets records that are set aside; the blocks that nothing else names are freed.
#[utoipa::path(post, path = "/v1/quarantine/discard", tag = "quarantine", operation_id = "discard_quarantine", request_body = Discard, responses(
    (status = OK, body = Discarded),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn discard(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Json(asked): Json<Discard>,
) -> Result<Json<Discarded>, ApiError> {
    let which = asked.checked(site.store.identity().name.as_str())?;
    let named = move |id: store::QuarantineId, what: &QuarantinedEntity| which.names(id.0, what);
    let discarded = site.store.discard_quarantined(named).await?;
    if discarded == 0 {
        let message = "no such record is set aside";
        return Err(ApiError::not_found("no_such_record", message)
            .what_to_do("`GET /v1/quarantine` tells which are"));
    }
    tracing::info!(discarded, %request, "records that were set aside are discarded");
    Ok(Json(Discarded { discarded }))
}
