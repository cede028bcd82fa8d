use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use model::{
    BLOCKS_PER_SEGMENT, BlockHash, BlockKind, BlockRef, Content, ETag, Manifest, Part, Parts,
    QuotaChange, RequestId, Segment,
};

use crate::{
    BlockState, Caller, CompleteMultipart, Condition, CopyObject, MultipartCursor, MultipartEntry,
    MultipartName, MultipartQuery, NewMultipart, PutObject, PutPart, Store, Uploaded, WriteError,
    store::tests::{bucket, caller, key, options, pair, put, read},
};

/// What every object of these uploads begins with.
fn tags() -> (String, Bytes) {
    ("tags".to_owned(), Bytes::from_static(b"a=b"))
}

async fn begin(store: &Store, name: &str) -> MultipartName {
    let new = NewMultipart {
        sealed_under: None,
        caller: caller(),
        bucket: bucket(),
        key: key(name),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksum: None,
        attributes: BTreeMap::from([tags()]),
    };
    let id = store.create_multipart(new).await.unwrap();
    MultipartName { bucket: bucket(), key: key(name), id }
}

async fn part(
    store: &Store,
    name: &MultipartName,
    number: u16,
    body: &[u8],
) -> Result<(), WriteError> {
    let mut upload = store.upload_part();
    upload.write(Bytes::copy_from_slice(body)).await.unwrap();
    let uploaded = upload.finish().await.unwrap();
    let (caller, name) = (caller(), name.clone());
    let md5 = [number.to_be_bytes()[1]; 16];
    let put = PutPart { caller, name, number, md5, checksum: None, uploaded };
    store.put_part(put).await.map(|_| ())
}

/// What a client asks for that has seen the parts.
fn seen(store: &Store, name: &MultipartName, condition: Condition) -> CompleteMultipart {
    let parts = store.parts(name.id, 0, usize::MAX).unwrap();
    let listed = parts.parts.iter().map(|part| Part { size: part.size, md5: part.md5 });
    let manifest = Manifest {
        size: parts.parts.iter().map(|part| part.size).sum(),
        etag: ETag("parts".to_owned()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Listed(listed.collect()),
        content: Content::Inline(Bytes::new()),
        encryption: None,
    };
    CompleteMultipart {
        caller: caller(),
        name: name.clone(),
        revision: parts.revision,
        parts: parts.parts.iter().map(|part| part.number).collect(),
        manifest,
        condition,
    }
}

/// Collects until nothing more goes: a segment frees its blocks only in the pass after it.
async fn settle(store: &Store) {
    for _ in 0..3 {
        store.collect(Duration::ZERO).await.unwrap();
    }
    crate::tree::tests::assert_tree_is_true(store);
    crate::recount::tests::assert_counts_are_true(store).await;
}

async fn put_uploaded(store: &Store, name: &str, uploaded: Uploaded) {
    let manifest = Manifest {
        size: uploaded.size(),
        etag: ETag("whole".to_owned()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: uploaded.content().clone(),
        encryption: None,
    };
    let (bucket, key, condition, caller) = (bucket(), key(name), Condition::None, caller());
    let put = PutObject {
        caller,
        bucket,
        key,
        manifest,
        uploaded,
        condition,
        attributes: BTreeMap::new(),
    };
    store.put_object(put).await.unwrap();
}

async fn one_site() -> (Store, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    (store, home)
}

fn bytes(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|n| (n / 8).to_le_bytes()[n % 8 % 4] ^ salt).collect()
}

#[tokio::test]
async fn parts_in_any_order_become_one_object_and_leave_nothing_behind() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    // More than a segment's worth in all, cut where no segment ends; a part that is replaced.
    let bodies = [bytes(8 * BLOCKS_PER_SEGMENT + 100, 1), bytes(4_000, 2), bytes(13, 3)];
    part(&store, &name, 3, &bodies[2]).await.unwrap();
    part(&store, &name, 1, &bytes(50, 9)).await.unwrap();
    part(&store, &name, 2, &bodies[1]).await.unwrap();
    part(&store, &name, 1, &bodies[0]).await.unwrap();
    let listed = store.parts(name.id, 1, 1).unwrap().parts;
    assert_eq!(
        listed.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(),
        [(2, 4_000)]
    );
    let done = store.complete_multipart(seen(&store, &name, Condition::None)).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(Ok(bodies.concat())));
    let attributes = store.object_attributes((&bucket(), &key("k")), done.version).unwrap();
    assert_eq!(attributes.value("tags"), Some(&tags().1));
    assert_eq!(store.completed(&name).unwrap(), Some(done), "who asks again hears the same");
    let again = store.complete_multipart(seen(&store, &name, Condition::None)).await;
    assert!(matches!(again, Err(WriteError::NoSuchUpload)));
    assert!(store.multipart(&name).unwrap().is_none());
    // Nothing but the object names the blocks now: with it they go.
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(Ok(bodies.concat())));
    let content = store.object(&bucket(), &key("k")).await.unwrap().unwrap().manifest.content;
    store.delete_object((bucket(), key("k")), caller(), Condition::None).await.unwrap();
    settle(&store).await;
    for (_, block) in content.named() {
        assert_eq!(store.block_state(block.hash).unwrap(), BlockState::Unknown);
    }
    assert_eq!(store.block_state(BlockHash::of(&bodies[1][8..16])).unwrap(), BlockState::Unknown);
}

