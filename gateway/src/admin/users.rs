//! `/v1/users`

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use model::{AccessKey, RequestId, User, UserId};
use serde::{Deserialize, Serialize};
use store::{NewUser, UserPatch};
use utoipa::ToSchema;

use super::{
    Site,
    error::{ApiError, ErrorBody},
    keys::{GivenKey, KeyCreated, pair},
    usage::{ChangeQuota, QuotaShown},
};

/// A user of S3, as an administrator sees one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = User)]
pub struct UserShown {
    pub id: String,
    /// For people; need not be unique.
    pub name: String,
    /// While this is false, none of the keys lets anybody in.
    pub enabled: bool,
    pub access_keys: Vec<AccessKeyShown>,
    /// Of all buckets that the user owns, together.
    #[serde(default)]
    pub quota: QuotaShown,
}

/// The public half of a key pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AccessKey)]
pub struct AccessKeyShown {
    pub id: String,
    pub enabled: bool,
}

/// Every user, by id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    pub users: Vec<UserShown>,
}

/// A user to be created.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// 1 to 64 characters of A-Z, a-z, 0-9, - and _; drawn if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people: 1 to 64 characters.
    pub name: String,
    /// A key pair that exists; drawn if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<GivenKey>,
}

/// A user who was created.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserCreated {
    pub user: UserShown,
    pub key: KeyCreated,
}

/// What to change; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default)]
    pub quota: ChangeQuota,
}

impl UserShown {
    pub(super) fn new(id: &UserId, user: User) -> Self {
        let key = |AccessKey { id, enabled, .. }| AccessKeyShown { id, enabled };
        let access_keys = user.keys.into_iter().map(key).collect();
        let (name, enabled, quota) = (user.name, user.enabled, user.quota.into());
        Self { id: id.to_string(), name, enabled, access_keys, quota }
    }
}

pub(super) fn parse(id: String) -> Result<UserId, ApiError> {
    UserId::try_from(id).map_err(|error| ApiError::invalid(error.to_string()))
}

/// All users.
#[utoipa::path(get, path = "/v1/users", tag = "users", operation_id = "list_users", responses(
    (status = OK, body = UserList),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn list(State(site): Site) -> Result<Json<UserList>, ApiError> {
    let users = super::read(move || site.store.users()).await?;
    let users = users.into_iter().map(|(id, user)| UserShown::new(&id, user)).collect();
    Ok(Json(UserList { users }))
}

/// Creates a user with one key pair, whose secret is shown here and never again.
#[utoipa::path(post, path = "/v1/users", tag = "users", operation_id = "create_user", request_body = CreateUser, responses(
    (status = CREATED, body = UserCreated),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn create(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Json(asked): Json<CreateUser>,
) -> Result<(StatusCode, Json<UserCreated>), ApiError> {
    let id = asked.id.map(parse).transpose()?;
    let (pair, created) = pair(&site, asked.key)?;
    let new = NewUser { id, name: asked.name, key: pair };
    let (id, user) = site.store.create_user(new, request).await?;
    tracing::info!(user = %id, access_key = created.access_key, %request, "user created");
    let user = UserShown::new(&id, user);
    Ok((StatusCode::CREATED, Json(UserCreated { user, key: created })))
}

/// One user.
#[utoipa::path(get, path = "/v1/users/{user}", tag = "users", operation_id = "get_user",
    params(("user" = String, Path, description = "Id of the user")),
    responses((status = OK, body = UserShown), (status = "default", body = ErrorBody)),
)]
pub(super) async fn show(
    State(site): Site,
    Path(id): Path<String>,
) -> Result<Json<UserShown>, ApiError> {
    let id = parse(id)?;
    let user = site.store.user(&id)?;
    let user = user.ok_or_else(|| store::UserError::NoSuchUser(id.clone()))?;
    Ok(Json(UserShown::new(&id, user)))
}

/// Renames, enables or disables a user, or changes the quota.
#[utoipa::path(patch, path = "/v1/users/{user}", tag = "users", operation_id = "change_user", request_body = ChangeUser,
    params(("user" = String, Path, description = "Id of the user")),
    responses((status = OK, body = UserShown), (status = "default", body = ErrorBody)),
)]
pub(super) async fn change(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path(id): Path<String>,
    Json(change): Json<ChangeUser>,
) -> Result<Json<UserShown>, ApiError> {
    let id = parse(id)?;
    let ChangeUser { name, enabled, quota } = change;
    let patch = UserPatch { name, enabled, quota: quota.into() };
    let user = site.store.patch_user(id.clone(), patch, request).await?;
    tracing::info!(user = %id, enabled = user.enabled, %request, "user changed");
    Ok(Json(UserShown::new(&id, user)))
}

/// Deletes a user who owns no bucket.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "users", operation_id = "delete_user",
    params(("user" = String, Path, description = "Id of the user")),
    responses((status = NO_CONTENT), (status = "default", body = ErrorBody)),
)]
pub(super) async fn delete(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = parse(id)?;
    site.store.delete_user(id.clone(), request).await?;
    tracing::info!(user = %id, %request, "user deleted");
    Ok(StatusCode::NO_CONTENT)
}
