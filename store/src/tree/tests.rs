use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    path::Path as Directory,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use model::{
    Attributes, Bucket, BucketName, Change, Content, Digest, ETag, EntityHash, Epoch, Event, Hlc,
    Line, Manifest, Partition, Parts, Register, RequestId, Seq, SiteId, Slot, User, UserId,
    Version,
    tree::{Leaf, Node, Path, Scope, Summary, node_of},
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    TreeError, VerifyOptions, Why,
    folder::{Slice, fold_every},
    leaves,
};
use crate::{
    Condition, Engine, KeepError, Memory, ReadError, Step, Store, TreeReport,
    engine::{Batch, Table},
    records::{
        LeafRecord, MarksRecord, NodeRecord, ObjectRecord, Record, SlotRecord, scope_of,
        split_place,
    },
    section::Section,
    store::tests::{bucket, caller, key, options, put},
};

/// Slices so small that every fold is several commits.
const SMALL: Slice = Slice { marks: 5, nodes: 2 };

/// Every leaf says what its record says, no record is without, and every node that the view shows is
/// what these leaves mean. For a store that nobody writes to just now.
pub(crate) fn assert_tree_is_true(store: &Store) {
    assert_slots_are_in_order(store);
    let mut expected: BTreeMap<Scope, BTreeMap<EntityHash, Leaf>> = BTreeMap::new();
    for table in [Table::Objects, Table::Slots, Table::Entities] {
        for (key, value) in rows(store, table) {
            let row = leaves::name((table, &key), &value);
            let Some((scope, entity)) = leaves::place(table, &row) else { continue };
            let held = LeafRecord::key(scope, entity);
            let held = store.shared.get::<LeafRecord>(&held).unwrap();
            let get = |table, key: &Bytes| Ok::<_, ReadError>(store.shared.engine.get(table, key)?);
            let derived = leaves::derive((table, &row), &value, held.as_ref(), get).unwrap();
            assert_eq!(held.as_ref(), Some(&derived), "leaf of {}", row.escape_ascii());
            let named = derived.row(scope);
            assert_eq!(named.1, row);
            let get = |table, key: &Bytes| Ok::<_, ReadError>(store.shared.engine.get(table, key)?);
            let found = leaves::find((named.0, &named.1), get).unwrap().unwrap();
            assert_eq!((found.table, found.key, found.value), (table, key, value));
            let scope = scope_of(scope).unwrap();
            expected.entry(scope).or_default().insert(entity, derived.leaf(entity));
        }
    }
    let held = rows(store, Table::Tree).into_iter().filter(|(key, _)| key.starts_with(b"l"));
    let held: BTreeSet<_> = held
        .map(|(key, _)| {
            let (scope, entity) = split_place(&key).unwrap();
            (scope_of(scope).unwrap(), entity)
        })
        .collect();
    let of = |(scope, leaves): (&Scope, &BTreeMap<EntityHash, Leaf>)| {
        leaves.keys().map(|entity| (scope.clone(), *entity)).collect::<Vec<_>>()
    };
    assert_eq!(held, expected.iter().flat_map(of).collect(), "a leaf has no record");
    let view = store.tree_view().unwrap();
    let mut roots = BTreeMap::new();
    for (scope, leaves) in expected {
        let leaves: Vec<Leaf> = leaves.into_values().collect();
        assert_node(&view, &scope, Path::ROOT, &leaves);
        roots.insert(scope, node_of(Path::ROOT, &leaves).summary());
    }
    assert_eq!(view.roots().unwrap(), roots);
}

