//! `/v1/users/{user}/keys`

use std::fmt;

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use model::RequestId;
use serde::{Deserialize, Serialize};
use store::{KeyPair, UserError};
use utoipa::ToSchema;

use super::{
    Shared, Site,
    error::{ApiError, ErrorBody},
    users::{UserShown, parse},
};

/// A key pair that exists elsewhere, of somebody who moves here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenKey {
    pub access_key: String,
    pub secret_key: String,
}

/// A key pair that a user has from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    pub access_key: String,
    /// Shown in this answer and never again; left out if you gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

/// A new key pair for a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rekey {
    /// Keep the keys before it, so that they can be changed in turn; otherwise they end now.
    #[serde(default)]
    pub keep_old: bool,
    /// A key pair that exists; drawn if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<GivenKey>,
}

/// Whether a key lets anybody in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeKey {
    pub enabled: bool,
}

// By hand: nothing that holds a secret shows it.
impl fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenKey({}, ***)", self.access_key)
    }
}

impl fmt::Debug for KeyCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCreated({}, ***)", self.access_key)
    }
}

/// The pair that was given, or a drawn one, and what is told of it.
pub(super) fn pair(
    site: &Shared,
    given: Option<GivenKey>,
) -> Result<(KeyPair, KeyCreated), ApiError> {
    let drawn = given.is_none();
    let pair = match given {
        Some(GivenKey { access_key, .. }) if access_key == site.root_access_key => {
            return Err(UserError::KeyExists(access_key).into());
        }
        Some(GivenKey { access_key, secret_key }) => KeyPair::given(access_key, secret_key)?,
        None => KeyPair::draw(),
    };
    let secret_key = drawn.then(|| pair.secret().to_owned());
    let created = KeyCreated { access_key: pair.id().to_owned(), secret_key };
    Ok((pair, created))
}

/// Gives a user a new key pair, whose secret is shown here and never again.
#[utoipa::path(post, path = "/v1/users/{user}/keys", tag = "users", operation_id = "create_key", request_body = Rekey,
    params(("user" = String, Path, description = "Id of the user")),
    responses((status = CREATED, body = KeyCreated), (status = "default", body = ErrorBody)),
)]
pub(super) async fn create(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path(id): Path<String>,
    Json(asked): Json<Rekey>,
) -> Result<(StatusCode, Json<KeyCreated>), ApiError> {
    let id = parse(id)?;
    let (pair, created) = pair(&site, asked.key)?;
    site.store.rekey_user(id.clone(), (&pair, asked.keep_old), request).await?;
    tracing::info!(user = %id, access_key = created.access_key, %request, "user has a new key");
    Ok((StatusCode::CREATED, Json(created)))
}

/// Enables or disables one key.
#[utoipa::path(patch, path = "/v1/users/{user}/keys/{key}", tag = "users", operation_id = "change_key",
    request_body = ChangeKey,
    params(
        ("user" = String, Path, description = "Id of the user"),
        ("key" = String, Path, description = "Access key"),
    ),
    responses((status = OK, body = UserShown), (status = "default", body = ErrorBody)),
)]
pub(super) async fn change(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path((id, key)): Path<(String, String)>,
    Json(change): Json<ChangeKey>,
) -> Result<Json<UserShown>, ApiError> {
    let id = parse(id)?;
    let user = site.store.enable_key(id.clone(), (key.clone(), change.enabled), request).await?;
    tracing::info!(user = %id, access_key = key, change.enabled, %request, "key changed");
    Ok(Json(UserShown::new(&id, user)))
}

/// Deletes one key.
#[utoipa::path(delete, path = "/v1/users/{user}/keys/{key}", tag = "users", operation_id = "delete_key",
    params(
        ("user" = String, Path, description = "Id of the user"),
        ("key" = String, Path, description = "Access key"),
    ),
    responses((status = NO_CONTENT), (status = "default", body = ErrorBody)),
)]
pub(super) async fn delete(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = parse(id)?;
    site.store.delete_key(id.clone(), key.clone(), request).await?;
    tracing::info!(user = %id, access_key = key, %request, "key deleted");
    Ok(StatusCode::NO_CONTENT)
}
