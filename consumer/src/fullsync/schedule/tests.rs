use model::{Digest, Epoch, Hole, Partition, SiteId, SiteName, progress::Handled};

use super::*;
use crate::fullsync::job::JobId;

const HOUR: u64 = 3_600_000;
const START: Millis = Millis(1_000 * HOUR);

fn settings() -> Settings {
    Settings {
        interval: Some(Duration::from_hours(6)),
        jitter: Duration::from_hours(1),
        on_connect: false,
        max_deletes: MaxDeletes::Count(7),
        scrub_interval: None,
        bytes_per_second: None,
        parallel: 8,
    }
}

fn request() -> Request {
    Request { max_deletes: MaxDeletes::Count(7), ..Request::default() }
}

fn after(millis: u64) -> Millis {
    Millis(START.0 + millis)
}

fn connected() -> Seen {
    Seen { connected: Some(START), ..Seen::default() }
}

fn ended(millis: u64) -> Seen {
    Seen { whole: Some((after(millis), after(millis))), proven: true, ..connected() }
}

fn holes(seqs: &[u64], cause: Cause) -> Lost {
    let line = Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(0) };
    seqs.iter().map(|seq| ((line, Seq(*seq)), cause)).collect()
}

/// The first minute at which something is due, and what.
fn first(schedule: &mut Schedule, settings: &Settings, seen: &Seen) -> Option<(u64, Due)> {
    (0..100 * 60).find_map(|minute| match schedule.look(after(minute * 60_000), settings, seen) {
        Due::Later => None,
        due => Some((minute, due)),
    })
}

#[test]
fn the_first_is_a_minute_after_the_session_began_and_the_next_an_interval_after_its_end() {
    let mut schedule = Schedule::default();
    let due = Due::Now(Cause::Schedule, request());
    assert_eq!(first(&mut schedule, &settings(), &connected()), Some((1, due.clone())));
    assert_eq!(first(&mut schedule, &settings(), &ended(0)), Some((360, due.clone())));
    schedule.began(&Lost::new(), 0.5);
    assert_eq!(first(&mut schedule, &settings(), &ended(0)), Some((390, due)), "half the jitter");
}

#[test]
fn nothing_is_due_by_itself_where_it_is_off_or_the_origin_is_away() {
    let off = Settings { interval: None, ..settings() };
    assert_eq!(first(&mut Schedule::default(), &off, &ended(0)), None);
    let away = Seen { connected: None, lost: holes(&[1], Cause::Gap), ..ended(0) };
    let eager = Settings { on_connect: true, ..settings() };
    assert_eq!(first(&mut Schedule::default(), &eager, &away), None);
}

#[test]
fn each_session_begins_with_one_if_it_is_so_set() {
    let mut schedule = Schedule::default();
    let eager = Settings { on_connect: true, interval: None, ..settings() };
    let due = Due::Now(Cause::OnConnect, request());
    assert_eq!(schedule.look(START, &eager, &connected()), due);
    assert_eq!(first(&mut schedule, &eager, &ended(0)), None, "it was in this session");
    let again = Seen { connected: Some(after(5_000)), ..ended(1_000) };
    assert_eq!(schedule.look(after(5_000), &eager, &again), Due::Later, "just ended");
    assert_eq!(schedule.look(after(11_000), &eager, &again), due);
}

#[test]
fn deep_ones_have_an_interval_of_their_own() {
    let scrub = Some(Duration::from_hours(24));
    let settings = Settings { interval: None, scrub_interval: scrub, ..settings() };
    let due = Due::Now(Cause::Schedule, Request { deep: true, ..request() });
    let mut schedule = Schedule::default();
    assert_eq!(first(&mut schedule, &settings, &connected()), Some((24 * 60, due.clone())));
    let seen = Seen { deep: Some(after(HOUR)), ..ended(0) };
    assert_eq!(first(&mut schedule, &settings, &seen), Some((25 * 60, due)));
}

#[test]
fn law_2_holes_that_only_a_full_sync_closes_begin_one_once_they_have_settled() {
    for (proven, cause, told) in [
        (true, Cause::Gap, Cause::Gap),
        (true, Cause::Parked, Cause::Parked),
        (false, Cause::Gap, Cause::Bootstrap),
    ] {
        let mut schedule = Schedule::default();
        let seen = Seen { lost: holes(&[3], cause), proven, ..ended(0) };
        let off = Settings { interval: None, ..settings() };
        assert_eq!(schedule.look(after(1_000), &off, &seen), Due::Later);
        assert_eq!(schedule.look(after(3_000), &off, &seen), Due::Now(told, request()));
    }
}

#[test]
fn law_12_holes_that_stay_begin_another_later_and_later_and_new_ones_at_once() {
    let off = Settings { interval: None, ..settings() };
    let mut schedule = Schedule::default();
    let old = holes(&[3], Cause::Gap);
    let mut waits = Vec::new();
    for _ in 0..8 {
        schedule.began(&old, 0.0);
        let seen = Seen { lost: old.clone(), ..ended(0) };
        waits.push(first(&mut schedule, &off, &seen).unwrap().0);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360]);
    let seen = Seen { lost: holes(&[3, 9], Cause::Gap), ..ended(0) };
    assert_eq!(first(&mut schedule, &off, &seen).unwrap().0, 1);
    schedule.began(&seen.lost, 0.0);
    assert_eq!(first(&mut schedule, &off, &seen).unwrap().0, 10, "a new row");
    // What a full sync closed is news when it opens again, though it begins at the same place.
    assert_eq!(schedule.look(after(0), &off, &ended(0)), Due::Later);
    assert_eq!(first(&mut schedule, &off, &seen).unwrap().0, 1);
}

#[test]
fn only_lost_and_parked_events_are_for_full_sync() {
    let line = Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(0) };
    let digest = Digest::ZERO;
    let reasons = [
        HoleReason::LostAtOrigin,
        HoleReason::Parked { digest, why: String::new() },
        HoleReason::Gap { after: digest, last: digest },
        HoleReason::BlocksMissing { count: 1 },
    ];
    let hole = |(seq, reason)| (Seq(seq), Hole { first: Seq(seq), last: Seq(seq), reason });
    let holes = (1..).zip(reasons).map(hole).collect();
    let found = lost(line, &LineProgress { handled: Handled::START, holes });
    let one = |seq, cause| ((line, Seq(seq)), cause);
    assert_eq!(found, [one(1, Cause::Gap), one(2, Cause::Parked)]);
}

#[test]
fn only_full_syncs_of_everything_count_and_deep_ones_are_remembered_longer_than_jobs() {
    let origin = SiteName::try_from("east".to_owned()).unwrap();
    let job = |id, request: Request, before: Option<&Job>| {
        let (at, id) = (Millis(id * 10), (JobId(id), origin.clone()));
        let mut job = Job::new(id, (Cause::ByHand, request), before, at);
        job.begin(Millis(at.0 + 1));
        job.end(Ok(crate::fullsync::Report::default()), Millis(at.0 + 2), 0.0);
        job
    };
    let deep = job(1, Request { deep: true, ..Request::default() }, None);
    let plain = job(2, Request::default(), Some(&deep));
    let prefix = Some("p".to_owned());
    let part = job(3, Request { prefix, deep: true, ..Request::default() }, Some(&plain));
    let dry = job(4, Request { dry_run: true, deep: true, ..Request::default() }, Some(&part));
    let seen = history([&plain, &part, &dry]);
    assert_eq!((seen.whole, seen.deep), (Some((Millis(20), Millis(22))), Some(Millis(12))));
    assert_eq!(history([]).deep, None);
}
