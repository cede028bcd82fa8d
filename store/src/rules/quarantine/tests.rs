use std::{sync::Arc, time::Duration};

use model::{AccessKey, Change, Entity, Epoch, SealedSecret, Seq, User, UserId};

use super::*;
use crate::{
    BlockState, Engine, Memory, Quarantined, QuarantinedEntity, Step, Store,
    engine::Batch,
    records::{BucketRecord, UserRecord},
    rules::apply::tests::{
        LINE, applied, delete, event, leaf, object_leaf, put, repaired, scope, version,
    },
    store::tests::{bucket, key, options},
};

async fn store() -> (Store, Arc<Memory>, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let engine = Arc::<Memory>::default();
    let port: Arc<dyn Engine> = Arc::<Memory>::clone(&engine);
    (Store::open_on(port, options(home.path(), 1)).await.unwrap(), engine, home)
}

fn aside(name: &str, seq: u64) -> Step {
    Step::Quarantine { scope: scope(), leaf: object_leaf(name, seq) }
}

fn has_row(store: &Store, name: &str) -> bool {
    let row = ObjectRecord::key(&bucket(), &key(name));
    store.shared.engine.get(Table::Objects, &row).unwrap().is_some()
}

fn spoil(engine: &Memory, table: Table, row: Bytes) {
    engine.commit(Batch::from([((table, row), Some(Bytes::from_static(&[1, 0xff])))])).unwrap();
}

#[tokio::test]
async fn law_12_what_was_never_issued_is_set_aside_whole_with_its_blocks_and_discarded() {
    let (store, _engine, _home) = store().await;
    let body = Bytes::from_static(b"a block");
    let hash = model::BlockHash::of(&body);
    store.apply(vec![applied(put(3, "k", &[&body]))]).await.unwrap();
    store.keep_block(hash, model::BlockKind::Block, body).await.unwrap();
    let row = ObjectRecord::key(&bucket(), &key("k"));
    let before = store.shared.engine.get(Table::Objects, &row).unwrap().unwrap();
    assert_eq!(store.apply(vec![aside("k", 2)]).await.unwrap().quarantined, 0, "not that version");
    assert_eq!(store.apply(vec![aside("other", 3)]).await.unwrap().quarantined, 0);
    assert_eq!(store.apply(vec![aside("k", 3)]).await.unwrap().quarantined, 1);
    assert!(!has_row(&store, "k"));
    let told = store.quarantined().unwrap();
    let what = QuarantinedEntity::Object { bucket: bucket().into(), key: "k".to_owned() };
    let (id, reason) = (told[0].id, QuarantineReason::Foreign);
    let bytes = before.len() as u64;
    assert_eq!(told, [Quarantined { id, reason, what, version: Some(version(3)), bytes }]);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(hash).unwrap(), BlockState::Here, "somebody may want to look");

    let of = |wanted| move |id, _: &QuarantinedEntity| id == wanted;
    assert_eq!(store.quarantined_counts().unwrap(), [("foreign", 1), ("rotten", 0)].into());
    assert_eq!(store.discard_quarantined(of(id)).await.unwrap(), 1);
    assert_eq!(store.discard_quarantined(of(id)).await.unwrap(), 0);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(hash).unwrap(), BlockState::Unknown);
    assert_eq!(store.quarantined().unwrap(), []);
}

