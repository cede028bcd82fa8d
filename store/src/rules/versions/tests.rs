use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    BlockHash, BlockKind, Content, ETag, Event, Hlc, Manifest, Seq, SiteId, SlotName,
    tree::{Scope, Span, Summary, View},
};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::{
    Found, ListedVersion, Memory, Step, Store, VersionCursor, VersionEntry, VersionQuery,
    engine::{Engine, Table},
    open::{Row, rows},
    rules::apply::tests::{LINE, applied, event, manifest, repaired, store, version},
    store::tests::{bucket, events, key, options, put},
    tree::tests::assert_tree_is_true,
};

/// Keys that a common prefix, and the end of one key in another, are made of.
const KEYS: [&str; 4] = ["a", "a/b", "a/c", "b"];

/// One thing that another site did to a key, whose number is its event's.
#[derive(Clone, Debug)]
enum Op {
    Put {
        own: bool,
    },
    Marker {
        own: bool,
    },
    /// Of the null version, or of one of those that were put before.
    Remove {
        which: Option<prop::sample::Index>,
    },
}

fn ops() -> impl Strategy<Value = Vec<(usize, Op)>> {
    let op = prop_oneof![
        4 => any::<bool>().prop_map(|own| Op::Put { own }),
        2 => any::<bool>().prop_map(|own| Op::Marker { own }),
        2 => any::<Option<prop::sample::Index>>().prop_map(|which| Op::Remove { which }),
    ];
    prop::collection::vec((0..KEYS.len(), op), 1..40)
}

fn birth() -> Version {
    Version { hlc: Hlc(0), site: SiteId([9; 16]) }
}

/// What stands in the slots of a key, in memory: version, and whether it is a marker.
type Model = BTreeMap<&'static str, BTreeMap<Slot, (Version, bool)>>;

/// The events of a history, and what stands after it.
fn history(ops: &[(usize, Op)]) -> (Vec<Event>, Model) {
    let (mut events, mut model) = (Vec::new(), Model::new());
    let mut owns: BTreeMap<&str, Vec<Version>> = BTreeMap::new();
    for (seq, (of, op)) in (1..).zip(ops) {
        let (name, version) = (KEYS[*of], version(seq));
        let slots = model.entry(name).or_default();
        let slot = |own: bool| if own { Slot::Own(version) } else { Slot::Null };
        let (bucket, key, birth) = (bucket(), key(name), birth());
        let change = match op {
            Op::Put { own } | Op::Marker { own } => {
                let slot = slot(*own);
                let marker = matches!(op, Op::Marker { .. });
                slots.insert(slot, (version, marker));
                if *own {
                    owns.entry(name).or_default().push(version);
                }
                if marker {
                    Change::MarkerPut { bucket, key, slot, birth }
                } else {
                    let manifest = Box::new(body(seq));
                    Change::ObjectPut { bucket, key, slot, birth, manifest }
                }
            }
            Op::Remove { which: Some(which) } if owns.contains_key(name) => {
                let of = *which.get(&owns[name]);
                slots.remove(&Slot::Own(of));
                Change::VersionRemoved { bucket, key, of, birth }
            }
            Op::Remove { .. } => {
                slots.remove(&Slot::Null);
                Change::ObjectDeleted { bucket, key, birth }
            }
        };
        events.push(event(seq, change));
    }
    (events, model)
}

fn body(seq: u64) -> Manifest {
    Manifest { etag: ETag(seq.to_string()), ..manifest(Content::Inline(Bytes::new())) }
}

async fn open(engine: &Arc<Memory>, directory: &std::path::Path, site: u8) -> Store {
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(engine);
    let store = Store::open_on(engine, options(directory, site)).await.unwrap();
    let state = model::Bucket { birth: birth(), owner: model::UserId::root() };
    let made = event(1_000, Change::BucketPut { bucket: bucket(), state });
    store.apply(vec![applied(made)]).await.unwrap();
    store
}

/// As a listing should show it.
fn expected(model: &Model) -> Vec<(String, Slot, bool, bool)> {
    let mut listed = Vec::new();
    for (key, slots) in model {
        let mut standing: Vec<_> = slots.iter().collect();
        standing.sort_by_key(|(_, (version, _))| std::cmp::Reverse(*version));
        listed.extend(
            standing
                .into_iter()
                .enumerate()
                .map(|(at, (slot, (_, marker)))| ((*key).to_owned(), *slot, at == 0, *marker)),
        );
    }
    listed
}

