//! `/v1/sites`: those that replicate from this one and hold its fence (law 7).

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

/// Every site that is registered at a store.
///
/// # Errors
/// If the store cannot be read.
pub fn registered_sites(store: &Store) -> Result<Vec<RegisteredSite>, ReadError> {
    store.peers()?.iter().map(|peer| registered(store, peer)).collect()
}

fn registered(store: &Store, peer: &Peer) -> Result<RegisteredSite, ReadError> {
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
    })
}

/// Sites that replicate from this one.
#[utoipa::path(get, path = "/v1/sites", tag = "sites", operation_id = "list_sites", responses(
    (status = OK, body = SiteList),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn list(State(site): Site) -> Result<Json<SiteList>, ApiError> {
    let sites = super::read(move || registered_sites(&site.store)).await?;
    Ok(Json(SiteList { sites }))
}

/// Forgets a site that is gone for good: nothing waits for it any more.
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
        return Err(not_one(&name, &found, &peers));
    };
    site.store.remove_peer(peer.site).await?;
    tracing::info!(site = name, id = %peer.site, %request, "site removed");
    Ok(StatusCode::NO_CONTENT)
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
