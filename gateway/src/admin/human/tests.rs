use std::collections::BTreeMap;

use super::*;
use crate::admin::{
    Convergence, Evicted, HoleShown, Lag, LastError, LogStatus, Positions, Role, SiteShown, Wait,
};

fn origin() -> Origin {
    Origin {
        name: "east".to_owned(),
        id: None,
        realtime: true,
        connected: true,
        since: "2026-01-01T00:00:00Z".to_owned(),
        since_seconds: 1_000.0,
        applied_seconds_ago: Some(900.0),
        pulled_seconds_ago: None,
        lag: Lag::default(),
        positions: Positions::default(),
        partitions: Vec::new(),
        stopped: 0,
        wants: 0,
        puller_paused: false,
        holes: BTreeMap::new(),
        some_holes: Vec::new(),
        waits: Vec::new(),
        last_error: None,
        full_sync: Some(Convergence::default()),
    }
}

fn status(origin: Origin) -> Status {
    let site = SiteShown {
        name: "west".to_owned(),
        id: String::new(),
        role: Role::Secondary,
        epoch: 1,
        partitions: 4,
    };
    let (name, id, at) = ("north".to_owned(), String::new(), "2026-01-01T00:00:00Z".to_owned());
    let evicted = vec![Evicted { name, id, at, limit: "fence.max_age".to_owned() }];
    Status {
        site,
        writes_refused: None,
        written: 0,
        log: Some(LogStatus { up: true }),
        origins: vec![origin],
        sites: Vec::new(),
        evicted,
        quarantined: BTreeMap::new(),
        needs_human: Vec::new(),
    }
}

/// What is told of one origin.
fn of(change: impl FnOnce(&mut Origin)) -> Vec<String> {
    let mut origin = origin();
    change(&mut origin);
    let mut status = status(origin);
    status.evicted.clear();
    needs_human(&status, None, &[("conflict", 0)])
}

#[test]
fn nothing_is_told_of_a_site_that_is_in_sync_or_at_work() {
    assert_eq!(of(|_| {}), [""; 0], "idle for long, with nothing to do");
    let at_work = |origin: &mut Origin| {
        (origin.lag.events, origin.applied_seconds_ago) = (1_000, Some(0.1));
        (origin.wants, origin.pulled_seconds_ago) = (1_000, Some(0.1));
        origin.holes.insert("gap".to_owned(), 3);
        origin.holes.insert("blocks_missing".to_owned(), 3);
    };
    assert_eq!(of(at_work), [""; 0]);
    let restarts = |origin: &mut Origin| {
        (origin.connected, origin.since_seconds) = (false, 3.0);
    };
    assert_eq!(of(restarts), [""; 0]);
    let paused = |origin: &mut Origin| (origin.wants, origin.puller_paused) = (5, true);
    assert_eq!(of(paused), [""; 0], "that is how it is set");
    let just_connected = |origin: &mut Origin| {
        (origin.lag.events, origin.lag.seconds) = (5, 2.0);
        (origin.since_seconds, origin.applied_seconds_ago) = (2.0, None);
        origin.wants = 3;
    };
    assert_eq!(of(just_connected), [""; 0]);
    let idle_until_now = |origin: &mut Origin| {
        (origin.lag.events, origin.lag.seconds, origin.wants) = (1, 0.1, 1);
    };
    assert_eq!(of(idle_until_now), [""; 0], "the first event for a long time is on its way");
}

#[test]
fn an_origin_that_stays_away_is_told_with_what_stands_in_the_way() {
    let away = |origin: &mut Origin| {
        (origin.connected, origin.since_seconds) = (false, 16.0);
        let what = "cannot be reached".to_owned();
        origin.last_error = Some(LastError { at: String::new(), seconds_ago: 1.0, what });
    };
    let says = "origin `east` is not followed since 2026-01-01T00:00:00Z: cannot be reached";
    assert_eq!(of(away), [says]);
}

#[test]
fn no_progress_is_told_also_while_sessions_come_and_go() {
    let stuck = |origin: &mut Origin| {
        (origin.lag.events, origin.lag.seconds, origin.wants) = (5, 950.0, 7);
        (origin.connected, origin.since_seconds) = (false, 2.0);
        let what = "disk is full".to_owned();
        origin.last_error = Some(LastError { at: String::new(), seconds_ago: 1.0, what });
    };
    assert_eq!(
        of(stuck),
        [
            "origin `east`: 5 events to apply, and none was for 900 s; last error: disk is full",
            "origin `east`: 7 blocks to pull, and none came for a minute; last error: disk is full",
        ]
    );
}

