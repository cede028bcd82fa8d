//! One event of this site. Key: epoch, partition, seq, big-endian.
//!
//! Layout after the format byte: version (24), entity (32), payload (the rest). Not `postcard`,
//! so that a payload is handed out without a copy.

use bytes::Bytes;
use model::{Digest, EntityHash, Epoch, Partition, Position, SealedEvent, Seq, Version};

use super::{Plain, Record};
use crate::engine::Table;

pub(crate) struct HistoryRecord {
    pub(crate) version: Version,
    pub(crate) entity: EntityHash,
    pub(crate) payload: Bytes,
}

impl HistoryRecord {
    pub(crate) fn key(epoch: Epoch, partition: Partition, seq: Seq) -> Bytes {
        let (epoch, partition) = (epoch.0.to_be_bytes(), partition.0.to_be_bytes());
        super::join(&[&epoch, &partition, &seq.0.to_be_bytes()])
    }

    pub(crate) fn seq(key: &[u8]) -> Option<Seq> {
        key.last_chunk::<8>().map(|seq| Seq(u64::from_be_bytes(*seq)))
    }

    pub(crate) fn sealed(self, position: Position) -> SealedEvent {
        SealedEvent { position, version: self.version, entity: self.entity, payload: self.payload }
    }
}

impl Plain for HistoryRecord {}

impl Record for HistoryRecord {
    const TABLE: Table = Table::History;
    const NAME: &'static str = "history";
    const FORMAT: u8 = 1;

    fn encode_body(&self, body: &mut Vec<u8>) {
        body.reserve(Version::LEN + 32 + self.payload.len());
        body.extend_from_slice(&self.version.to_bytes());
        body.extend_from_slice(&self.entity.0.0);
        body.extend_from_slice(&self.payload);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        let version = Version::from_bytes(body.get(..Version::LEN)?)?;
        let entity = body.get(Version::LEN..Version::LEN + 32)?.try_into().ok()?;
        let payload = body.slice(Version::LEN + 32..);
        Some(Self { version, entity: EntityHash(Digest(entity)), payload })
    }
}
