use model::{
    BucketName, Change, Digest, Entity, Epoch, Event, Hlc, Partition, RequestId, SealedEvent,
    SiteId, Version,
};

use super::*;

const SITE: SiteId = SiteId([1; 16]);
const LIMITS: Limits = Limits { parked_max: 2, holes_max: 4 };

fn line(epoch: u64) -> Line {
    Line { site: SITE, epoch: Epoch(epoch), partition: Partition(0) }
}

fn digest(seq: u64) -> Digest {
    if seq == 0 { Digest::ZERO } else { Digest::of(&seq.to_be_bytes()) }
}

/// Event `seq` of a chain in which the digest of event n is `digest(n)`.
fn event(epoch: u64, seq: u64) -> Decoded {
    let bucket = BucketName::try_from("bucket".to_owned()).unwrap();
    let version = Version { hlc: Hlc::at(Millis(seq)), site: SITE };
    let change = Change::BucketDeleted { bucket: bucket.clone() };
    let position = line(epoch).at(Seq(seq));
    let event = Event {
        position,
        version,
        prev: digest(seq - 1),
        volume: seq,
        request: RequestId::NONE,
        change,
    };
    let entity = Entity::Bucket(bucket).hash();
    let sealed = SealedEvent { position, version, entity, payload: bytes::Bytes::new() };
    Decoded { sealed, digest: digest(seq), prev: Some(event.prev), event: Ok(event) }
}

fn unreadable(seq: u64) -> Decoded {
    Decoded { event: Err("no key".into()), ..event(1, seq) }
}

fn applier() -> Applier {
    Applier::new(LIMITS, [])
}

fn handled(decision: &Decision) -> Vec<u64> {
    let seq = |step: &Step| match step {
        Step::Handle(_, handled) => Some(handled.seq.0),
        _ => None,
    };
    decision.steps.iter().filter_map(seq).collect()
}

fn opened(decision: &Decision) -> Vec<Hole> {
    let hole = |step: &Step| match step {
        Step::Open(_, hole) => Some(hole.clone()),
        _ => None,
    };
    decision.steps.iter().filter_map(hole).collect()
}

fn kinds(decision: &Decision) -> Vec<Alarm> {
    decision.alarms.iter().map(|(_, alarm)| *alarm).collect()
}

#[test]
fn events_in_order_are_applied_and_handled() {
    let mut applier = applier();
    for seq in 1..=3 {
        let decision = applier.event(event(1, seq));
        assert!(matches!(decision.steps[..], [Step::Apply(_), Step::Handle(..)]));
        assert_eq!(handled(&decision), [seq]);
        assert!(decision.alarms.is_empty());
    }
}

#[test]
fn law_2_a_gap_is_a_hole_and_what_follows_is_not_held_up() {
    let mut applier = applier();
    applier.event(event(1, 1));
    let decision = applier.event(event(1, 5));
    let reason = HoleReason::Gap { after: digest(1), last: digest(4) };
    assert_eq!(opened(&decision), [Hole { first: Seq(2), last: Seq(4), reason }]);
    assert_eq!(kinds(&decision), [Alarm::Gap]);
    assert_eq!(handled(&decision), [5]);
    assert_eq!(applier.event(event(1, 3)), Decision::default(), "late: the refill brings it");
}

#[test]
fn law_3_duplicates_are_nothing() {
    let mut applier = applier();
    applier.event(event(1, 1));
    applier.event(event(1, 2));
    assert_eq!(applier.event(event(1, 1)), Decision::default());
    assert_eq!(applier.event(event(1, 2)), Decision::default());
    let other = Decoded { digest: digest(9), ..event(1, 2) };
    let decision = applier.event(other);
    assert_eq!(kinds(&decision), [Alarm::BrokenChain]);
    assert_eq!((opened(&decision), handled(&decision)), (vec![doubt(2)], vec![]));
}

/// Nothing up to there may be what the origin has.
fn doubt(last: u64) -> Hole {
    Hole { first: Seq::NONE, last: Seq(last), reason: HoleReason::LostAtOrigin }
}

