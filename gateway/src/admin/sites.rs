//! `/v1/sites`: those that replicate from this one and hold its fence (law 7).

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use model::{RequestId, Seq, SiteId};
use serde::{Deserialize, Serialize};
use store::{Peer, ReadError, Store};
use utoipa::ToSchema;

use super::{
    Site,
    error::{ApiError, ErrorBody},
};

/// A site that replicates from this one, and how far it says it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisteredSite {
    pub name: String,
    pub id: String,
    /// When it registered.
    pub registered: String,
    /// Sums over the partitions of this epoch.
    pub acknowledged_applied: u64,
    pub acknowledged_complete: u64,
    /// Events that it has not acknowledged as applied.
    pub depth_events: u64,
    /// Age of the oldest of them; 0 if there is none.
    pub age_seconds: f64,
    /// For how long it was not heard of, since this site started. One that is connected is heard of
    /// each second.
    pub silent_seconds: f64,
}

/// Every registered site.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteList {
    pub sites: Vec<RegisteredSite>,
}

/// Which of several that registered under one name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    id: Option<String>,
}

/// Every site that is registered at a store; `silent` says for how long each was not heard of.
///
/// # Errors
/// If the store cannot be read.
pub fn registered_sites(
    store: &Store,
    silent: &dyn Fn(SiteId) -> Duration,
) -> Result<Vec<RegisteredSite>, ReadError> {
    store.peers()?.iter().map(|peer| registered(store, peer, silent(peer.site))).collect()
}

fn registered(store: &Store, peer: &Peer, silent: Duration) -> Result<RegisteredSite, ReadError> {
    let identity = store.identity();
    let written = store.written().borrow().clone();
    let (mut applied, mut complete, mut depth, mut oldest) = (0, 0, 0, None);
    for (partition, written) in identity.partitions.iter().zip(written.iter()) {
        let same =
            |ack: &&store::Acknowledged| ack.epoch == identity.epoch && ack.partition == partition;
        let ack = peer.acknowledged.iter().find(same);
        let here = ack.map_or(Seq::NONE, |ack| ack.applied);
        applied += here.0;
        complete += ack.map_or(0, |ack| ack.complete.0);
        depth += written.seq.0.saturating_sub(here.0);
        let next = store.history(identity.epoch, partition, here, 1)?;
        let time = next.first().map(|event| event.version.hlc.millis());
        oldest = oldest.into_iter().chain(time).min();
    }
    Ok(RegisteredSite {
        name: peer.name.to_string(),
        id: peer.site.to_string(),
        registered: peer.registered.at.to_string(),
        acknowledged_applied: applied,
        acknowledged_complete: complete,
        depth_events: depth,
        age_seconds: oldest.map_or(0.0, |oldest| store.now().since(oldest).as_secs_f64()),
        silent_seconds: silent.as_secs_f64(),
    })
}

/// Sites that replicate from this one.
#[utoipa::path(get, path = "/v1/sites", tag = "sites", operation_id = "list_sites", responses(
    (status = OK, body = SiteList),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn list(State(site): Site) -> Result<Json<SiteList>, ApiError> {
    let read = move || registered_sites(&site.store, &|of| site.status.silent(of));
    let sites = super::read(read).await?;
    Ok(Json(SiteList { sites }))
}

/// Forgets a site that is gone for good: nothing waits for it any more, or, of one that was evicted,
/// nothing is told of it any more.
#[utoipa::path(delete, path = "/v1/sites/{name}", tag = "sites", operation_id = "remove_site",
    params(
        ("name" = String, Path, description = "Name of the site"),
        ("id" = Option<String>, Query, description = "Its id, where several have the name: one \
            that was rebuilt on an empty disk is another than before"),
    ),
    responses((status = NO_CONTENT), (status = "default", body = ErrorBody)),
)]
pub(super) async fn remove(
    State(site): Site,
    Extension(request): Extension<RequestId>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<StatusCode, ApiError> {
    let id = match which.id.as_deref().map(SiteId::parse) {
        Some(None) => return Err(ApiError::invalid("`id` must be 32 hexadecimal digits")),
        Some(id) => id,
        None => None,
    };
    let peers = site.store.peers()?;
    let wanted = |peer: &&Peer| peer.name.as_str() == name && id.is_none_or(|id| peer.site == id);
    let found: Vec<&Peer> = peers.iter().filter(wanted).collect();
    let [peer] = found[..] else {
        if found.is_empty() && forget_evicted(&site.store, &name, id).await? {
            tracing::info!(site = name, %request, "evicted site forgotten");
            return Ok(StatusCode::NO_CONTENT);
        }
        return Err(not_one(&name, &found, &peers));
    };
    site.store.remove_peer(peer.site).await?;
    tracing::info!(site = name, id = %peer.site, %request, "site removed");
    Ok(StatusCode::NO_CONTENT)
}

async fn forget_evicted(store: &Store, name: &str, id: Option<SiteId>) -> Result<bool, ApiError> {
    let wanted =
        |gone: &store::Evicted| gone.name.as_str() == name && id.is_none_or(|id| gone.site == id);
    match store.evicted()?.into_iter().find(wanted) {
        Some(gone) => Ok(store.forget_evicted(gone.name).await?),
        None => Ok(false),
    }
}

fn not_one(name: &str, found: &[&Peer], peers: &[Peer]) -> ApiError {
    let told =
        |peer: &Peer| format!("`{}` {}, registered {}", peer.name, peer.site, peer.registered.at);
    if found.is_empty() {
        let all = peers.iter().map(told).collect::<Vec<_>>().join("; ");
        let message = format!("no such site `{name}` is registered; these are: {all}");
        return ApiError::not_found("no_such_site", message);
    }
    let found = found.iter().map(|peer| told(peer)).collect::<Vec<_>>().join("; ");
    let message = format!("site `{name}` is registered more than once, say which by id: {found}");
    ApiError::conflict("site_registered_again", message)
}
