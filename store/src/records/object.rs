//! One version of an object. Key in `objects` (the latest): bucket 0 key; in `versions` (those
//! before it): bucket 0 key 0 version.

use bytes::Bytes;
use model::{BucketName, Digest, Manifest, ObjectKey, Position, Version, merge::State};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// An object version, or the tombstone of its key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    pub(crate) version: Version,
    /// Where its event stands: who has its blocks, and where its hole is.
    pub(crate) position: Position,
    /// Birth of the bucket it was put into (law 14).
    pub(crate) birth: Version,
    /// `None`: deleted.
    pub(crate) manifest: Option<Manifest>,
}

super::record!(entity ObjectRecord, Table::Objects, "object", format 1);

impl ObjectRecord {
    pub(crate) fn key(bucket: &BucketName, key: &ObjectKey) -> Bytes {
        super::join(&[bucket.as_str().as_bytes(), &[0], key.as_str().as_bytes()])
    }

    /// What the rows of a bucket begin with.
    pub(crate) fn prefix(bucket: &BucketName) -> Vec<u8> {
        [bucket.as_str().as_bytes(), &[0]].concat()
    }

    /// Key in `versions` of a version whose key in `objects` is `latest`.
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
        let content = self.manifest.as_ref().map_or(Digest::ZERO, Manifest::digest);
        State { version: self.version, content }
    }
}

/// The object key inside a key of `objects`.
pub(crate) fn split_object_key(row: &[u8]) -> Option<&str> {
    let separator = row.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&row[separator + 1..]).ok()
}
