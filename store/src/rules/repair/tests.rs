use std::time::Duration;

use bytes::Bytes;
use model::{BlockHash, BlockKind, Bucket, Change, Entity, Seq, User, UserId};

use super::*;
use crate::{
    BlockState, Step, Store,
    rules::apply::tests::{
        LINE, applied, delete, event, leaf, object_leaf, put, scope, store, version,
    },
    store::tests::{bucket, key},
};

fn remove(name: &str, seq: u64) -> Step {
    Step::Remove { scope: scope(), leaf: object_leaf(name, seq) }
}

async fn removed(store: &Store, step: Step) -> u64 {
    store.apply(vec![step]).await.unwrap().removed
}

fn has_row(store: &Store, name: &str) -> bool {
    let row = ObjectRecord::key(&bucket(), &key(name));
    store.shared.engine.get(Table::Objects, &row).unwrap().is_some()
}

#[tokio::test]
async fn law_6_what_was_deleted_long_ago_is_removed_unless_it_is_newer_by_now() {
    let (store, _home) = store().await;
    store.apply(vec![applied(put(3, "k", &[])), applied(delete(4, "gone"))]).await.unwrap();
    assert_eq!(removed(&store, remove("k", 2)).await, 0, "what is here came later");
    assert_eq!(removed(&store, remove("never", 3)).await, 0);
    assert_eq!(removed(&store, remove("k", 3)).await, 1);
    assert_eq!(removed(&store, remove("k", 3)).await, 0, "again is nothing");
    assert_eq!(removed(&store, remove("gone", 4)).await, 1);
    assert!(!has_row(&store, "k") && !has_row(&store, "gone"), "and no tombstone is left");
    let queues = crate::open::rows(&*store.shared.engine, Table::Queues, b"t").unwrap();
    assert_eq!(queues, []);
}

#[tokio::test]
async fn law_5_and_7_blocks_of_what_is_removed_are_freed_when_the_line_is_complete() {
    let (store, _home) = store().await;
    let body = Bytes::from_static(b"a block");
    let hash = BlockHash::of(&body);
    let handled = model::progress::Handled { seq: Seq(3), ..model::progress::Handled::START };
    let lost = model::Hole { first: Seq(1), last: Seq(2), reason: model::HoleReason::LostAtOrigin };
    let steps =
        vec![applied(put(3, "k", &[&body])), Step::Open(LINE, lost), Step::Handle(LINE, handled)];
    store.apply(steps).await.unwrap();
    store.keep_block(hash, BlockKind::Block, body).await.unwrap();
    assert_eq!(removed(&store, remove("k", 3)).await, 1);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(hash).unwrap(), BlockState::Here, "the line is not complete");
    store.apply(vec![Step::Prove { line: LINE, up_to: Seq(3) }]).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(hash).unwrap(), BlockState::Unknown);
}

#[tokio::test]
async fn law_7_what_is_removed_before_it_is_complete_is_not_waited_for() {
    let (store, _home) = store().await;
    let (old, new) = (Bytes::from_static(b"old"), b"never comes");
    let hash = BlockHash::of(&old);
    store.apply(vec![applied(put(3, "k", &[&old]))]).await.unwrap();
    store.keep_block(hash, BlockKind::Block, old).await.unwrap();
    store.apply(vec![applied(put(4, "k", &[new]))]).await.unwrap();
    assert_eq!(removed(&store, remove("k", 4)).await, 1);
    assert!(store.line(LINE).holes.is_empty());
    assert!(store.wants(None, 9, |_| false).unwrap().is_empty());
    let handled = model::progress::Handled { seq: Seq(4), ..model::progress::Handled::START };
    store.apply(vec![Step::Handle(LINE, handled)]).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(
        store.block_state(hash).unwrap(),
        BlockState::Unknown,
        "nor is what it replaced kept"
    );
}

#[tokio::test]
async fn buckets_and_users_are_removed_too() {
    let (store, _home) = store().await;
    let user = UserId::try_from("alice".to_owned()).unwrap();
    let state = User { name: "A".into(), enabled: true, keys: Vec::new(), quota: <_>::default() };
    let bucket_state = Bucket { birth: version(2), owner: user.clone() };
    let steps = vec![
        applied(event(1, Change::UserPut { user: user.clone(), state })),
        applied(event(2, Change::BucketPut { bucket: bucket(), state: bucket_state })),
    ];
    store.apply(steps).await.unwrap();
    for (seq, entity) in [(1, Entity::User(user)), (2, Entity::Bucket(bucket()))] {
        let leaf = |seq| leaf(&entity, LINE.at(Seq(seq)), version(seq));
        let step = |seq| Step::Remove { scope: Scope::Entities, leaf: leaf(seq) };
        assert_eq!(removed(&store, step(seq - 1)).await, 0);
        assert_eq!(removed(&store, step(seq)).await, 1);
    }
    assert_eq!((store.users().unwrap(), store.buckets().unwrap()), (Vec::new(), Vec::new()));
}
