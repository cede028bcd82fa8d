//! Up to where the tombstones of a site's partition have been trimmed here (law 6). Key: `floor/`
//! site partition.

use bytes::Bytes;
use model::{Epoch, Line, Partition, Position, Seq, SiteId};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// In the newest epoch in which any were. The epochs before it are below it altogether.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct FloorRecord {
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
}

super::record!(FloorRecord, Table::Meta, "floor", format 1);

impl FloorRecord {
    pub(crate) const PREFIX: &'static [u8] = b"floor/";

    pub(crate) fn key(line: Line) -> Bytes {
        super::join(&[Self::PREFIX, &line.site.0, &line.partition.0.to_be_bytes()])
    }

    /// The line that this is the floor of, by the row's key.
    pub(crate) fn line(self, key: &[u8]) -> Option<Line> {
        let (site, partition) = key.strip_prefix(Self::PREFIX)?.split_first_chunk::<16>()?;
        let partition = Partition(u16::from_be_bytes(partition.try_into().ok()?));
        Some(Line { site: SiteId(*site), epoch: self.epoch, partition })
    }

    /// Whether a position on this site's partition is at or below it.
    pub(crate) fn has_passed(self, position: Position) -> bool {
        Self { epoch: position.epoch, seq: position.seq } <= self
    }
}
