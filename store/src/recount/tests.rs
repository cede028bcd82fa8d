use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use model::{BlockHash, Content, SiteId, SiteName};

use super::*;
use crate::{
    BlockState, Condition, Engine, Memory, QuarantinedEntity,
    engine::{Batch, Table},
    records::{BlockRecord, ObjectRecord, Record},
    store::tests::{bucket, caller, key, options, put, read},
};

async fn open(engine: &Arc<Memory>, home: &tempfile::TempDir) -> Store {
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(engine);
    Store::open_on(engine, options(home.path(), 1)).await.unwrap()
}

/// A site with a bucket.
async fn site() -> (Store, Arc<Memory>, tempfile::TempDir) {
    let (engine, home) = (Arc::<Memory>::default(), tempfile::tempdir().unwrap());
    let store = open(&engine, &home).await;
    store.create_bucket(bucket(), caller()).await.unwrap();
    (store, engine, home)
}

/// Two blocks at a time, so that there are several passes.
async fn recount(store: &Store, repair: bool) -> Recounted {
    let options = RecountOptions { repair, at_once: 2, ..RecountOptions::default() };
    store.recount_blocks(options).await.unwrap()
}

/// For other tests: every block counts as often as it is named.
pub(crate) async fn assert_counts_are_true(store: &Store) {
    let counts = store.recount_blocks(RecountOptions::default()).await.unwrap().counts;
    let expected = BlockCounts { blocks: counts.blocks, ..BlockCounts::default() };
    assert_eq!(counts, expected);
}

fn row(name: &str) -> Bytes {
    ObjectRecord::key(&bucket(), &key(name))
}

/// Behind the store's back.
fn write(engine: &Memory, name: &str, value: Option<&'static [u8]>) {
    let row = ((Table::Objects, row(name)), value.map(Bytes::from_static));
    engine.commit(Batch::from([row])).unwrap();
}

async fn blocks_of(store: &Store, name: &str) -> Vec<BlockHash> {
    let object = store.object(&bucket(), &key(name)).await.unwrap().unwrap();
    object.manifest.content.named().map(|(_, block)| block.hash).collect()
}

fn states(store: &Store, blocks: &[BlockHash]) -> BTreeSet<String> {
    blocks.iter().map(|&hash| format!("{:?}", store.block_state(hash).unwrap())).collect()
}

#[tokio::test]
async fn blocks_of_a_record_that_is_gone_are_found_told_and_freed_and_no_others() {
    let (store, engine, _home) = site().await;
    put(&store, "gone", b"0123456789abcdefghij").await.unwrap();
    put(&store, "stays", b"01234567ABCDEFGH").await.unwrap();
    let (gone, stays) = (blocks_of(&store, "gone").await, blocks_of(&store, "stays").await);
    assert_counts_are_true(&store).await;
    write(&engine, "gone", None);
    let told = recount(&store, false).await;
    let BlockCounts { blocks, leaked, leaked_bytes, repaired, .. } = told.counts;
    assert_eq!((blocks, leaked, leaked_bytes, repaired), (4, 3, 12, 0));
    let names: BTreeSet<_> = told.leaked.iter().map(|block| block.hash).collect();
    assert_eq!(names, gone.iter().copied().collect());
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(states(&store, &gone), ["Here".to_owned()].into(), "only told of so far");

    let done = recount(&store, true).await;
    assert_eq!((done.counts.repaired, done.kept), (3, None));
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(gone[1]).unwrap(), BlockState::Unknown);
    assert_eq!(states(&store, &stays), ["Here".to_owned()].into(), "one block is of both");
    assert_eq!(read(&store, "stays").await.unwrap().unwrap(), b"01234567ABCDEFGH");
    assert_counts_are_true(&store).await;
    // What is left can be deleted, and then all is gone.
    let stays_key = (bucket(), key("stays"));
    store.delete_object(stays_key, caller(), Condition::None).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(states(&store, &stays), ["Unknown".to_owned()].into());
}

#[tokio::test]
async fn what_a_record_may_name_that_cannot_be_read_stays_until_it_is_discarded() {
    let (store, engine, _home) = site().await;
    put(&store, "k", b"0123456789abcdef").await.unwrap();
    let blocks = blocks_of(&store, "k").await;
    write(&engine, "k", Some(&[1, 0xff]));
    let told = recount(&store, true).await;
    assert_eq!((told.counts.leaked, told.counts.unreadable), (2, 1));
    assert_eq!((told.counts.repaired, told.kept), (0, Some(Kept::Unreadable)));
    // Set aside, it is still there to be looked at.
    put(&store, "k", b"new").await.unwrap();
    assert_eq!(store.quarantined_counts().unwrap()["rotten"], 1);
    assert_eq!(recount(&store, true).await.kept, Some(Kept::Unreadable));
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(states(&store, &blocks), ["Here".to_owned()].into());
    store.discard_quarantined(|_, _: &QuarantinedEntity| true).await.unwrap();
    assert_eq!(recount(&store, true).await.counts.repaired, 2);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(states(&store, &blocks), ["Unknown".to_owned()].into());
}

