//! The clear part of an event, and heartbeats: Rust types of `envelope.avsc`, `heartbeat.avsc`.

use apache_avro::serde_avro_bytes;
use bytes::Bytes;
use model::{
    Digest, EntityHash, Epoch, Heartbeat, Hlc, Millis, Partition, Position, SealedEvent, Seq,
    SiteId, Version,
};
use serde::{Deserialize, Serialize};

use crate::error::CodecError;

/// What is readable of an event without any key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    pub position: Position,
    pub version: Version,
    pub entity: EntityHash,
    /// Digest of the event before it.
    pub prev: Digest,
    pub volume: u64,
    pub key_id: String,
}

impl Envelope {
    /// The event that this is the clear part of.
    #[must_use]
    pub fn sealed_event(&self, payload: Bytes) -> SealedEvent {
        let Self {
            position,
            version,
            entity,
            ..
        } = *self;
        SealedEvent {
            position,
            version,
            entity,
            payload,
        }
    }

    /// The same for the cipher: any change of it makes the event unreadable.
    pub(crate) fn clear_bytes(&self) -> Vec<u8> {
        let mut clear = Vec::with_capacity(160);
        clear.extend_from_slice(&self.position.site.0);
        clear.extend_from_slice(&self.position.epoch.0.to_be_bytes());
        clear.extend_from_slice(&self.position.partition.0.to_be_bytes());
        clear.extend_from_slice(&self.position.seq.0.to_be_bytes());
        clear.extend_from_slice(&self.version.to_bytes());
        clear.extend_from_slice(&self.entity.0.0);
        clear.extend_from_slice(&self.prev.0);
        clear.extend_from_slice(&self.volume.to_be_bytes());
        clear.extend_from_slice(self.key_id.as_bytes());
        clear
    }
}

/// `envelope.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct EnvelopeRecord {
    #[serde(with = "serde_avro_bytes")]
    site: Vec<u8>,
    epoch: i64,
    partition: i32,
    seq: i64,
    hlc: i64,
    #[serde(with = "serde_avro_bytes")]
    version_site: Vec<u8>,
    #[serde(with = "serde_avro_bytes")]
    entity: Vec<u8>,
    #[serde(with = "serde_avro_bytes")]
    prev: Vec<u8>,
    volume: i64,
    key_id: String,
    #[serde(with = "serde_avro_bytes")]
    pub(crate) nonce: Vec<u8>,
    #[serde(with = "serde_avro_bytes")]
    pub(crate) sealed: Vec<u8>,
}

impl EnvelopeRecord {
    pub(crate) fn new(envelope: &Envelope, nonce: [u8; 24], sealed: Vec<u8>) -> Self {
        Self {
            site: envelope.position.site.0.to_vec(),
            epoch: envelope.position.epoch.0.cast_signed(),
            partition: i32::from(envelope.position.partition.0),
            seq: envelope.position.seq.0.cast_signed(),
            hlc: envelope.version.hlc.0.cast_signed(),
            version_site: envelope.version.site.0.to_vec(),
            entity: envelope.entity.0.0.to_vec(),
            prev: envelope.prev.0.to_vec(),
            volume: envelope.volume.cast_signed(),
            key_id: envelope.key_id.clone(),
            nonce: nonce.to_vec(),
            sealed,
        }
    }

    pub(crate) fn envelope(&self) -> Result<Envelope, CodecError> {
        let position = Position {
            site: SiteId(fixed("site", &self.site)?),
            epoch: Epoch(self.epoch.cast_unsigned()),
            partition: partition(self.partition)?,
            seq: Seq(self.seq.cast_unsigned()),
        };
        Ok(Envelope {
            position,
            version: version(self.hlc, "version_site", &self.version_site)?,
            entity: EntityHash(Digest(fixed("entity", &self.entity)?)),
            prev: Digest(fixed("prev", &self.prev)?),
            volume: self.volume.cast_unsigned(),
            key_id: self.key_id.clone(),
        })
    }
}

/// `heartbeat.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeartbeatRecord {
    #[serde(with = "serde_avro_bytes")]
    site: Vec<u8>,
    epoch: i64,
    partition: i32,
    written: i64,
    #[serde(with = "serde_avro_bytes")]
    digest: Vec<u8>,
    volume: i64,
    time: i64,
}

impl From<&Heartbeat> for HeartbeatRecord {
    fn from(heartbeat: &Heartbeat) -> Self {
        Self {
            site: heartbeat.site.0.to_vec(),
            epoch: heartbeat.epoch.0.cast_signed(),
            partition: i32::from(heartbeat.partition.0),
            written: heartbeat.written.0.cast_signed(),
            digest: heartbeat.digest.0.to_vec(),
            volume: heartbeat.volume.cast_signed(),
            time: heartbeat.time.0.cast_signed(),
        }
    }
}

impl TryFrom<HeartbeatRecord> for Heartbeat {
    type Error = CodecError;

    fn try_from(record: HeartbeatRecord) -> Result<Self, CodecError> {
        Ok(Self {
            site: SiteId(fixed("site", &record.site)?),
            epoch: Epoch(record.epoch.cast_unsigned()),
            partition: partition(record.partition)?,
            written: Seq(record.written.cast_unsigned()),
            digest: Digest(fixed("digest", &record.digest)?),
            volume: record.volume.cast_unsigned(),
            time: Millis(record.time.cast_unsigned()),
        })
    }
}

pub(crate) fn fixed<const N: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; N], CodecError> {
    bytes.try_into().map_err(|_| CodecError::Length {
        field,
        found: bytes.len(),
        expected: N,
    })
}

pub(crate) fn version(hlc: i64, field: &'static str, site: &[u8]) -> Result<Version, CodecError> {
    Ok(Version {
        hlc: Hlc(hlc.cast_unsigned()),
        site: SiteId(fixed(field, site)?),
    })
}

fn partition(number: i32) -> Result<Partition, CodecError> {
    let number = u16::try_from(number).map_err(|_| CodecError::Range { field: "partition" })?;
    Ok(Partition(number))
}
