//! Buckets (key: `b` name) and users (key: `u` id).

use bytes::Bytes;
use model::{Bucket, BucketName, User, UserId, Version, visibility::BucketState};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A bucket name's newest state, and the newest of its deletions, which may be older.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) version: Version,
    pub(crate) live: Option<Bucket>,
    pub(crate) deleted: Option<Version>,
}

super::record!(BucketRecord, Table::Entities, "bucket", format 1);

impl BucketRecord {
    pub(crate) const PREFIX: &'static [u8] = b"b";

    pub(crate) fn key(bucket: &BucketName) -> Bytes {
        super::join(&[Self::PREFIX, bucket.as_str().as_bytes()])
    }

    pub(crate) fn state(self) -> BucketState {
        BucketState { live: self.live, deleted: self.deleted }
    }
}

/// A user's newest state; `None`: deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) version: Version,
    pub(crate) user: Option<User>,
}

super::record!(UserRecord, Table::Entities, "user", format 1);

impl UserRecord {
    pub(crate) fn key(user: &UserId) -> Bytes {
        super::join(&[b"u", user.as_str().as_bytes()])
    }
}
