use std::collections::BTreeMap;

use bytes::Bytes;
use model::{Bucket, Change, ETag, Event, Manifest, Parts, Usage, User, attribute};

use super::*;
use crate::{
    Condition, KeyPair, NewUser, PutObject, Step, UserError, UserPatch,
    rules::versions::Stored,
    store::tests::{bucket, events, key, options, pair, put},
    tree::tests::assert_tree_is_true,
};

const NONE: RequestId = RequestId::NONE;

fn bytes(most: u64) -> QuotaChange {
    QuotaChange { bytes: Some(Some(most)), objects: None }
}

fn objects(most: u64) -> QuotaChange {
    QuotaChange { bytes: None, objects: Some(Some(most)) }
}

fn refused<T>(outcome: Result<T, WriteError>) -> String {
    match outcome {
        Err(WriteError::QuotaExceeded(exceeded)) => exceeded.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

async fn put_in(
    store: &Store,
    bucket: BucketName,
    name: &str,
    body: &[u8],
) -> Result<Stored, WriteError> {
    let mut upload = store.upload();
    upload.write(Bytes::copy_from_slice(body)).await.unwrap();
    let uploaded = upload.finish().await.unwrap();
    let manifest = Manifest {
        size: uploaded.size(),
        etag: ETag(String::new()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: uploaded.content().clone(),
        encryption: None,
    };
    let (caller, key, attributes) = (Caller::root(), key(name), BTreeMap::new());
    let condition = Condition::None;
    let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
    store.put_object(put).await
}

fn name(name: &str) -> BucketName {
    BucketName::try_from(name.to_owned()).unwrap()
}

fn main() -> UserId {
    UserId::try_from("main".to_owned()).unwrap()
}

async fn limit(store: &Store, user: UserId, most: u64) -> Result<User, UserError> {
    let patch = UserPatch { quota: bytes(most), ..UserPatch::default() };
    store.patch_user(user, patch, NONE).await
}

/// A store with the user `main`, who owns two buckets.
async fn with_main() -> (Store, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let key = KeyPair::given("AKM".to_owned(), "a-secret".to_owned()).unwrap();
    let new = NewUser { id: Some(main()), name: "Main".to_owned(), key };
    store.create_user(new, NONE).await.unwrap();
    for bucket in ["first", "second"] {
        store.create_bucket(name(bucket), Caller::of(main(), NONE)).await.unwrap();
    }
    (store, home)
}

#[tokio::test]
async fn a_bucket_takes_what_its_quota_allows_and_no_more_and_deletes_always_go() {
    let (store, west, _homes) = pair().await;
    let quota = store.set_bucket_quota(bucket(), bytes(10), NONE).await.unwrap();
    assert_eq!(quota.to_string(), "10 bytes");
    put(&store, "a", b"123456").await.unwrap();
    let why = refused(put(&store, "b", b"12345").await);
    assert_eq!(why, "bucket `bucket` may hold 10 bytes, and this would be more");
    put(&store, "b", b"1234").await.unwrap();
    put(&store, "b", b"12").await.unwrap();
    put(&store, "a", b"12345678").await.unwrap();
    refused(put(&store, "a", b"123456789").await);
    // Below what there is: what does not grow goes on.
    let quota = store.set_bucket_quota(bucket(), bytes(3), NONE).await.unwrap();
    assert_eq!(
        quota,
        store.set_bucket_quota(bucket(), QuotaChange::default(), NONE).await.unwrap()
    );
    put(&store, "a", b"12345678").await.unwrap();
    refused(put(&store, "c", b"1").await);
    put(&store, "c", b"").await.unwrap();
    let fits = |key_: &str, size| store.fits(&bucket(), &key(key_), size);
    assert!(fits("a", 8).is_ok() && fits("d", 0).is_ok());
    assert!(matches!(fits("a", 9), Err(FitError::Exceeded(_))));
    store.set_bucket_quota(bucket(), objects(3), NONE).await.unwrap();
    refused(put(&store, "d", b"").await);
    for name in ["a", "b"] {
        let deleted = store.delete_object((bucket(), key(name)), Caller::root(), Condition::None);
        deleted.await.unwrap();
    }
    put(&store, "d", b"123").await.unwrap();
    // Another site takes it as it comes, whatever the quota: it was set before some of it.
    let mut steps: Vec<Event> = events(&store);
    steps.sort_by_key(|event| matches!(event.change, Change::ObjectDeleted { .. }));
    let apply = steps.into_iter().map(|event| Step::Apply(Box::new(event)));
    west.apply(apply.collect()).await.unwrap();
    assert_eq!(west.usage(None, None).unwrap(), store.usage(None, None).unwrap());
    let off = QuotaChange { bytes: Some(None), objects: Some(None) };
    assert!(store.set_bucket_quota(bucket(), off, NONE).await.unwrap().is_none());
    put(&store, "e", b"a lot of bytes").await.unwrap();
    assert_tree_is_true(&store);
}

#[tokio::test]
async fn versions_count_each_and_delete_markers_do_not() {
    let (store, _west, _homes) = pair().await;
    let enabled = Some(Bytes::from_static(b"Enabled"));
    let set = store.set_bucket_attribute(bucket(), attribute::VERSIONING, enabled, Caller::root());
    set.await.unwrap();
    store.set_bucket_quota(bucket(), objects(2), NONE).await.unwrap();
    put(&store, "a", b"1").await.unwrap();
    put(&store, "a", b"1").await.unwrap();
    assert!(refused(put(&store, "a", b"1").await).contains("may hold 2 objects"));
    assert!(matches!(store.fits(&bucket(), &key("a"), 1), Err(FitError::Exceeded(_))));
    for _ in 0..3 {
        let deleted = store.delete_object((bucket(), key("a")), Caller::root(), Condition::None);
        assert!(deleted.await.unwrap().unwrap().marker);
    }
    refused(put(&store, "a", b"1").await);
}

#[tokio::test]
async fn a_quota_of_a_newer_release_stops_writes_and_nothing_else() {
    let (store, _west, _homes) = pair().await;
    let newer = Some(Bytes::from_static(b"10 bytes a day"));
    let set = store.set_bucket_attribute(bucket(), attribute::QUOTA, newer, Caller::root());
    set.await.unwrap();
    let error = put(&store, "a", b"1").await.unwrap_err();
    assert!(matches!(error, WriteError::UnknownQuota(_)), "{error}");
    assert!(matches!(store.fits(&bucket(), &key("a"), 1), Err(FitError::Unknown(_))));
    let error = store.set_bucket_quota(bucket(), bytes(1), NONE).await.unwrap_err();
    assert!(matches!(error, WriteError::UnknownQuota(_)), "{error}");
    assert!(store.usage(None, None).is_ok());
}

#[tokio::test]
async fn a_user_has_one_quota_for_all_buckets_and_it_follows_who_owns_them() {
    let (store, _home) = with_main().await;
    assert!(limit(&store, main(), 10).await.unwrap().quota.bytes.is_some());
    assert!(store.fits(&name("first"), &key("a"), 11).is_ok(), "nobody has counted yet");
    put_in(&store, name("first"), "a", b"123456").await.unwrap();
    let why = refused(put_in(&store, name("second"), "b", b"12345").await);
    assert_eq!(why, "user `main`, who owns the bucket, may hold 10 bytes, and this would be more");
    assert!(matches!(store.fits(&name("second"), &key("b"), 5), Err(FitError::Exceeded(_))));
    put_in(&store, name("second"), "b", b"1234").await.unwrap();
    // Somebody else's bucket becomes theirs, and goes again, as another site says.
    let third = name("third");
    store.create_bucket(third.clone(), Caller::root()).await.unwrap();
    put_in(&store, third.clone(), "c", b"12345").await.unwrap();
    let owned_by = |owner: UserId, later: u64| {
        let mut event = events(&store).into_iter().find(
            |event| matches!(&event.change, Change::BucketPut { bucket, .. } if *bucket == third),
        );
        let event = event.as_mut().unwrap();
        event.version.hlc.0 += later;
        let birth = store.bucket(&third).unwrap().live.unwrap().birth;
        let state = Bucket { birth, owner };
        event.change = Change::BucketPut { bucket: third.clone(), state };
        Step::Apply(Box::new(event.clone()))
    };
    store.apply(vec![owned_by(main(), 1)]).await.unwrap();
    let there = |store: &Store| store.shared.owners.usage(&main()).unwrap();
    assert_eq!(there(&store), Usage { objects: 3, versions: 3, markers: 0, bytes: 15 });
    refused(put_in(&store, third.clone(), "d", b"1").await);
    store.apply(vec![owned_by(UserId::root(), 2)]).await.unwrap();
    put_in(&store, third.clone(), "d", b"1").await.unwrap();
    // With a bucket goes what it held.
    let gone = store.delete_object((name("first"), key("a")), Caller::root(), Condition::None);
    gone.await.unwrap();
    store.delete_bucket(name("first"), Caller::root()).await.unwrap();
    put_in(&store, name("second"), "e", b"123456").await.unwrap();
    assert_eq!(there(&store).bytes, 10);
    assert_tree_is_true(&store);
    let nobody = UserId::try_from("nobody".to_owned()).unwrap();
    let error = limit(&store, nobody, 1).await.unwrap_err();
    assert!(matches!(error, UserError::NoSuchUser(_)));
}

#[tokio::test]
async fn of_many_writers_at_once_no_more_are_let_by_than_fit() {
    let (store, _home) = with_main().await;
    store.set_bucket_quota(name("first"), objects(9), NONE).await.unwrap();
    limit(&store, main(), 60).await.unwrap();
    let writers: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            let bucket = name(["first", "second"][n % 2]);
            tokio::spawn(async move { put_in(&store, bucket, &format!("{n}"), b"12345").await })
        })
        .collect();
    let mut stored = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(_) => stored += 1,
            outcome => drop(refused(outcome)),
        }
    }
    assert_eq!(stored, 12);
    assert_eq!(store.shared.owners.usage(&main()).unwrap().bytes, 60);
    assert_tree_is_true(&store);
}
