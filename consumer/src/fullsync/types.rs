//! What is asked of a full sync, and what it tells.

use std::collections::BTreeMap;

use model::{
    BucketName, EntityHash, Millis,
    tree::{Cut, Scope, Summary, Verdict},
};
use ops::config::MaxDeletes;
use serde::{Deserialize, Serialize};
use store::{KeepError, ReadError, TreeError};

use super::here::HereError;
use crate::origin::OriginError;

/// One full sync with the origin.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// `None`: all buckets, and users.
    pub bucket: Option<BucketName>,
    /// Of keys in the bucket.
    pub prefix: Option<String>,
    /// Records and blocks are read again, and compared with what they should be.
    pub deep: bool,
    /// With `deep`: at the origin too.
    pub both: bool,
    /// Only tell what differs.
    pub dry_run: bool,
    pub max_deletes: MaxDeletes,
}

/// How far a full sync is. All counters of one job.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub phase: Phase,
    /// Why it waits and does nothing, if so.
    pub waits: Option<String>,
    pub scopes: u64,
    pub scopes_total: u64,
    pub compared: u64,
    pub differ: u64,
    pub repaired: BTreeMap<Reason, u64>,
    pub deletes_held_back: u64,
    pub bytes_to_move: u64,
    /// Content of objects.
    pub bytes_moved: u64,
    /// What else the comparison took of the link.
    pub wire_bytes: u64,
    pub round_trips: u64,
    pub unrepaired: u64,
}

/// What a full sync does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Waiting,
    Comparing,
    Repairing,
    Proving,
    Scrubbing,
    Done,
}

/// Why something was repaired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Missing,
    Older,
    /// Only the attributes of an object.
    Attributes,
    Deleted,
    Foreign,
    /// Its record could not be read here.
    Rotten,
    /// A block that was not what its name says, or was gone.
    Block,
    /// A block that counted more or less often than it was named.
    Count,
}

/// Both sites held this at this cut (law 9).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proof {
    pub scope: Scope,
    pub root: Summary,
    pub cut: Cut,
    pub at: Millis,
}

/// What came of a full sync.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    pub progress: Progress,
    pub converged: bool,
    pub proofs: Vec<Proof>,
    /// The first thousand.
    pub sample: Vec<Difference>,
}

/// One entity that the two sites hold otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    pub scope: Scope,
    pub entity: EntityHash,
    pub name: Option<String>,
    pub verdict: Verdict,
    pub bytes: u64,
}

/// Why a full sync did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A foreign or empty origin, or other keys.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Store(#[from] HereError),
    #[error("tombstones were trimmed here beyond the cut")]
    Passed,
    #[error("it was cancelled")]
    Cancelled,
    #[error("the origin has too many of them under way")]
    Busy,
}

impl RunError {
    /// Records that have their place in a hash tree by now, where one is still being built.
    pub(crate) fn building(&self) -> Option<u64> {
        match self {
            Self::Origin(OriginError::Building { at, .. }) => Some(at.done),
            Self::Store(
                HereError::Read(ReadError::Tree(TreeError::Building { done, .. }))
                | HereError::Keep(KeepError::Tree(TreeError::Building { done, .. })),
            ) => Some(*done),
            _ => None,
        }
    }
}