#[tokio::test]
async fn an_upload_of_one_empty_part_is_an_empty_object() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    part(&store, &name, 1, b"").await.unwrap();
    store.complete_multipart(seen(&store, &name, Condition::Absent)).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(Ok(Vec::new())));
}

#[tokio::test]
async fn an_aborted_upload_frees_its_parts_and_takes_no_more() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    part(&store, &name, 1, b"12345678").await.unwrap();
    let block = BlockHash::of(b"12345678");
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(block).unwrap(), BlockState::Here, "it is counted");
    store.abort_multipart(name.clone(), caller()).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(store.block_state(block).unwrap(), BlockState::Unknown);
    let late = part(&store, &name, 2, b"late").await;
    assert!(matches!(late, Err(WriteError::NoSuchUpload)));
    let twice = store.abort_multipart(name.clone(), caller()).await;
    assert!(matches!(twice, Err(WriteError::NoSuchUpload)));
    assert_eq!(store.completed(&name).unwrap(), None);
}

#[tokio::test]
async fn a_part_that_comes_while_an_upload_is_completed_stops_it() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    part(&store, &name, 1, &bytes(9_000, 1)).await.unwrap();
    let stale = seen(&store, &name, Condition::None);
    part(&store, &name, 1, &bytes(9_000, 2)).await.unwrap();
    let outcome = store.complete_multipart(stale).await;
    assert!(matches!(outcome, Err(WriteError::UploadChanged)));
    // A condition that fails leaves the upload as it was, segments held for it included.
    put(&store, "k", b"there").await.unwrap();
    let failed = store.complete_multipart(seen(&store, &name, Condition::Absent)).await;
    assert!(matches!(failed, Err(WriteError::PreconditionFailed)));
    store.complete_multipart(seen(&store, &name, Condition::Present)).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(Ok(bytes(9_000, 2))));
}

#[tokio::test]
async fn an_upload_ends_with_its_bucket_and_is_nobody_elses() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    part(&store, &name, 1, b"12345678").await.unwrap();
    let stranger = Caller { user: "alt".to_owned().try_into().unwrap(), ..caller() };
    let denied = store.abort_multipart(name.clone(), stranger).await;
    assert!(matches!(denied, Err(WriteError::Denied)));
    store.delete_bucket(bucket(), caller()).await.unwrap();
    store.create_bucket(bucket(), caller()).await.unwrap();
    assert!(store.multipart(&name).unwrap().is_none());
    assert!(matches!(part(&store, &name, 2, b"").await, Err(WriteError::NoSuchUpload)));
    store.collect(Duration::ZERO).await.unwrap();
    let block = BlockHash::of(b"12345678");
    assert_eq!(store.block_state(block).unwrap(), BlockState::Unknown);
}