/// What [`crate::section`] keeps true of where the versions of keys are.
pub(crate) fn assert_slots_are_in_order(store: &Store) {
    let mut keys: BTreeMap<Bytes, (Option<ObjectRecord>, Vec<ObjectRecord>)> = BTreeMap::new();
    for (row, value) in rows(store, Table::Objects) {
        keys.entry(row).or_default().0 = Some(ObjectRecord::decode(&value).unwrap());
    }
    for (row, value) in rows(store, Table::Slots) {
        let SlotRecord(record) = SlotRecord::decode(&value).unwrap();
        let (latest, slot) = SlotRecord::split(&row).unwrap();
        assert_eq!(slot, record.slot);
        keys.entry(latest).or_default().1.push(record);
    }
    for (row, (latest, apart)) in keys {
        let standing = apart.iter().filter(|record| record.stands());
        let highest = standing.map(|record| record.version).max();
        let row = row.escape_ascii();
        match latest {
            Some(latest) if latest.stands() => {
                assert!(highest.is_none_or(|highest| highest < latest.version), "{row}");
                assert!(apart.iter().all(|record| record.slot != latest.slot), "{row}");
            }
            Some(latest) => {
                assert_eq!((latest.slot, highest), (Slot::Null, None), "{row}");
                assert!(apart.iter().all(|record| record.slot != Slot::Null), "{row}");
            }
            None => {
                assert_eq!(highest, None, "{row}");
                assert!(apart.iter().all(|record| record.slot != Slot::Null), "{row}");
            }
        }
    }
}

fn assert_node(view: &super::TreeView, scope: &Scope, path: Path, leaves: &[Leaf]) {
    let expected = node_of(path, leaves);
    assert_eq!(view.node(scope, path).unwrap(), expected, "{scope}, branch `{path}`");
    for nibble in (0..16).filter(|_| matches!(expected, Node::Split(_))) {
        let below = path.branch(nibble).unwrap();
        let leaves: Vec<Leaf> =
            leaves.iter().filter(|leaf| below.holds(leaf.entity)).copied().collect();
        assert_node(view, scope, below, &leaves);
    }
}

fn rows(store: &Store, table: Table) -> Vec<(Bytes, Bytes)> {
    let mut rows = Vec::new();
    let all = (Bound::Unbounded, Bound::Unbounded);
    let scan = store.shared.engine.scan(table, all, &mut |key, value| {
        rows.push((key.clone(), value.clone()));
        std::ops::ControlFlow::Continue(())
    });
    scan.unwrap();
    rows
}

fn marks(store: &Store) -> usize {
    rows(store, Table::Tree).iter().filter(|(key, _)| key.starts_with(MarksRecord::PREFIX)).count()
}

async fn open(engine: &Arc<Memory>, directory: &Directory) -> Store {
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(engine);
    Store::open_on(engine, options(directory, 1)).await.unwrap()
}

fn name(key: u16) -> String {
    format!("k{key}")
}

fn version(n: u8) -> Version {
    Version { hlc: Hlc(n.into()), site: SiteId([9; 16]) }
}

/// An event of another site. What it says follows from its version and whom it speaks of.
fn event(n: u8, change: Change) -> Event {
    let line = Line { site: SiteId([9; 16]), epoch: Epoch(1), partition: Partition(0) };
    let (position, version) = (line.at(Seq(n.into())), version(n));
    Event { position, version, prev: Digest::ZERO, volume: 0, request: RequestId::NONE, change }
}