#[tokio::test]
async fn of_what_is_set_aside_nothing_is_waited_for_and_its_place_is_free() {
    let (store, _engine, _home) = store().await;
    store.apply(vec![applied(put(3, "k", &[b"never comes"]))]).await.unwrap();
    assert_eq!(store.line(LINE).holes.len(), 1);
    // The same version with what its origin has: in one batch, at one instant.
    let steps = vec![aside("k", 3), repaired(put(3, "k", &[b"one", b"two"])), aside("k", 3)];
    assert_eq!(store.apply(steps).await.unwrap().quarantined, 2);
    assert!(store.line(LINE).holes.is_empty());
    assert!(store.wants(None, 9, |_| false).unwrap().is_empty());
    let told = store.quarantined().unwrap();
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].id, told[1].id);
    // A tombstone leaves nothing behind either.
    store.apply(vec![applied(delete(4, "gone")), aside("gone", 4)]).await.unwrap();
    assert!(!has_row(&store, "gone"));
    assert!(
        store
            .shared
            .engine
            .get(Table::Queues, &TombstoneRecord::key(LINE.at(Seq(4)), b"bucket\0gone"))
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_nothing() {
    let (store, engine, _home) = store().await;
    let row = |name| ObjectRecord::key(&bucket(), &key(name));
    store.apply(vec![applied(put(3, "k", &[b"never comes"]))]).await.unwrap();
    spoil(&engine, Table::Objects, row("k"));
    // By full sync, which knows it by its place: also the hole of its event is closed.
    assert_eq!(
        store
            .apply(vec![Step::Remove { scope: scope(), leaf: object_leaf("k", 3) }])
            .await
            .unwrap()
            .removed,
        0
    );
    assert_eq!(store.apply(vec![aside("k", 3)]).await.unwrap().quarantined, 1);
    assert!(store.line(LINE).holes.is_empty());
    // By whatever comes for its key.
    spoil(&engine, Table::Objects, row("live"));
    assert_eq!(store.apply(vec![applied(put(4, "live", &[]))]).await.unwrap().replaced, 1);
    assert!(has_row(&store, "live"));
    let name = bucket();
    spoil(&engine, Table::Entities, BucketRecord::key(&name));
    let gone = applied(event(5, Change::BucketDeleted { bucket: name }));
    assert_eq!(store.apply(vec![gone]).await.unwrap().replaced, 1);
    let told = store.quarantined().unwrap();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter().all(|told| told.reason == QuarantineReason::Rotten && told.version.is_none())
    );
    assert_eq!(store.quarantined_counts().unwrap()["rotten"], 3);
    let of_bucket =
        |_, what: &QuarantinedEntity| *what == QuarantinedEntity::Bucket(bucket().into());
    assert_eq!(store.discard_quarantined(of_bucket).await.unwrap(), 1);
    assert_eq!(store.discard_quarantined(|_, _| true).await.unwrap(), 2);
    assert_eq!(store.quarantined().unwrap(), []);
    // Of a later release it is not rotten: this one must not touch it.
    let newer = Bytes::from_static(&[99]);
    engine.commit(Batch::from([((Table::Objects, row("newer")), Some(newer))])).unwrap();
    assert!(store.apply(vec![applied(put(6, "newer", &[]))]).await.is_err());
    assert!(store.apply(vec![aside("newer", 6)]).await.is_err());
}

#[tokio::test]
async fn a_user_and_a_bucket_are_set_aside_with_what_hangs_on_them() {
    let (store, engine, _home) = store().await;
    let user = |id: &str| UserId::try_from(id.to_owned()).unwrap();
    let secret = SealedSecret { key_id: "main".into(), nonce: [0; 24], sealed: Bytes::new() };
    let state = |key: &str| User {
        name: "A".into(),
        enabled: true,
        keys: vec![AccessKey { id: key.into(), secret: secret.clone(), enabled: true }],
        quota: <_>::default(),
    };
    let put =
        |seq, id, key| applied(event(seq, Change::UserPut { user: user(id), state: state(key) }));
    store.apply(vec![put(1, "a", "AK1"), put(2, "b", "AK2")]).await.unwrap();
    store.create_bucket(bucket(), crate::Caller::root()).await.unwrap();
    let held = |seq, entity: Entity| Step::Quarantine {
        scope: Scope::Entities,
        leaf: leaf(&entity, LINE.at(Seq(seq)), version(seq)),
    };
    spoil(&engine, Table::Entities, UserRecord::key(&user("b")));
    let steps = vec![held(1, Entity::User(user("a"))), held(2, Entity::User(user("b")))];
    assert_eq!(store.apply(steps).await.unwrap().quarantined, 2);
    assert_eq!(store.users().unwrap(), []);
    for (key, id) in [("AK1", "a"), ("AK2", "b")] {
        let row = crate::records::KeyHolderRecord::key(key, &user(id));
        assert!(store.shared.engine.get(Table::Entities, &row).unwrap().is_none());
        assert_eq!(store.key_holder(key).unwrap(), None);
    }
    let birth = store.bucket(&bucket()).unwrap().live.unwrap().birth;
    let epoch = Epoch(store.identity().epoch.0);
    let at = model::Line { site: birth.site, epoch, partition: model::Partition(0) }.at(Seq(1));
    let step = Step::Quarantine {
        scope: Scope::Entities,
        leaf: leaf(&Entity::Bucket(bucket()), at, birth),
    };
    assert_eq!(store.apply(vec![step]).await.unwrap().quarantined, 1);
    assert!(store.bucket(&bucket()).unwrap().live.is_none());
    let what: Vec<_> = store.quarantined().unwrap().into_iter().map(|told| told.what).collect();
    let (a, b) = (QuarantinedEntity::User("a".into()), QuarantinedEntity::User("b".into()));
    assert_eq!(what, [a, b, QuarantinedEntity::Bucket(bucket().into())]);
}
