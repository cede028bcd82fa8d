//! A registered site. Key: `peer/` site. Format 2 added `reads`, format 3 `highest`.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The highest that it ever acknowledged as complete, of the same epochs and partitions: a repair
    /// of an old object takes the last one back, until its blocks have come.
    pub highest: BTreeMap<(Epoch, Partition), Seq>,
}

/// Format 1.
#[derive(Deserialize)]
struct PeerBeforeReads {
    site: SiteId,
    name: SiteName,
    registered: Registered,
    acknowledged: Vec<Acknowledged>,
}

/// Format 2.
#[derive(Deserialize)]
struct PeerBeforeHighest {
    site: SiteId,
    name: SiteName,
    registered: Registered,
    acknowledged: Vec<Acknowledged>,
    reads: BTreeSet<String>,
}

impl super::Plain for Peer {}

impl super::Record for Peer {
    const TABLE: Table = Table::Meta;
    const NAME: &'static str = "peer";
    const FORMAT: u8 = 3;

    fn encode_body(&self, body: &mut Vec<u8>) {
        super::encode_postcard(self, body);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        super::decode_postcard(body)
    }

    fn decode_before(format: u8, body: &Bytes) -> Option<Self> {
        let before = match format {
            1 => {
                let PeerBeforeReads { site, name, registered, acknowledged } =
                    super::decode_postcard(body)?;
                let reads = BTreeSet::new();
                PeerBeforeHighest { site, name, registered, acknowledged, reads }
            }
            _ => super::decode_postcard(body)?,
        };
        let PeerBeforeHighest { site, name, registered, acknowledged, reads } = before;
        // Nothing is known of what it acknowledged before that.
        let highest = |ack: &Acknowledged| ((ack.epoch, ack.partition), ack.complete);
        let highest = acknowledged.iter().map(highest).collect();
        Some(Self { site, name, registered, acknowledged, reads, highest })
    }
}

impl Peer {
    pub(crate) const PREFIX: &'static [u8] = b"peer/";

    pub(crate) fn key(site: SiteId) -> Bytes {
        super::join(&[Self::PREFIX, &site.0])
    }

    /// Takes note of an acknowledgement, unless it is of an epoch before the one it has come to.
    pub(crate) fn acknowledge(&mut self, ack: Acknowledged) {
        let Acknowledged { epoch, partition, complete, .. } = ack;
        match self.acknowledged.iter_mut().find(|held| held.partition == partition) {
            Some(held) if held.epoch > epoch => return,
            Some(held) => *held = ack,
            None => self.acknowledged.push(ack),
        }
        self.highest.retain(|&(of, at), _| at != partition || of == epoch);
        let highest = self.highest.entry((epoch, partition)).or_insert(complete);
        *highest = complete.max(*highest);
    }

    /// Last acknowledged as complete in a partition of `epoch`: the fence waits for it.
    #[must_use]
    pub fn complete(&self, epoch: Epoch, partition: Partition) -> Seq {
        let same = |ack: &&Acknowledged| ack.epoch == epoch && ack.partition == partition;
        self.acknowledged.iter().find(same).map_or(Seq::NONE, |ack| ack.complete)
    }

    /// The highest ever acknowledged as complete in a partition of `epoch`. All up to there may have been
    /// freed long ago: what the site holds up begins behind it.
    #[must_use]
    pub fn highest(&self, epoch: Epoch, partition: Partition) -> Seq {
        self.highest.get(&(epoch, partition)).copied().unwrap_or(Seq::NONE)
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

    fn acknowledged(epoch: u64, complete: u64) -> Acknowledged {
        let (epoch, partition) = (Epoch(epoch), Partition(2));
        let (handled, applied, complete) = (Seq(6), Seq(5), Seq(complete));
        Acknowledged { epoch, partition, handled, applied, complete }
    }

    fn peer() -> Peer {
        Peer {
            site: SiteId([9; 16]),
            name: SiteName::try_from("west".to_owned()).unwrap(),
            registered: Registered { at: Millis(7), epoch: Epoch(3), volumes: vec![3, 10, 30] },
            acknowledged: vec![acknowledged(7, 4)],
            reads: BTreeSet::new(),
            highest: [((Epoch(7), Partition(2)), Seq(4))].into(),
        }
    }

    #[test]
    fn a_peer_that_an_earlier_release_wrote_says_less() {
        let body = "090909090909090909090909090909090477657374070303030a1e010702060504";
        let read = |hex: String| Peer::decode(&Bytes::from(hex::decode(hex).unwrap())).unwrap();
        assert_eq!(read(format!("01{body}")), peer());
        let trimmed = Peer { reads: ["trimmed".to_owned()].into(), ..peer() };
        assert_eq!(read(format!("02{body}01077472696d6d6564")), trimmed);
        let golden = format!("03{body}01077472696d6d656401070209");
        let trimmed = Peer { highest: [((Epoch(7), Partition(2)), Seq(9))].into(), ..trimmed };
        assert_eq!(hex::encode(trimmed.encode()), golden);
        assert_eq!(read(golden), trimmed);
    }

    #[test]
    fn law_7_the_highest_acknowledged_stays_until_the_next_epoch() {
        let mut peer = peer();
        let both = |peer: &Peer, epoch| {
            let of = (Epoch(epoch), Partition(2));
            (peer.complete(of.0, of.1).0, peer.highest(of.0, of.1).0)
        };
        for (complete, expected) in [(5, (5, 5)), (1, (1, 5)), (3, (3, 5)), (6, (6, 6))] {
            peer.acknowledge(acknowledged(7, complete));
            assert_eq!(both(&peer, 7), expected);
        }
        peer.acknowledge(acknowledged(8, 2));
        peer.acknowledge(acknowledged(7, 6));
        assert_eq!((both(&peer, 7), both(&peer, 8)), ((0, 0), (2, 2)));
        let other = Acknowledged { partition: Partition(1), ..acknowledged(8, 3) };
        peer.acknowledge(other);
        assert_eq!((both(&peer, 8), peer.highest(Epoch(8), Partition(1))), ((2, 2), Seq(3)));
    }
}
