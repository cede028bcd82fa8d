//! Any event and any heartbeat reads back as it was.

use std::collections::BTreeMap;

use model::{
    AccessKey, Attributes, BlockHash, BlockRef, Bucket, BucketName, Change, ClientWrapped, Content,
    Digest, ETag, Encryption, Epoch, Event, Heartbeat, Hlc, Manifest, Millis, NamedWrapped,
    ObjectKey, Part, Partition, Parts, Position, Quota, Register, RequestId, SealedSecret,
    SegmentRef, Seq, SiteId, Slot, User, UserId, Version, WrappedKey,
};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof, proptest};

use super::samples::codec;

fn version() -> impl Strategy<Value = Version> + Clone {
    any::<(u64, [u8; 16])>().prop_map(|(hlc, site)| Version { hlc: Hlc(hlc), site: SiteId(site) })
}

fn bucket() -> impl Strategy<Value = BucketName> {
    "[a-z0-9][a-z0-9-]{1,61}[a-z]".prop_map(|name| BucketName::try_from(name).unwrap())
}

fn key() -> impl Strategy<Value = ObjectKey> {
    "[^\0]{1,60}".prop_map(|key| ObjectKey::try_from(key).unwrap())
}

fn user() -> impl Strategy<Value = UserId> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|id| UserId::try_from(id).unwrap())
}

fn block() -> impl Strategy<Value = BlockRef> + Clone {
    any::<([u8; 32], u32)>()
        .prop_map(|(hash, length)| BlockRef { hash: BlockHash(Digest(hash)), length })
}

fn content() -> BoxedStrategy<Content> {
    let segment = (block(), any::<u64>()).prop_map(|(stored, span)| SegmentRef { stored, span });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|body| Content::Inline(body.into())),
        prop::collection::vec(block(), 0..9).prop_map(Content::Blocks),
        prop::collection::vec(segment, 0..9).prop_map(Content::Segments),
    ]
    .boxed()
}

fn parts() -> BoxedStrategy<Parts> {
    let part = any::<(u64, [u8; 16])>().prop_map(|(size, md5)| Part { size, md5 });
    let listed = prop::collection::vec(part, 0..9).prop_map(Parts::Listed);
    prop_oneof![Just(Parts::Whole), listed].boxed()
}

fn encryption() -> BoxedStrategy<Option<Encryption>> {
    let sealed = || prop::collection::vec(any::<u8>(), 0..99);
    // No other opens, and so no other leaves its site.
    let site = any::<[u8; 32]>().prop_map(|key| WrappedKey::Site(codec().wrap_data_key(&key)));
    let texts = prop::collection::btree_map(any::<String>(), any::<String>(), 0..4);
    let named = (any::<(String, bool, String, [u8; 24])>(), texts, sealed()).prop_map(
        |((shown, bucket_key, key_id, nonce), context, sealed)| {
            let sealed = SealedSecret { key_id, nonce, sealed: sealed.into() };
            WrappedKey::Named(NamedWrapped { shown, context, bucket_key, sealed })
        },
    );
    let client = (any::<([u8; 32], [u8; 32])>(), sealed()).prop_map(|((salt, check), sealed)| {
        WrappedKey::Client(ClientWrapped { salt, check, sealed: sealed.into() })
    });
    let left_out = prop::collection::vec(any::<u16>(), 0..9);
    let some = (prop_oneof![site, client, named], left_out)
        .prop_map(|(key, left_out)| Some(Encryption { key, left_out }));
    prop_oneof![Just(None), some].boxed()
}

fn manifest() -> BoxedStrategy<Manifest> {
    let texts = || prop::collection::btree_map(any::<String>(), any::<String>(), 0..4);
    let texts = (texts(), texts(), texts());
    (any::<(u64, String)>(), texts, parts(), content(), encryption())
        .prop_map(|((size, etag), texts, parts, content, encryption)| {
            let (headers, metadata, checksums) = texts;
            let etag = ETag(etag);
            Manifest { size, etag, headers, metadata, checksums, parts, content, encryption }
        })
        .boxed()
}

fn attributes() -> BoxedStrategy<Attributes> {
    let value = prop::collection::vec(any::<u8>(), 0..99);
    let register =
        (version(), value).prop_map(|(version, value)| Register { version, value: value.into() });
    let registers = prop::collection::btree_map(any::<String>(), register, 0..4);
    registers.prop_map(|registers: BTreeMap<_, _>| Attributes(registers)).boxed()
}