fn object(n: u8, of: u16) -> Event {
    let (bucket, key, birth) = (bucket(), key(&name(of)), version(0));
    if n.is_multiple_of(5) {
        return event(n, Change::ObjectDeleted { bucket, key, birth });
    }
    // Of one version here and there, whatever comes first.
    if n % 4 == 3 {
        return event(n, Change::VersionRemoved { bucket, key, of: version(n - 1), birth });
    }
    let slot = if n % 4 == 2 { Slot::Own(version(n)) } else { Slot::Null };
    if n.is_multiple_of(7) {
        return event(n, Change::MarkerPut { bucket, key, slot, birth });
    }
    let manifest = Box::new(Manifest {
        size: 1,
        etag: ETag(n.to_string()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: Content::Inline(Bytes::from(vec![n])),
        encryption: None,
    });
    event(n, Change::ObjectPut { bucket, key, slot, birth, manifest })
}

fn attributes(n: u8, of: u16, register: u8) -> Event {
    let register = Register { version: version(register), value: Bytes::from(vec![register]) };
    let attributes = Attributes(BTreeMap::from([("tags".to_owned(), register)]));
    let (bucket, key, of) = (bucket(), key(&name(of)), version(n));
    event(n, Change::Attributes { bucket, key, of, attributes })
}

/// Of one of the few buckets that [`entity`] makes, which may be over, or not there yet.
fn bucket_attributes(n: u8, of: u8, birth: u8) -> Event {
    let register =
        Register { version: version(n), value: Bytes::from(vec![n; usize::from(n % 3)]) };
    let attributes = Attributes(BTreeMap::from([((n % 2).to_string(), register)]));
    let bucket = BucketName::try_from(format!("bucket{of}")).unwrap();
    event(n, Change::BucketAttributes { bucket, birth: version(birth), attributes })
}

fn entity(n: u8, of: u8) -> Event {
    let gone = n.is_multiple_of(3);
    let user = UserId::try_from(format!("user{of}")).unwrap();
    let bucket = BucketName::try_from(format!("bucket{of}")).unwrap();
    let state = User { name: format!("{n}"), enabled: true, keys: Vec::new() };
    let live = Bucket { birth: version(n), owner: user.clone() };
    event(
        n,
        match (of.is_multiple_of(2), gone) {
            (true, true) => Change::BucketDeleted { bucket },
            (true, false) => Change::BucketPut { bucket, state: live },
            (false, true) => Change::UserDeleted { user },
            (false, false) => Change::UserPut { user, state },
        },
    )
}

#[derive(Clone, Debug)]
enum Op {
    Apply(Vec<Event>),
    /// Takes objects away altogether.
    Remove(Vec<u16>),
    /// Folds, and dies after so many commits.
    Fold(usize),
    Reopen,
}

fn batches() -> impl Strategy<Value = Vec<Event>> {
    let events = prop_oneof![
        8 => (any::<u8>(), 0u16..200).prop_map(|(n, of)| object(n, of)),
        1 => (any::<u8>(), 0u16..200, any::<u8>()).prop_map(|(n, of, at)| attributes(n, of, at)),
        1 => (any::<u8>(), 0u8..80).prop_map(|(n, of)| entity(n, of)),
        1 => (0u8..20, 0u8..2).prop_map(|(n, of)| entity(n, of * 2)),
        2 => (0u8..20, 0u8..2, 0u8..20)
            .prop_map(|(n, of, birth)| bucket_attributes(n, of * 2, birth)),
    ];
    prop::collection::vec(events, 0..90)
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => batches().prop_map(Op::Apply),
        1 => prop::collection::vec(0u16..200, 0..80).prop_map(Op::Remove),
        4 => (0usize..12).prop_map(Op::Fold),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..14)
}

async fn apply(store: &Store, events: &[Event]) {
    let steps = events.iter().map(|event| Step::Apply(Box::new(event.clone()))).collect();
    store.apply(steps).await.unwrap();
}