#[tokio::test]
async fn uploads_are_listed_by_key_page_by_page() {
    let (store, _home) = one_site().await;
    for name in ["a/1", "a/2", "b", "b", "c/1"] {
        begin(&store, name).await;
    }
    let query = |after, limit| MultipartQuery {
        delimiter: Some("/".to_owned()),
        after,
        limit,
        ..MultipartQuery::default()
    };
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = store.multipart_uploads(&bucket(), &query(after.clone(), 1)).unwrap();
        let Some(entry) = page.entries.into_iter().next() else { break };
        after = Some(match &entry {
            MultipartEntry::CommonPrefix(prefix) => MultipartCursor::Prefix(prefix.clone()),
            MultipartEntry::Upload { key, id, .. } => MultipartCursor::Upload(key.clone(), *id),
        });
        names.push(match entry {
            MultipartEntry::CommonPrefix(prefix) => prefix,
            MultipartEntry::Upload { key, .. } => key,
        });
        if !page.truncated {
            break;
        }
    }
    assert_eq!(names, ["a/", "b", "b", "c/"]);
    let whole = MultipartQuery { prefix: "a/".to_owned(), limit: 9, ..MultipartQuery::default() };
    assert_eq!(store.multipart_uploads(&bucket(), &whole).unwrap().entries.len(), 2);
    let behind = query(Some(MultipartCursor::Key("b".to_owned())), 9);
    assert_eq!(store.multipart_uploads(&bucket(), &behind).unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_copy_shares_its_blocks_and_one_whose_source_is_not_whole_is_refused() {
    let (east, west, _homes) = pair().await;
    put(&east, "k", b"shared by both objects").await.unwrap();
    let copy = |source: crate::Object| CopyObject {
        caller: caller(),
        bucket: bucket(),
        key: key("copy"),
        manifest: (*source.manifest).clone(),
        source,
        condition: Condition::None,
        attributes: BTreeMap::new(),
    };
    let source = east.object(&bucket(), &key("k")).await.unwrap().unwrap();
    east.copy_object(copy(source)).await.unwrap();
    east.delete_object((bucket(), key("k")), caller(), Condition::None).await.unwrap();
    east.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&east, "copy").await, Some(Ok(b"shared by both objects".to_vec())));
    // The secondary has the manifest and none of its blocks.
    let events = crate::store::tests::events(&east);
    west.apply(events.into_iter().map(|event| crate::Step::Apply(Box::new(event))).collect())
        .await
        .unwrap();
    let source = west.object(&bucket(), &key("copy")).await.unwrap().unwrap();
    let refused = west.copy_object(copy(source)).await;
    assert!(matches!(refused, Err(WriteError::SourceIncomplete)));
}

/// A segment's worth of different blocks, and the segment's own bytes.
fn segment_of(body: &[u8]) -> Vec<u8> {
    let blocks = body.chunks(8).map(|block| {
        let length = u32::try_from(block.len()).unwrap();
        BlockRef { hash: BlockHash::of(block), length }
    });
    Segment(blocks.take(BLOCKS_PER_SEGMENT).collect()).to_bytes()
}

#[tokio::test]
async fn a_segment_that_somebody_stored_as_a_block_still_keeps_its_blocks() {
    let body = bytes(8 * BLOCKS_PER_SEGMENT + 8, 5);
    for segment_first in [false, true] {
        let (east, west, _homes) = pair().await;
        if segment_first {
            put(&east, "k", &body).await.unwrap();
        }
        // Anybody can compute the bytes of a segment, and put them as an object of one block.
        let mut upload = east.upload_part();
        upload.block_size(64 << 10);
        upload.write(segment_of(&body).into()).await.unwrap();
        put_uploaded(&east, "forged", upload.finish().await.unwrap()).await;
        if !segment_first {
            put(&east, "k", &body).await.unwrap();
        }
        east.collect(Duration::ZERO).await.unwrap();
        assert_eq!(read(&east, "k").await, Some(Ok(body.clone())), "{segment_first}");
        // The secondary wants the blocks of the segment too, whatever it took it for first.
        for event in crate::store::tests::events(&east) {
            west.apply(vec![crate::Step::Apply(Box::new(event))]).await.unwrap();
        }
        let wanted = west.wants(None, usize::MAX, |_| false).unwrap();
        let kinds: Vec<_> = wanted.iter().map(|want| want.kind).collect();
        assert_eq!(kinds.len(), 2, "the segment, and that of the rest");
        assert!(kinds.iter().all(|kind| *kind == BlockKind::Segment), "{kinds:?}");
        east.delete_object((bucket(), key("forged")), caller(), Condition::None).await.unwrap();
        settle(&east).await;
        assert_eq!(read(&east, "k").await, Some(Ok(body.clone())), "{segment_first}");
        east.delete_object((bucket(), key("k")), caller(), Condition::None).await.unwrap();
        settle(&east).await;
        let block = BlockHash::of(&body[8..16]);
        assert_eq!(east.block_state(block).unwrap(), BlockState::Unknown, "{segment_first}");
    }
}

