use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    BLOCKS_PER_SEGMENT, BucketName, Change, Content, ETag, Event, Line, Manifest, Millis,
    ObjectKey, PartitionCount, Parts, Seq, SiteId, SiteName, UserId, Version,
};
use schemas::{Codec, Keys};

use super::*;
use crate::{
    BlockState, KeepBlockError, Memory, Options, Sizes, Step, engine::Engine, section::Section,
};

pub(crate) fn codec() -> Codec {
    Codec::new(Keys::parse(&format!("main:{}", "11".repeat(32)), "test").unwrap())
}

pub(crate) fn options(directory: &Path, site: u8) -> Options {
    Options {
        directory: directory.to_owned(),
        name: SiteName::try_from(format!("site-{site}")).unwrap(),
        partitions: PartitionCount::new(4).unwrap(),
        new_site: SiteId([site; 16]),
        sizes: Sizes { block: 8, inline_max: 4 },
        reserve: 0,
        codec: codec(),
        clock: Arc::new(ops::ManualClock::at(Millis(1_000_000))),
        metrics: ops::Metrics::new(),
    }
}

pub(crate) fn bucket() -> BucketName {
    BucketName::try_from("bucket".to_owned()).unwrap()
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::try_from(name.to_owned()).unwrap()
}

pub(crate) fn caller() -> Caller {
    Caller::root()
}

pub(crate) async fn put(store: &Store, name: &str, body: &[u8]) -> Result<Version, WriteError> {
    put_if(store, name, body, Condition::None).await
}

async fn put_if(
    store: &Store,
    name: &str,
    body: &[u8],
    condition: Condition,
) -> Result<Version, WriteError> {
    let mut upload = store.upload();
    for piece in body.chunks(5) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let uploaded = upload.finish().await.unwrap();
    let manifest = Manifest {
        size: uploaded.size(),
        etag: ETag(format!("{}", body.len())),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: uploaded.content().clone(),
        encryption: None,
    };
    let (bucket, key) = (bucket(), key(name));
    store
        .put_object(PutObject {
            caller: caller(),
            bucket,
            key,
            manifest,
            uploaded,
            condition,
            attributes: BTreeMap::new(),
        })
        .await
        .map(|stored| stored.version)
}

pub(crate) async fn read(store: &Store, name: &str) -> Option<Result<Vec<u8>, BlockHash>> {
    let object = store.object(&bucket(), &key(name)).await.unwrap()?;
    let mut body = Vec::new();
    let mut blocks = match &object.manifest.content {
        Content::Inline(bytes) => return Some(Ok(bytes.to_vec())),
        Content::Blocks(blocks) => blocks.clone(),
        Content::Segments(segments) => {
            let mut blocks = Vec::new();
            for segment in segments {
                match store.block(segment.stored).await.unwrap() {
                    Some(bytes) => blocks.extend(model::Segment::from_bytes(&bytes).unwrap().0),
                    None => return Some(Err(segment.stored.hash)),
                }
            }
            blocks
        }
    };
    for block in blocks.drain(..) {
        match store.block(block).await.unwrap() {
            Some(bytes) => body.extend_from_slice(&bytes),
            None => return Some(Err(block.hash)),
        }
    }
    Some(Ok(body))
}

/// Every event of a store, in order of positions.
pub(crate) fn events(store: &Store) -> Vec<Event> {
    let epoch = store.identity().epoch;
    let partitions = store.identity().partitions.iter();
    let sealed = partitions.flat_map(|p| store.history(epoch, p, Seq::NONE, usize::MAX).unwrap());
    sealed.map(|event| codec().open(&event.payload).unwrap()).collect()
}

pub(crate) async fn pair() -> (Store, Store, [tempfile::TempDir; 2]) {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let east = Store::open(options(homes[0].path(), 1)).await.unwrap();
    let west = Store::open(options(homes[1].path(), 2)).await.unwrap();
    east.create_bucket(bucket(), caller()).await.unwrap();
    (east, west, homes)
}

