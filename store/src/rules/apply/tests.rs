use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{
    BlockHash, BlockKind, BlockRef, BucketName, Content, Digest, ETag, Entity, Epoch, Event, Hlc,
    Manifest, Partition, PartitionCount, Parts, Position, RequestId, SiteId, Version, tree::Leaf,
};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::{
    LineProgress, Memory, Store,
    store::tests::{bucket, key, options},
};

/// A line of another site.
pub(crate) const LINE: Line =
    Line { site: SiteId([9; 16]), epoch: Epoch(5), partition: Partition(0) };

pub(crate) async fn store() -> (Store, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let engine = Arc::<Memory>::default();
    (Store::open_on(engine, options(home.path(), 1)).await.unwrap(), home)
}

pub(crate) fn version(n: u64) -> Version {
    Version { hlc: Hlc(n), site: LINE.site }
}

pub(crate) fn manifest(content: Content) -> Manifest {
    Manifest {
        size: content.named().map(|(_, block)| u64::from(block.length)).sum(),
        etag: ETag(String::new()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content,
        encryption: None,
    }
}

pub(crate) fn event(seq: u64, change: Change) -> Event {
    let (prev, request) = (Digest::ZERO, RequestId::NONE);
    let position = LINE.at(Seq(seq));
    Event { position, version: version(seq), prev, volume: 0, request, change }
}

/// A put whose blocks, one for each name, are at the other site.
pub(crate) fn put(seq: u64, name: &str, blocks: &[&[u8]]) -> Event {
    let block = |body: &&[u8]| BlockRef { hash: BlockHash::of(body), length: body.len() as u32 };
    let content = match blocks {
        [] => Content::Inline(Bytes::new()),
        blocks => Content::Blocks(blocks.iter().map(block).collect()),
    };
    let manifest = Box::new(manifest(content));
    let (bucket, birth) = (bucket(), version(0));
    event(seq, Change::ObjectPut { bucket, key: key(name), slot: Slot::Null, birth, manifest })
}

pub(crate) fn delete(seq: u64, name: &str) -> Event {
    event(seq, Change::ObjectDeleted { bucket: bucket(), key: key(name), birth: version(0) })
}

pub(crate) fn applied(event: Event) -> Step {
    Step::Apply(Box::new(event))
}

pub(crate) fn repaired(event: Event) -> Step {
    let cut = event.position.line().at(Seq(1_000));
    Step::Repair { event: Box::new(event), cut }
}

pub(crate) fn leaf(entity: &Entity, at: Position, version: Version) -> Leaf {
    let (entity, content) = (entity.hash(), Digest::ZERO);
    Leaf { entity, version, content, deleted: false, position: at, attributes: None }
}

pub(crate) fn object_leaf(name: &str, seq: u64) -> Leaf {
    leaf(&Entity::Object(bucket(), key(name)), LINE.at(Seq(seq)), version(seq))
}

pub(crate) fn scope() -> Scope {
    Scope::Bucket(bucket())
}

fn handled(seq: u64) -> Handled {
    Handled { seq: Seq(seq), ..Handled::START }
}

fn gap(first: u64, last: u64) -> Hole {
    let reason = HoleReason::Gap { after: Digest::of(b"before"), last: Digest::of(b"last") };
    Hole { first: Seq(first), last: Seq(last), reason }
}

fn lost(first: u64, last: u64) -> Hole {
    Hole { first: Seq(first), last: Seq(last), reason: HoleReason::LostAtOrigin }
}

fn close(first: u64, last: u64) -> Step {
    let digest = Digest::of(&last.to_be_bytes());
    Step::Close { line: LINE, first: Seq(first), last: Seq(last), digest }
}

fn prove(up_to: u64) -> Step {
    Step::Prove { line: LINE, up_to: Seq(up_to) }
}

/// The holes of the line, in short: first, last, reason.
fn holes(store: &Store) -> Vec<(u64, u64, &'static str)> {
    let LineProgress { holes, .. } = store.line(LINE);
    holes.values().map(|hole| (hole.first.0, hole.last.0, hole.reason.label())).collect()
}

async fn after(steps: Vec<Step>) -> Vec<(u64, u64, &'static str)> {
    let (store, _home) = store().await;
    store.apply(vec![Step::Handle(LINE, handled(9))]).await.unwrap();
    store.apply(steps).await.unwrap();
    holes(&store)
}

#[tokio::test]
async fn law_2_a_repair_takes_the_beginning_of_a_hole_and_nothing_else_of_it() {
    let open = |hole| Step::Open(LINE, hole);
    let here = || repaired(put(5, "k", &[]));
    let missing = || repaired(put(5, "k", &[b"a block"]));
    let blocks = (5, 5, "blocks_missing");
    // All of a hole.
    assert_eq!(after(vec![open(lost(5, 5)), here()]).await, []);
    assert_eq!(after(vec![open(lost(5, 5)), missing()]).await, [blocks]);
    // Its beginning.
    assert_eq!(after(vec![open(gap(5, 8)), here()]).await, [(6, 8, "gap")]);
    assert_eq!(after(vec![open(gap(5, 8)), missing()]).await, [blocks, (6, 8, "gap")]);
    // Its middle and its end: it is still there for the others.
    for first in [3, 4] {
        let rest = [(first, 8, "lost_at_origin"), blocks];
        assert_eq!(after(vec![open(lost(first, 8)), missing()]).await, rest);
        let rest = [(first, 5, "gap"), blocks];
        assert_eq!(after(vec![open(gap(first, 5)), missing()]).await, rest);
    }
    // Beside it.
    assert_eq!(after(vec![open(gap(6, 8)), missing()]).await, [blocks, (6, 8, "gap")]);
    assert_eq!(after(vec![open(gap(2, 4)), missing()]).await, [(2, 4, "gap"), blocks]);
    // An event of real time does the same.
    let applied = applied(put(5, "k", &[b"a block"]));
    assert_eq!(after(vec![open(gap(5, 8)), applied]).await, [blocks, (6, 8, "gap")]);
}

#[tokio::test]
async fn law_2_a_refill_goes_on_behind_what_full_sync_brought() {
    let missing = |seq| repaired(put(seq, &format!("k{seq}"), &[b"a block"]));
    let begun = || vec![Step::Open(LINE, gap(4, 8)), missing(6), missing(7)];
    // What remains begins with an event that is applied, and another: it begins behind them.
    let steps = [begun(), vec![close(4, 5)]].concat();
    let rest = [(6, 6, "blocks_missing"), (7, 7, "blocks_missing"), (8, 8, "gap")];
    assert_eq!(after(steps).await, rest);
    let steps = [begun(), vec![close(4, 8)]].concat();
    assert_eq!(after(steps).await, rest[..2]);
    // A refill that was decided before the repair does not close what is left, or open it again.
    let steps = vec![Step::Open(LINE, gap(4, 8)), missing(4), close(4, 5)];
    assert_eq!(after(steps).await, [(4, 4, "blocks_missing"), (5, 8, "gap")]);
    let steps = vec![Step::Open(LINE, gap(4, 8)), missing(4), Step::Open(LINE, lost(4, 8))];
    assert_eq!(after(steps).await, [(4, 4, "blocks_missing"), (5, 8, "lost_at_origin")]);
    // And of what it refills, what is parked stays parked.
    let steps = vec![Step::Open(LINE, lost(5, 8)), Step::Open(LINE, lost(5, 6))];
    assert_eq!(after(steps).await, [(5, 8, "lost_at_origin")]);
}

#[tokio::test]
async fn law_2_a_refill_closes_what_it_filled_and_no_more() {
    // It was asked for while the gap was all that began there. By its answer, what is left of a longer
    // hole begins there too.
    let longer = [Step::Open(LINE, gap(5, 8)), Step::Open(LINE, lost(2, 20)), prove(4)];
    let rest = [(9, 20, "lost_at_origin")];
    assert_eq!(after([&longer[..], &[close(5, 8)]].concat()).await, rest);
    assert_eq!(after([&longer[..], &[close(5, 20)]].concat()).await, []);
    // What it did not fill of a gap goes on behind the last event that came.
    let (store, _home) = store().await;
    store.apply(vec![Step::Open(LINE, gap(5, 8)), close(5, 6)]).await.unwrap();
    let reason =
        HoleReason::Gap { after: Digest::of(&6u64.to_be_bytes()), last: Digest::of(b"last") };
    let rest = Hole { first: Seq(7), last: Seq(8), reason };
    assert_eq!(store.line(LINE).holes, [(Seq(7), rest)].into());
}

#[tokio::test]
async fn law_2_a_broken_chain_is_a_hole_whatever_its_last_event_waits_for() {
    let broken = |last| Step::Open(LINE, lost(0, last));
    let missing = |seq| repaired(put(seq, &format!("k{seq}"), &[b"a block"]));
    let (four, doubt) = ((4, 4, "blocks_missing"), |last| (0, last, "lost_at_origin"));
    assert_eq!(after(vec![missing(4), broken(4)]).await, [doubt(4), four]);
    // Neither an event that comes nor a proof from before it broke says that all is well again.
    let steps = vec![missing(4), broken(4), repaired(put(1, "k", &[])), prove(3), close(4, 4)];
    assert_eq!(after(steps).await, [doubt(4), four]);
    let again = vec![missing(4), broken(4), broken(6), broken(5), prove(5)];
    assert_eq!(after(again).await, [doubt(6), four]);
    assert_eq!(after(vec![missing(4), broken(4), prove(4)]).await, [four]);
    // Of a state whose place is not known nothing is said either.
    let nowhere = repaired(put(0, "k", &[]));
    assert_eq!(after(vec![broken(4), nowhere]).await, [doubt(4)]);
    let (store, _home) = store().await;
    store.apply(vec![Step::Handle(LINE, handled(9)), broken(4)]).await.unwrap();
    let line = store.line(LINE);
    assert_eq!((line.applied(), line.complete()), (Seq(0), Seq(0)), "nobody knows how far back");
}

/// One thing that befalls a line, of ten events.
#[derive(Clone, Debug)]
enum Op {
    /// A run of events does not come, or cannot be had any more.
    Miss(u64, u64, bool),
    /// The events of a run come, asked for at some time before.
    Fill(u64, u64),
    /// Full sync brings the state of an event, with or without its block.
    Repair(u64, bool),
    Prove(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let run = || (1u64..11, 0u64..10).prop_map(|(first, more)| (first, (first + more).min(10)));
    prop_oneof![
        4 => (run(), any::<bool>()).prop_map(|((first, last), had)| Op::Miss(first, last, had)),
        4 => run().prop_map(|(first, last)| Op::Fill(first, last)),
        3 => (1u64..11, any::<bool>()).prop_map(|(seq, here)| Op::Repair(seq, here)),
        1 => (1u64..11).prop_map(Op::Prove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Refills are answered long after they were asked for, and whatever has happened between.
    #[test]
    fn law_2_no_event_that_is_not_applied_falls_out_of_every_hole(
        ops in prop::collection::vec(op(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, _home) = store().await;
            store.apply(vec![Step::Handle(LINE, handled(10))]).await.unwrap();
            let mut missed = std::collections::BTreeSet::new();
            for op in &ops {
                let steps = match *op {
                    Op::Miss(first, last, had) => {
                        missed.extend(first..=last);
                        let hole = if had { gap(first, last) } else { lost(first, last) };
                        vec![Step::Open(LINE, hole)]
                    }
                    Op::Fill(first, last) => {
                        missed.retain(|seq| !(first..=last).contains(seq));
                        let event = |seq| applied(put(seq, &format!("k{seq}"), &[]));
                        let events = (first..=last).map(event);
                        [close(first, last)].into_iter().chain(events).collect()
                    }
                    Op::Repair(seq, here) => {
                        missed.remove(&seq);
                        let blocks: &[&[u8]] = if here { &[] } else { &[b"a block"] };
                        vec![repaired(put(seq, &format!("k{seq}"), blocks))]
                    }
                    Op::Prove(up_to) => {
                        missed.retain(|seq| *seq > up_to);
                        vec![prove(up_to)]
                    }
                };
                store.apply(steps).await.unwrap();
                let LineProgress { holes, .. } = store.line(LINE);
                let inside = |seq: &u64| {
                    holes.values().any(|hole| (hole.first.0..=hole.last.0).contains(seq))
                };
                assert!(missed.iter().all(inside), "{op:?} left {missed:?} in {holes:?}");
            }
            store.apply(vec![prove(10)]).await.unwrap();
            assert_eq!(store.line(LINE).applied(), Seq(10), "all of them can be closed");
        });
    }
}

#[tokio::test]
async fn law_9_a_proof_closes_what_was_not_applied_up_to_its_cut() {
    let missing = repaired(put(4, "k", &[b"a block"]));
    let begun = vec![Step::Open(LINE, lost(2, 3)), Step::Open(LINE, gap(5, 8)), missing];
    let of = |up_to| after([begun.clone(), vec![prove(up_to)]].concat());
    let blocks = (4, 4, "blocks_missing");
    assert_eq!(of(1).await, [(2, 3, "lost_at_origin"), blocks, (5, 8, "gap")]);
    assert_eq!(of(2).await, [(3, 3, "lost_at_origin"), blocks, (5, 8, "gap")]);
    assert_eq!(of(4).await, [blocks, (5, 8, "gap")]);
    assert_eq!(of(7).await, [blocks, (8, 8, "gap")]);
    assert_eq!(of(9).await, [blocks]);
    // What the proof leaves of a hole does not take the row of an event that waits for blocks.
    let at_eight = repaired(put(8, "other", &[b"a block"]));
    let steps = [begun.clone(), vec![at_eight, prove(7)]].concat();
    assert_eq!(after(steps).await, [blocks, (8, 8, "blocks_missing")]);
}

#[tokio::test]
async fn law_4_a_line_is_adopted_once_and_what_is_handled_never_goes_back() {
    let (store, _home) = store().await;
    let adopt = |seq| Step::Adopt { line: LINE, handled: handled(seq) };
    let mut adoptions = store.adoptions();
    store.apply(vec![adopt(0)]).await.unwrap();
    assert_eq!(store.line(LINE), LineProgress::START, "nothing was written there");
    // A repair may have come first.
    store.apply(vec![repaired(put(1, "k", &[b"a block"])), adopt(7)]).await.unwrap();
    assert!(adoptions.has_changed().unwrap());
    adoptions.mark_unchanged();
    let begun = [(1, 1, "blocks_missing"), (2, 7, "adopted")];
    assert_eq!((store.line(LINE).handled, holes(&store)), (handled(7), begun.to_vec()));
    assert_eq!((store.line(LINE).applied(), store.line(LINE).complete()), (Seq(1), Seq(0)));
    store.apply(vec![adopt(9), Step::Handle(LINE, handled(3))]).await.unwrap();
    assert_eq!((store.line(LINE).handled, holes(&store)), (handled(7), begun.to_vec()));
    assert!(!adoptions.has_changed().unwrap());
    store.apply(vec![Step::Prove { line: LINE, up_to: Seq(7) }]).await.unwrap();
    assert_eq!(store.line(LINE).applied(), Seq(7));
}

#[tokio::test]
async fn law_3_a_repair_is_the_event_and_either_comes_first() {
    let outcomes = |steps: Vec<Step>| async {
        let (store, _home) = store().await;
        store.apply(steps).await.unwrap()
    };
    let (old, new) = (|| put(1, "k", &[b"old"]), || put(2, "k", &[b"new"]));
    let seen = outcomes(vec![repaired(new()), applied(old()), applied(new())]).await;
    assert_eq!((seen.replaced, seen.stale, seen.duplicate), (1, 1, 1));
    let seen = outcomes(vec![applied(new()), repaired(old()), repaired(new())]).await;
    assert_eq!((seen.replaced, seen.stale, seen.duplicate), (1, 1, 1));
    let seen = outcomes(vec![repaired(delete(2, "k")), applied(old())]).await;
    assert_eq!((seen.replaced, seen.stale), (1, 1));
}

#[tokio::test]
async fn law_6_what_is_ignored_in_a_hole_is_left_to_full_sync() {
    let (store, _home) = store().await;
    let partitions = PartitionCount::new(4).unwrap();
    let trimmed = Change::Trimmed { partition: LINE.partition, partitions, up_to: Seq(5) };
    let steps = vec![
        Step::Open(LINE, gap(2, 4)),
        applied(event(6, trimmed)),
        Step::Handle(LINE, handled(6)),
        close(2, 4),
        applied(put(2, "absent", &[])),
        applied(put(3, "absent", &[])),
    ];
    let outcomes = store.apply(steps).await.unwrap();
    assert_eq!((outcomes.replaced, outcomes.ignored), (1, 2));
    let left = [(2, 2, "lost_at_origin"), (3, 3, "lost_at_origin")];
    assert_eq!(holes(&store), left);
    // Outside of a hole it was applied before.
    let again = vec![applied(put(1, "absent", &[])), applied(delete(1, "absent"))];
    assert_eq!(store.apply(again).await.unwrap().ignored, 2);
    assert_eq!(holes(&store), left);
    // Of a bucket the newest word counts, whatever its age: tombstones of buckets stay.
    let state = Bucket { birth: version(1), owner: UserId::root() };
    let name = BucketName::try_from("other".to_owned()).unwrap();
    let made = applied(event(1, Change::BucketPut { bucket: name, state }));
    assert_eq!(store.apply(vec![made]).await.unwrap().replaced, 1);
    // Attributes of what is absent are ignored with it.
    let attributes = model::Attributes::default();
    let (bucket, key, of) = (bucket(), key("absent"), version(1));
    let tags = Change::Attributes { bucket, key, of, attributes };
    assert_eq!(store.apply(vec![applied(event(1, tags))]).await.unwrap().ignored, 1);
}

#[tokio::test]
async fn law_7_of_two_contents_of_one_event_the_one_that_stays_is_waited_for() {
    let of = |body: &'static [u8]| applied(put(5, "k", &[body]));
    for order in [[b"one".as_slice(), b"other"], [b"other", b"one"]] {
        let (store, _home) = store().await;
        store.apply(vec![of(order[0]), of(order[1])]).await.unwrap();
        assert_eq!(holes(&store), [(5, 5, "blocks_missing")]);
        let wants = store.wants(None, 9, |_| false).unwrap();
        let waited = wants.iter().map(|want| want.block.hash);
        let known = [b"one".as_slice(), b"other"].map(|body| (BlockHash::of(body), body));
        let stays: Vec<_> =
            waited.filter_map(|hash| known.iter().find(|(of, _)| *of == hash)).collect();
        assert_eq!(stays.len(), 1, "the other one is not waited for");
        let &(hash, body) = stays[0];
        store.keep_block(hash, BlockKind::Block, Bytes::from_static(body)).await.unwrap();
        assert_eq!(holes(&store), []);
    }
}