#[tokio::test]
async fn of_two_completions_with_other_parts_each_is_whole_or_refused() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "k").await;
    part(&store, &name, 1, &bytes(9_000, 1)).await.unwrap();
    part(&store, &name, 2, &bytes(9_000, 2)).await.unwrap();
    let both = seen(&store, &name, Condition::None);
    let only = CompleteMultipart { parts: vec![2], ..seen(&store, &name, Condition::None) };
    let only = CompleteMultipart {
        manifest: Manifest { size: 9_000, parts: Parts::Whole, ..only.manifest },
        ..only
    };
    // Between what the first holds and its commit, the second takes its place, and the collector
    // runs.
    let condition = || Condition::Matches(ETag("never".to_owned()));
    let held = CompleteMultipart { condition: condition(), ..seen(&store, &name, Condition::None) };
    assert!(store.complete_multipart(held).await.is_err());
    let content = store.assembled(&both).await.unwrap();
    let held = CompleteMultipart {
        condition: condition(),
        manifest: only.manifest.clone(),
        parts: only.parts.clone(),
        ..seen(&store, &name, Condition::None)
    };
    assert!(store.complete_multipart(held).await.is_err());
    store.collect(Duration::ZERO).await.unwrap();
    let refused = store.commit_assembled(both, content).await;
    assert!(matches!(refused, Err(WriteError::UploadChanged)));
    store.complete_multipart(only).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&store, "k").await, Some(Ok(bytes(9_000, 2))));
}

#[tokio::test]
async fn a_segment_that_is_named_again_before_it_was_collected_counts_its_blocks_once() {
    let (store, _home) = one_site().await;
    let body = bytes(8 * BLOCKS_PER_SEGMENT + 8, 1);
    put(&store, "k", &body).await.unwrap();
    // A read keeps the collector away from the segment, though nothing names it any more.
    let reading = store.object(&bucket(), &key("k")).await.unwrap();
    store.delete_object((bucket(), key("k")), caller(), Condition::None).await.unwrap();
    store.collect(Duration::ZERO).await.unwrap();
    put(&store, "again", &body).await.unwrap();
    drop(reading);
    store.collect(Duration::ZERO).await.unwrap();
    assert_eq!(read(&store, "again").await, Some(Ok(body.clone())));
    store.delete_object((bucket(), key("again")), caller(), Condition::None).await.unwrap();
    settle(&store).await;
    let block = BlockHash::of(&body[8..16]);
    assert_eq!(store.block_state(block).unwrap(), BlockState::Unknown);
}

#[tokio::test]
async fn what_parts_make_and_what_is_copied_counts_whole_and_a_quota_holds_for_both() {
    let (store, _home) = one_site().await;
    let name = begin(&store, "parts").await;
    for number in 1..=3 {
        part(&store, &name, number, b"a body of blocks").await.unwrap();
    }
    let told = || store.usage(None, None).unwrap().buckets.remove(0);
    assert_eq!((told().uploads.count, told().uploads.bytes, told().usage.bytes), (1, 48, 0));
    let quota = |most| {
        let change = QuotaChange { bytes: Some(Some(most)), objects: None };
        store.set_bucket_quota(bucket(), change, RequestId::NONE)
    };
    quota(47).await.unwrap();
    let refused = store.complete_multipart(seen(&store, &name, Condition::None)).await;
    assert!(matches!(refused, Err(WriteError::QuotaExceeded(_))));
    assert_eq!(told().uploads.count, 1, "it is still there, to be completed when there is room");
    quota(48).await.unwrap();
    store.complete_multipart(seen(&store, &name, Condition::None)).await.unwrap();
    assert_eq!((told().uploads.count, told().usage.bytes, told().usage.objects), (0, 48, 1));
    let copy = |to: &'static str| {
        let store = store.clone();
        async move {
            let source = store.object(&bucket(), &key("parts")).await.unwrap().unwrap();
            let (manifest, condition) = (source.manifest.clone(), Condition::None);
            let (caller, bucket, key) = (caller(), bucket(), key(to));
            let attributes = BTreeMap::new();
            let copy = CopyObject {
                caller,
                bucket,
                key,
                manifest: *manifest,
                source,
                condition,
                attributes,
            };
            store.copy_object(copy).await
        }
    };
    assert!(matches!(copy("copy").await, Err(WriteError::QuotaExceeded(_))));
    quota(96).await.unwrap();
    copy("copy").await.unwrap();
    assert_eq!(told().usage.bytes, 96, "blocks that are shared count for each");
    settle(&store).await;
}