fn step(event: &Event) -> Step {
    Step::Apply(Box::new(event.clone()))
}

async fn apply_all(from: &Store, to: &Store) {
    let steps = events(from).iter().flat_map(|event| [step(event), handle(event)]).collect();
    to.apply(steps).await.unwrap();
    crate::tree::tests::assert_tree_is_true(to);
}

fn handle(event: &Event) -> Step {
    let handled = model::progress::Handled {
        seq: event.position.seq,
        digest: event.prev,
        volume: event.volume,
        time: event.time(),
    };
    Step::Handle(event.position.line(), handled)
}

async fn pull_all(from: &Store, to: &Store) -> usize {
    let mut pulled = 0;
    loop {
        let wants = to.wants(None, 100, |_| false).unwrap();
        if wants.is_empty() {
            return pulled;
        }
        for want in wants {
            let bytes = from.block(want.block).await.unwrap().unwrap();
            to.keep_block(want.block.hash, want.kind, bytes).await.unwrap();
            pulled += 1;
        }
    }
}

#[tokio::test]
async fn law_1_what_was_acknowledged_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    let long: Vec<u8> = (0..100).collect();
    let first = put(&store, "long", &long).await.unwrap();
    put(&store, "short", b"abc").await.unwrap();
    put(&store, "empty", b"").await.unwrap();
    let before = events(&store);
    drop(store);

    let store = Store::open(options(home.path(), 1)).await.unwrap();
    assert_eq!(read(&store, "long").await, Some(Ok(long)));
    assert_eq!(read(&store, "short").await, Some(Ok(b"abc".to_vec())));
    assert_eq!(read(&store, "empty").await, Some(Ok(Vec::new())));
    assert_eq!(events(&store), before);
    let second = put(&store, "short", b"abd").await.unwrap();
    assert!(second > first, "the clock goes on above what was written, though it stands still");
}

#[tokio::test]
async fn law_2_seqs_are_dense_and_digests_chain() {
    let (east, _west, _homes) = pair().await;
    for n in 0..40 {
        put(&east, &format!("k{n}"), b"x").await.unwrap();
    }
    let epoch = east.identity().epoch;
    for partition in east.identity().partitions.iter() {
        let events = east.history(epoch, partition, Seq::NONE, usize::MAX).unwrap();
        let mut prev = model::Digest::ZERO;
        for (n, sealed) in events.iter().enumerate() {
            let event = codec().open(&sealed.payload).unwrap();
            assert_eq!(event.position.seq, Seq(n as u64 + 1));
            assert_eq!(event.prev, prev);
            prev = sealed.digest();
        }
        let written = east.written().borrow()[usize::from(partition.0)];
        assert_eq!((written.seq, written.digest), (Seq(events.len() as u64), prev));
        assert_eq!(east.digest_at(epoch, (partition, written.seq)).unwrap(), Some(prev));
    }
}

#[tokio::test]
async fn preconditions_hold_for_exactly_one_of_many_writers() {
    let (east, _west, _homes) = pair().await;
    let writers = (0..50).map(|n| {
        let east = east.clone();
        tokio::spawn(async move { put_if(&east, "one", &[n], Condition::Absent).await })
    });
    let outcomes = futures::future::join_all(writers).await;
    let won = outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(won, 1);
    let other = put_if(&east, "one", b"x", Condition::Matches(ETag("9".into()))).await;
    assert!(matches!(other, Err(WriteError::PreconditionFailed)));
    let none = put_if(&east, "none", b"x", Condition::Matches(ETag("1".into()))).await;
    assert!(matches!(none, Err(WriteError::NoSuchKey)));
    put_if(&east, "one", b"x", Condition::Matches(ETag("1".into()))).await.unwrap();
}