#[test]
fn one_gap_or_block_that_does_not_come_is_told_while_all_else_does() {
    let wait = |what: &str, seconds, why: Option<&str>| Wait {
        what: what.to_owned(),
        since: "2026-01-01T00:00:00Z".to_owned(),
        seconds,
        why: why.map(str::to_owned),
    };
    let waits = |seconds| {
        let gap = wait("a gap", seconds, None);
        vec![gap, wait("block `ab`", seconds, Some("it is damaged"))]
    };
    let at_work = |origin: &mut Origin| {
        (origin.wants, origin.applied_seconds_ago, origin.pulled_seconds_ago) =
            (9, Some(0.1), Some(0.1));
        let what = "broken off".to_owned();
        origin.last_error = Some(LastError { at: String::new(), seconds_ago: 1.0, what });
    };
    let told = of(|origin| {
        at_work(origin);
        origin.waits = waits(301.0);
    });
    let says = [
        "origin `east`: a gap does not come since 2026-01-01T00:00:00Z; last error: broken off",
        "origin `east`: block `ab` does not come since 2026-01-01T00:00:00Z: it is damaged",
    ];
    assert_eq!(told, says);
    let not_yet = |origin: &mut Origin| {
        at_work(origin);
        origin.waits = waits(299.0);
    };
    assert_eq!(of(not_yet), [""; 0]);
}

#[test]
fn a_registered_site_that_is_away_is_told_before_it_is_evicted() {
    let told = |silent_seconds| {
        let mut status = status(origin());
        status.evicted.clear();
        status.sites = vec![RegisteredSite {
            name: "south".to_owned(),
            id: String::new(),
            registered: String::new(),
            acknowledged_applied: 1,
            acknowledged_complete: 1,
            depth_events: 7,
            age_seconds: 1_000.0,
            silent_seconds,
        }];
        needs_human(&status, None, &[])
    };
    assert_eq!(told(299.0), [""; 0]);
    let [sentence] = &told(360.0)[..] else { panic!("one sentence") };
    let says = "site `south` was not heard of for 6 min, and 7 events wait for it; look at";
    assert!(sentence.starts_with(says), "{sentence}");
    assert!(sentence.contains("`towline peer remove south`"), "{sentence}");
}

#[test]
fn holes_that_do_not_fill_by_themselves_are_told() {
    let told = of(|origin| {
        origin.holes = [("parked".to_owned(), 2), ("lost_at_origin".to_owned(), 1)].into();
        origin.stopped = 3;
        origin.some_holes = vec![HoleShown {
            epoch: 1,
            partition: 0,
            first: 4,
            last: 4,
            reason: "parked".to_owned(),
            why: Some("no key `b`".to_owned()),
        }];
    });
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("2 events cannot be read here (no key `b`)"), "{told:?}");
    assert!(told[1].contains("1 runs of events are lost"), "{told:?}");
    assert!(told[2].contains("3 partitions wait"), "{told:?}");
}

#[test]
fn disputes_full_disks_evictions_logs_and_alarms_are_told() {
    let mut status = status(origin());
    let refused = |reason: &str| Refused { reason: reason.to_owned(), why: format!("{reason}!") };
    status.log = Some(LogStatus { up: false });
    status.writes_refused = Some(refused("disputed"));
    let full = DiskFull { free: 1, reserve: 2 };
    let told = needs_human(&status, Some(full), &[("conflict", 2), ("unreadable_record", 0)]);
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(told[0], "disputed!");
    assert!(told[1].starts_with("disk is full: 1 bytes free"));
    assert!(told[2].contains("look at Kafka"));
    assert!(told[3].contains("site `north` was evicted"));
    assert!(told[4].contains("alarm `conflict`, 2 times"));
    status.writes_refused = Some(refused("secondary"));
    assert_eq!(needs_human(&status, None, &[]).len(), 2, "that is what a secondary is");
}

#[test]
fn law_12_what_full_sync_leaves_to_a_person_is_told_with_what_to_do() {
    let with = |sync: Convergence| of(move |origin| origin.full_sync = Some(sync));
    let refused = Some("another site answers".to_owned());
    let told = with(Convergence { refused, ..Convergence::default() });
    assert_eq!(told, ["origin `east`: full sync is refused: another site answers"]);
    let failed = Some("`east` does not know it".to_owned());
    let told = with(Convergence { failed, ..Convergence::default() });
    assert!(told[0].contains("failed: `east` does not know it"), "{told:?}");
    let told = with(Convergence { deletes_held_back: 7, unrepaired: 2, ..Convergence::default() });
    assert!(told[0].contains("holds 7 deletes back") && told[0].contains("--max-deletes"));
    assert!(told[1].contains("could not repair 2 keys"), "{told:?}");
    let at_work = Convergence { running: Some(3), differ: 5, ..Convergence::default() };
    assert_eq!(with(at_work), [""; 0], "it is being repaired");
}

#[test]
fn an_origin_that_is_only_compared_with_needs_no_session() {
    let apart = |origin: &mut Origin| {
        (origin.realtime, origin.connected) = (false, false);
    };
    assert_eq!(of(apart), [""; 0]);
}
