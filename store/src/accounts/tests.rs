use model::{BucketName, Slot, attribute};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Condition, Memory, UsageReport, VerifyOptions,
    engine::Batch,
    records::SlotRecord,
    rules::apply::tests::{applied, object_leaf, put as put_event, scope},
    store::tests::{bucket, caller, events, key, options, pair, put},
    tree::tests::assert_tree_is_true,
};

/// What is counted, in each bucket and by each owner, is what a naive count of all records comes to. A
/// bucket that is to be counted again is not looked at.
pub(crate) fn assert_accounts_are_true(store: &Store) {
    let engine = &*store.shared.engine;
    let mut expected: BTreeMap<Bytes, Usage> = BTreeMap::new();
    for table in [Table::Objects, Table::Slots] {
        for (row, value) in rows(engine, table, b"").unwrap() {
            let record = match table {
                Table::Objects => ObjectRecord::decode(&value).unwrap(),
                _ => SlotRecord::decode(&value).unwrap().0,
            };
            let nul = row.iter().position(|&byte| byte == 0).unwrap();
            let sum = expected.entry(AccountRecord::key(&row[..=nul], record.birth)).or_default();
            sum.markers += i64::from(record.stands() && record.manifest().is_none());
            if let Some(manifest) = record.manifest() {
                sum.versions += 1;
                sum.bytes += i64::try_from(manifest.size).unwrap();
                sum.objects += i64::from(table == Table::Objects);
            }
        }
    }
    expected.retain(|_, usage| *usage != Usage::NONE);
    let held = rows(engine, Table::Meta, AccountRecord::PREFIX).unwrap();
    let mut held: BTreeMap<_, _> = held
        .into_iter()
        .map(|(row, value)| (row, AccountRecord::decode(&value).unwrap().0))
        .collect();
    for (row, _) in rows(engine, Table::Meta, RecountRecord::PREFIX).unwrap() {
        let prefix = AccountRecord::prefix(&RecountRecord::scope(&row).unwrap());
        expected.retain(|row, _| !row.starts_with(&prefix));
        held.retain(|row, _| !row.starts_with(&prefix));
    }
    assert_eq!(held, expected);
    assert_owners_are_true(store);
}

/// What is kept in memory is what the counts of buckets and their owners come to.
fn assert_owners_are_true(store: &Store) {
    if !store.shared.owners.are_kept() {
        return;
    }
    let report = store.usage(None, None).unwrap();
    for user in report.users {
        assert_eq!(store.shared.owners.usage(&user.id), Some(user.usage), "{}", user.id);
    }
}

fn usage(store: &Store) -> Usage {
    let UsageReport { buckets, .. } = store.usage(Some(&bucket()), None).unwrap();
    buckets[0].usage
}

fn is(objects: i64, versions: i64, markers: i64, bytes: i64) -> Usage {
    Usage { objects, versions, markers, bytes }
}

async fn delete(store: &Store, name: &str) {
    let deleted = store.delete_object((bucket(), key(name)), caller(), Condition::None).await;
    deleted.unwrap();
}

async fn set(store: &Store, name: &str, value: &'static str) {
    let value = Some(Bytes::from_static(value.as_bytes()));
    store.set_bucket_attribute(bucket(), name, value, caller()).await.unwrap();
}

