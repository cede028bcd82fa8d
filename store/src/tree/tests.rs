mod events;
mod laws;
mod verifying;

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

use self::events::*;
use super::{
    TreeError, VerifyOptions, Why,
    folder::{Slice, fold_every},
    leaves,
};
use crate::{
    Condition, Engine, KeepError, Memory, ReadError, Step, Store, TreeReport,
    accounts::tests::assert_accounts_are_true,
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
/// what these leaves mean; and what is counted in each bucket is what stands there. For a store that
/// nobody writes to just now.
pub(crate) fn assert_tree_is_true(store: &Store) {
    assert_slots_are_in_order(store);
    assert_accounts_are_true(store);
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
