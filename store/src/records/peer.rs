//! A registered site. Key: `peer/` site. Format 2 added `reads`.

use std::collections::BTreeSet;

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
    /// The kinds of changes that it says it can read. Releases that did not say read those of their
    /// time, which are not asked for.
    pub reads: BTreeSet<String>,
}

/// Format 1.
#[derive(Serialize, Deserialize)]
struct PeerBefore {
    site: SiteId,
    name: SiteName,
    registered: Registered,
    acknowledged: Vec<Acknowledged>,
}

impl super::Plain for Peer {}

impl super::Record for Peer {
    const TABLE: Table = Table::Meta;
    const NAME: &'static str = "peer";
    const FORMAT: u8 = 2;

    fn encode_body(&self, body: &mut Vec<u8>) {
        super::encode_postcard(self, body);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        super::decode_postcard(body)
    }

    fn decode_before(_format: u8, body: &Bytes) -> Option<Self> {
        let PeerBefore { site, name, registered, acknowledged } = super::decode_postcard(body)?;
        Some(Self { site, name, registered, acknowledged, reads: BTreeSet::new() })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;

    #[test]
    fn a_peer_that_an_earlier_release_wrote_says_nothing_of_what_it_reads() {
        let golden = "01090909090909090909090909090909090477657374070303030a1e010702060504";
        let read = Peer::decode(&Bytes::from(hex::decode(golden).unwrap())).unwrap();
        let acknowledged = Acknowledged {
            epoch: Epoch(7),
            partition: Partition(2),
            handled: Seq(6),
            applied: Seq(5),
            complete: Seq(4),
        };
        let peer = Peer {
            site: SiteId([9; 16]),
            name: SiteName::try_from("west".to_owned()).unwrap(),
            registered: Registered { at: Millis(7), epoch: Epoch(3), volumes: vec![3, 10, 30] },
            acknowledged: vec![acknowledged],
            reads: BTreeSet::new(),
        };
        assert_eq!(read, peer);
        let peer = Peer { reads: ["trimmed".to_owned()].into(), ..peer };
        assert_eq!(Peer::decode(&peer.encode()).unwrap(), peer);
    }
}
