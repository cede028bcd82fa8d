//! The one table from what went wrong to what the API says of it.

use std::{error::Error, time::Duration};

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use store::{KeepError, ReadError, Refusal, UserError, WriteError};
use utoipa::ToSchema;

use super::fullsync::FullSyncError;

/// Bytes of a text that becomes the message of an error.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a request was not done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// For programs; one of few.
    pub code: String,
    /// For people: what is wrong.
    pub message: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_to_do: Option<String>,
    /// The full sync that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
}

/// An error on its way to the client.
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, body: ErrorBody { code, message, what_to_do: None, job: None } }
    }

    pub(super) fn what_to_do(mut self, what: impl Into<String>) -> Self {
        self.body.what_to_do = Some(what.into());
        self
    }

    pub(super) fn no_token() -> Self {
        Self::new(StatusCode::FORBIDDEN, "no_token", "this site has no token, so nobody may")
            .what_to_do(
                "set `admin.token` or `admin.token_file` in the site's configuration, or \
                 TOWLINE_ADMIN_TOKEN in its environment, and start it again",
            )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "this is not the token of this site")
            .what_to_do("send `Authorization: Bearer` and the token of the site's configuration")
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path")
            .what_to_do("`GET /v1/openapi.json` tells what there is")
    }

    pub(super) fn wrong_method() -> Self {
        let message = "this path does not have this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
            .what_to_do("`GET /v1/openapi.json` tells what there is")
    }

    pub(super) fn slow(limit: Duration) -> Self {
        let message = format!("not done within {limit:?}; whether it is done later is unknown");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(super) fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(super) fn no_such_bucket(message: impl Into<String>) -> Self {
        Self::not_found("no_such_bucket", message)
            .what_to_do("`GET /v1/usage` tells which there are")
    }

    /// What an earlier release stored is not counted yet.
    pub(super) fn counting(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "counting", message)
    }

    pub(super) fn no_origin() -> Self {
        let message = "this site follows no other, so there is nothing to compare it with";
        Self::conflict("no_origin", message).what_to_do("ask the admin API of a secondary")
    }

    /// What is nobody's fault but this site's; the log says it, and only the log.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %ops::chain(error), "an admin request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this site failed")
            .what_to_do("its log says why")
    }

    pub(super) fn answer(self) -> Response<Body> {
        let mut answer = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        self.answer()
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::internal(&error)
    }
}

impl From<KeepError> for ApiError {
    fn from(error: KeepError) -> Self {
        Self::internal(&error)
    }
}

impl From<FullSyncError> for ApiError {
    fn from(error: FullSyncError) -> Self {
        let message = error.to_string();
        match error {
            FullSyncError::Runs { id } => {
                let mut runs = Self::conflict("full_sync_runs", message)
                    .what_to_do("wait for its end, or `DELETE /v1/fullsync` cancels it");
                runs.body.job = Some(id);
                runs
            }
            FullSyncError::NoneRuns => Self::conflict("no_full_sync_runs", message),
            FullSyncError::Off { .. } => Self::conflict("full_sync_off", message)
                .what_to_do("set `origin.fullsync = true` in the site's configuration"),
            FullSyncError::LeftOut { .. } => Self::conflict("full_sync_off", message)
                .what_to_do("set `fullsync = true` in its `[[origin.bucket]]`"),
            FullSyncError::Keep(error) => error.into(),
        }
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        let message = error.to_string();
        match error {
            UserError::Root
            | UserError::Reserved(_)
            | UserError::BadName
            | UserError::BadKey(_) => Self::invalid(message),
            UserError::Exists(_) => Self::conflict("user_exists", message),
            UserError::KeyExists(_) => Self::conflict("access_key_exists", message),
            UserError::TooManyKeys { .. } => Self::conflict("too_many_keys", message),
            UserError::HasBuckets { .. } => Self::conflict("user_has_buckets", message),
            UserError::NoSuchUser(_) => Self::not_found("no_such_user", message)
                .what_to_do("`GET /v1/users` tells which there are"),
            UserError::NoSuchKey(_) => Self::not_found("no_such_key", message),
            UserError::Write(error) => error.into(),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoSuchBucket => Self::no_such_bucket("there is no such bucket"),
            WriteError::Refused(refusal) => refused(&refusal),
            WriteError::DiskFull(full) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", full.to_string())
            }
            error => Self::internal(&error),
        }
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    let message = refusal.to_string();
    match refusal {
        Refusal::Secondary { primary } => {
            ApiError::new(StatusCode::FORBIDDEN, "secondary", message)
                .what_to_do(format!("ask the admin API of `{primary}`"))
        }
        Refusal::Disputed { .. } => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "disputed", message)
        }
    }
}

/// Gives the refusals of the framework, which are plain text, the shape of all others.
pub(super) async fn uniform(answer: Response<Body>) -> Response<Body> {
    let status = answer.status();
    let json =
        answer.headers().get(header::CONTENT_TYPE).is_some_and(|it| it == "application/json");
    if !status.is_client_error() || json {
        return answer;
    }
    let text = axum::body::to_bytes(answer.into_body(), TEXT_BYTES_MAX).await.unwrap_or_default();
    let message = String::from_utf8_lossy(&text).into_owned();
    let code = if status == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "invalid" };
    ApiError::new(status, code, message).answer()
}
