//! Changes to records and back, each record a file of its own beside `avsc`.

use std::borrow::Cow;

use model::{Change, Content, Slot};

use crate::{error::CodecError, keys::TAG_BYTES, kind::Kind, registry::Registry};

pub(crate) mod bucket;
pub(crate) mod encrypted;
pub(crate) mod manifest;
pub(crate) mod object;
pub(crate) mod trimmed;
pub(crate) mod user;
pub(crate) mod version;

use bucket::{BucketAttributes, BucketDeleted, BucketPut};
use encrypted::EncryptedPut;
use object::{AttributesRecord, ObjectDeleted, ObjectPut};
use trimmed::Trimmed;
use user::{LimitedUserPut, UserDeleted, UserPut};
use version::{MarkerPut, VersionPut, VersionRemoved};

/// What a record takes beside an inline body, mostly: names, headers and metadata.
const RECORD_BYTES: usize = 512;

/// The record of a change.
pub(crate) fn kind(change: &Change) -> Kind {
    match change {
        Change::ObjectPut { manifest, .. } if manifest.encryption.is_some() => Kind::EncryptedPut,
        Change::ObjectPut { slot: Slot::Null, .. } => Kind::ObjectPut,
        Change::ObjectPut { slot: Slot::Own(_), .. } => Kind::VersionPut,
        Change::MarkerPut { .. } => Kind::MarkerPut,
        Change::VersionRemoved { .. } => Kind::VersionRemoved,
        Change::ObjectDeleted { .. } => Kind::ObjectDeleted,
        Change::BucketPut { .. } => Kind::BucketPut,
        Change::BucketDeleted { .. } => Kind::BucketDeleted,
        Change::Attributes { .. } => Kind::Attributes,
        Change::UserPut { state, .. } if state.quota.is_none() => Kind::UserPut,
        Change::UserPut { .. } => Kind::LimitedUserPut,
        Change::UserDeleted { .. } => Kind::UserDeleted,
        Change::Trimmed { .. } => Kind::Trimmed,
        Change::BucketAttributes { .. } => Kind::BucketAttributes,
    }
}

/// Single-object encodes a change, with room behind it for the seal.
pub(crate) fn encode(registry: &Registry, change: &Change) -> Result<Vec<u8>, CodecError> {
    let room = RECORD_BYTES + body_bytes(change) + TAG_BYTES;
    if let Change::ObjectPut { bucket, key, slot, birth, manifest } = change
        && let Some(encryption) = &manifest.encryption
    {
        let content = (manifest.as_ref(), encryption);
        let record = EncryptedPut::new((bucket, key), (*slot, *birth), content);
        return registry.encode(&record, room);
    }
    match change {
        Change::ObjectPut { bucket, key, slot: Slot::Own(version), birth, manifest } => {
            registry.encode(&VersionPut::new((bucket, key), (*version, *birth), manifest), room)
        }
        Change::MarkerPut { bucket, key, slot, birth } => {
            registry.encode(&MarkerPut::new((bucket, key), *slot, *birth), room)
        }
        Change::VersionRemoved { bucket, key, of, birth } => {
            registry.encode(&VersionRemoved::new((bucket, key), (*of, *birth)), room)
        }
        Change::ObjectPut { bucket, key, slot: Slot::Null, birth, manifest } => {
            let record = ObjectPut {
                bucket: Cow::Borrowed(bucket.as_str()),
                key: Cow::Borrowed(key.as_str()),
                birth: (*birth).into(),
                manifest: manifest.as_ref().into(),
            };
            registry.encode(&record, room)
        }
        Change::ObjectDeleted { bucket, key, birth } => {
            let record = ObjectDeleted {
                bucket: Cow::Borrowed(bucket.as_str()),
                key: Cow::Borrowed(key.as_str()),
                birth: (*birth).into(),
            };
            registry.encode(&record, room)
        }
        Change::Attributes { bucket, key, of, attributes } => {
            let record = AttributesRecord {
                bucket: Cow::Borrowed(bucket.as_str()),
                key: Cow::Borrowed(key.as_str()),
                of: (*of).into(),
                registers: attributes.0.iter().map(Into::into).collect(),
            };
            registry.encode(&record, room)
        }
        Change::BucketPut { bucket, state } => {
            registry.encode(&BucketPut::new(bucket, state), room)
        }
        Change::BucketDeleted { bucket } => {
            let bucket = Cow::Borrowed(bucket.as_str());
            registry.encode(&BucketDeleted { bucket }, room)
        }
        Change::BucketAttributes { bucket, birth, attributes } => {
            registry.encode(&BucketAttributes::new(bucket, *birth, attributes), room)
        }
        Change::UserPut { user, state } if state.quota.is_none() => {
            registry.encode(&UserPut::new(user, state), room)
        }
        Change::UserPut { user, state } => registry.encode(&LimitedUserPut::new(user, state), room),
        Change::UserDeleted { user } => {
            let user = Cow::Borrowed(user.as_str());
            registry.encode(&UserDeleted { user }, room)
        }
        Change::Trimmed { partition, partitions, up_to } => {
            registry.encode(&Trimmed::new(*partition, *partitions, *up_to), room)
        }
    }
}

/// Decodes a change that is known to be of `kind`.
pub(crate) fn decode(registry: &Registry, kind: Kind, bytes: &[u8]) -> Result<Change, CodecError> {
    match kind {
        Kind::ObjectPut => registry.decode::<ObjectPut>(bytes)?.try_into(),
        Kind::ObjectDeleted => registry.decode::<ObjectDeleted>(bytes)?.try_into(),
        Kind::Attributes => registry.decode::<AttributesRecord>(bytes)?.try_into(),
        Kind::BucketPut => registry.decode::<BucketPut>(bytes)?.try_into(),
        Kind::BucketDeleted => registry.decode::<BucketDeleted>(bytes)?.try_into(),
        Kind::UserPut => registry.decode::<UserPut>(bytes)?.try_into(),
        Kind::UserDeleted => registry.decode::<UserDeleted>(bytes)?.try_into(),
        Kind::Trimmed => registry.decode::<Trimmed>(bytes)?.try_into(),
        Kind::BucketAttributes => registry.decode::<BucketAttributes>(bytes)?.try_into(),
        Kind::VersionPut => registry.decode::<VersionPut>(bytes)?.try_into(),
        Kind::MarkerPut => registry.decode::<MarkerPut>(bytes)?.try_into(),
        Kind::EncryptedPut => registry.decode::<EncryptedPut>(bytes)?.try_into(),
        Kind::VersionRemoved => registry.decode::<VersionRemoved>(bytes)?.try_into(),
        Kind::LimitedUserPut => registry.decode::<LimitedUserPut>(bytes)?.try_into(),
        Kind::Envelope | Kind::Heartbeat => unreachable!("BUG: `{}` is no change", kind.name()),
    }
}

fn body_bytes(change: &Change) -> usize {
    match change {
        Change::ObjectPut { manifest, .. } => match &manifest.content {
            Content::Inline(body) => body.len(),
            _ => 0,
        },
        _ => 0,
    }
}
