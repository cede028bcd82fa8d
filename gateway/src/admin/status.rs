//! `/v1/status`: where this site stands, and whether anybody must do anything.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State};
use model::SiteId;
use serde::{Deserialize, Serialize};
use store::{ReadError, Refusal};
use utoipa::ToSchema;

use super::{
    Shared, Site,
    error::{ApiError, ErrorBody},
    human,
    sites::{RegisteredSite, registered_sites},
};

/// What the roles of the process know and the store does not.
pub trait StatusSource: Send + Sync + 'static {
    fn observe(&self) -> Observed;

    /// For how long a site that follows this one was not heard of, since this one started.
    fn silent(&self, site: SiteId) -> Duration;
}

/// See [`StatusSource`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Observed {
    pub origins: Vec<Origin>,
    /// `None` at a site that publishes to no log.
    pub log: Option<LogStatus>,
}

/// Where a site stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    pub site: SiteShown,
    /// `null` while clients may write.
    pub writes_refused: Option<Refused>,
    /// Events that this site has written in this epoch.
    pub written: u64,
    /// `null` at a site that publishes to no log.
    pub log: Option<LogStatus>,
    /// Sites that this one follows.
    pub origins: Vec<Origin>,
    /// Sites that follow this one.
    pub sites: Vec<RegisteredSite>,
    /// Sites that were evicted, and have neither registered again nor been removed.
    pub evicted: Vec<Evicted>,
    /// Records that are set aside until they are discarded, by reason.
    #[serde(default)]
    pub quarantined: BTreeMap<String, u64>,
    /// What a person must look at, a sentence each. Empty: nothing.
    pub needs_human: Vec<String>,
}

/// Who the site is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Site)]
pub struct SiteShown {
    pub name: String,
    pub id: String,
    pub role: Role,
    pub epoch: u64,
    pub partitions: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Primary,
    Secondary,
}

/// Why clients may not write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// `secondary`, `disputed` or `disk_full`.
    pub reason: String,
    pub why: String,
}

/// The log that this site publishes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogStatus {
    /// It takes events. What it does not take waits in history.
    pub up: bool,
}

/// A site that this one follows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    pub name: String,
    /// `null` before its first word.
    pub id: Option<String>,
    /// Its events are followed as they come; otherwise full sync alone brings what it has.
    pub realtime: bool,
    pub connected: bool,
    /// Since when it is connected, or is not.
    pub since: String,
    pub since_seconds: f64,
    /// When something of it was last applied, and when a block was last pulled; `null`: not since
    /// this site started.
    pub applied_seconds_ago: Option<f64>,
    pub pulled_seconds_ago: Option<f64>,
    pub lag: Lag,
    /// Sums over the partitions.
    pub positions: Positions,
    pub partitions: Vec<PartitionPositions>,
    /// Partitions that have too many holes: they wait until there are fewer.
    pub stopped: u64,
    /// Blocks and segments that are not here yet.
    pub wants: u64,
    pub puller_paused: bool,
    /// How many holes there are, by reason.
    pub holes: BTreeMap<String, u64>,
    /// The first of them.
    pub some_holes: Vec<HoleShown>,
    /// What has been waited for the longest: the oldest gap, and of the blocks that were asked for
    /// and did not come, the first.
    pub waits: Vec<Wait>,
    /// What last stood in the way, also if it is over.
    pub last_error: Option<LastError>,
    /// `null`: full sync is off.
    pub full_sync: Option<Convergence>,
}

/// Whether this site holds what its origin holds, as full sync says.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Convergence {
    /// The last full sync of everything found both to be equal.
    pub converged: bool,
    /// Age of the oldest of the newest proofs of every bucket; `null`: there is none.
    pub proved: Option<String>,
    pub proved_seconds_ago: Option<f64>,
    /// Id of the job that is under way, and what it waits for, if so.
    pub running: Option<u64>,
    #[serde(default)]
    pub waits: Option<String>,
    /// Id of the last full sync of everything.
    pub last: Option<u64>,
    /// Keys that were found to differ and still do.
    pub differ: u64,
    pub deletes_held_back: u64,
    pub unrepaired: u64,
    /// Why the last one was refused or failed.
    pub refused: Option<String>,
    pub failed: Option<String>,
}