fn shown(entry: VersionEntry) -> (String, Slot, bool, bool) {
    match entry {
        VersionEntry::Version(ListedVersion { key, slot, latest, object, .. }) => {
            (key, slot, latest, object.is_none())
        }
        VersionEntry::CommonPrefix(prefix) => (prefix, Slot::Null, false, false),
    }
}

/// All pages of a listing.
fn listed(store: &Store, query: &VersionQuery) -> Vec<(String, Slot, bool, bool)> {
    let (mut all, mut query) = (Vec::new(), query.clone());
    loop {
        let page = store.list_versions(&bucket(), &query).unwrap();
        assert!(page.entries.len() <= query.limit);
        query.after = page.entries.last().map(VersionEntry::cursor);
        all.extend(page.entries.into_iter().map(shown));
        if !page.truncated {
            return all;
        }
    }
}

fn whole(limit: usize) -> VersionQuery {
    VersionQuery { limit, ..VersionQuery::default() }
}

/// Every row of objects and slots, and the root of the tree over them.
fn state(store: &Store) -> ([Vec<Row>; 2], Summary) {
    let of = |table| rows(&*store.shared.engine, table, b"").unwrap();
    let view = store.tree_view().unwrap();
    let root = view.roots().unwrap().get(&Scope::Bucket(bucket())).copied();
    ([of(Table::Objects), of(Table::Slots)], root.unwrap_or(Summary::EMPTY))
}

async fn assert_reads(store: &Store, model: &Model) {
    for name in KEYS {
        let slots = model.get(name).cloned().unwrap_or_default();
        let latest = slots.iter().max_by_key(|(_, (version, _))| *version);
        let asked = slots.iter().map(|(slot, state)| (Some(*slot), Some(state)));
        let latest = [(None, latest.map(|(_, state)| state))];
        for (slot, state) in latest.into_iter().chain(asked) {
            let found = match store.find(&bucket(), &key(name), slot).await.unwrap() {
                Found::Object(object) => Some((object.version, false)),
                Found::Marker(marker) => Some((marker.version, true)),
                Found::Nothing => None,
            };
            assert_eq!(found.as_ref(), state, "{name}, {slot:?}");
        }
    }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn law_3_versions_are_the_same_in_any_order_and_repetition(
        ops in ops(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        limit in 1usize..7,
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path(), 1).await;
            let west = open(&Arc::default(), homes[1].path(), 2).await;
            let (events, model) = history(&ops);
            for event in &events {
                east.apply(vec![applied(event.clone())]).await.unwrap();
            }
            // Some by full sync, some twice, and in the end the rest, last first.
            for (which, by_full_sync) in order {
                let event = which.get(&events).clone();
                let step = if by_full_sync { repaired(event) } else { applied(event) };
                west.apply(vec![step]).await.unwrap();
            }
            west.apply(events.iter().rev().cloned().map(applied).collect()).await.unwrap();
            for store in [&east, &west] {
                assert_tree_is_true(store);
                assert_eq!(listed(store, &whole(limit)), expected(&model));
                assert_reads(store, &model).await;
            }
            assert_eq!(state(&east), state(&west));
        });
    }

    #[test]
    fn pages_are_cut_anywhere_and_go_on_by_key_prefix_and_delimiter(
        ops in ops(),
        limit in 1usize..4,
    ) {
        block_on(async {
            let (engine, home) = (Arc::default(), tempfile::tempdir().unwrap());
            let store = open(&engine, home.path(), 1).await;
            let (events, model) = history(&ops);
            store.apply(events.into_iter().map(applied).collect()).await.unwrap();
            let all = expected(&model);
            let under = VersionQuery { prefix: "a/".to_owned(), ..whole(limit) };
            let below: Vec<_> = all.iter().filter(|(key, ..)| key.starts_with("a/")).cloned().collect();
            assert_eq!(listed(&store, &under), below);
            let after = VersionCursor::Key("a".to_owned());
            let behind = VersionQuery { after: Some(after), ..whole(limit) };
            let rest: Vec<_> = all.iter().filter(|(key, ..)| key != "a").cloned().collect();
            assert_eq!(listed(&store, &behind), rest);
            let delimited = VersionQuery { delimiter: Some("/".to_owned()), ..whole(limit) };
            let mut rolled: Vec<_> = all.clone();
            rolled.retain(|(key, ..)| !key.contains('/'));
            if !below.is_empty() {
                let at = rolled.partition_point(|(key, ..)| key == "a");
                rolled.insert(at, ("a/".to_owned(), Slot::Null, false, false));
            }
            assert_eq!(listed(&store, &delimited), rolled);
            // As full sync reads them by the page, tombstones and all.
            let view = store.tree_view().unwrap();
            let (bucket, prefix) = (bucket(), String::new());
            let mut span = Span { bucket, prefix, after: None, up_to: None };
            let names = View::keys(&view, &span, usize::MAX).unwrap();
            let mut paged: Vec<(SlotName, _)> = Vec::new();
            loop {
                span.after = paged.last().map(|(name, _)| name.clone());
                let page = View::keys(&view, &span, limit).unwrap();
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
            }
            assert_eq!(paged, names);
            assert!(names.is_sorted_by(|one, other| one.0 < other.0));
            let root = view.roots().unwrap().get(&Scope::Bucket(span.bucket.clone())).copied();
            assert_eq!(root.map_or(0, |root| root.leaves), names.len() as u64);
        });
    }
}

