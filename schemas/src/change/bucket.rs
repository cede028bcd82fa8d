//! `bucket_put.avsc`, `bucket_deleted.avsc`.

use std::borrow::Cow;

use model::{Bucket, BucketName, Change, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::VersionRecord,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct BucketPut<'a> {
    bucket: Cow<'a, str>,
    birth: VersionRecord,
    owner: Cow<'a, str>,
}

impl Record for BucketPut<'_> {
    const KIND: Kind = Kind::BucketPut;
}

impl<'a> BucketPut<'a> {
    pub(crate) fn new(bucket: &'a BucketName, state: &'a Bucket) -> Self {
        Self {
            bucket: Cow::Borrowed(bucket.as_str()),
            birth: state.birth.into(),
            owner: Cow::Borrowed(state.owner.as_str()),
        }
    }
}

impl TryFrom<BucketPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: BucketPut<'_>) -> Result<Self, CodecError> {
        let state = Bucket {
            birth: record.birth.into(),
            owner: UserId::try_from(record.owner.into_owned())?,
        };
        Ok(Self::BucketPut { bucket: BucketName::try_from(record.bucket.into_owned())?, state })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct BucketDeleted<'a> {
    pub(crate) bucket: Cow<'a, str>,
}

impl Record for BucketDeleted<'_> {
    const KIND: Kind = Kind::BucketDeleted;
}

impl TryFrom<BucketDeleted<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: BucketDeleted<'_>) -> Result<Self, CodecError> {
        let bucket = BucketName::try_from(record.bucket.into_owned())?;
        Ok(Self::BucketDeleted { bucket })
    }
}