async fn remove(store: &Store, objects: Vec<u16>) {
    let rule = move |section: &mut Section<'_>| {
        for of in objects {
            let row = ObjectRecord::key(&bucket(), &key(&name(of)));
            if section.get::<ObjectRecord>(&row)?.is_some() {
                section.remove_object(&row)?;
            }
        }
        Ok::<_, KeepError>(())
    };
    store.shared.committer.run(rule).await.unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn law_9_the_tree_is_what_the_records_say_whatever_was_folded_when_the_site_died(ops in ops()) {
        block_on(async {
            let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
            let mut store = open(&engine, home.path()).await;
            for op in ops {
                match op {
                    Op::Apply(events) => apply(&store, &events).await,
                    Op::Remove(objects) => remove(&store, objects).await,
                    Op::Fold(commits) => {
                        store.fold_in(SMALL, commits).await.unwrap();
                        assert_tree_is_true(&store);
                    }
                    Op::Reopen => {
                        drop(store);
                        store = open(&engine, home.path()).await;
                    }
                }
            }
            assert_tree_is_true(&store);
            store.fold_tree().await.unwrap();
            assert_eq!(marks(&store), 0);
            assert_tree_is_true(&store);
        });
    }

    #[test]
    fn law_9_equal_states_have_equal_roots_whatever_their_past(
        events in batches(),
        folds in prop::collection::vec(0usize..6, 0..8),
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path()).await;
            let west = open(&Arc::default(), homes[1].path()).await;
            apply(&east, &events).await;
            let turned: Vec<Event> = events.iter().chain(events.iter()).rev().cloned().collect();
            for (n, some) in turned.chunks(20).enumerate() {
                apply(&west, some).await;
                west.fold_in(SMALL, folds.get(n).copied().unwrap_or(0)).await.unwrap();
            }
            assert_eq!(roots(&west), roots(&east));
        });
    }

    #[test]
    fn what_a_view_says_of_each_entity_brings_about_the_same_tree_elsewhere(events in batches()) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path()).await;
            let west = open(&Arc::default(), homes[1].path()).await;
            apply(&east, &events).await;
            let view = east.tree_view().unwrap();
            for (scope, leaf) in all_leaves(&east) {
                let changes = view.change(&scope, leaf.entity).unwrap();
                let place = |change: &Change| match change {
                    Change::Attributes { .. } | Change::BucketAttributes { .. } => {
                        leaf.attributes.map(|attributes| attributes.position)
                    }
                    _ => Some(leaf.position),
                };
                assert!(changes.iter().all(|event| place(&event.change) == Some(event.position)));
                apply(&west, &changes).await;
                assert_eq!(west.tree_view().unwrap().leaf(&scope, leaf.entity).unwrap(), Some(leaf));
            }
            assert_eq!(roots(&west), roots(&east));
        });
    }

    #[test]
    fn the_tree_of_an_older_store_is_built_while_it_changes_and_over_restarts(
        before in batches(),
        meanwhile in prop::collection::vec((batches(), any::<bool>()), 0..6),
    ) {
        block_on(async {
            let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
            let mut store = open(&engine, home.path()).await;
            apply(&store, &before).await;
            let tree = rows(&store, Table::Tree);
            drop(store);
            engine.commit(tree.into_iter().map(|(key, _)| ((Table::Tree, key), None)).collect()).unwrap();
            store = open(&engine, home.path()).await;
            for (events, reopen) in meanwhile {
                let refused = store.tree_view().err().unwrap();
                assert!(matches!(refused, ReadError::Tree(TreeError::Building { .. })), "{refused}");
                store.fold_tree().await.unwrap();
                if store.build_step(40, SMALL).await.unwrap() || store.tree_view().is_ok() {
                    break;
                }
                apply(&store, &events).await;
                if reopen {
                    drop(store);
                    store = open(&engine, home.path()).await;
                }
            }
            store.build_tree().await.unwrap();
            assert_tree_is_true(&store);
            drop(store);
            let store = open(&engine, home.path()).await;
            store.fold_tree().await.unwrap();
            assert_tree_is_true(&store);
        });
    }
}

fn roots(store: &Store) -> BTreeMap<Scope, Summary> {
    store.tree_view().unwrap().roots().unwrap()
}

fn all_leaves(store: &Store) -> Vec<(Scope, Leaf)> {
    let tree = rows(store, Table::Tree);
    let leaves = tree.iter().filter(|(key, _)| key.starts_with(LeafRecord::PREFIX));
    leaves
        .map(|(key, value)| {
            let (scope, entity) = split_place(key).unwrap();
            (scope_of(scope).unwrap(), LeafRecord::decode(value).unwrap().leaf(entity))
        })
        .collect()
}