#[tokio::test]
async fn what_stands_is_counted_with_each_write_and_is_the_same_at_both_sites() {
    let (east, west, _homes) = pair().await;
    put(&east, "a", b"12345").await.unwrap();
    put(&east, "b", b"1").await.unwrap();
    assert_eq!(usage(&east), is(2, 2, 0, 6));
    put(&east, "a", b"1234567890").await.unwrap();
    assert_eq!(
        usage(&east),
        is(2, 2, 0, 11),
        "an overwrite counts in the place of what it replaces"
    );
    delete(&east, "b").await;
    assert_eq!(usage(&east), is(1, 1, 0, 10), "a tombstone counts for nothing");
    set(&east, attribute::VERSIONING, "Enabled").await;
    let kept = put(&east, "a", b"123").await.unwrap();
    assert_eq!(usage(&east), is(1, 2, 0, 13), "every version that is kept counts");
    delete(&east, "a").await;
    assert_eq!(usage(&east), is(0, 2, 1, 13), "a marker is no object, and takes no version away");
    put(&east, "a", b"").await.unwrap();
    assert_eq!(usage(&east), is(1, 3, 1, 13));
    let of = (bucket(), key("a"));
    let removed = east.remove_version(of, Slot::Own(kept), caller(), Condition::None).await;
    assert!(removed.unwrap().is_some());
    assert_eq!(usage(&east), is(1, 2, 1, 10));
    set(&east, attribute::VERSIONING, "Suspended").await;
    put(&east, "a", b"12").await.unwrap();
    assert_eq!(usage(&east), is(1, 2, 1, 2), "the null version is replaced");
    let all = events(&east);
    let steps = all.iter().rev().map(|event| crate::Step::Apply(Box::new(event.clone())));
    west.apply(steps.collect()).await.unwrap();
    assert_eq!(usage(&west), usage(&east), "in whichever order it is heard of");
    assert_tree_is_true(&west);
    assert_tree_is_true(&east);
    let ours = east.usage(None, None).unwrap();
    assert_eq!(ours, west.usage(None, None).unwrap());
    assert_eq!(east.standing_in_all().unwrap(), is(1, 2, 1, 2));
}

#[tokio::test]
async fn law_14_what_does_not_show_with_its_bucket_is_not_counted_either() {
    let (east, west, _homes) = pair().await;
    put(&east, "k", b"12345").await.unwrap();
    let before = events(&east);
    delete(&east, "k").await;
    east.delete_bucket(bucket(), caller()).await.unwrap();
    assert_eq!(east.usage(None, None).unwrap().buckets, []);
    east.create_bucket(bucket(), caller()).await.unwrap();
    put(&east, "new", b"1").await.unwrap();
    // The put of the old incarnation comes, its delete has not.
    let apply = |event: &model::Event| crate::Step::Apply(Box::new(event.clone()));
    let old = before.iter().filter(|event| matches!(event.change, model::Change::ObjectPut { .. }));
    west.apply(old.map(apply).collect()).await.unwrap();
    assert_eq!(west.usage(None, None).unwrap().buckets, []);
    let buckets =
        |event: &&model::Event| !matches!(event.change, model::Change::ObjectDeleted { .. });
    west.apply(events(&east).iter().filter(buckets).map(apply).collect()).await.unwrap();
    assert_eq!(usage(&west), is(1, 1, 0, 1));
    assert_tree_is_true(&west);
}

#[tokio::test]
async fn a_store_without_counts_is_counted_in_the_background_while_it_changes() {
    let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let open = || async {
        let engine: Arc<dyn Engine> = Arc::<Memory>::clone(&engine);
        Store::open_on(engine, options(home.path(), 1)).await.unwrap()
    };
    let store = open().await;
    store.create_bucket(bucket(), caller()).await.unwrap();
    set(&store, attribute::VERSIONING, "Enabled").await;
    for name in ["a", "b", "a"] {
        put(&store, name, b"12345").await.unwrap();
    }
    drop(store);
    let mut before: Batch = rows(&*engine, Table::Meta, AccountRecord::PREFIX)
        .unwrap()
        .into_iter()
        .map(|(row, _)| ((Table::Meta, row), None))
        .collect();
    before.insert((Table::Meta, CountedRecord::key()), None);
    engine.commit(before).unwrap();
    let store = open().await;
    let refused = store.usage(None, None).unwrap_err().to_string();
    assert!(refused.contains("is still being counted, 0 of about 0 records"), "{refused}");
    // Counted from nothing, it is less than there is.
    delete(&store, "b").await;
    put(&store, "c", b"1").await.unwrap();
    let other = BucketName::try_from("other-bucket".to_owned()).unwrap();
    store.create_bucket(other, caller()).await.unwrap();
    // One that died in the middle of it goes on where it was.
    let count = store.count_bucket(b"bucket\0".to_vec()).await.unwrap();
    let state = CountedRecord::UpTo(b"bucket\0".to_vec());
    store.set_account_right(count, Some(state)).await.unwrap();
    drop(store);
    let store = open().await;
    assert!(store.usage(None, None).is_err());
    let cancelled = CancellationToken::new();
    let counting = tokio::spawn(count_forever(store.clone(), cancelled.clone()));
    while store.usage(None, None).is_err() || store.shared.metrics.objects.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(usage(&store), is(2, 4, 1, 16));
    assert_eq!(store.shared.metrics.object_bytes.get(), 16);
    assert_tree_is_true(&store);
    cancelled.cancel();
    counting.await.unwrap().unwrap();
    drop(store);
    assert_eq!(usage(&open().await), is(2, 4, 1, 16));
}

