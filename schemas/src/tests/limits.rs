use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;
use model::{
    BLOCKS_PER_SEGMENT, BlockHash, BlockRef, Change, Content, EVENT_BYTES_MAX, Encryption,
    Manifest, NamedWrapped, OBJECT_BYTES_MAX, ObjectKey, Part, Parts, SEGMENTS_MAX, SealedSecret,
    SegmentRef, Slot, WrappedKey,
};

use super::samples::{OWN, bucket, codec, event, manifest, put, version};
use crate::{CodecError, registry::REGISTRY};

const PARTS: u64 = 10_000;

#[test]
fn no_event_is_above_512_kib_for_10_000_parts_and_as_many_segments_as_an_object_may_have() {
    let segment = |n: u64| SegmentRef {
        stored: BlockRef {
            hash: BlockHash::of(&n.to_be_bytes()),
            length: u32::try_from(36 * BLOCKS_PER_SEGMENT).unwrap(),
        },
        // Of the largest blocks, which take the most digits.
        span: (BLOCKS_PER_SEGMENT as u64) << 23,
    };
    let part = Part { size: 5 << 30, md5: [9; 16] };
    // All that S3 lets a client name: 8 KiB of headers, 2 KiB of them metadata, a key of 1 KiB.
    let pair = |bytes| BTreeMap::from([("name".to_owned(), "v".repeat(bytes))]);
    // Each part may end in a block that is not full.
    let segments = SEGMENTS_MAX + PARTS.div_ceil(BLOCKS_PER_SEGMENT as u64);
    let segments = (0..segments).map(segment).collect();
    let key_id = "k".repeat(64);
    let sealed = SealedSecret { key_id, nonce: [1; 24], sealed: Bytes::from_static(&[3; 48]) };
    let (shown, context, bucket_key) = ("k".repeat(1_024), pair(8 * 1_024), true);
    let key = WrappedKey::Named(NamedWrapped { shown, context, bucket_key, sealed });
    let manifest = Manifest {
        // Whose numbers are all taken: where one is left out, there is a part less.
        encryption: Some(Encryption::of_whole(key)),
        parts: Parts::Listed(vec![part; PARTS as usize]),
        headers: pair(6 * 1_024),
        metadata: pair(2 * 1_024),
        ..manifest(OBJECT_BYTES_MAX, Content::Segments(segments))
    };
    let change = Change::ObjectPut {
        bucket: bucket(),
        key: ObjectKey::try_from("k".repeat(1_024)).unwrap(),
        slot: Slot::Own(OWN),
        birth: version(u64::MAX),
        manifest: Box::new(manifest),
    };
    let event = event(change);
    let sealed = codec().seal(&event).unwrap();
    assert!(sealed.payload.len() <= EVENT_BYTES_MAX);
    assert_eq!(codec().open(&sealed.payload).unwrap(), event);
}

#[test]
fn an_event_that_would_be_too_large_is_refused() {
    let body = Bytes::from(vec![0; EVENT_BYTES_MAX]);
    let inline = manifest(body.len() as u64, Content::Inline(body));
    let metadata = Manifest {
        metadata: BTreeMap::from([("name".to_owned(), "v".repeat(EVENT_BYTES_MAX))]),
        ..manifest(0, Content::Inline(Bytes::new()))
    };
    for manifest in [inline, metadata] {
        let error = codec().seal(&event(put(manifest))).unwrap_err();
        let CodecError::TooLarge { bytes } = error else {
            panic!("{error}");
        };
        assert!(bytes > EVENT_BYTES_MAX && !error.is_curable());
    }
}

#[test]
fn an_event_of_exactly_the_limit_is_sealed_and_one_byte_more_is_not() {
    let inline = |bytes| {
        let body = Bytes::from(vec![1; bytes]);
        event(put(manifest(0, Content::Inline(body))))
    };
    let guess = EVENT_BYTES_MAX - 1_024;
    let around = codec().seal(&inline(guess)).unwrap().payload.len() - guess;
    let exact = codec().seal(&inline(EVENT_BYTES_MAX - around)).unwrap();
    assert_eq!(exact.payload.len(), EVENT_BYTES_MAX);
    assert!(codec().open(&exact.payload).is_ok());
    let above = codec().seal(&inline(EVENT_BYTES_MAX - around + 1));
    assert!(matches!(above, Err(CodecError::TooLarge { bytes }) if bytes == EVENT_BYTES_MAX + 1));
}

#[test]
fn no_claimed_length_makes_the_reader_allocate_more_than_an_event() {
    LazyLock::force(&REGISTRY);
    let limit = apache_avro::util::max_allocation_bytes(usize::MAX);
    assert_eq!(limit, EVENT_BYTES_MAX);
}