#[test]
fn law_2_a_broken_chain_is_an_alarm_and_a_hole() {
    let mut applier = applier();
    applier.event(event(1, 1));
    let decision = applier.event(Decoded { prev: Some(digest(9)), ..event(1, 2) });
    assert_eq!(kinds(&decision), [Alarm::BrokenChain]);
    assert_eq!(opened(&decision), [doubt(1)]);
    assert_eq!(handled(&decision), [2], "what follows is not held up");
}

#[test]
fn law_12_what_cannot_be_read_is_parked_until_there_is_too_much() {
    let mut applier = applier();
    for seq in 1..=2 {
        let decision = applier.event(unreadable(seq));
        assert_eq!(kinds(&decision), [Alarm::Parked]);
        assert_eq!(handled(&decision), [seq]);
    }
    let decision = applier.event(event(1, 3));
    assert!(decision.steps.is_empty() && applier.waits());
    assert_eq!(kinds(&decision), [Alarm::Stopped]);
    // Said once; and the events that wait here are not taken for missing.
    assert_eq!(applier.event(event(1, 4)), Decision::default());
    let parked = |seq| {
        let reason = HoleReason::Parked { digest: digest(seq), why: "no key".into() };
        (Seq(seq), Hole { first: Seq(seq), last: Seq(seq), reason })
    };
    let held = |seqs: &[u64]| LineProgress {
        holes: seqs.iter().map(|seq| parked(*seq)).collect(),
        ..LineProgress::START
    };
    assert!(!applier.has_room_again(|_| held(&[1, 2])));
    assert!(applier.has_room_again(|_| held(&[2])));
}

#[test]
fn a_new_epoch_begins_at_one_with_an_alarm() {
    let mut applier = applier();
    applier.event(event(1, 1));
    let decision = applier.event(event(2, 1));
    assert_eq!(kinds(&decision), [Alarm::NewEpoch]);
    assert_eq!(handled(&decision), [1]);
    assert!(applier.event(event(2, 2)).alarms.is_empty());
}

#[test]
fn law_10_what_a_heartbeat_says_is_written_and_never_comes_is_asked_for() {
    let mut applier = applier();
    applier.event(event(1, 1));
    let beat = |time| Heartbeat {
        site: SITE,
        epoch: Epoch(1),
        partition: Partition(0),
        written: Seq(3),
        digest: digest(3),
        volume: 3,
        time: Millis(time),
    };
    assert_eq!(applier.heartbeat(&beat(0)), Decision::default());
    assert_eq!(applier.heartbeat(&beat(STALL - 1)), Decision::default());
    let decision = applier.heartbeat(&beat(STALL));
    let reason = HoleReason::Gap { after: digest(1), last: digest(3) };
    assert_eq!(opened(&decision), [Hole { first: Seq(2), last: Seq(3), reason }]);
    assert_eq!(handled(&decision), [3]);
    assert!(applier.event(event(1, 4)).alarms.is_empty(), "the chain goes on");
}

#[test]
fn law_2_a_line_that_was_adopted_goes_on_right_behind_the_cut() {
    let adopted = Hole { first: Seq(1), last: Seq(7), reason: HoleReason::Adopted };
    let handled = Handled { seq: Seq(7), digest: digest(7), ..Handled::START };
    let progress = LineProgress { handled, holes: [(Seq(1), adopted)].into() };
    let mut applier = Applier::new(LIMITS, [(line(1), progress)]);
    // What the log still holds of before is nothing; the first event behind it names what it ends
    // with, and is no gap.
    assert_eq!(applier.event(event(1, 3)), Decision::default());
    assert_eq!(applier.event(event(1, 7)), Decision::default());
    let decision = applier.event(event(1, 8));
    assert!(decision.alarms.is_empty());
    assert!(matches!(decision.steps[..], [Step::Apply(_), Step::Handle(..)]));
    let mut applier =
        Applier::new(LIMITS, [(line(1), LineProgress { handled, ..LineProgress::START })]);
    let other = applier.event(Decoded { prev: Some(digest(9)), ..event(1, 8) });
    assert_eq!(kinds(&other), [Alarm::BrokenChain], "the cut was of another history");
}