#[tokio::test]
async fn law_7_what_another_site_may_still_need_is_not_freed() {
    let (store, engine, _home) = site().await;
    let (west, name) = (SiteId([2; 16]), SiteName::try_from("west".to_owned()).unwrap());
    store.register_peer(west, name, BTreeSet::new()).await.unwrap();
    put(&store, "k", b"0123456789abcdef").await.unwrap();
    let blocks = blocks_of(&store, "k").await;
    write(&engine, "k", None);
    let told = recount(&store, true).await;
    assert_eq!((told.counts.repaired, told.kept), (0, Some(Kept::Unacknowledged)));
    assert_eq!(told.kept.unwrap().to_string().lines().count(), 1);
    // It is waited for, and goes on when the other site has everything.
    let all = store.written().borrow().iter().map(|written| written.seq).collect::<Vec<_>>();
    let acknowledge = async {
        let epoch = store.identity().epoch;
        let acks = store.identity().partitions.iter().zip(all).map(|(partition, seq)| {
            crate::Acknowledged { epoch, partition, handled: seq, applied: seq, complete: seq }
        });
        store.acknowledge(west, acks.collect()).await.unwrap();
    };
    let wait = Duration::from_mins(1);
    let options = RecountOptions { repair: true, wait, ..RecountOptions::default() };
    let (done, ()) = futures::join!(store.recount_blocks(options), acknowledge);
    assert_eq!(done.unwrap().counts.repaired, 2);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(states(&store, &blocks), ["Unknown".to_owned()].into());
}

#[tokio::test]
async fn a_segment_that_nothing_names_goes_with_its_blocks() {
    let (store, engine, _home) = site().await;
    let large: Vec<u8> = (0..2 * 1_100u32).flat_map(u32::to_be_bytes).collect();
    put(&store, "large", &large).await.unwrap();
    let object = store.object(&bucket(), &key("large")).await.unwrap().unwrap();
    assert!(matches!(object.manifest.content, Content::Segments(_)));
    drop(object);
    let segments = blocks_of(&store, "large").await;
    assert_counts_are_true(&store).await;
    write(&engine, "large", None);
    let done = recount_all(&store).await;
    // The segments are named no more; their blocks are, until these are gone.
    assert_eq!(done.counts.repaired, segments.len() as u64);
    for _ in 0..2 {
        store.collect(Duration::ZERO).await.unwrap();
    }
    assert_eq!(states(&store, &segments), ["Unknown".to_owned()].into());
    assert_eq!(recount_all(&store).await.counts, BlockCounts::default());
}

async fn recount_all(store: &Store) -> Recounted {
    let options = RecountOptions { repair: true, ..RecountOptions::default() };
    store.recount_blocks(options).await.unwrap()
}

#[tokio::test]
async fn a_count_that_is_too_low_is_an_alarm_and_set_right() {
    let (store, engine, _home) = site().await;
    put(&store, "k", b"0123456789abcdef").await.unwrap();
    let blocks = blocks_of(&store, "k").await;
    let forged = |refs| {
        let record = store.shared.block_record(blocks[0]).unwrap().unwrap();
        let value = Some(BlockRecord { refs, ..record }.encode());
        engine
            .commit(Batch::from([((Table::Blocks, BlockRecord::key(blocks[0])), value)]))
            .unwrap();
    };
    forged(0);
    let row = ((Table::Blocks, BlockRecord::key(blocks[1])), None);
    engine.commit(Batch::from([row])).unwrap();
    let done = recount(&store, true).await;
    assert_eq!((done.counts.short, done.counts.unknown, done.counts.repaired), (1, 1, 1));
    let alarms = store.shared.metrics.alarms.with_label_values(&["block_counts"]);
    assert_eq!(alarms.get(), 1);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(blocks[0]).unwrap(), BlockState::Here);
    forged(7);
    assert_eq!(recount(&store, true).await.counts.leaked, 1);
    assert_eq!(store.shared.block_record(blocks[0]).unwrap().unwrap().refs, 1);
}

#[tokio::test]
async fn a_block_that_is_still_on_its_way_is_let_go_of_when_it_has_come() {
    use crate::rules::apply::tests::{applied, put};
    let (store, engine, _home) = site().await;
    let body = Bytes::from_static(b"a block");
    let hash = BlockHash::of(&body);
    store.apply(vec![applied(put(3, "k", &[&body]))]).await.unwrap();
    write(&engine, "k", None);
    assert_eq!(recount(&store, true).await.counts.repaired, 0, "it is wanted");
    store.keep_block(hash, model::BlockKind::Block, body).await.unwrap();
    assert!(store.wants(None, 9, |_| false).unwrap().is_empty());
    assert_eq!(recount(&store, true).await.counts.repaired, 1);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(hash).unwrap(), BlockState::Unknown);
}

#[tokio::test]
async fn what_changes_while_it_is_counted_makes_no_count_wrong() {
    let (store, engine, _home) = site().await;
    for n in 0..20 {
        put(&store, &format!("k{n}"), format!("shared__of {n:04}").as_bytes()).await.unwrap();
    }
    write(&engine, "k3", None);
    write(&engine, "k4", None);
    let change = async {
        for n in 0..20 {
            put(&store, &format!("k{n}"), b"shared__other").await.unwrap();
            store
                .delete_object((bucket(), key(&format!("k{}", n / 2))), caller(), Condition::None)
                .await
                .unwrap();
            store.collect(Duration::ZERO).await.unwrap();
        }
    };
    let recounts = async {
        for _ in 0..5 {
            recount(&store, true).await;
        }
    };
    futures::join!(change, recounts);
    store.collect(Duration::ZERO).await.unwrap();
    assert_counts_are_true(&store).await;
    for n in 0..20 {
        let found = read(&store, &format!("k{n}")).await;
        assert!(!matches!(found, Some(Err(_))), "a block of k{n} is gone");
    }
}
