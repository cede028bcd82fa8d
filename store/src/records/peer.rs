//! A registered site. Key: `peer/` site.

use bytes::Bytes;
use model::{Epoch, Millis, Partition, Seq, SiteId, SiteName};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// What a site has acknowledged of one partition of this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    pub epoch: Epoch,
    pub partition: Partition,
    pub handled: Seq,
    pub applied: Seq,
    pub complete: Seq,
}

/// When a site registered, by the clock and by what was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registered {
    pub at: Millis,
    pub epoch: Epoch,
    /// [`crate::Written::volume`] of every partition, in order.
    pub volumes: Vec<u64>,
}

/// A site that replicates from this one: it holds the fence until it is removed (law 7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    pub site: SiteId,
    pub name: SiteName,
    pub registered: Registered,
    /// One entry a partition, of the newest epoch acknowledged; none yet counts as zero.
    pub acknowledged: Vec<Acknowledged>,
}

super::record!(Peer, Table::Meta, "peer", format 1);

impl Peer {
    pub(crate) const PREFIX: &'static [u8] = b"peer/";

    pub(crate) fn key(site: SiteId) -> Bytes {
        super::join(&[Self::PREFIX, &site.0])
    }

    /// Last acknowledged as complete in a partition of `epoch`.
    #[must_use]
    pub fn complete(&self, epoch: Epoch, partition: Partition) -> Seq {
        let same = |ack: &&Acknowledged| ack.epoch == epoch && ack.partition == partition;
        self.acknowledged.iter().find(same).map_or(Seq::NONE, |ack| ack.complete)
    }

    /// Volume of a partition of `epoch` that was written before the site registered.
    #[must_use]
    pub fn volume_before(&self, epoch: Epoch, partition: Partition) -> u64 {
        let volumes = (self.registered.epoch == epoch).then_some(&self.registered.volumes);
        volumes.and_then(|all| all.get(usize::from(partition.0))).copied().unwrap_or(0)
    }
}
