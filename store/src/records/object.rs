//! What is in a slot of a key. Key in `objects` (the latest): bucket 0 key; in `versions` (those that
//! nobody can ask for any more): bucket 0 key 0 version. In `slots`, see [`super::SlotRecord`].
//!
//! Layout after the format byte, in `postcard`: version, position, birth, state, slot. Format 1 had
//! no slot, which was the null one, and knew no markers.

use bytes::Bytes;
use model::{BucketName, Digest, Manifest, ObjectKey, Position, Slot, Version, merge::State};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A state of a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    pub(crate) version: Version,
    /// Where its event stands: who has its blocks, and where its hole is.
    pub(crate) position: Position,
    /// Birth of the bucket it was put into (law 14).
    pub(crate) birth: Version,
    pub(crate) state: ObjectState,
    pub(crate) slot: Slot,
}

/// The order of the variants is persisted: the first two are those of format 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ObjectState {
    /// A tombstone.
    Deleted,
    Put(Manifest),
    /// A delete marker, which is a version.
    Marker,
}

/// As format 1 had it.
#[derive(Deserialize)]
struct Format1 {
    version: Version,
    position: Position,
    birth: Version,
    state: ObjectState,
}

super::record!(
    entity ObjectRecord, Table::Objects, "object", format 2, before ObjectRecord::before
);

impl ObjectRecord {
    /// Format 1 knew the null slot alone.
    fn before(body: &Bytes) -> Option<Self> {
        let Format1 { version, position, birth, state } = super::decode_postcard(body)?;
        Some(Self { version, position, birth, state, slot: Slot::Null })
    }

    pub(crate) fn key(bucket: &BucketName, key: &ObjectKey) -> Bytes {
        super::join(&[bucket.as_str().as_bytes(), &[0], key.as_str().as_bytes()])
    }

    /// What the rows of a bucket begin with.
    pub(crate) fn prefix(bucket: &BucketName) -> Vec<u8> {
        [bucket.as_str().as_bytes(), &[0]].concat()
    }

    /// Key in `versions`, and of its attributes, of a version whose key in `objects` is `latest`.
    pub(crate) fn version_key(latest: &[u8], version: Version) -> Bytes {
        super::join(&[latest, &[0], &version.to_bytes()])
    }

    /// The key in `objects` and the version inside a key of `versions`, or of attributes.
    pub(crate) fn split_version_key(key: &[u8]) -> Option<(&[u8], Version)> {
        let (latest, version) = key.split_last_chunk::<{ Version::LEN }>()?;
        Some((latest.strip_suffix(&[0])?, Version::from_bytes(version)?))
    }

    /// What the merge rule compares.
    pub(crate) fn state(&self) -> State {
        let content = match &self.state {
            ObjectState::Deleted => Digest::ZERO,
            ObjectState::Put(manifest) => manifest.digest(),
            ObjectState::Marker => Digest::of(b"delete marker"),
        };
        State { version: self.version, content }
    }

    /// Whether it is a version of its key, or what is left of one.
    pub(crate) fn stands(&self) -> bool {
        self.state != ObjectState::Deleted
    }

    /// Of an object.
    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        match &self.state {
            ObjectState::Put(manifest) => Some(manifest),
            ObjectState::Deleted | ObjectState::Marker => None,
        }
    }
}

/// The object key inside a key of `objects`.
pub(crate) fn split_object_key(row: &[u8]) -> Option<&str> {
    let separator = row.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&row[separator + 1..]).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Content, ETag, Epoch, Hlc, Partition, Parts, Seq, SiteId};

    use super::*;
    use crate::records::Record;

    fn manifest() -> Manifest {
        Manifest {
            size: 2,
            etag: ETag("e".to_owned()),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            checksums: BTreeMap::new(),
            parts: Parts::Whole,
            content: Content::Inline(Bytes::from_static(b"ab")),
        }
    }

    #[test]
    fn a_record_of_the_release_before_reads_as_what_is_in_the_null_slot() {
        let version = |hlc| Version { hlc: Hlc(hlc), site: SiteId([3; 16]) };
        let line = model::Line { site: SiteId([3; 16]), epoch: Epoch(9), partition: Partition(1) };
        let (position, birth) = (line.at(Seq(4)), version(1));
        for (kept, state) in
            [(Some(manifest()), ObjectState::Put(manifest())), (None, ObjectState::Deleted)]
        {
            let before = postcard::to_extend(&(version(7), position, birth, kept), vec![1]);
            let read = ObjectRecord::decode(&before.unwrap().into()).unwrap();
            let (version, slot) = (version(7), Slot::Null);
            assert_eq!(read, ObjectRecord { version, position, birth, state, slot });
            assert_eq!(ObjectRecord::decode(&read.encode()).unwrap(), read);
        }
    }
}
