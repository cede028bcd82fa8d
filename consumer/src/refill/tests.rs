use model::{
    Change, Digest, Entity, Epoch, Event, Hlc, Millis, Partition, RequestId, SealedEvent, SiteId,
    Version,
};

use super::*;

const LINE: Line = Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(0) };

fn came(seq: u64, readable: bool) -> Decoded {
    let bucket = model::BucketName::try_from("bucket".to_owned()).unwrap();
    let version = Version { hlc: Hlc::at(Millis(seq)), site: LINE.site };
    let position = LINE.at(Seq(seq));
    let change = Change::BucketDeleted { bucket: bucket.clone() };
    let event = Event {
        position,
        version,
        prev: digest(seq - 1),
        volume: 0,
        request: RequestId::NONE,
        change,
    };
    let entity = Entity::Bucket(bucket).hash();
    let sealed = SealedEvent { position, version, entity, payload: bytes::Bytes::new() };
    let prev = Some(event.prev);
    let event = if readable { Ok(event) } else { Err("no key".to_owned()) };
    Decoded { sealed, digest: digest(seq), event, prev }
}

fn digest(seq: u64) -> Digest {
    Digest::of(&seq.to_be_bytes())
}

fn parked(seq: u64) -> Hole {
    let reason = HoleReason::Parked { digest: digest(seq), why: "no key".to_owned() };
    Hole { first: Seq(seq), last: Seq(seq), reason }
}

fn closed(first: u64, last: u64) -> Step {
    Step::Close { line: LINE, first: Seq(first), last: Seq(last), digest: digest(last) }
}

#[test]
fn what_was_parked_is_applied_once_it_can_be_read() {
    let steps = unpark(LINE, &parked(7), vec![came(7, true)]);
    assert!(matches!(
        &steps[..],
        [Step::Close { first: Seq(7), last: Seq(7), .. }, Step::Apply(event)]
            if event.position == LINE.at(Seq(7))
    ));
}

#[test]
fn what_still_cannot_be_read_or_is_something_else_stays_parked() {
    assert_eq!(unpark(LINE, &parked(7), vec![came(7, false)]), []);
    assert_eq!(unpark(LINE, &parked(7), vec![came(8, true)]), []);
    assert_eq!(unpark(LINE, &parked(7), vec![]), []);
    let other = Decoded { digest: Digest::ZERO, ..came(7, true) };
    assert_eq!(unpark(LINE, &parked(7), vec![other]), []);
}

#[test]
fn a_refill_shrinks_the_gap_and_parks_what_cannot_be_read_in_it() {
    let reason = HoleReason::Gap { after: digest(4), last: digest(8) };
    let gap = Hole { first: Seq(5), last: Seq(8), reason };
    let steps = plan(LINE, &gap, vec![came(5, true), came(6, false)]);
    assert_eq!(steps[0], closed(5, 6));
    assert!(matches!(&steps[1], Step::Apply(event) if event.position.seq == Seq(5)));
    assert_eq!(steps[2], Step::Open(LINE, parked(6)));
}

#[test]
fn a_history_that_does_not_chain_on_what_was_handled_is_lost_not_applied() {
    let reason = HoleReason::Gap { after: digest(9), last: digest(5) };
    let gap = Hole { first: Seq(5), last: Seq(5), reason };
    let steps = plan(LINE, &gap, vec![came(5, true)]);
    let lost = Hole { reason: HoleReason::LostAtOrigin, ..gap };
    assert_eq!(steps, [Step::Open(LINE, lost)]);
}

#[test]
fn law_2_a_gap_behind_what_full_sync_brought_is_filled_and_its_end_vouches_for_it() {
    let gap = |last| {
        let reason = HoleReason::Gap { after: Digest::ZERO, last };
        Hole { first: Seq(5), last: Seq(6), reason }
    };
    let came = || vec![came(5, true), came(6, true)];
    let steps = plan(LINE, &gap(digest(6)), came());
    assert!(matches!(steps[..], [Step::Close { .. }, Step::Apply(_), Step::Apply(_)]));
    assert_eq!(steps[0], closed(5, 6));
    // Another history than the one that followed here: what does not fit stays a gap.
    let steps = plan(LINE, &gap(digest(9)), came());
    assert_eq!((&steps[0], steps.len()), (&closed(5, 5), 2));
}