fn user_state() -> BoxedStrategy<User> {
    let key = any::<(String, String, [u8; 24], Vec<u8>, bool)>().prop_map(
        |(id, key_id, nonce, sealed, enabled)| {
            let secret = SealedSecret { key_id, nonce, sealed: sealed.into() };
            AccessKey { id, secret, enabled }
        },
    );
    let quota = any::<(Option<u64>, Option<u64>)>();
    (any::<(String, bool)>(), prop::collection::vec(key, 0..3), quota)
        .prop_map(|((name, enabled), keys, (bytes, objects))| User {
            name,
            enabled,
            keys,
            quota: Quota { bytes, objects },
        })
        .boxed()
}

fn change() -> BoxedStrategy<Change> {
    let object = || (bucket(), key(), version());
    // A slot of its own is named after the event's version, which is not known here.
    let slot = || prop_oneof![Just(Slot::Null), Just(Slot::Own(Version::NONE))];
    let put = (object(), slot(), manifest()).prop_map(|((bucket, key, birth), slot, manifest)| {
        let manifest = Box::new(manifest);
        Change::ObjectPut { bucket, key, slot, birth, manifest }
    });
    let marker = (object(), slot()).prop_map(|((bucket, key, birth), slot)| Change::MarkerPut {
        bucket,
        key,
        slot,
        birth,
    });
    let removed = object().prop_map(|(bucket, key, birth)| Change::VersionRemoved {
        bucket,
        key,
        of: Version::NONE,
        birth,
    });
    let deleted =
        object().prop_map(|(bucket, key, birth)| Change::ObjectDeleted { bucket, key, birth });
    let of_bucket = (bucket(), version(), attributes()).prop_map(|(bucket, birth, attributes)| {
        Change::BucketAttributes { bucket, birth, attributes }
    });
    let attributes = (object(), attributes()).prop_map(|((bucket, key, of), attributes)| {
        Change::Attributes { bucket, key, of, attributes }
    });
    let state = (version(), user()).prop_map(|(birth, owner)| Bucket { birth, owner });
    prop_oneof![
        put,
        deleted,
        marker,
        removed,
        attributes,
        (bucket(), state).prop_map(|(bucket, state)| Change::BucketPut { bucket, state }),
        bucket().prop_map(|bucket| Change::BucketDeleted { bucket }),
        of_bucket,
        (user(), user_state()).prop_map(|(user, state)| Change::UserPut { user, state }),
        user().prop_map(|user| Change::UserDeleted { user }),
    ]
    .boxed()
}

/// As an event of this version may say it.
fn fitting(mut change: Change, version: Version) -> Change {
    if let Change::ObjectPut { slot: Slot::Own(own), .. }
    | Change::MarkerPut { slot: Slot::Own(own), .. } = &mut change
    {
        *own = version;
    }
    change
}

fn position() -> impl Strategy<Value = Position> {
    any::<([u8; 16], u64, u16, u64)>().prop_map(|(site, epoch, partition, seq)| Position {
        site: SiteId(site),
        epoch: Epoch(epoch),
        partition: Partition(partition),
        seq: Seq(seq),
    })
}

proptest! {
    #[test]
    fn any_event_reads_back(
        position in position(),
        version in version(),
        (prev, volume, request) in any::<([u8; 32], u64, u64)>(),
        change in change(),
    ) {
        let (prev, request) = (Digest(prev), RequestId(request));
        let change = fitting(change, version);
        let event = Event { position, version, prev, volume, request, change };
        let sealed = codec().seal(&event).unwrap();
        let again = codec().seal(&event).unwrap();
        assert_ne!(sealed.payload, again.payload, "each seal has a nonce of its own");
        assert_eq!(codec().open(&sealed.payload).unwrap(), event);
        let envelope = codec().envelope(&sealed.payload).unwrap();
        assert_eq!((envelope.prev, envelope.volume), (prev, volume));
        assert_eq!(envelope.sealed_event(sealed.payload.clone()), sealed);
    }

    #[test]
    fn any_heartbeat_reads_back(
        position in position(),
        (digest, volume, time) in any::<([u8; 32], u64, u64)>(),
    ) {
        let heartbeat = Heartbeat {
            site: position.site,
            epoch: position.epoch,
            partition: position.partition,
            written: position.seq,
            digest: Digest(digest),
            volume,
            time: Millis(time),
        };
        let bytes = codec().encode_heartbeat(&heartbeat);
        assert_eq!(codec().decode_heartbeat(&bytes).unwrap(), heartbeat);
    }
}