/// How far behind its origin this site is.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Lag {
    pub seconds: f64,
    pub events: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Positions {
    pub written: u64,
    pub applied: u64,
    pub complete: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PartitionPositions {
    pub epoch: u64,
    pub partition: u16,
    #[serde(flatten)]
    pub positions: Positions,
}

/// A run of events that are not complete here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Hole)]
pub struct HoleShown {
    pub epoch: u64,
    pub partition: u16,
    pub first: u64,
    pub last: u64,
    /// `gap`, `parked`, `blocks_missing`, `lost_at_origin` or `adopted`.
    pub reason: String,
    /// What is known beyond the reason.
    pub why: Option<String>,
}

/// Something that this site tries to get, again and again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Wait {
    pub what: String,
    /// Since when, as far as this process knows.
    pub since: String,
    pub seconds: f64,
    /// What last stood in its way, where that is known.
    pub why: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastError {
    pub at: String,
    pub seconds_ago: f64,
    pub what: String,
}

/// A site that held up too much.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evicted {
    pub name: String,
    pub id: String,
    pub at: String,
    /// The setting that it passed.
    pub limit: String,
}

impl From<store::Evicted> for Evicted {
    fn from(gone: store::Evicted) -> Self {
        let store::Evicted { site, name, at, limit } = gone;
        Self { name: name.to_string(), id: site.to_string(), at: at.to_string(), limit }
    }
}

/// Where this site stands.
#[utoipa::path(get, path = "/v1/status", tag = "status", operation_id = "get_status", responses(
    (status = OK, body = Status),
    (status = "default", body = ErrorBody),
))]
pub(super) async fn show(State(site): Site) -> Result<Json<Status>, ApiError> {
    Ok(Json(super::read(move || status(&site)).await?))
}

fn status(site: &Shared) -> Result<Status, ReadError> {
    let Observed { origins, log } = site.status.observe();
    let (store, identity) = (&site.store, site.store.identity());
    let sites = registered_sites(store, &|of| site.status.silent(of))?;
    let mut evicted: Vec<_> = store.evicted()?.into_iter().map(Evicted::from).collect();
    evicted.retain(|gone| sites.iter().all(|site| site.name != gone.name));
    let role = if origins.is_empty() { Role::Primary } else { Role::Secondary };
    let mut status = Status {
        site: SiteShown {
            name: identity.name.to_string(),
            id: identity.site.to_string(),
            role,
            epoch: identity.epoch.0,
            partitions: identity.partitions.get(),
        },
        writes_refused: refused(site),
        written: store.written().borrow().iter().map(|written| written.seq.0).sum(),
        log,
        origins,
        sites,
        evicted,
        quarantined: super::quarantine::counts(store)?,
        needs_human: Vec::new(),
    };
    let count = |kind: &str| site.metrics.alarms.with_label_values(&[kind]).get();
    let counted = ["conflict", "unreadable_record"].map(|kind| (kind, count(kind)));
    status.needs_human = human::needs_human(&status, store.room().err(), &counted);
    Ok(status)
}

/// What is worst, of all that may be in the way.
fn refused(site: &Shared) -> Option<Refused> {
    let refusal = site.store.refusal();
    let reason = match (&refusal, site.store.room()) {
        (Some(Refusal::Disputed { .. }), _) => "disputed",
        (Some(Refusal::Secondary { .. }), _) => "secondary",
        (None, Err(full)) => {
            return Some(Refused { reason: "disk_full".to_owned(), why: full.to_string() });
        }
        (None, Ok(())) => return None,
    };
    refusal.map(|why| Refused { reason: reason.to_owned(), why: why.to_string() })
}
