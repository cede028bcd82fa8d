use std::{collections::BTreeSet, time::Duration};

use model::{BlockHash, BlockRef, Millis, PartitionCount, Seq, SiteId, SiteName};

use crate::{
    OpenError, Options, Store,
    store::tests::{bucket, caller, events, options, put, read},
};

#[tokio::test]
async fn files_that_no_record_names_are_swept_at_start() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"a body of blocks").await.unwrap();
    drop(store);
    let hash = BlockHash::of(b"left by a crash");
    let directory = home.path().join("blocks").join(&hash.to_string()[..2]);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(hash.to_string()), b"left by a crash").unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert!(store.block(BlockRef { hash, length: 15 }).await.unwrap().is_none());
    assert_eq!(read(&store, "k").await, Some(Ok(b"a body of blocks".to_vec())));
}

#[tokio::test]
async fn a_directory_that_does_not_fit_is_refused_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    drop(Store::open(options(home.path(), 1)).await.unwrap());
    let other = Store::open(options(home.path(), 2)).await.err().unwrap().to_string();
    assert!(other.contains("belongs to site `site-1`"), "{other}");
    let four = Options { partitions: PartitionCount::new(8).unwrap(), ..options(home.path(), 1) };
    let four = Store::open(four).await.err().unwrap().to_string();
    assert!(four.contains("has 4 partitions, the configuration says 8"), "{four}");
    std::fs::write(home.path().join("format"), "4\n").unwrap();
    let newer = Store::open(options(home.path(), 1)).await.err().unwrap().to_string();
    assert!(newer.contains("format 4, this release reads up to 3"), "{newer}");
    let file = home.path().join("format");
    let text = Store::open(options(&file, 1)).await.err().unwrap();
    assert!(matches!(text, OpenError::Directory { .. }));
}

#[tokio::test]
async fn a_new_epoch_numbers_from_one_and_never_reuses_a_version() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    let before = put(&store, "k", b"abc").await.unwrap();
    drop(store);
    let (old, new) = crate::open_epoch(home.path(), Millis(0)).unwrap();
    assert!(new > old);
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    assert_eq!(store.identity().epoch, new);
    assert!(put(&store, "k", b"abd").await.unwrap() > before);
    assert!(events(&store).iter().all(|event| event.position.seq == Seq(1)));
    let empty = tempfile::tempdir().unwrap();
    assert!(crate::open_epoch(empty.path(), Millis(0)).is_err());
}

#[tokio::test]
async fn of_two_registrations_under_one_name_only_the_one_that_is_named_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let name = SiteName::try_from("west".to_owned()).unwrap();
    let [gone, rebuilt] = [SiteId([2; 16]), SiteId([3; 16])];
    store.register_peer(gone, name.clone(), BTreeSet::new()).await.unwrap();
    store.register_peer(rebuilt, name.clone(), BTreeSet::new()).await.unwrap();
    drop(store);
    let again = crate::remove_site(home.path(), &name, None).unwrap_err().to_string();
    assert!(again.contains(&gone.to_string()) && again.contains(&rebuilt.to_string()), "{again}");
    crate::remove_site(home.path(), &name, Some(gone)).unwrap();
    let unknown = crate::remove_site(home.path(), &name, Some(gone)).unwrap_err().to_string();
    assert!(unknown.contains("`west` 0303"), "{unknown}");
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let left: Vec<_> = store.peers().unwrap().into_iter().map(|peer| peer.site).collect();
    assert_eq!(left, [rebuilt]);
}