fn put_own(seq: u64, name: &str, blocks: &[&[u8]]) -> Event {
    let Change::ObjectPut { bucket, key, birth, manifest, .. } =
        crate::rules::apply::tests::put(seq, name, blocks).change
    else {
        panic!()
    };
    let slot = Slot::Own(version(seq));
    event(seq, Change::ObjectPut { bucket, key, slot, birth, manifest })
}

fn removed(seq: u64, name: &str, of: u64) -> Event {
    let (bucket, key, of, birth) = (bucket(), key(name), version(of), version(0));
    event(seq, Change::VersionRemoved { bucket, key, of, birth })
}

async fn handle(store: &Store, seq: u64) {
    let handled = model::progress::Handled { seq: Seq(seq), ..model::progress::Handled::START };
    store.apply(vec![Step::Handle(LINE, handled)]).await.unwrap();
}

#[tokio::test]
async fn law_5_every_version_keeps_its_blocks_until_it_is_removed_and_that_is_past_the_fence() {
    let (store, _home) = store().await;
    let bodies = [Bytes::from_static(b"first"), Bytes::from_static(b"second")];
    store.apply(vec![applied(put_own(1, "k", &[&bodies[0]]))]).await.unwrap();
    store.apply(vec![applied(put_own(2, "k", &[&bodies[1], &bodies[0]]))]).await.unwrap();
    let here = |body: &Bytes| store.block_state(BlockHash::of(body)).unwrap();
    for body in &bodies {
        store.keep_block(BlockHash::of(body), BlockKind::Block, body.clone()).await.unwrap();
    }
    handle(&store, 2).await;
    store.collect(Duration::ZERO).await.unwrap();
    assert!(bodies.iter().all(|body| here(body) == crate::BlockState::Here));
    // The removal is not handled yet: a hole below it may be about to be filled.
    store.apply(vec![applied(removed(3, "k", 2))]).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(here(&bodies[1]), crate::BlockState::Here);
    handle(&store, 3).await;
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(here(&bodies[1]), crate::BlockState::Unknown);
    assert_eq!(here(&bodies[0]), crate::BlockState::Here, "another version names it");
    store.apply(vec![applied(removed(4, "k", 1))]).await.unwrap();
    handle(&store, 4).await;
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(here(&bodies[0]), crate::BlockState::Unknown);
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn law_7_what_was_removed_before_its_blocks_came_is_not_waited_for() {
    let (store, _home) = store().await;
    store.apply(vec![applied(put_own(1, "k", &[b"never comes"]))]).await.unwrap();
    store.apply(vec![applied(put_own(2, "k", &[b"nor this"]))]).await.unwrap();
    assert_eq!(store.line(LINE).holes.len(), 2);
    store.apply(vec![applied(removed(3, "k", 1))]).await.unwrap();
    assert_eq!(store.line(LINE).holes.keys().collect::<Vec<_>>(), [&Seq(2)]);
    assert_eq!(store.wants(None, 9, |_| false).unwrap().len(), 1);
}

#[tokio::test]
async fn law_6_tombstones_of_versions_are_trimmed_and_nothing_comes_back() {
    let (store, _home) = store().await;
    let put = put_own(1, "k", &[]);
    store.apply(vec![applied(put.clone()), applied(put_own(2, "k", &[]))]).await.unwrap();
    store.apply(vec![applied(removed(3, "k", 1))]).await.unwrap();
    assert_eq!(rows(&*store.shared.engine, Table::Slots, b"").unwrap().len(), 1);
    let partitions = model::PartitionCount::new(4).unwrap();
    let trimmed = Change::Trimmed { partition: LINE.partition, partitions, up_to: Seq(3) };
    store.apply(vec![applied(event(4, trimmed))]).await.unwrap();
    assert_eq!(rows(&*store.shared.engine, Table::Slots, b"").unwrap(), []);
    assert_eq!(rows(&*store.shared.engine, Table::Queues, b"t").unwrap(), []);
    let outcomes = store.apply(vec![applied(put), applied(removed(3, "k", 1))]).await.unwrap();
    assert_eq!(outcomes.ignored, 2, "the other version of the key does not vouch for it");
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn law_12_a_latest_that_rots_makes_way_for_the_version_before_it() {
    let home = tempfile::tempdir().unwrap();
    let engine = Arc::<Memory>::default();
    let store = open(&engine, home.path(), 1).await;
    let steps = [put_own(1, "k", &[]), put_own(2, "k", &[])].map(applied);
    store.apply(steps.to_vec()).await.unwrap();
    let row = ObjectRecord::key(&bucket(), &key("k"));
    let rot = || Some(Bytes::from_static(&[1, 0xff]));
    let write = |table, row: Bytes| {
        engine.commit(crate::Batch::from([((table, row), rot())])).unwrap();
    };
    write(Table::Objects, row.clone());
    // What comes for the key sets it aside; that the second is missing, full sync finds.
    store.apply(vec![applied(put_own(3, "k", &[]))]).await.unwrap();
    assert_tree_is_true(&store);
    let slots = |store: &Store| {
        let all = listed(store, &whole(9));
        all.into_iter().map(|(_, slot, ..)| slot).collect::<Vec<_>>()
    };
    assert_eq!(slots(&store), [3, 1].map(|n| Slot::Own(version(n))));
    // The same by full sync, which knows it by its leaf; and one that is not the latest.
    write(Table::Objects, row.clone());
    let leaf = |n| {
        let place = Slot::Own(version(n)).entity(bucket(), key("k")).hash();
        store.tree_view().unwrap().leaf(&Scope::Bucket(bucket()), place).unwrap().unwrap()
    };
    let aside = |leaf| Step::Quarantine { scope: Scope::Bucket(bucket()), leaf };
    assert_eq!(store.apply(vec![aside(leaf(3))]).await.unwrap().quarantined, 1);
    assert_eq!(slots(&store), [Slot::Own(version(1))]);
    assert_tree_is_true(&store);
    store.apply(vec![repaired(put_own(3, "k", &[]))]).await.unwrap();
    write(Table::Slots, crate::records::SlotRecord::key(&row, Slot::Own(version(1))));
    assert_eq!(store.apply(vec![aside(leaf(1))]).await.unwrap().quarantined, 1);
    assert_eq!(slots(&store), [Slot::Own(version(3))]);
    assert_tree_is_true(&store);
    assert_eq!(store.quarantined().unwrap().len(), 3);
    // One of two that can be read, which its origin never issued.
    store.apply(vec![applied(put_own(4, "k", &[])), aside(leaf(3))]).await.unwrap();
    assert_eq!(slots(&store), [Slot::Own(version(4))]);
    assert_tree_is_true(&store);
}

/// One call of a client.
#[derive(Clone, Debug)]
enum Call {
    Versioning(bool),
    Put(usize),
    Delete(usize),
    /// One of the versions that the key has.
    Remove(usize, prop::sample::Index),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = || 0..KEYS.len();
    let call = prop_oneof![
        2 => any::<bool>().prop_map(Call::Versioning),
        5 => key().prop_map(Call::Put),
        2 => key().prop_map(Call::Delete),
        2 => (key(), any::<prop::sample::Index>()).prop_map(|(key, which)| Call::Remove(key, which)),
    ];
    prop::collection::vec(call, 1..40)
}

async fn set_versioning(store: &Store, enabled: bool) -> Versioning {
    let versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
    let value = Bytes::from_static(versioning.as_str().unwrap().as_bytes());
    let name = model::attribute::VERSIONING;
    store.set_bucket_attribute(bucket(), name, Some(value), Caller::root()).await.unwrap();
    assert_eq!(store.versioning(&bucket()).unwrap(), versioning);
    versioning
}

/// Does what a client asks, and notes what must stand after it.
async fn call(store: &Store, call: &Call, versioning: &mut Versioning, model: &mut Model) {
    let (name, which) = match call {
        Call::Versioning(enabled) => {
            *versioning = set_versioning(store, *enabled).await;
            return;
        }
        Call::Put(of) | Call::Delete(of) => (KEYS[*of], None),
        Call::Remove(of, which) => (KEYS[*of], Some(which)),
    };
    let slots = model.entry(name).or_default();
    let object = (bucket(), key(name));
    let (caller, condition) = (Caller::root(), Condition::None);
    match call {
        Call::Put(_) => {
            let version = put(store, name, b"a body of blocks").await.unwrap();
            slots.insert(versioning.slot(version), (version, false));
        }
        Call::Delete(_) => {
            let done = store.delete_object(object, caller, condition).await.unwrap();
            if *versioning == Versioning::Off {
                assert_eq!(done.is_some(), slots.remove(&Slot::Null).is_some());
                return;
            }
            let done = done.unwrap();
            assert_eq!((done.id, done.marker), (Some(versioning.slot(done.version)), true));
            slots.insert(versioning.slot(done.version), (done.version, true));
        }
        _ => {
            let held: Vec<_> = slots.keys().copied().collect();
            let slot = which.filter(|_| !held.is_empty()).map_or(Slot::Null, |w| *w.get(&held));
            let done = store.remove_version(object, slot, caller, condition).await.unwrap();
            let removed = slots.remove(&slot);
            assert_eq!(done.map(|done| done.marker), removed.map(|(_, marker)| marker));
            assert!(done.is_none_or(|done| done.id == Some(slot)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_clients_write_is_the_same_at_both_sites_whichever_event_comes_first(
        calls in calls(),
        order in any::<u64>(),
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let engine = || -> Arc<dyn Engine> { Arc::<Memory>::default() };
            let east = Store::open_on(engine(), options(homes[0].path(), 1)).await.unwrap();
            let west = Store::open_on(engine(), options(homes[1].path(), 2)).await.unwrap();
            east.create_bucket(bucket(), Caller::root()).await.unwrap();
            let (mut versioning, mut model) = (Versioning::Off, Model::new());
            for one in &calls {
                call(&east, one, &mut versioning, &mut model).await;
            }
            // What the bucket is told to do may be heard last, or first.
            let mut all = events(&east);
            all.sort_by_key(|event| {
                model::Digest::of(&[order.to_be_bytes(), event.version.hlc.0.to_be_bytes()].concat())
            });
            west.apply(all.iter().cloned().map(applied).collect()).await.unwrap();
            for store in [&east, &west] {
                assert_tree_is_true(store);
                assert_eq!(listed(store, &whole(5)), expected(&model));
                assert_reads(store, &model).await;
                assert_eq!(store.versioning(&bucket()).unwrap(), versioning);
            }
            let roots = |store: &Store| store.tree_view().unwrap().roots().unwrap();
            assert_eq!(roots(&west), roots(&east));
            // The bucket goes when the last of its versions has gone.
            let stands = !expected(&model).is_empty();
            let deleted = east.delete_bucket(bucket(), Caller::root()).await;
            assert_eq!(matches!(deleted, Err(WriteError::BucketNotEmpty)), stands);
        });
    }
}
