//! Fixed values that the other tests encode.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    AccessKey, Attributes, BlockHash, BlockRef, Bucket, BucketName, Change, ClientWrapped, Content,
    Digest, ETag, Encryption, Epoch, Event, Heartbeat, Hlc, Manifest, Millis, NamedWrapped,
    ObjectKey, Part, Partition, PartitionCount, Parts, Position, Quota, Register, RequestId,
    SealedSecret, SegmentRef, Seq, SiteId, Slot, User, UserId, Version, WrappedKey,
};

use crate::{Codec, Keys};

pub(super) const KEY_FILE: &str =
    "main:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub(super) const NONCE: [u8; 24] = [5; 24];

/// Version of the sample events.
pub(super) const OWN: Version = Version { hlc: Hlc(77 << 16), site: SiteId([7; 16]) };

pub(super) fn keys() -> Keys {
    Keys::parse(KEY_FILE, "test").unwrap()
}

pub(super) fn codec() -> Codec {
    Codec::new(keys())
}

pub(super) fn version(n: u64) -> Version {
    Version { hlc: Hlc(n), site: SiteId([7; 16]) }
}

pub(super) fn bucket() -> BucketName {
    BucketName::try_from("bucket".to_owned()).unwrap()
}

pub(super) fn key() -> ObjectKey {
    ObjectKey::try_from("dir/ünïcode 🪢".to_owned()).unwrap()
}

pub(super) fn user() -> UserId {
    UserId::try_from("root".to_owned()).unwrap()
}

pub(super) fn block(n: u8) -> BlockRef {
    BlockRef { hash: BlockHash::of(&[n]), length: 5 }
}

pub(super) fn manifest(size: u64, content: Content) -> Manifest {
    let pair = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    Manifest {
        size,
        etag: ETag("5d41402abc4b2a76b9719d911017c592".to_owned()),
        headers: pair("content-type", "text/plain"),
        metadata: pair("colour", "blue"),
        checksums: pair("crc32c", "AAAAAA=="),
        parts: Parts::Whole,
        content,
        encryption: None,
    }
}

pub(super) fn put(manifest: Manifest) -> Change {
    Change::ObjectPut {
        bucket: bucket(),
        key: key(),
        slot: Slot::Null,
        birth: version(1),
        manifest: Box::new(manifest),
    }
}

pub(super) fn event(change: Change) -> Event {
    Event {
        position: Position {
            site: SiteId([7; 16]),
            epoch: Epoch(1_700_000_000_000),
            partition: Partition(9),
            seq: Seq(42),
        },
        version: OWN,
        prev: Digest::of(b"before"),
        volume: 99,
        request: RequestId(0x4442_587F_B7D0_A2F9),
        change,
    }
}

pub(super) fn heartbeat() -> Heartbeat {
    Heartbeat {
        site: SiteId([7; 16]),
        epoch: Epoch(1_700_000_000_000),
        partition: Partition(9),
        written: Seq(42),
        digest: Digest::of(b"x"),
        volume: 99,
        time: Millis(1_700_000_000_001),
    }
}

/// One change of each kind, and of each kind of content, under the name of its golden sample.
pub(super) fn changes() -> Vec<(&'static str, Change)> {
    let inline = manifest(5, Content::Inline(Bytes::from_static(b"hello")));
    let blocks = manifest(10, Content::Blocks(vec![block(1), block(2)]));
    vec![
        ("object_put_inline", put(inline)),
        ("object_put_blocks", put(blocks)),
        ("object_put_segments", put(multipart())),
        ("object_deleted", object_deleted()),
        ("bucket_put", bucket_put()),
        ("bucket_deleted", Change::BucketDeleted { bucket: bucket() }),
        ("attributes", attributes()),
        ("user_put", user_put(Quota::default())),
        ("limited_user_put", limited_user_put()),
        ("user_deleted", Change::UserDeleted { user: user() }),
        ("trimmed", trimmed()),
        ("bucket_attributes", bucket_attributes()),
        ("version_put", version_put()),
        ("marker_put_own", marker_put(Slot::Own(OWN))),
        ("marker_put_null", marker_put(Slot::Null)),
        ("version_removed", version_removed()),
        ("encrypted_put_null", encrypted_put(Slot::Null)),
        ("encrypted_put_own", encrypted_put(Slot::Own(OWN))),
        ("encrypted_put_named", named_put()),
    ]
}