#[tokio::test]
async fn buckets_are_made_once_and_deleted_only_empty() {
    let (east, _west, _homes) = pair().await;
    let again = east.create_bucket(bucket(), caller()).await;
    assert!(matches!(again, Err(WriteError::BucketExists { owned: true })));
    put(&east, "a", b"1").await.unwrap();
    let full = east.delete_bucket(bucket(), caller()).await;
    assert!(matches!(full, Err(WriteError::BucketNotEmpty)));
    assert!(
        east.delete_object((bucket(), key("a")), caller(), Condition::None)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        east.delete_object((bucket(), key("a")), caller(), Condition::None)
            .await
            .unwrap()
            .is_none()
    );
    east.delete_bucket(bucket(), caller()).await.unwrap();
    assert!(matches!(east.delete_bucket(bucket(), caller()).await, Err(WriteError::NoSuchBucket)));
    assert!(matches!(put(&east, "a", b"1").await, Err(WriteError::NoSuchBucket)));
    assert!(east.buckets().unwrap().is_empty());
}

#[tokio::test]
async fn a_secondary_holds_the_same_after_applying_and_pulling() {
    let (east, west, _homes) = pair().await;
    let segments: Vec<u8> =
        (0..(BLOCKS_PER_SEGMENT as u32 + 20) * 8).map(|n| (n % 251) as u8).collect();
    put(&east, "big", &segments).await.unwrap();
    put(&east, "blocks", &segments[..50]).await.unwrap();
    put(&east, "inline", b"abc").await.unwrap();
    apply_all(&east, &west).await;
    assert!(read(&west, "big").await.unwrap().is_err(), "its blocks are not here yet");
    assert_eq!(read(&west, "inline").await, Some(Ok(b"abc".to_vec())));
    let complete = |line: Line| west.line(line).complete();
    let lines = west.lines(|line, progress| (line, progress.handled.seq));
    assert!(lines.iter().any(|(line, handled)| complete(*line) < *handled));

    pull_all(&east, &west).await;
    assert_eq!(read(&west, "big").await, Some(Ok(segments.clone())));
    assert_eq!(read(&west, "blocks").await, Some(Ok(segments[..50].to_vec())));
    assert!(lines.iter().all(|(line, handled)| complete(*line) == *handled));
    assert!(west.lines(|_, progress| progress.holes.len()).into_iter().all(|holes| holes == 0));
}