#[tokio::test]
async fn a_bucket_with_a_record_that_cannot_be_read_is_counted_again() {
    let (home, memory) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(&memory);
    let store = Store::open_on(engine, options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"12345").await.unwrap();
    put(&store, "other", b"12").await.unwrap();
    let row = (Table::Objects, ObjectRecord::key(&bucket(), &key("k")));
    memory.commit([(row, Some(Bytes::from_static(&[1, 0xff])))].into()).unwrap();
    put(&store, "k", b"1").await.unwrap();
    assert_eq!(usage(&store), is(3, 3, 0, 8), "nobody knows what was set aside");
    store.count_marked().await.unwrap();
    assert_eq!(usage(&store), is(2, 2, 0, 3));
    assert!(rows(&*memory, Table::Meta, RecountRecord::PREFIX).unwrap().is_empty());
    assert_tree_is_true(&store);
    // Another while it was counted: it is counted once more.
    let row = RecountRecord::key(b"bucket\0");
    let rots = |times: u64| [((Table::Meta, row.clone()), Some(RecountRecord(times).encode()))];
    memory.commit(rots(1).into()).unwrap();
    let count = store.count_bucket(b"bucket\0".to_vec()).await.unwrap();
    memory.commit(rots(2).into()).unwrap();
    store.set_account_right(count, None).await.unwrap();
    assert_eq!(rows(&*memory, Table::Meta, RecountRecord::PREFIX).unwrap().len(), 1);
}

#[tokio::test]
async fn counts_that_are_wrong_are_found_and_mended_with_a_stopped_site() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"12345").await.unwrap();
    // Of a bucket that has nothing, of the one that has, and one that is rotten.
    let held = rows(&*store.shared.engine, Table::Meta, AccountRecord::PREFIX).unwrap();
    let stray = AccountRecord::key(b"nothing\0", Version::NONE);
    let rotten = AccountRecord::key(b"rotten\0", Version::NONE);
    let wrong = AccountRecord(is(9, 9, 9, 9)).encode();
    let batch: Batch = [
        ((Table::Meta, held[0].0.clone()), Some(wrong.clone())),
        ((Table::Meta, stray), Some(wrong)),
        ((Table::Meta, rotten.clone()), Some(Bytes::from_static(&[1]))),
    ]
    .into();
    store.shared.engine.commit(batch).unwrap();
    assert!(store.usage(None, None).is_ok(), "a count that nobody asks for stops nothing");
    drop(store);
    let verify = |repair| {
        let options = options(home.path(), 1);
        async move {
            let (told, _seen) = tokio::sync::watch::channel(<_>::default());
            let how = VerifyOptions { repair, differences_max: 9 };
            crate::verify(options, how, &told).await.unwrap().accounts
        }
    };
    let counts = |wrong, repaired| AccountCounts { buckets: 3, wrong, repaired };
    assert_eq!(verify(false).await, counts(3, 0));
    assert_eq!(verify(true).await, counts(3, 3));
    assert_eq!(verify(false).await, AccountCounts { buckets: 1, wrong: 0, repaired: 0 });
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    assert_eq!(usage(&store), is(1, 1, 0, 5));
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn what_is_set_aside_does_not_stand() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.apply(vec![applied(put_event(3, "k", &[b"a block"]))]).await.unwrap();
    let aside = crate::Step::Quarantine { scope: scope(), leaf: object_leaf("k", 3) };
    store.apply(vec![aside]).await.unwrap();
    assert_tree_is_true(&store);
}
