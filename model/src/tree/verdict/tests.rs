use super::*;
use crate::{Digest, EntityHash, Hlc, Version};

const SOURCE: SiteId = SiteId([1; 16]);
const OTHER: SiteId = SiteId([2; 16]);

fn cut() -> Cut {
    let at = |seq| BTreeMap::from([(Partition(0), Seq(seq))]);
    Cut { site: SOURCE, epoch: Epoch(5), written: at(50), trimmed: at(20) }
}

fn leaf(site: SiteId, seq: u64) -> Leaf {
    Leaf {
        entity: EntityHash(Digest::ZERO),
        version: Version { hlc: Hlc(seq), site },
        content: Digest::of(&seq.to_be_bytes()),
        deleted: false,
        position: Position { site, epoch: Epoch(5), partition: Partition(0), seq: Seq(seq) },
    }
}

fn tombstone(site: SiteId, seq: u64) -> Leaf {
    Leaf { content: Digest::ZERO, deleted: true, ..leaf(site, seq) }
}

fn judged(source: Option<Leaf>, here: Option<Leaf>) -> Verdict {
    let trimmed_here = cut().trimmed;
    verdict(&cut(), &trimmed_here, source.as_ref(), here.as_ref())
}

#[test]
fn equal_leaves_are_the_same_wherever_their_events_stand() {
    let moved = Leaf { position: leaf(OTHER, 9).position, ..leaf(SOURCE, 30) };
    assert_eq!(judged(Some(leaf(SOURCE, 30)), Some(moved)), Verdict::Same);
    assert_eq!(judged(None, None), Verdict::Same);
}

#[test]
fn what_is_missing_or_older_here_is_behind() {
    assert_eq!(judged(Some(leaf(SOURCE, 30)), None), Verdict::Behind);
    assert_eq!(judged(Some(leaf(SOURCE, 10)), None), Verdict::Behind, "live: it is no replay");
    assert_eq!(judged(Some(leaf(SOURCE, 30)), Some(leaf(SOURCE, 29))), Verdict::Behind);
    assert_eq!(judged(Some(tombstone(SOURCE, 30)), Some(leaf(SOURCE, 29))), Verdict::Behind);
    assert_eq!(judged(Some(leaf(OTHER, 30)), None), Verdict::Behind, "it relays others");
}

#[test]
fn law_9_what_lies_above_the_cut_is_no_difference() {
    assert_eq!(judged(None, Some(leaf(SOURCE, 51))), Verdict::Ahead);
    assert_eq!(judged(Some(leaf(SOURCE, 50)), Some(leaf(SOURCE, 51))), Verdict::Ahead);
    assert_eq!(judged(None, Some(leaf(OTHER, 30))), Verdict::Ahead, "not the source's to judge");
}

#[test]
fn what_the_source_never_issued_is_foreign() {
    assert_eq!(judged(None, Some(leaf(SOURCE, 30))), Verdict::Foreign);
    assert_eq!(judged(Some(leaf(SOURCE, 30)), Some(leaf(SOURCE, 31))), Verdict::Foreign);
    let forged = Leaf { content: Digest::ZERO, ..leaf(SOURCE, 30) };
    assert_eq!(judged(Some(leaf(SOURCE, 30)), Some(forged)), Verdict::Foreign);
    let mut past = leaf(SOURCE, 99);
    past.position.epoch = Epoch(4);
    assert_eq!(judged(None, Some(past)), Verdict::Foreign, "past epochs are below every cut");
}

#[test]
fn law_6_what_the_source_deleted_long_ago_is_deleted_and_never_brought_back() {
    assert_eq!(judged(None, Some(leaf(SOURCE, 20))), Verdict::Deleted);
    assert_eq!(judged(None, Some(tombstone(SOURCE, 20))), Verdict::Deleted);
    assert_eq!(judged(Some(tombstone(SOURCE, 20)), None), Verdict::Ahead, "trimmed here");
    let trimmed_here = BTreeMap::from([(Partition(0), Seq(60))]);
    let source = leaf(SOURCE, 30);
    let deleted_above = verdict(&cut(), &trimmed_here, Some(&source), None);
    assert_eq!(deleted_above, Verdict::Ahead, "it may have been deleted above the cut");
}
