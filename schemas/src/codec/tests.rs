use std::collections::BTreeMap;

use apache_avro::Schema;
use bytes::Bytes;
use model::{
    Attributes, BLOCKS_PER_SEGMENT, BlockHash, BlockRef, Bucket, BucketName, Change, Content,
    Digest, ETag, Epoch, Hlc, Manifest, Millis, ObjectKey, Part, Partition, Parts, Position,
    Register, SegmentRef, Seq, SiteId, User, UserId, Version,
};
use proptest::prelude::{any, prop, proptest};

use super::*;
use crate::registry::{RELEASED, Registry};

const KEY_FILE: &str = "main:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn codec() -> Codec {
    Codec::new(Keys::parse(KEY_FILE, "test").unwrap())
}

fn version(n: u64) -> Version {
    Version {
        hlc: Hlc(n),
        site: SiteId([7; 16]),
    }
}

fn bucket() -> BucketName {
    BucketName::try_from("bucket".to_owned()).unwrap()
}

fn key() -> ObjectKey {
    ObjectKey::try_from("dir/ünïcode 🪢".to_owned()).unwrap()
}

fn user() -> UserId {
    UserId::try_from("root".to_owned()).unwrap()
}

fn manifest(size: u64, content: Content) -> Box<Manifest> {
    let pair = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    Box::new(Manifest {
        size,
        etag: ETag("5d41402abc4b2a76b9719d911017c592".to_owned()),
        headers: pair("content-type", "text/plain"),
        metadata: pair("colour", "blue"),
        checksums: pair("crc32c", "AAAAAA=="),
        parts: Parts::Whole,
        content,
    })
}

fn put(manifest: Box<Manifest>) -> Change {
    Change::ObjectPut {
        bucket: bucket(),
        key: key(),
        birth: version(1),
        manifest,
    }
}

fn event(change: Change) -> Event {
    let position = Position {
        site: SiteId([7; 16]),
        epoch: Epoch(1_700_000_000_000),
        partition: Partition(9),
        seq: Seq(42),
    };
    Event {
        position,
        version: version(77 << 16),
        prev: Digest::of(b"before"),
        volume: 99,
        change,
    }
}

/// One change of each kind.
fn changes() -> Vec<(&'static str, Change)> {
    let block = |n: u8| BlockRef {
        hash: BlockHash::of(&[n]),
        length: 5,
    };
    let register = Register {
        version: version(3),
        value: Bytes::from_static(b"<Tagging/>"),
    };
    let attributes = Attributes(BTreeMap::from([("tags".to_owned(), register)]));
    let segment = SegmentRef {
        stored: block(3),
        span: 10,
    };
    let parts = Parts::Listed(vec![
        Part {
            size: 4,
            md5: [1; 16],
        },
        Part {
            size: 6,
            md5: [2; 16],
        },
    ]);
    let multipart = Manifest {
        parts,
        ..*manifest(10, Content::Segments(vec![segment]))
    };
    let state = User {
        name: "Root".to_owned(),
        access_key: "AK".to_owned(),
        secret_key: "SK".to_owned(),
        enabled: true,
    };
    vec![
        (
            "object_put_inline",
            put(manifest(5, Content::Inline(Bytes::from_static(b"hello")))),
        ),
        (
            "object_put_blocks",
            put(manifest(10, Content::Blocks(vec![block(1), block(2)]))),
        ),
        ("object_put_segments", put(Box::new(multipart))),
        (
            "object_deleted",
            Change::ObjectDeleted {
                bucket: bucket(),
                key: key(),
                birth: version(1),
            },
        ),
        (
            "bucket_put",
            Change::BucketPut {
                bucket: bucket(),
                state: Bucket {
                    birth: version(1),
                    owner: user(),
                },
            },
        ),
        ("bucket_deleted", Change::BucketDeleted { bucket: bucket() }),
        (
            "attributes",
            Change::Attributes {
                bucket: bucket(),
                key: key(),
                of: version(2),
                attributes,
            },
        ),
        (
            "user_put",
            Change::UserPut {
                user: user(),
                state,
            },
        ),
        ("user_deleted", Change::UserDeleted { user: user() }),
    ]
}

fn heartbeat() -> Heartbeat {
    let position = event(Change::UserDeleted { user: user() }).position;
    Heartbeat {
        site: position.site,
        epoch: position.epoch,
        partition: position.partition,
        written: Seq(42),
        digest: Digest::of(b"x"),
        volume: 99,
        time: Millis(1_700_000_000_001),
    }
}

/// Compares with the golden sample of a released version, or writes it where there is none yet.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if !path.exists() && std::env::var_os("CI").is_none() {
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap()
}

#[test]
fn every_kind_of_change_reads_back_and_equals_its_golden_sample() {
    for (name, change) in changes() {
        let event = event(change);
        let sealed = codec().seal_with(&event, [5; 24]).unwrap();
        assert_eq!(codec().open(&sealed.payload).unwrap(), event, "{name}");
        let envelope = codec().envelope(&sealed.payload).unwrap();
        assert_eq!(envelope.sealed_event(sealed.payload.clone()), sealed);
        let kept = golden(&format!("{name}.event"), &sealed.payload);
        assert_eq!(
            codec().open(&kept).unwrap(),
            event,
            "{name}: the golden sample reads as ever"
        );
        assert_eq!(
            kept, sealed.payload,
            "{name}: the encoding changed; add a schema instead"
        );
    }
    let bytes = codec().encode_heartbeat(&heartbeat()).unwrap();
    let kept = golden("heartbeat.record", &bytes);
    assert_eq!(codec().decode_heartbeat(&kept).unwrap(), heartbeat());
    assert_eq!(kept, bytes);
}

