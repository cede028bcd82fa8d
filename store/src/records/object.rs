//! What is in a slot of a key. Key in `objects` (the latest): bucket 0 key; in `versions` (those that
//! nobody can ask for any more): bucket 0 key 0 version. In `slots`, see [`super::SlotRecord`].
//!
//! Layout after the format byte, in `postcard`: version, position, birth, state, slot. Formats 1 and 2
//! had no encryption at the end of a manifest; format 1 had no slot either, which was the null one, and
//! knew no markers.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    BucketName, Content, Digest, ETag, Manifest, ObjectKey, Parts, Position, Slot, Version,
    merge::State,
};
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
    Put(Box<Manifest>),
    /// A delete marker, which is a version.
    Marker,
}

/// As format 1 had it; in format 2 the slot follows.
#[derive(Deserialize)]
struct Before {
    version: Version,
    position: Position,
    birth: Version,
    state: StateBefore,
}

#[derive(Deserialize)]
enum StateBefore {
    Deleted,
    Put(ManifestBefore),
    Marker,
}

/// A manifest before there was encryption.
#[derive(Deserialize)]
struct ManifestBefore {
    size: u64,
    etag: ETag,
    headers: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    checksums: BTreeMap<String, String>,
    parts: Parts,
    content: Content,
}

impl From<StateBefore> for ObjectState {
    fn from(state: StateBefore) -> Self {
        match state {
            StateBefore::Deleted => Self::Deleted,
            StateBefore::Marker => Self::Marker,
            StateBefore::Put(before) => {
                let ManifestBefore { size, etag, headers, metadata, checksums, parts, content } =
                    before;
                let encryption = None;
                let manifest = Manifest {
                    size,
                    etag,
                    headers,
                    metadata,
                    checksums,
                    parts,
                    content,
                    encryption,
                };
                Self::Put(Box::new(manifest))
            }
        }
    }
}

super::record!(
    entity ObjectRecord, Table::Objects, "object", format 3, before ObjectRecord::before
);

impl ObjectRecord {
    /// No format before had encryption, and format 1 knew the null slot alone.
    fn before(format: u8, body: &Bytes) -> Option<Self> {
        let (before, slot) = match format {
            1 => (super::decode_postcard(body)?, Slot::Null),
            _ => super::decode_postcard::<(Before, Slot)>(body)?,
        };
        let Before { version, position, birth, state } = before;
        Some(Self { version, position, birth, state: state.into(), slot })
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
    use model::{ClientWrapped, Encryption, Epoch, Hlc, Partition, Seq, SiteId, WrappedKey};

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
            encryption: None,
        }
    }

    /// The fields of a manifest as formats 1 and 2 had them.
    fn before(manifest: Manifest) -> impl Serialize {
        let Manifest { size, etag, headers, metadata, checksums, parts, content, .. } = manifest;
        (size, etag, headers, metadata, checksums, parts, content)
    }

    #[test]
    fn a_record_of_format_2_reads_as_one_that_is_not_encrypted() {
        let version = |hlc| Version { hlc: Hlc(hlc), site: SiteId([3; 16]) };
        let line = model::Line { site: SiteId([3; 16]), epoch: Epoch(9), partition: Partition(1) };
        let (position, birth) = (line.at(Seq(4)), version(1));
        let slot = Slot::Own(version(7));
        // The variants stand in this order: deleted, put, marker.
        let put = (version(7), position, birth, 1_u8, before(manifest()), slot);
        let marker = (version(7), position, birth, 2_u8, slot);
        let put = postcard::to_extend(&put, vec![2]).unwrap();
        let marker = postcard::to_extend(&marker, vec![2]).unwrap();
        for (bytes, state) in
            [(put, ObjectState::Put(Box::new(manifest()))), (marker, ObjectState::Marker)]
        {
            let read = ObjectRecord::decode(&Bytes::from(bytes.clone())).unwrap();
            assert_eq!(read, ObjectRecord { version: version(7), position, birth, state, slot });
            assert_eq!(super::super::SlotRecord::decode(&bytes.into()).unwrap().0, read);
        }
    }

    #[test]
    fn a_record_keeps_how_its_body_is_encrypted() {
        let version = Version { hlc: Hlc(7), site: SiteId([3; 16]) };
        let line = model::Line { site: SiteId([3; 16]), epoch: Epoch(9), partition: Partition(1) };
        let client = ClientWrapped { salt: [1; 32], check: [2; 32], sealed: Bytes::new() };
        let encryption = Some(Encryption::of_whole(WrappedKey::Client(client)));
        let state = ObjectState::Put(Box::new(Manifest { encryption, ..manifest() }));
        let (position, slot, birth) = (line.at(Seq(4)), Slot::Null, version);
        let record = ObjectRecord { version, position, birth, state, slot };
        assert_eq!(ObjectRecord::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn a_record_of_the_release_before_reads_as_what_is_in_the_null_slot() {
        let version = |hlc| Version { hlc: Hlc(hlc), site: SiteId([3; 16]) };
        let line = model::Line { site: SiteId([3; 16]), epoch: Epoch(9), partition: Partition(1) };
        let (position, birth) = (line.at(Seq(4)), version(1));
        for (kept, state) in [
            (Some(manifest()), ObjectState::Put(Box::new(manifest()))),
            (None, ObjectState::Deleted),
        ] {
            let kept = kept.map(before);
            let before = postcard::to_extend(&(version(7), position, birth, kept), vec![1]);
            let read = ObjectRecord::decode(&before.unwrap().into()).unwrap();
            let (version, slot) = (version(7), Slot::Null);
            assert_eq!(read, ObjectRecord { version, position, birth, state, slot });
            assert_eq!(ObjectRecord::decode(&read.encode()).unwrap(), read);
        }
    }
}
