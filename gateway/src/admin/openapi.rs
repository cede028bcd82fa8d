//! `/v1/openapi.json`, made of the types that requests and answers are made of.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{fullsync, keys, quarantine, sites, status, usage, users};

/// The document; `docs/openapi.json` holds it too, a test says.
#[derive(OpenApi)]
#[openapi(
    info(title = "towline admin API", description = "One site of towline. Every path needs the token of the site."),
    paths(
        status::show,
        users::list, users::create, users::show, users::change, users::delete,
        keys::create, keys::change, keys::delete,
        usage::show, usage::change,
        sites::list, sites::remove,
        quarantine::list, quarantine::discard,
        fullsync::now, fullsync::start, fullsync::cancel,
        fullsync::jobs, fullsync::job, fullsync::proofs,
        show,
    ),
    security(("token" = [])),
    modifiers(&BearerToken),
)]
pub(super) struct ApiDocument;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "document", operation_id = "get_document", responses((status = OK, body = Object)))]
pub(super) async fn show() -> Json<Document> {
    Json(ApiDocument::openapi())
}