#[test]
fn every_schema_names_the_fields_of_its_rust_type() {
    // A record is written field by field by name, and a field that either side lacks is an error
    // of the library; so it is enough that each kind goes through, and none twice.
    let written: Vec<_> = changes()
        .iter()
        .map(|(_, c)| change::encode(&REGISTRY, c))
        .collect();
    let mut kinds: Vec<_> = written
        .into_iter()
        .map(|bytes| REGISTRY.kind(&bytes.unwrap()).unwrap())
        .collect();
    kinds.extend([Kind::Envelope, Kind::Heartbeat]);
    for (kind, text) in RELEASED {
        assert!(kinds.contains(&kind), "{kind:?} has a schema and no sample");
        assert!(Schema::parse_str(text).is_ok());
    }
}

#[test]
fn schemas_evolve_in_both_directions() {
    let old = RELEASED[5];
    let newer = r#"{"type":"record","name":"bucket_deleted","namespace":"io.towline.v1","fields":[
        {"name":"bucket","type":"string"},{"name":"why","type":"string","default":"asked"}]}"#;
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Newer {
        bucket: String,
        why: String,
    }
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Older {
        bucket: String,
    }
    let (new_reader, old_writer) = (Registry::new(&[old, (old.0, newer)]), Registry::new(&[old]));
    let older = Older {
        bucket: "b".to_owned(),
    };
    let bytes = old_writer.encode(old.0, &older).unwrap();
    let read: Newer = new_reader.decode(old.0, &bytes).unwrap();
    assert_eq!(
        read,
        Newer {
            bucket: "b".to_owned(),
            why: "asked".to_owned()
        }
    );

    // An older reader that has been given the newer schema drops what it does not know.
    let old_reader = Registry::new(&[(old.0, newer), old]);
    let bytes = new_reader.encode(old.0, &read).unwrap();
    assert_eq!(old_reader.decode::<Older>(old.0, &bytes).unwrap(), older);
    let unknown = old_writer.decode::<Older>(old.0, &bytes);
    assert!(matches!(unknown, Err(CodecError::UnknownSchema { .. })));
}

#[test]
fn wrong_keys_and_unknown_schemas_leave_the_envelope_readable() {
    let sealed = codec()
        .seal(&event(Change::BucketDeleted { bucket: bucket() }))
        .unwrap();
    let other = |id: &str| {
        let file = format!("{id}:{}", "ab".repeat(32));
        Codec::new(Keys::parse(&file, "test").unwrap())
    };
    assert!(matches!(
        other("main").open(&sealed.payload),
        Err(CodecError::Sealed { .. })
    ));
    let error = other("else").open(&sealed.payload).unwrap_err();
    assert!(matches!(error, CodecError::NoKey { .. }) && error.is_curable());
    assert_eq!(
        other("else")
            .envelope(&sealed.payload)
            .unwrap()
            .position
            .seq,
        Seq(42)
    );

    let mut unknown = sealed.payload.to_vec();
    unknown[2] ^= 1;
    assert!(codec().open(&unknown).unwrap_err().is_curable());
    assert!(matches!(codec().open(b"{}"), Err(CodecError::NotARecord)));
    let trailing = [&sealed.payload[..], b"x"].concat();
    assert!(matches!(
        codec().open(&trailing),
        Err(CodecError::Trailing(1))
    ));
}

#[test]
fn key_files_are_checked_line_by_line_and_never_shown() {
    let parse = |text| Keys::parse(text, "class.key").map_err(|error| error.to_string());
    assert!(parse("# none\n").unwrap_err().contains("holds no key"));
    let error = parse("# first\nmain:zz").unwrap_err();
    assert!(error.contains("line 2") && !error.contains("zz"), "{error}");
    assert_eq!(
        format!("{:?}", parse(KEY_FILE).unwrap()),
        "Keys([\"main\"])"
    );
    assert!(Keys::load(std::path::Path::new("/nonexistent")).is_err());
}

#[test]
fn no_event_is_above_512_kib_for_10_000_parts_and_5_tib() {
    let part_size = (5u64 << 40).div_ceil(10_000);
    let segment = |n: u32| SegmentRef {
        stored: BlockRef {
            hash: BlockHash::of(&n.to_be_bytes()),
            length: u32::try_from(36 * BLOCKS_PER_SEGMENT).unwrap(),
        },
        span: (BLOCKS_PER_SEGMENT as u64) << 20,
    };
    let mut manifest = manifest(
        5 << 40,
        Content::Segments((0..5_120).map(segment).collect()),
    );
    manifest.parts = Parts::Listed(vec![
        Part {
            size: part_size,
            md5: [9; 16]
        };
        10_000
    ]);
    let sealed = codec().seal(&event(put(manifest))).unwrap();
    assert!(
        sealed.payload.len() <= EVENT_BYTES_MAX,
        "{}",
        sealed.payload.len()
    );
}

#[test]
fn an_event_that_would_be_too_large_is_refused() {
    let body = Bytes::from(vec![0; EVENT_BYTES_MAX]);
    let error = codec().seal(&event(put(manifest(
        body.len() as u64,
        Content::Inline(body),
    ))));
    assert!(matches!(error, Err(CodecError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn a_changed_bit_is_an_error_and_never_another_event(
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let event = event(changes().remove(1).1);
        let mut bytes = codec().seal(&event).unwrap().payload.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        assert!(codec().open(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert!(codec().open(&bytes).is_err());
        assert!(codec().decode_heartbeat(&bytes).is_err());
    }
}
