//! Heartbeats on the wire.
//!
//! They are neither sealed nor chained: what a forged one says moves gauges and never a position.

use apache_avro::serde_avro_fixed;
use model::{Digest, Epoch, Heartbeat, Millis, Partition, Seq, SiteId};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::narrow,
    kind::{Kind, Record},
};

/// `heartbeat.avsc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeartbeatRecord {
    #[serde(with = "serde_avro_fixed")]
    site: [u8; 16],
    epoch: i64,
    partition: i32,
    written: i64,
    #[serde(with = "serde_avro_fixed")]
    digest: [u8; 32],
    volume: i64,
    time: i64,
}

impl Record for HeartbeatRecord {
    const KIND: Kind = Kind::Heartbeat;
}

impl From<&Heartbeat> for HeartbeatRecord {
    fn from(heartbeat: &Heartbeat) -> Self {
        Self {
            site: heartbeat.site.0,
            epoch: heartbeat.epoch.0.cast_signed(),
            partition: heartbeat.partition.0.into(),
            written: heartbeat.written.0.cast_signed(),
            digest: heartbeat.digest.0,
            volume: heartbeat.volume.cast_signed(),
            time: heartbeat.time.0.cast_signed(),
        }
    }
}

impl TryFrom<HeartbeatRecord> for Heartbeat {
    type Error = CodecError;

    fn try_from(record: HeartbeatRecord) -> Result<Self, CodecError> {
        Ok(Self {
            site: SiteId(record.site),
            epoch: Epoch(record.epoch.cast_unsigned()),
            partition: Partition(narrow("partition", record.partition.into())?),
            written: Seq(record.written.cast_unsigned()),
            digest: Digest(record.digest),
            volume: record.volume.cast_unsigned(),
            time: Millis(record.time.cast_unsigned()),
        })
    }
}
