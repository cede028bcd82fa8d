//! What does not hold is found, and mended.

use super::*;

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
    // What went behind its back, nobody has counted.
    assert!(store.verify_accounts(true).await.unwrap().repaired > 0);
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
    let progress = watch::channel(crate::TreeCounts::default()).0;
    let verified = crate::verify(options(home.path(), 1), how, &progress).await.unwrap();
    let (report, blocks) = (verified.tree, verified.blocks.counts);
    assert_eq!((blocks.blocks, blocks.wrong()), (2, 0));
    assert_eq!((report.counts.differ(), report.counts.records), (0, 2));
    assert_eq!(*progress.borrow(), report.counts);
    let format = std::fs::read_to_string(home.path().join("format")).unwrap();
    assert_eq!(format, "3\n", "an older release, which knows no tree, refuses from now on");
    let empty = tempfile::tempdir().unwrap();
    let refused = crate::verify(options(empty.path(), 1), how, &progress).await;
    assert!(matches!(refused, Err(crate::OpenError::Directory { .. })));
}