async fn filled(engine: &Arc<Memory>, directory: &Directory) -> Store {
    let store = open(engine, directory).await;
    let events: Vec<Event> = (0..200).map(|of| object(1, of)).collect();
    apply(&store, &events).await;
    store.create_bucket(bucket(), caller()).await.unwrap();
    store.fold_tree().await.unwrap();
    store
}

async fn verify(store: &Store, repair: bool) -> TreeReport {
    let options = VerifyOptions { repair, differences_max: 10 };
    store.verify_tree(options, &watch::channel(super::TreeCounts::default()).0).await.unwrap()
}

#[tokio::test]
async fn a_tree_that_is_being_built_says_how_far_it_is_also_after_a_restart() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    let records = rows(&store, Table::Objects).len() as u64;
    let apart = rows(&store, Table::Slots).len() as u64;
    let all = records + apart + rows(&store, Table::Entities).len() as u64;
    let tree = rows(&store, Table::Tree);
    drop(store);
    engine.commit(tree.into_iter().map(|(key, _)| ((Table::Tree, key), None)).collect()).unwrap();
    let is = |store: &Store, done| {
        let refused = store.tree_view().err().unwrap();
        let expected = TreeError::Building { done, of: all };
        assert!(matches!(&refused, ReadError::Tree(found) if *found == expected), "{refused}");
    };
    let store = open(&engine, home.path()).await;
    store.count_records().await.unwrap();
    is(&store, 0);
    store.build_step(40, SMALL).await.unwrap();
    is(&store, 40);
    drop(store);
    let store = open(&engine, home.path()).await;
    store.count_records().await.unwrap();
    is(&store, 40);
    for _ in 0..=records / 40 + apart / 40 + 1 {
        store.build_step(40, SMALL).await.unwrap();
    }
    is(&store, all);
    drop(store);
    let store = open(&engine, home.path()).await;
    store.count_records().await.unwrap();
    is(&store, all);
    store.build_tree().await.unwrap();
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn verifying_goes_on_from_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(&Arc::default(), home.path()).await;
    let whole = verify(&store, false).await.counts;
    let (mut counts, mut place) = (super::TreeCounts::default(), None);
    loop {
        // As over a restart.
        let kept = postcard::to_extend(&place, Vec::new()).unwrap();
        let from = postcard::from_bytes(&kept).unwrap();
        let (next, report) = store.verify_tree_from(from, false).await.unwrap();
        counts.add(&report.counts);
        if next.is_none() {
            break;
        }
        place = next;
    }
    assert_eq!(counts, whole);
}

#[tokio::test]
async fn a_view_stays_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(&Arc::default(), home.path()).await;
    put(&store, "a", b"abc").await.unwrap();
    let view = store.tree_view().unwrap();
    let (roots, written) = (view.roots().unwrap(), store.written().borrow().clone());
    put(&store, "b", b"abc").await.unwrap();
    let object = (bucket(), key("a"));
    store.delete_object(object, caller(), Condition::None).await.unwrap();
    store.fold_tree().await.unwrap();
    assert_eq!(view.roots().unwrap(), roots);
    assert_eq!(*view.written(), written);
    assert_ne!(store.tree_view().unwrap().roots().unwrap(), roots);
    assert_ne!(*store.tree_view().unwrap().written(), written);
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn a_view_knows_what_was_handled_when_it_was_taken() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&Arc::default(), home.path()).await;
    let line = object(1, 1).position.line();
    let handled =
        |seq| model::progress::Handled { seq: Seq(seq), ..model::progress::Handled::START };
    let hole = model::Hole { first: Seq(2), last: Seq(2), reason: model::HoleReason::LostAtOrigin };
    let steps = vec![Step::Handle(line, handled(3)), Step::Open(line, hole)];
    store.apply(steps).await.unwrap();
    let (view, before) = (store.tree_view().unwrap(), store.line(line));
    store.apply(vec![Step::Handle(line, handled(9))]).await.unwrap();
    assert_eq!(view.line(line).unwrap(), before);
    assert_eq!(before.applied(), Seq(1));
}

