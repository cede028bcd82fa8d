use gateway::admin::{FullSyncFault, FullSyncProgress, FullSyncRequest, ProofShown};

use super::*;

fn job(state: FullSyncState) -> FullSyncJob {
    FullSyncJob {
        id: 7,
        origin: "east".to_owned(),
        cause: "by_hand".to_owned(),
        request: FullSyncRequest::default(),
        state,
        asked: "2026-01-02T03:04:05Z".to_owned(),
        began: None,
        ended: None,
        next_try: None,
        seconds: 12.5,
        progress: FullSyncProgress {
            phase: "repairing".to_owned(),
            buckets: 3,
            buckets_total: 12,
            compared: 1_200_000,
            differ: 120,
            repaired: [("missing".to_owned(), 100), ("older".to_owned(), 0)].into(),
            bytes_to_move: 4 << 20,
            bytes_moved: 1 << 20,
            wire_bytes: 64 << 10,
            round_trips: 9,
            ..FullSyncProgress::default()
        },
        converged: None,
        proofs: 0,
        estimate_seconds: None,
        last_error: None,
        differences: Vec::new(),
    }
}

fn done(converged: bool) -> FullSyncJob {
    FullSyncJob { converged: Some(converged), ..job(FullSyncState::Done) }
}

#[test]
fn progress_is_a_line_with_what_is_left() {
    let mut rate = Rate::default();
    let running = job(FullSyncState::Running);
    rate.see(&running);
    assert_eq!(
        progress(&running, &rate),
        "full sync 7 repairing  buckets 3 of 12  keys 1,200,000  differ 120  moved 1.00 MiB of \
         4.00 MiB"
    );
    let mut later = FullSyncJob { seconds: 13.5, ..running };
    later.progress.bytes_moved = 2 << 20;
    rate.see(&later);
    let line = progress(&later, &rate);
    assert!(line.ends_with("moved 2.00 MiB of 4.00 MiB  1.00 MiB/s  2 seconds left"), "{line}");
    let what = "site `east` did not answer in time".to_owned();
    let error = FullSyncFault { at: String::new(), what };
    let waiting = FullSyncJob { last_error: Some(error), ..job(FullSyncState::Waiting) };
    let line = progress(&waiting, &Rate::default());
    assert!(line.starts_with("full sync 7 waiting  "), "{line}");
    assert!(line.ends_with("  site `east` did not answer in time"), "{line}");
    let mut waits = job(FullSyncState::Running);
    waits.progress.waits = Some("site `east` is still building its hash tree".to_owned());
    let line = progress(&waits, &Rate::default());
    assert!(line.ends_with("  site `east` is still building its hash tree"), "{line}");
}

#[test]
fn what_came_of_it_is_told_in_numbers() {
    let expected = "\
full sync 7 done: both sites are equal
  keys compared 1,200,000, differ 120
  repaired missing 100
  moved 1.00 MiB
  compared with 64.00 KiB in 9 round trips; took 12.5 s";
    assert_eq!(ended(&done(true)), expected);
    let mut held = done(false);
    (held.progress.deletes_held_back, held.progress.unrepaired) = (20, 1);
    let text = ended(&held);
    assert!(text.starts_with("full sync 7 done: the sites differ\n"), "{text}");
    assert!(text.contains("  deletes held back 20\n  not repaired 1\n"), "{text}");
}

#[test]
fn a_dry_run_is_a_table_with_totals_and_an_estimate() {
    let difference = |bucket: Option<&str>, key: &str, what: &str, bytes| DifferenceShown {
        bucket: bucket.map(str::to_owned),
        key: key.to_owned(),
        what: what.to_owned(),
        bytes,
    };
    let mut dry = FullSyncJob {
        differences: vec![
            difference(Some("photos"), "2026/cat.jpg", "behind", 4_194_304),
            difference(Some("a"), "\u{1b}[2J", "foreign", 17),
            difference(None, "photos", "deleted", 0),
        ],
        estimate_seconds: Some(90.0),
        ..done(false)
    };
    dry.request.dry_run = true;
    dry.progress.repaired.clear();
    let expected = "\
bucket  key           here           bytes
photos  2026/cat.jpg  behind       4194304
a       \\u{1b}[2J     foreign           17
-       photos        deleted            0

full sync 7 done: the sites differ
  keys compared 1,200,000, differ 120
  to move 4.00 MiB, about 2 minutes
  compared with 64.00 KiB in 9 round trips; took 12.5 s";
    assert_eq!(ended(&dry), expected);
    dry.estimate_seconds = None;
    assert!(ended(&dry).contains("how long is not known"));
}

#[test]
fn history_is_a_line_a_job() {
    assert_eq!(
        line(&done(true)),
        "    7  2026-01-02T03:04:05Z  by_hand     done       equal   differ 120  repaired 100  12.5 s"
    );
    let error = FullSyncFault { at: String::new(), what: "another site answers".to_owned() };
    let refused = FullSyncJob { last_error: Some(error), ..job(FullSyncState::Refused) };
    assert!(line(&refused).ends_with("another site answers"), "{}", line(&refused));
}

#[test]
fn status_tells_the_last_job_and_every_proof() {
    let proof = ProofShown {
        bucket: Some("photos".to_owned()),
        root: "abcd".to_owned(),
        keys: 5_000,
        origin: String::new(),
        epoch: 1,
        cut: [].into(),
        at: "2026-01-02T03:04:05Z".to_owned(),
        age_seconds: 1.0,
    };
    let proofs = ProofList { proofs: vec![ProofShown { bucket: None, ..proof.clone() }, proof] };
    let text = status(&FullSyncNow { job: None }, &proofs);
    assert_eq!(
        text,
        "there was no full sync yet\n\
         equal at 2026-01-02T03:04:05Z: buckets and users, 5,000 keys, abcd\n\
         equal at 2026-01-02T03:04:05Z: photos, 5,000 keys, abcd"
    );
    let none = ProofList { proofs: Vec::new() };
    let running = FullSyncNow { job: Some(job(FullSyncState::Running)) };
    assert!(status(&running, &none).starts_with("full sync 7 repairing"));
}