#[tokio::test]
async fn law_5_a_superseded_version_stays_until_its_successor_is_complete() {
    let (east, west, _homes) = pair().await;
    put(&east, "k", b"the first version").await.unwrap();
    apply_all(&east, &west).await;
    pull_all(&east, &west).await;
    let first = west.object(&bucket(), &key("k")).await.unwrap().unwrap().manifest;
    put(&east, "k", b"the second version").await.unwrap();
    put(&east, "k", b"the third version!").await.unwrap();
    apply_all(&east, &west).await;
    west.collect(Duration::ZERO).await.unwrap();
    for (_, block) in first.content.named() {
        assert!(west.block(block).await.unwrap().is_some(), "the first is all there is to read");
    }
    pull_all(&east, &west).await;
    west.collect(Duration::ZERO).await.unwrap();
    west.collect(Duration::ZERO).await.unwrap();
    let third = west.object(&bucket(), &key("k")).await.unwrap().unwrap().manifest;
    let kept: Vec<_> = third.content.named().collect();
    for named in first.content.named().filter(|named| !kept.contains(named)) {
        assert_eq!(west.block_state(named.1.hash).unwrap(), BlockState::Unknown);
        assert!(west.block(named.1).await.unwrap().is_none());
    }
    assert_eq!(read(&west, "k").await, Some(Ok(b"the third version!".to_vec())));
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let mut upload = store.upload();
    upload.write(Bytes::from_static(b"more than one block of eight")).await.unwrap();
    let uploaded = upload.finish().await.unwrap();
    let named: Vec<_> = uploaded.content().named().collect();
    drop(uploaded);
    store.collect(Duration::ZERO).await.unwrap();
    for (_, block) in named {
        assert!(store.block(block).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_refusal_and_a_full_disk_refuse_writes_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"abc").await.unwrap();
    store.refuse(Refusal::Secondary { primary: "east".into() });
    let refused = put(&store, "k", b"abd").await.unwrap_err();
    assert!(refused.to_string().contains("write to the primary `east`"));
    assert!(store.delete_object((bucket(), key("k")), caller(), Condition::None).await.is_err());
    assert_eq!(read(&store, "k").await, Some(Ok(b"abc".to_vec())));
    drop(store);

    let full = Options { reserve: u64::MAX, ..options(home.path(), 1) };
    let store = Store::open(full).await.unwrap();
    let refused = store.create_bucket(key("other").to_string().try_into().unwrap(), caller()).await;
    assert!(refused.unwrap_err().to_string().contains("disk is full"));
    assert!(store.apply(Vec::new()).await.is_err());
    assert_eq!(read(&store, "k").await, Some(Ok(b"abc".to_vec())));
}

#[tokio::test]
async fn a_failed_commit_stops_the_store() {
    let home = tempfile::tempdir().unwrap();
    let engine = Arc::new(Memory::default());
    let port: Arc<dyn Engine> = Arc::<Memory>::clone(&engine);
    let store = Store::open_on(port, options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    engine.fail();
    assert!(matches!(put(&store, "k", b"abc").await, Err(WriteError::Failed(_))));
    assert!(matches!(put(&store, "k", b"abc").await, Err(WriteError::Failed(_))));
    assert!(*store.failed().borrow());
    assert_eq!(read(&store, "k").await, None);
}

#[tokio::test]
async fn a_panic_of_the_writer_stops_the_store() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let mut failed = store.failed();
    let rule = |_: &mut Section<'_>| -> Result<(), WriteError> { panic!("a bug") };
    assert!(matches!(store.shared.committer.run(rule).await, Err(WriteError::Failed(_))));
    assert!(*failed.wait_for(|failed| *failed).await.unwrap());
}

#[tokio::test]
async fn damaged_blocks_are_never_kept_or_served() {
    let (east, west, homes) = pair().await;
    put(&east, "k", b"a block of bytes").await.unwrap();
    apply_all(&east, &west).await;
    let want = west.wants(None, 1, |_| false).unwrap()[0];
    let wrong = west.keep_block(want.block.hash, want.kind, Bytes::from_static(b"other")).await;
    assert!(matches!(wrong, Err(KeepBlockError::Block(BlockError::Damaged(_)))));
    let name = want.block.hash.to_string();
    let file = homes[0].path().join("blocks").join(&name[..2]).join(&name);
    std::fs::write(file, b"flipped!").unwrap();
    assert!(matches!(east.block(want.block).await, Err(BlockError::Damaged(_))));
}

#[tokio::test]
async fn changes_of_every_other_kind_are_merged() {
    let (_east, west, _homes) = pair().await;
    let line =
        Line { site: SiteId([1; 16]), epoch: model::Epoch(1), partition: model::Partition(0) };
    let event = |n: u64, change: Change| Event {
        position: line.at(Seq(n)),
        version: Version { hlc: model::Hlc(n), site: line.site },
        prev: model::Digest::ZERO,
        volume: 0,
        request: model::RequestId::NONE,
        change,
    };
    let state =
        model::User { name: "A".into(), enabled: true, keys: Vec::new(), quota: <_>::default() };
    let put = event(1, Change::UserPut { user: UserId::root(), state });
    let delete = event(2, Change::UserDeleted { user: UserId::root() });
    let of = Version { hlc: model::Hlc(1), site: line.site };
    let attributes = model::Attributes::default();
    let tags = Change::Attributes { bucket: bucket(), key: key("k"), of, attributes };
    let steps = [&delete, &put, &delete, &event(3, tags)].map(step).to_vec();
    let outcomes = west.apply(steps).await.unwrap();
    assert_eq!((outcomes.replaced, outcomes.stale, outcomes.duplicate), (1, 1, 2));
}