#[tokio::test]
async fn a_view_with_too_much_to_fold_is_refused_until_it_is_folded() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(&Arc::default(), home.path()).await;
    for n in 0..3 {
        put(&store, &format!("n{n}"), b"abc").await.unwrap();
    }
    let refused = store.tree_view_within(2).err().unwrap();
    assert!(matches!(refused, ReadError::Tree(TreeError::Behind { marks: 2 })), "{refused}");
    store.fold_tree().await.unwrap();
    assert!(store.tree_view_within(2).is_ok());
}

#[tokio::test]
async fn a_fold_of_several_commits_that_is_cut_off_after_any_keeps_its_marks() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&Arc::default(), home.path()).await;
    // More than two levels of branches hold.
    let events: Vec<Event> = (0..1_000).map(|of| object(1, of)).collect();
    apply(&store, &events).await;
    let slice = Slice { marks: usize::MAX, nodes: 1 };
    for commits in 1..=17 {
        store.fold_in(slice, commits).await.unwrap();
        assert_tree_is_true(&store);
    }
    assert!(marks(&store) > 0, "a commit for each of seventeen nodes, and one more for the marks");
    store.fold_in(slice, 18).await.unwrap();
    assert_eq!(marks(&store), 0);
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn the_folder_folds_by_itself_what_is_committed() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(&Arc::default(), home.path()).await;
    let stop = CancellationToken::new();
    let folder = tokio::spawn(fold_every(Duration::from_millis(1), store.clone(), stop.clone()));
    for n in 0..2 {
        put(&store, &format!("n{n}"), b"abc").await.unwrap();
        while marks(&store) > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_tree_is_true(&store);
    stop.cancel();
    folder.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn folds_that_race_with_changes_lose_no_mark() {
    let home = tempfile::tempdir().unwrap();
    let store = filled(&Arc::default(), home.path()).await;
    let writer = store.clone();
    let writes = tokio::spawn(async move {
        for n in 2..60 {
            let events: Vec<Event> =
                (0..25).map(|of| object(n, (u16::from(n) * 7 + of) % 200)).collect();
            apply(&writer, &events).await;
            if n.is_multiple_of(7) {
                remove(&writer, (0..150).collect()).await;
            }
        }
    });
    while !writes.is_finished() {
        let (all, some) = tokio::join!(store.fold_tree(), store.fold_in(SMALL, 3));
        all.and(some).unwrap();
        store.tree_view().unwrap().roots().unwrap();
    }
    writes.await.unwrap();
    assert_tree_is_true(&store);
    store.fold_tree().await.unwrap();
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn a_failed_commit_ends_a_fold() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    apply(&store, &[object(2, 7)]).await;
    engine.fail();
    assert!(matches!(store.fold_tree().await, Err(KeepError::Failed(_))));
    let folded = super::fold_forever(store, CancellationToken::new()).await;
    assert!(matches!(folded, Err(KeepError::Failed(_))));
}

/// Behind the store's back.
fn write(engine: &Memory, table: Table, key: Bytes, value: Option<Bytes>) {
    engine.commit(Batch::from([((table, key), value)])).unwrap();
}

#[tokio::test]
async fn verifying_finds_exactly_what_was_changed_behind_its_back_and_repairs_it() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    let clean = verify(&store, false).await;
    assert_eq!((clean.counts.differ(), clean.counts.records), (0, 201));
    assert_eq!((clean.counts.leaves, clean.counts.nodes), (201, 1));

    let row = |of: u16| ObjectRecord::key(&bucket(), &key(&name(of)));
    let scope = [b"bucket".as_slice(), &[0]].concat();
    let place = |of| leaves::place_of_object(&row(of)).unwrap().1;
    let leaf = |of| LeafRecord::key(&scope, place(of));
    let at = |of| store.shared.engine.get(Table::Objects, &row(of)).unwrap().unwrap();
    write(&engine, Table::Objects, row(3), None);
    write(&engine, Table::Objects, row(4), Some(Bytes::from_static(b"\x01rot")));
    write(&engine, Table::Tree, leaf(5), None);
    let mut forged = store.shared.get::<LeafRecord>(&leaf(6)).unwrap().unwrap();
    forged.content = Digest([1; 32]);
    write(&engine, Table::Tree, leaf(6), Some(forged.encode()));
    write(&engine, Table::Tree, leaf(7), Some(Bytes::from_static(b"\x01short")));
    write(&engine, Table::Tree, LeafRecord::key(&scope, place(999)), Some(forged.encode()));

    let found = verify(&store, false).await;
    let why = |of: u16| {
        let of = found.differences.iter().find(|found| found.entity == place(of));
        of.map(|found| found.why.clone())
    };
    assert_eq!(why(3), Some(Why::WithoutRecord));
    assert!(matches!(why(4), Some(Why::Unreadable(_))));
    assert_eq!(why(5), Some(Why::WithoutLeaf));
    assert_eq!(why(6), Some(Why::Mismatched));
    assert_eq!(why(7), Some(Why::Mismatched));
    assert_eq!(why(999), Some(Why::WithoutRecord));
    assert_eq!(found.differences.len(), 6);
    assert!(found.counts.wrong_nodes > 0, "a leaf is gone and the root still counts it");

    let repaired = verify(&store, true).await;
    assert_eq!(repaired.counts.differ() - repaired.counts.repaired, 1, "rot is not for the tree");
    let left = verify(&store, false).await;
    assert_eq!((left.counts.differ(), left.counts.unreadable), (1, 1));
    write(&engine, Table::Objects, row(4), Some(at(2)));
    verify(&store, true).await;
    assert_eq!(verify(&store, false).await.counts.differ(), 0);
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn wrong_missing_and_stray_nodes_are_found_and_grown_anew() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    let scope = [b"bucket".as_slice(), &[0]].concat();
    let root = NodeRecord::key(&scope, Path::ROOT);
    let NodeRecord(mut branches) = store.shared.get::<NodeRecord>(&root).unwrap().unwrap();
    let stray = NodeRecord::key(&scope, Path::ROOT.branch(3).unwrap());
    write(&engine, Table::Tree, stray, Some(NodeRecord(branches.clone()).encode()));
    let found = verify(&store, false).await.counts;
    assert_eq!((found.differ(), found.stray_nodes), (0, 1));
    branches[2].leaves += 1;
    write(&engine, Table::Tree, root.clone(), Some(NodeRecord(branches).encode()));
    assert_eq!(verify(&store, false).await.counts.wrong_nodes, 1);
    write(&engine, Table::Tree, root, None);
    let view = store.tree_view().unwrap();
    let damaged = view.node(&Scope::Bucket(bucket()), Path::ROOT).unwrap_err();
    assert!(damaged.to_string().contains("`towline store verify --repair`"), "{damaged}");
    let repaired = verify(&store, true).await.counts;
    assert_eq!((repaired.wrong_nodes, repaired.repaired, repaired.stray_nodes), (1, 1, 1));
    let after = verify(&store, false).await.counts;
    assert_eq!((after.differ(), after.stray_nodes), (0, 0));
    assert_tree_is_true(&store);

    // A root that is not split any more.
    remove(&store, (20..200).collect()).await;
    store.fold_tree().await.unwrap();
    let root = NodeRecord::key(&scope, Path::ROOT);
    let branches = Box::new([Summary::EMPTY; 16]);
    write(&engine, Table::Tree, root, Some(NodeRecord(branches).encode()));
    assert_eq!(verify(&store, true).await.counts.wrong_nodes, 1);
    assert_eq!(verify(&store, false).await.counts.differ(), 0);
}

