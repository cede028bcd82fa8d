//! When a person must look: pure, over what the status says.
//!
//! Each sentence says what is wrong and what to do. What heals by itself in moments (a restart, a
//! gap that is refilled, an origin that reconnects) is not among them.

use store::DiskFull;

use super::{
    sites::RegisteredSite,
    status::{Evicted, Origin, Refused, Status, Wait},
};

/// An origin that restarts is back by then.
const AWAY_SECONDS_MAX: f64 = 15.0;
/// A site that follows this one and was restarted, upgraded or moved is back by then.
const SITE_SILENT_SECONDS_MAX: f64 = 300.0;
/// A gap is refilled as soon as it is known, and a block is tried at least twice a minute: what has
/// not come by then does not come by itself.
const WAIT_SECONDS_MAX: f64 = 300.0;
/// With work to do, and nothing done for so long: something is stuck, sessions or not.
const STILL_SECONDS_MAX: f64 = 60.0;

pub(super) fn needs_human(
    status: &Status,
    full: Option<DiskFull>,
    counted: &[(&str, u64)],
) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(Refused { reason, why }) = &status.writes_refused
        && reason == "disputed"
    {
        told.push(why.clone());
    }
    told.extend(full.map(|full| full.to_string()));
    if status.log.is_some_and(|log| !log.up) {
        told.push("the log takes no events; they wait in history, look at Kafka".to_owned());
    }
    for origin in &status.origins {
        told.extend(session(origin));
        told.extend(holes(origin));
        told.extend(full_sync(origin));
    }
    told.extend(status.sites.iter().filter_map(silent));
    for Evicted { name, at, limit, .. } in &status.evicted {
        told.push(format!(
            "site `{name}` was evicted at {at}: it passed `{limit}`; what it missed by then is lost \
             to it; if it is gone for good, `towline peer remove {name}` ends this"
        ));
    }
    for (kind, count) in counted.iter().filter(|(_, count)| *count > 0) {
        told.push(format!("alarm `{kind}`, {count} times since the start; the log says more"));
    }
    told
}

/// A site that follows this one and is away, long before it is evicted.
fn silent(site: &RegisteredSite) -> Option<String> {
    let RegisteredSite { name, depth_events, silent_seconds, .. } = site;
    (*silent_seconds > SITE_SILENT_SECONDS_MAX).then(|| {
        format!(
            "site `{name}` was not heard of for {:.0} min, and {depth_events} events wait for it; \
             look at that site and the network, or, if it is gone for good, run \
             `towline peer remove {name}`",
            silent_seconds / 60.0
        )
    })
}

/// No session with an origin, or one in which nothing goes on.
fn session(origin: &Origin) -> Vec<String> {
    let Origin { name, since, since_seconds, .. } = origin;
    let why = origin.last_error.as_ref().map_or("no answer yet", |error| &error.what);
    if origin.realtime && !origin.connected && *since_seconds > AWAY_SECONDS_MAX {
        return vec![format!("origin `{name}` is not followed since {since}: {why}")];
    }
    let last = origin.last_error.as_ref();
    let last = last.map(|error| format!("; last error: {}", error.what)).unwrap_or_default();
    let mut told = Vec::new();
    // By the lag, which rises by the clock: sessions that end and begin again do not make it less.
    let lag = origin.lag.seconds;
    let applied = origin.applied_seconds_ago.map_or(lag, |applied| applied.min(lag));
    if origin.lag.events > 0 && applied > STILL_SECONDS_MAX {
        told.push(format!(
            "origin `{name}`: {} events to apply, and none was for {applied:.0} s{last}",
            origin.lag.events
        ));
    }
    // A puller that gets nothing has an error for it twice a minute; one that had nothing to do has
    // none.
    let pulled = origin.pulled_seconds_ago.unwrap_or(f64::INFINITY);
    let fails = origin.last_error.as_ref().is_some_and(|e| e.seconds_ago < STILL_SECONDS_MAX);
    if origin.wants > 0 && !origin.puller_paused && fails && pulled > STILL_SECONDS_MAX {
        told.push(format!(
            "origin `{name}`: {} blocks to pull, and none came for a minute{last}",
            origin.wants
        ));
    }
    for Wait { what, since, why, .. } in
        origin.waits.iter().filter(|wait| wait.seconds > WAIT_SECONDS_MAX)
    {
        let why = why.as_deref().map_or_else(|| last.clone(), |why| format!(": {why}"));
        told.push(format!("origin `{name}`: {what} does not come since {since}{why}"));
    }
    told
}

/// Holes that do not fill by themselves.
fn holes(origin: &Origin) -> Vec<String> {
    let name = &origin.name;
    let count = |reason: &str| origin.holes.get(reason).copied().unwrap_or_default();
    let why = |reason: &str| {
        let of_reason = origin.some_holes.iter().find(|hole| hole.reason == reason);
        of_reason.and_then(|hole| hole.why.as_deref()).unwrap_or("the log says why")
    };
    let mut told = Vec::new();
    if count("parked") > 0 {
        told.push(format!(
            "origin `{name}`: {} events cannot be read here ({}); upgrade this site, or give it \
             the class key",
            count("parked"),
            why("parked")
        ));
    }
    if count("lost_at_origin") > 0 {
        told.push(format!(
            "origin `{name}`: {} runs of events are lost; what they changed may be old or missing \
             here",
            count("lost_at_origin")
        ));
    }
    if origin.stopped > 0 {
        told.push(format!(
            "origin `{name}`: {} partitions wait, they have more holes than `limits.parked_max` or \
             `limits.holes_max`",
            origin.stopped
        ));
    }
    told
}

/// What full sync leaves to a person.
fn full_sync(origin: &Origin) -> Vec<String> {
    let (Some(sync), name) = (&origin.full_sync, &origin.name) else {
        return Vec::new();
    };
    let mut told = Vec::new();
    if let Some(why) = &sync.refused {
        told.push(format!("origin `{name}`: full sync is refused: {why}"));
    }
    if let Some(why) = &sync.failed {
        told.push(format!("origin `{name}`: the last full sync failed: {why}"));
    }
    if sync.deletes_held_back > 0 {
        told.push(format!(
            "origin `{name}`: full sync holds {} deletes back, which are more than it may do; look \
             at them with `towline fullsync run --dry-run`, then allow them with `--max-deletes`",
            sync.deletes_held_back
        ));
    }
    if sync.unrepaired > 0 {
        told.push(format!(
            "origin `{name}`: full sync could not repair {} keys; the log says why",
            sync.unrepaired
        ));
    }
    told
}

#[cfg(test)]
mod tests;
