use std::collections::BTreeMap;

use super::*;
use crate::fullsync::{Phase, Reason};

fn job() -> Job {
    let origin = SiteName::try_from("east".to_owned()).unwrap();
    Job::new((JobId(7), origin), (Cause::ByHand, Request::default()), None, Millis(1_000))
}

fn peer() -> SiteName {
    SiteName::try_from("east".to_owned()).unwrap()
}

fn away() -> RunError {
    RunError::Origin(OriginError::TimedOut { peer: peer() })
}

fn old() -> RunError {
    RunError::Origin(OriginError::Unknown { peer: peer() })
}

fn repaired(count: u64) -> Progress {
    let repaired = BTreeMap::from([(Reason::Missing, count)]);
    Progress { repaired, bytes_moved: count, ..Progress::default() }
}

#[test]
fn a_job_that_comes_to_its_end_says_whether_both_are_equal() {
    for converged in [true, false] {
        let mut job = job();
        job.begin(Millis(2_000));
        let progress = Progress { phase: Phase::Done, compared: 9, ..Progress::default() };
        let report = Report { progress: progress.clone(), converged, ..Report::default() };
        job.end(Ok(report), Millis(3_000), 0.0);
        assert_eq!((job.state, job.converged), (State::Done, Some(converged)));
        assert_eq!((job.began, job.ended), (Some(Millis(2_000)), Some(Millis(3_000))));
        assert_eq!((job.progress, job.last_error), (progress, None));
    }
}

#[test]
fn law_12_a_lost_link_is_tried_again_for_ever_later_and_later() {
    let mut job = job();
    let mut now = Millis(10_000);
    let mut waits = Vec::new();
    for _ in 0..9 {
        job.begin(now);
        job.end(Err(away()), now, 1.0);
        assert_eq!(job.state, State::Waiting);
        let next = job.next_try.unwrap();
        waits.push(next.since(now).as_secs());
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert!(job.last_error.as_ref().unwrap().what.contains("`east` did not answer"));
    assert_eq!(backoff(1, 0.0), Duration::from_millis(500), "half of it is by chance");
    assert_eq!(job.began, Some(Millis(10_000)), "the first try");
}

#[test]
fn law_12_what_does_not_pass_by_itself_ends_the_job_with_its_reason() {
    let store = || {
        let known = store::RecordError::Damaged { record: "job" };
        RunError::Store(store::ReadError::from(known).into())
    };
    for (error, state, says) in [
        (RunError::Refused("another site".to_owned()), State::Refused, "another site"),
        (store(), State::Failed, "read the store: job record is damaged"),
    ] {
        let mut job = job();
        job.begin(Millis(1));
        job.end(Err(error), Millis(2), 0.5);
        assert_eq!((job.state, job.ended), (state, Some(Millis(2))));
        assert_eq!(job.last_error, Some(JobError { at: Millis(2), what: says.to_owned() }));
    }
}

#[test]
fn an_origin_that_answers_nonsense_is_asked_five_times_in_a_row() {
    let mut job = job();
    for n in 1..=4 {
        job.begin(Millis(n));
        job.end(Err(old()), Millis(n), 0.5);
        assert_eq!(job.state, State::Waiting);
    }
    job.begin(Millis(5));
    job.advance(repaired(3));
    job.end(Err(old()), Millis(5), 0.5);
    assert_eq!(job.state, State::Waiting, "something was moved: it is another row");
    for n in 6..=9 {
        job.begin(Millis(n));
        job.end(Err(old()), Millis(n), 0.5);
    }
    assert_eq!(job.state, State::Failed);
    assert!(job.last_error.unwrap().what.contains("`east` does not know it"));
}

#[test]
fn trees_that_are_still_being_built_are_waited_for() {
    let there = || {
        let at = bus::wire::tree::Building { done: 3, of: 9 };
        RunError::Origin(OriginError::Building { peer: peer(), at })
    };
    let here = || {
        let building = store::TreeError::Building { done: 3, of: 9 };
        RunError::Store(store::ReadError::from(building).into())
    };
    let mut job = job();
    for n in 0..u64::from(2 * TRIES_MAX) {
        job.begin(Millis(n));
        let error = if n % 2 == 0 { there() } else { here() };
        assert_eq!(error.building(), Some(3));
        job.end(Err(error), Millis(n), 0.5);
        assert_eq!(job.state, State::Waiting);
    }
    assert!(job.last_error.unwrap().what.contains("3 of 9 records"));
}

#[test]
fn a_busy_origin_is_tried_again_and_a_cancelled_job_is_no_failure() {
    let mut job = job();
    job.begin(Millis(1));
    job.end(Err(RunError::Busy), Millis(2), 0.5);
    assert_eq!(job.state, State::Waiting);
    job.begin(Millis(3));
    job.end(Err(RunError::Cancelled), Millis(4), 0.5);
    assert_eq!((job.state, job.converged), (State::Cancelled, None));
    assert!(job.last_error.unwrap().what.contains("too many"), "what stood in the way before");
}

#[test]
fn a_restart_queues_what_was_under_way_with_its_counters() {
    let mut job = job();
    job.begin(Millis(1));
    job.advance(repaired(3));
    job.resume();
    assert_eq!((job.state, job.id, job.began), (State::Queued, JobId(7), Some(Millis(1))));
    job.begin(Millis(5));
    job.advance(Progress { bytes_to_move: 4, ..repaired(2) });
    assert_eq!(job.progress.repaired[&Reason::Missing], 5);
    assert_eq!((job.progress.bytes_moved, job.progress.bytes_to_move), (5, 7));
    job.advance(repaired(4));
    assert_eq!(job.progress.repaired[&Reason::Missing], 7, "tries are added up once");
    job.end(Ok(Report::default()), Millis(6), 0.0);
    job.resume();
    assert_eq!(job.state, State::Done, "what is over stays over");
}

#[test]
fn a_job_is_kept_as_text_that_this_release_reads_again() {
    let mut job = job();
    job.begin(Millis(1));
    job.advance(repaired(3));
    job.end(Err(away()), Millis(2), 0.5);
    let text = serde_json::to_string(&job).unwrap();
    assert!(text.starts_with(r#"{"id":7,"origin":"east","cause":"by_hand","request":"#), "{text}");
    assert!(text.contains(r#""state":"waiting""#) && text.contains(r#"{"missing":3}"#), "{text}");
    assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
}