#[tokio::test]
async fn a_record_that_is_gone_has_no_change_to_tell() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    let row = ObjectRecord::key(&bucket(), &key(&name(1)));
    let (_, entity) = leaves::place_of_object(&row).unwrap();
    write(&engine, Table::Objects, row.clone(), None);
    let (view, scope) = (store.tree_view().unwrap(), Scope::Bucket(bucket()));
    let gone = view.change(&scope, entity).unwrap_err();
    assert!(matches!(gone, ReadError::Record(_)), "{gone}");
    let nobody = EntityHash(Digest([9; 32]));
    assert_eq!(view.change(&scope, nobody).unwrap(), []);
    assert_eq!(view.leaf(&scope, nobody).unwrap(), None);
}

#[tokio::test]
async fn a_running_site_verifies_step_by_step_and_says_when_it_was_done() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let store = filled(&engine, home.path()).await;
    assert_eq!(store.tree_verified().unwrap(), None);
    let mut steps = 0;
    while store.tree_verified().unwrap().is_none() {
        store.verify_on().await.unwrap();
        steps += 1;
    }
    let verified = store.tree_verified().unwrap().unwrap();
    assert_eq!((verified.differ, verified.ended), (0, store.now()));
    assert_eq!(steps, 7, "objects, slots, entities, leaves, two scopes and the end of them");
    let shown = store.shared.metrics.tree_verified.get();
    assert_eq!(shown, i64::try_from(store.now().0 / 1_000).unwrap());

    let record = crate::records::VerifiedRecord { ended: model::Millis(1), ..Default::default() };
    write(&engine, Table::Meta, crate::records::VerifiedRecord::key(), Some(record.encode()));
    let row = ObjectRecord::key(&bucket(), &key(&name(1)));
    write(&engine, Table::Objects, row, Some(Bytes::new()));
    // A day after the epoch began the next round is due.
    let now = model::Millis(90_000_000);
    let later =
        crate::Options { clock: Arc::new(ops::ManualClock::at(now)), ..options(home.path(), 1) };
    drop(store);
    let store = Store::open_on(engine, later).await.unwrap();
    store.verify_on().await.unwrap();
    assert_eq!(store.shared.metrics.tree_differences.get(), 1);
    assert_eq!(store.shared.metrics.alarms.with_label_values(&["tree_differs"]).get(), 1);
}

