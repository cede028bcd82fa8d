//! `encrypted_put.avsc`: a kind of its own, so that releases without encryption go on reading what is
//! written without it, and set aside what they would serve as it rests.

use std::{borrow::Cow, collections::BTreeMap};

use apache_avro::serde_avro_fixed;
use model::{
    BucketName, Change, ClientWrapped, Encryption, Manifest, NamedWrapped, ObjectKey, SealedSecret,
    SiteWrapped, Slot, Version, WrappedKey,
};
use serde::{Deserialize, Serialize};

use super::manifest::ManifestRecord;
use crate::{
    error::CodecError,
    fields::{VersionRecord, cow_bytes, narrow},
    keys::NONCE_BYTES,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct EncryptedPut<'a> {
    bucket: Cow<'a, str>,
    key: Cow<'a, str>,
    version: Option<VersionRecord>,
    birth: VersionRecord,
    manifest: ManifestRecord<'a>,
    encryption: EncryptionRecord<'a>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EncryptionRecord<'a> {
    key: WrappedKeyRecord<'a>,
    left_out: Vec<i32>,
}

/// A union: its variants stand in the order of the `.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) enum WrappedKeyRecord<'a> {
    Class(ClassWrappedRecord<'a>),
    Client(ClientWrappedRecord<'a>),
    Named(NamedWrappedRecord<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClassWrappedRecord<'a> {
    key_id: Cow<'a, str>,
    #[serde(with = "serde_avro_fixed")]
    check: [u8; 32],
    #[serde(with = "cow_bytes")]
    sealed: Cow<'a, [u8]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClientWrappedRecord<'a> {
    #[serde(with = "serde_avro_fixed")]
    salt: [u8; 32],
    #[serde(with = "serde_avro_fixed")]
    check: [u8; 32],
    #[serde(with = "cow_bytes")]
    sealed: Cow<'a, [u8]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NamedWrappedRecord<'a> {
    shown: Cow<'a, str>,
    context: Cow<'a, BTreeMap<String, String>>,
    bucket_key: bool,
    key_id: Cow<'a, str>,
    #[serde(with = "serde_avro_fixed")]
    nonce: [u8; NONCE_BYTES],
    #[serde(with = "cow_bytes")]
    sealed: Cow<'a, [u8]>,
}

impl Record for EncryptedPut<'_> {
    const KIND: Kind = Kind::EncryptedPut;
}

impl<'a> EncryptedPut<'a> {
    pub(crate) fn new(
        (bucket, key): (&'a BucketName, &'a ObjectKey),
        (slot, birth): (Slot, Version),
        (manifest, encryption): (&'a Manifest, &'a Encryption),
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
            manifest: manifest.into(),
            encryption: encryption.into(),
        }
    }
}

impl TryFrom<EncryptedPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: EncryptedPut<'_>) -> Result<Self, CodecError> {
        let encryption = Some(record.encryption.try_into()?);
        let manifest = Manifest { encryption, ..record.manifest.try_into()? };
        Ok(Self::ObjectPut {
            bucket: BucketName::try_from(record.bucket.into_owned())?,
            key: ObjectKey::try_from(record.key.into_owned())?,
            slot: record.version.map_or(Slot::Null, |version| Slot::Own(version.into())),
            birth: record.birth.into(),
            manifest: Box::new(manifest),
        })
    }
}

impl<'a> From<&'a Encryption> for EncryptionRecord<'a> {
    fn from(encryption: &'a Encryption) -> Self {
        let key = match &encryption.key {
            WrappedKey::Site(SiteWrapped { check, key_id, sealed }) => {
                let (key_id, sealed) = (Cow::Borrowed(key_id.as_str()), Cow::Borrowed(&sealed[..]));
                WrappedKeyRecord::Class(ClassWrappedRecord { key_id, check: *check, sealed })
            }
            WrappedKey::Client(ClientWrapped { salt, check, sealed }) => {
                let (salt, check, sealed) = (*salt, *check, Cow::Borrowed(&sealed[..]));
                WrappedKeyRecord::Client(ClientWrappedRecord { salt, check, sealed })
            }
            WrappedKey::Named(NamedWrapped { shown, context, bucket_key, sealed }) => {
                WrappedKeyRecord::Named(NamedWrappedRecord {
                    shown: Cow::Borrowed(shown.as_str()),
                    context: Cow::Borrowed(context),
                    bucket_key: *bucket_key,
                    key_id: Cow::Borrowed(sealed.key_id.as_str()),
                    nonce: sealed.nonce,
                    sealed: Cow::Borrowed(&sealed.sealed[..]),
                })
            }
        };
        Self { key, left_out: encryption.left_out.iter().copied().map(i32::from).collect() }
    }
}

impl TryFrom<EncryptionRecord<'_>> for Encryption {
    type Error = CodecError;

    fn try_from(record: EncryptionRecord<'_>) -> Result<Self, CodecError> {
        let key = match record.key {
            WrappedKeyRecord::Class(ClassWrappedRecord { key_id, check, sealed }) => {
                let (key_id, sealed) = (key_id.into_owned(), sealed.into_owned().into());
                WrappedKey::Site(SiteWrapped { check, key_id, sealed })
            }
            WrappedKeyRecord::Client(ClientWrappedRecord { salt, check, sealed }) => {
                let sealed = sealed.into_owned().into();
                WrappedKey::Client(ClientWrapped { salt, check, sealed })
            }
            WrappedKeyRecord::Named(record) => {
                let NamedWrappedRecord { shown, context, bucket_key, key_id, nonce, sealed } =
                    record;
                let (key_id, sealed) = (key_id.into_owned(), sealed.into_owned().into());
                WrappedKey::Named(NamedWrapped {
                    shown: shown.into_owned(),
                    context: context.into_owned(),
                    bucket_key,
                    sealed: SealedSecret { key_id, nonce, sealed },
                })
            }
        };
        let left_out = record.left_out.into_iter();
        let left_out = left_out.map(|number| narrow("left_out", number.into()));
        Ok(Self { key, left_out: left_out.collect::<Result<_, _>>()? })
    }
}
