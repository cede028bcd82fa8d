//! End of this site's history in one partition. Key: `written/` epoch partition.

use bytes::Bytes;
use model::{Digest, Epoch, Hlc, Partition, Seq, progress::Handled};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// How far a partition is written; changed in the commit of each event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Written {
    pub seq: Seq,
    /// Digest of the event `seq`.
    pub digest: Digest,
    /// [`model::Event::volume`] of the event `seq`.
    pub volume: u64,
    /// Clock of the event `seq`: the site's clock starts above the highest of these.
    pub hlc: Hlc,
    /// Everything up to here has been trimmed from history.
    pub trimmed: Seq,
}

super::record!(Written, Table::Meta, "written", format 1);

impl Written {
    pub(crate) const START: Self =
        Self { seq: Seq::NONE, digest: Digest::ZERO, volume: 0, hlc: Hlc(0), trimmed: Seq::NONE };

    /// As a site says it that has handled all of it.
    #[must_use]
    pub fn handled(&self) -> Handled {
        let Self { seq, digest, volume, hlc, .. } = *self;
        Handled { seq, digest, volume, time: hlc.millis() }
    }

    pub(crate) fn key(epoch: Epoch, partition: Partition) -> Bytes {
        super::join(&[b"written/", &epoch.0.to_be_bytes(), &partition.0.to_be_bytes()])
    }
}