#[tokio::test]
async fn a_stopped_store_is_verified_and_an_empty_directory_is_none() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"a body of blocks").await.unwrap();
    drop(store);
    // As the release before left it.
    let engine = crate::Embedded::open(&home.path().join("engine")).unwrap();
    let state = crate::records::TreeStateRecord::key();
    engine.commit(Batch::from([((Table::Tree, state), None)])).unwrap();
    drop(engine);
    std::fs::write(home.path().join("format"), "1\n").unwrap();
    let how = VerifyOptions { repair: false, differences_max: 1 };
    let progress = watch::channel(super::TreeCounts::default()).0;
    let verified = crate::verify(options(home.path(), 1), how, &progress).await.unwrap();
    let (report, blocks) = (verified.tree, verified.blocks.counts);
    assert_eq!((blocks.blocks, blocks.wrong()), (2, 0));
    assert_eq!((report.counts.differ(), report.counts.records), (0, 2));
    assert_eq!(*progress.borrow(), report.counts);
    let format = std::fs::read_to_string(home.path().join("format")).unwrap();
    assert_eq!(format, "2\n", "an older release, which knows no tree, refuses from now on");
    let empty = tempfile::tempdir().unwrap();
    let refused = crate::verify(options(empty.path(), 1), how, &progress).await;
    assert!(matches!(refused, Err(crate::OpenError::Directory { .. })));
}
