use std::time::Duration;

use futures::TryStreamExt;

use super::*;
use crate::{
    Store,
    store::tests::{bucket, caller, options, put, read},
};

async fn files(store: &Store) -> Vec<BlockHash> {
    store.shared.blocks.list().try_collect().await.unwrap()
}

#[tokio::test]
async fn blocks_whose_write_ends_after_their_upload_was_dropped_are_collected() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    let mut upload = store.upload();
    for n in 0..BLOCKS_IN_FLIGHT {
        // Blocks of 8 bytes. None of the tasks has run when the upload is dropped.
        upload.write(Bytes::from(vec![n as u8; 8])).await.unwrap();
    }
    drop(upload);
    let cleaned = async {
        while files(&store).await.len() < BLOCKS_IN_FLIGHT {
            tokio::task::yield_now().await;
        }
        // One of them somebody else writes again, and keeps.
        put(&store, "kept", &[0; 8]).await.unwrap();
        while files(&store).await.len() > 1 {
            store.collect(Duration::ZERO).await.unwrap();
        }
    };
    let cleaned = tokio::time::timeout(Duration::from_secs(30), cleaned).await;
    assert!(cleaned.is_ok(), "still there: {:?}", files(&store).await);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&store, "kept").await.unwrap().unwrap(), [0; 8]);
}

#[tokio::test]
async fn a_block_is_leased_from_before_its_write_until_it_is_settled_and_dropped() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let shared = &store.shared;
    let hash = BlockHash::of(b"block");
    let keep = || Arc::clone(shared).keep(hash, PutPayload::from_static(b"block"));
    let kept = keep().await.unwrap();
    assert!(shared.pins.collect(hash).is_none());
    let (lease, fresh) = kept.settle();
    assert!(shared.pins.collect(hash).is_none(), "the lease was handed over");
    assert_eq!((fresh, shared.take_orphans()), (Some(hash), vec![]));
    drop(lease);
    drop(keep().await.unwrap());
    assert_eq!(shared.take_orphans(), [hash]);
    assert!(shared.pins.collect(hash).is_some());
}
