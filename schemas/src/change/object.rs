//! `object_put.avsc`, `object_deleted.avsc`, `attributes.avsc`: what every release reads.

use std::borrow::Cow;

use model::{Attributes, BucketName, Change, ObjectKey, Register, Slot};
use serde::{Deserialize, Serialize};

use super::manifest::ManifestRecord;
use crate::{
    error::CodecError,
    fields::{VersionRecord, cow_bytes},
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct ObjectPut<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
    pub(crate) birth: VersionRecord,
    pub(crate) manifest: ManifestRecord<'a>,
}

impl Record for ObjectPut<'_> {
    const KIND: Kind = Kind::ObjectPut;
}

impl TryFrom<ObjectPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: ObjectPut<'_>) -> Result<Self, CodecError> {
        Ok(Self::ObjectPut {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            slot: Slot::Null,
            birth: record.birth.into(),
            manifest: Box::new(record.manifest.try_into()?),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ObjectDeleted<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
    pub(crate) birth: VersionRecord,
}

impl Record for ObjectDeleted<'_> {
    const KIND: Kind = Kind::ObjectDeleted;
}

impl TryFrom<ObjectDeleted<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: ObjectDeleted<'_>) -> Result<Self, CodecError> {
        Ok(Self::ObjectDeleted {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            birth: record.birth.into(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AttributesRecord<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
    pub(crate) of: VersionRecord,
    pub(crate) registers: Vec<RegisterRecord<'a>>,
}

impl Record for AttributesRecord<'_> {
    const KIND: Kind = Kind::Attributes;
}

impl TryFrom<AttributesRecord<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: AttributesRecord<'_>) -> Result<Self, CodecError> {
        let registers = record.registers.into_iter().map(Into::into);
        Ok(Self::Attributes {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            of: record.of.into(),
            attributes: Attributes(registers.collect()),
        })
    }
}

/// `register` of `attributes.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct RegisterRecord<'a> {
    name: Cow<'a, str>,
    version: VersionRecord,
    #[serde(with = "cow_bytes")]
    value: Cow<'a, [u8]>,
}

impl<'a> From<(&'a String, &'a Register)> for RegisterRecord<'a> {
    fn from((name, register): (&'a String, &'a Register)) -> Self {
        Self {
            name: Cow::Borrowed(name),
            version: register.version.into(),
            value: Cow::Borrowed(&register.value),
        }
    }
}

impl From<RegisterRecord<'_>> for (String, Register) {
    fn from(record: RegisterRecord<'_>) -> Self {
        let register =
            Register { version: record.version.into(), value: record.value.into_owned().into() };
        (record.name.into_owned(), register)
    }
}
