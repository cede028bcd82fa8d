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
        attributes: None,
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

#[test]
fn law_3_other_attributes_of_one_object_are_merged_and_never_foreign() {
    // By the last change: of the source at 40, above its cut, of another site, or of unknown place.
    let with = |value: u8, site, seq| {
        let (digest, position) = (Digest::of(&[value]), leaf(site, seq).position);
        Some(Leaf { attributes: Some(LeafAttributes { digest, position }), ..leaf(SOURCE, 30) })
    };
    let (none, source) = (Some(leaf(SOURCE, 30)), with(1, SOURCE, 40));
    assert_eq!(judged(source, with(1, OTHER, 99)), Verdict::Same, "wherever they were changed");
    assert_eq!(judged(source, none), Verdict::Attributes);
    for here in [with(2, SOURCE, 35), with(2, SOURCE, 50), with(2, OTHER, 99), with(2, SOURCE, 0)] {
        assert_eq!(judged(source, here), Verdict::Attributes);
        assert_eq!(judged(none, here), Verdict::Attributes);
    }
    let ahead = with(2, SOURCE, 51);
    assert_eq!((judged(source, ahead), judged(none, ahead)), (Verdict::Ahead, Verdict::Ahead));
    // They say nothing of which object is the newer, or the right one.
    let newer = Some(Leaf { attributes: ahead.unwrap().attributes, ..leaf(SOURCE, 29) });
    assert_eq!(judged(source, newer), Verdict::Behind);
    let forged = ahead.map(|leaf| Leaf { content: Digest::ZERO, ..leaf });
    assert_eq!(judged(source, forged), Verdict::Foreign);
}
