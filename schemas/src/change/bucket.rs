//! `bucket_put.avsc`, `bucket_deleted.avsc`, `bucket_attributes.avsc`.

use std::borrow::Cow;

use model::{Attributes, Bucket, BucketName, Change, UserId, Version};
use serde::{Deserialize, Serialize};

use super::object::RegisterRecord;
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

#[derive(Serialize, Deserialize)]
pub(crate) struct BucketAttributes<'a> {
    bucket: Cow<'a, str>,
    birth: VersionRecord,
    registers: Vec<RegisterRecord<'a>>,
}

impl Record for BucketAttributes<'_> {
    const KIND: Kind = Kind::BucketAttributes;
}

impl<'a> BucketAttributes<'a> {
    pub(crate) fn new(bucket: &'a BucketName, birth: Version, attributes: &'a Attributes) -> Self {
        Self {
            bucket: Cow::Borrowed(bucket.as_str()),
            birth: birth.into(),
            registers: attributes.0.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<BucketAttributes<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: BucketAttributes<'_>) -> Result<Self, CodecError> {
        let registers = record.registers.into_iter().map(Into::into);
        Ok(Self::BucketAttributes {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            birth: record.birth.into(),
            attributes: Attributes(registers.collect()),
        })
    }
}
