//! `version_put.avsc`, `marker_put.avsc`, `version_removed.avsc`: kinds of their own, so that releases
//! without versions go on reading what is written without them.

use std::borrow::Cow;

use model::{BucketName, Change, Manifest, ObjectKey, Slot, Version};
use serde::{Deserialize, Serialize};

use super::manifest::ManifestRecord;
use crate::{
    error::CodecError,
    fields::VersionRecord,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct VersionPut<'a> {
    bucket: Cow<'a, str>,
    key: Cow<'a, str>,
    version: VersionRecord,
    birth: VersionRecord,
    manifest: ManifestRecord<'a>,
}

impl Record for VersionPut<'_> {
    const KIND: Kind = Kind::VersionPut;
}

impl<'a> VersionPut<'a> {
    pub(crate) fn new(
        (bucket, key): (&'a BucketName, &'a ObjectKey),
        (version, birth): (Version, Version),
        manifest: &'a Manifest,
    ) -> Self {
        Self {
            bucket: Cow::Borrowed(bucket.as_str()),
            key: Cow::Borrowed(key.as_str()),
            version: version.into(),
            birth: birth.into(),
            manifest: manifest.into(),
        }
    }
}

impl TryFrom<VersionPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: VersionPut<'_>) -> Result<Self, CodecError> {
        Ok(Self::ObjectPut {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            slot: Slot::Own(record.version.into()),
            birth: record.birth.into(),
            manifest: Box::new(record.manifest.try_into()?),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct MarkerPut<'a> {
    bucket: Cow<'a, str>,
    key: Cow<'a, str>,
    version: Option<VersionRecord>,
    birth: VersionRecord,
}

impl Record for MarkerPut<'_> {
    const KIND: Kind = Kind::MarkerPut;
}

impl<'a> MarkerPut<'a> {
    pub(crate) fn new(
        (bucket, key): (&'a BucketName, &'a ObjectKey),
        slot: Slot,
        birth: Version,
    ) -> Self {
        let version = match slot {
            Slot::Null => None,
            Slot::Own(version) => Some(version.into()),
        };
        Self {
            bucket: Cow::Borrowed(bucket.as_str()),
            key: Cow::Borrowed(key.as_str()),
            version,
            birth: birth.into(),
        }
    }
}

impl TryFrom<MarkerPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: MarkerPut<'_>) -> Result<Self, CodecError> {
        Ok(Self::MarkerPut {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            slot: record.version.map_or(Slot::Null, |version| Slot::Own(version.into())),
            birth: record.birth.into(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct VersionRemoved<'a> {
    bucket: Cow<'a, str>,
    key: Cow<'a, str>,
    of: VersionRecord,
    birth: VersionRecord,
}

impl Record for VersionRemoved<'_> {
    const KIND: Kind = Kind::VersionRemoved;
}

impl<'a> VersionRemoved<'a> {
    pub(crate) fn new(
        (bucket, key): (&'a BucketName, &'a ObjectKey),
        (of, birth): (Version, Version),
    ) -> Self {
        Self {
            bucket: Cow::Borrowed(bucket.as_str()),
            key: Cow::Borrowed(key.as_str()),
            of: of.into(),
            birth: birth.into(),
        }
    }
}

impl TryFrom<VersionRemoved<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: VersionRemoved<'_>) -> Result<Self, CodecError> {
        Ok(Self::VersionRemoved {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            of: record.of.into(),
            birth: record.birth.into(),
        })
    }
}