fn multipart() -> Manifest {
    let part = |size, md5| Part { size, md5: [md5; 16] };
    let segment = SegmentRef { stored: block(3), span: 10 };
    Manifest {
        parts: Parts::Listed(vec![part(4, 1), part(6, 2)]),
        ..manifest(10, Content::Segments(vec![segment]))
    }
}

fn object_deleted() -> Change {
    Change::ObjectDeleted { bucket: bucket(), key: key(), birth: version(1) }
}

fn version_put() -> Change {
    let manifest = Box::new(multipart());
    let (bucket, key, slot, birth) = (bucket(), key(), Slot::Own(OWN), version(1));
    Change::ObjectPut { bucket, key, slot, birth, manifest }
}

/// Of each slot with another way to keep the key.
fn encrypted_put(slot: Slot) -> Change {
    let sealed = Bytes::from_static(b"data-key-in-some-sealed-form");
    let client = ClientWrapped { salt: [3; 32], check: [4; 32], sealed };
    let content = Content::Blocks(vec![block(1), block(2)]);
    let manifest = match slot {
        Slot::Null => {
            let encryption = Some(Encryption::of_whole(WrappedKey::Client(client)));
            Manifest { encryption, ..manifest(10, content) }
        }
        Slot::Own(_) => {
            let site = WrappedKey::Site(codec().wrap_data_key(&[9; 32]));
            let encryption = Some(Encryption::of_parts(site, &[2, 9]));
            Manifest { encryption, content, ..multipart() }
        }
    };
    let (bucket, key, birth) = (bucket(), key(), version(1));
    Change::ObjectPut { bucket, key, slot, birth, manifest: Box::new(manifest) }
}

fn named_put() -> Change {
    let sealed = Bytes::from_static(b"data-key-in-some-sealed-form");
    let key = WrappedKey::Named(NamedWrapped {
        shown: "alias/invoices".to_owned(),
        context: BTreeMap::from([("department".to_owned(), "ünits".to_owned())]),
        bucket_key: true,
        sealed: SealedSecret { key_id: "invoices".to_owned(), nonce: NONCE, sealed },
    });
    let encryption = Some(Encryption::of_whole(key));
    put(Manifest { encryption, ..manifest(10, Content::Blocks(vec![block(1), block(2)])) })
}

fn marker_put(slot: Slot) -> Change {
    Change::MarkerPut { bucket: bucket(), key: key(), slot, birth: version(1) }
}

fn version_removed() -> Change {
    Change::VersionRemoved { bucket: bucket(), key: key(), of: version(7), birth: version(1) }
}

fn trimmed() -> Change {
    let partitions = PartitionCount::new(16).unwrap();
    Change::Trimmed { partition: Partition(9), partitions, up_to: Seq(40) }
}

fn bucket_put() -> Change {
    let state = Bucket { birth: version(1), owner: user() };
    Change::BucketPut { bucket: bucket(), state }
}

fn attributes() -> Change {
    let register = Register { version: version(3), value: Bytes::from_static(b"<Tagging/>") };
    Change::Attributes {
        bucket: bucket(),
        key: key(),
        of: version(2),
        attributes: Attributes(BTreeMap::from([("tags".to_owned(), register)])),
    }
}

fn bucket_attributes() -> Change {
    let register = |n, value: &'static str| Register {
        version: version(n),
        value: Bytes::from_static(value.as_bytes()),
    };
    let registers = [
        ("public-access-block".to_owned(), register(5, "")),
        ("versioning".to_owned(), register(4, "{\"status\":\"Enabled\"}")),
    ];
    let attributes = Attributes(BTreeMap::from(registers));
    Change::BucketAttributes { bucket: bucket(), birth: version(1), attributes }
}

fn limited_user_put() -> Change {
    user_put(Quota { bytes: Some(u64::MAX), objects: None })
}

fn user_put(quota: Quota) -> Change {
    let sealed = Bytes::from_static(b"hidden-from-errors");
    let secret = SealedSecret { key_id: "main".to_owned(), nonce: NONCE, sealed };
    let state = User {
        name: "Root".to_owned(),
        enabled: true,
        keys: vec![AccessKey { id: "AK".to_owned(), secret, enabled: true }],
        quota,
    };
    Change::UserPut { user: user(), state }
}
