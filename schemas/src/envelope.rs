//! The clear part of an event. It must stay readable without a key and whatever the change is,
//! so that what cannot be undone here still has a place in the history of its origin.

use std::borrow::Cow;

use apache_avro::serde_avro_fixed;
use bytes::Bytes;
use model::{
    Digest, EntityHash, Epoch, Partition, Position, RequestId, SealedEvent, Seq, SiteId, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::{VersionRecord, cow_bytes, narrow},
    keys::{NONCE_BYTES, is_key_id},
    kind::{Kind, Record},
};

/// What is readable of an event without any key.
///
/// Nothing vouches for it until [`crate::Codec::open`] has: whoever can write to the log can
/// write it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    pub position: Position,
    pub version: Version,
    pub entity: EntityHash,
    /// Digest of the event before it.
    pub prev: Digest,
    /// [`model::Event::volume`].
    pub volume: u64,
    /// [`model::Event::request`].
    pub request: RequestId,
    /// The class key that the change is sealed under.
    pub key_id: String,
}

impl Envelope {
    /// The event that this is the clear part of.
    #[must_use]
    pub fn sealed_event(&self, payload: Bytes) -> SealedEvent {
        SealedEvent { position: self.position, version: self.version, entity: self.entity, payload }
    }

    /// Associated data of the cipher: a change of any clear field makes the event unreadable.
    ///
    /// Layout, for ever, numbers big-endian: site 16, epoch 8, partition 2, seq 8, version 24,
    /// entity 32, prev 32, volume 8, request 8, then kind and key id, each behind its length in 8
    /// bytes. A field that a later schema adds to the clear part is not in it.
    pub(crate) fn associated(&self, kind: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(&self.position.site.0);
        bytes.extend_from_slice(&self.position.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.position.partition.0.to_be_bytes());
        bytes.extend_from_slice(&self.position.seq.0.to_be_bytes());
        bytes.extend_from_slice(&self.version.to_bytes());
        bytes.extend_from_slice(&self.entity.0.0);
        bytes.extend_from_slice(&self.prev.0);
        bytes.extend_from_slice(&self.volume.to_be_bytes());
        bytes.extend_from_slice(&self.request.0.to_be_bytes());
        for text in [kind, &self.key_id] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

/// `envelope.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct EnvelopeRecord<'a> {
    #[serde(with = "serde_avro_fixed")]
    site: [u8; 16],
    epoch: i64,
    partition: i32,
    seq: i64,
    version: VersionRecord,
    #[serde(with = "serde_avro_fixed")]
    entity: [u8; 32],
    #[serde(with = "serde_avro_fixed")]
    prev: [u8; 32],
    volume: i64,
    #[serde(with = "serde_avro_fixed")]
    request: [u8; 8],
    pub(crate) kind: Cow<'a, str>,
    key_id: Cow<'a, str>,
    #[serde(with = "serde_avro_fixed")]
    pub(crate) nonce: [u8; NONCE_BYTES],
    #[serde(with = "cow_bytes")]
    pub(crate) sealed: Cow<'a, [u8]>,
}

impl Record for EnvelopeRecord<'_> {
    const KIND: Kind = Kind::Envelope;
}

impl<'a> EnvelopeRecord<'a> {
    pub(crate) fn new(
        envelope: &'a Envelope,
        kind: &'a str,
        nonce: [u8; NONCE_BYTES],
        sealed: &'a [u8],
    ) -> Self {
        let position = envelope.position;
        Self {
            site: position.site.0,
            epoch: position.epoch.0.cast_signed(),
            partition: position.partition.0.into(),
            seq: position.seq.0.cast_signed(),
            version: envelope.version.into(),
            entity: envelope.entity.0.0,
            prev: envelope.prev.0,
            volume: envelope.volume.cast_signed(),
            request: envelope.request.0.to_be_bytes(),
            kind: Cow::Borrowed(kind),
            key_id: Cow::Borrowed(&envelope.key_id),
            nonce,
            sealed: Cow::Borrowed(sealed),
        }
    }

    /// The clear part.
    pub(crate) fn envelope(&self) -> Result<Envelope, CodecError> {
        if !is_key_id(&self.key_id) {
            let bytes = self.key_id.len();
            return Err(CodecError::KeyId { bytes });
        }
        let position = Position {
            site: SiteId(self.site),
            epoch: Epoch(self.epoch.cast_unsigned()),
            partition: Partition(narrow("partition", self.partition.into())?),
            seq: Seq(self.seq.cast_unsigned()),
        };
        Ok(Envelope {
            position,
            version: self.version.into(),
            entity: EntityHash(Digest(self.entity)),
            prev: Digest(self.prev),
            volume: self.volume.cast_unsigned(),
            request: RequestId(u64::from_be_bytes(self.request)),
            key_id: self.key_id.clone().into_owned(),
        })
    }
}
