//! What sites say to each other over the link: paths, JSON bodies and frames.
//!
//! `GET /v1/site`; `PUT /v1/peers` (registration); `POST /v1/acks`; `POST /v1/changes` (the change
//! feed: frames, pushed until either end closes); `POST /v1/history` (frames of one run of
//! events); `GET /v1/heartbeats` (frames, now); `GET /v1/blocks/HASH`; `POST /v1/blocks` (a stream
//! of many: hashes in, block frames out in their order); `PUT /v1/blocks/HASH` gives back
//! one that is rotten there; `POST /v1/scrub` reads blocks back, a page at a time; `/v1/tree/…`
//! ([`tree`]).

mod frame;
pub mod tree;

use std::collections::BTreeSet;

use model::{BlockHash, BlockRef, Digest, Epoch, Partition, PartitionCount, Seq, SiteId, SiteName};
use serde::{Deserialize, Serialize};

pub use frame::{BlockAnswer, Frame, FrameError, Frames, block_head, event_frame, heartbeat_frame};

pub const SITE: &str = "/v1/site";
pub const PEERS: &str = "/v1/peers";
pub const ACKS: &str = "/v1/acks";
pub const CHANGES: &str = "/v1/changes";
pub const HISTORY: &str = "/v1/history";
pub const BLOCKS: &str = "/v1/blocks";
pub const HEARTBEATS: &str = "/v1/heartbeats";
pub const SCRUB: &str = "/v1/scrub";

/// Who a site is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SiteInfo {
    pub site: SiteId,
    pub name: SiteName,
    pub epoch: Epoch,
    pub past_epochs: Vec<Epoch>,
    pub partitions: PartitionCount,
}

/// What a site has handled of a partition of the one it speaks to: compared there with history
/// (law 13).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    pub epoch: Epoch,
    pub partition: Partition,
    pub seq: Seq,
    pub digest: Digest,
}

/// A site makes itself known, durably before its first read (law 7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registration {
    pub site: SiteId,
    pub claims: Vec<Claim>,
    /// The kinds of changes that it can read, so that nobody logs what it would have to park.
    /// Releases before this one do not say.
    #[serde(default)]
    pub reads: BTreeSet<String>,
}

/// Progress in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ack {
    pub claim: Claim,
    pub applied: Seq,
    pub complete: Seq,
}

/// Progress of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acks {
    pub site: SiteId,
    pub acks: Vec<Ack>,
}

/// Where the change feed is to start in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct From {
    pub partition: Partition,
    pub epoch: Epoch,
    pub after: Seq,
}

/// A run of events, to fill a hole with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    pub epoch: Epoch,
    pub partition: Partition,
    pub first: Seq,
    pub last: Seq,
}

/// Asks a site to read back its next blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScrubAsked {
    pub after: Option<BlockHash>,
}

/// What came of it: as many blocks as a site reads in a few seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScrubPage {
    /// The last one that was read; `None`: there are no more.
    pub last: Option<BlockHash>,
    pub blocks: u64,
    pub bytes: u64,
    /// Rotten, or gone from the disk.
    pub bad: Vec<BlockRef>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_of_an_earlier_release_does_not_say_what_the_site_reads() {
        let site = SiteId([7; 16]);
        let said = Registration { site, claims: Vec::new(), reads: ["trimmed".to_owned()].into() };
        let mut json = serde_json::to_value(&said).unwrap();
        assert_eq!(serde_json::from_value::<Registration>(json.clone()).unwrap(), said);
        json.as_object_mut().unwrap().remove("reads");
        let before: Registration = serde_json::from_value(json).unwrap();
        assert_eq!(before, Registration { reads: BTreeSet::new(), ..said });
    }
}
