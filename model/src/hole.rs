//! Holes: what a consumer's handled prefix does not yet hold, each with a reason.

use serde::{Deserialize, Serialize};

use crate::{Digest, Seq};

/// Why a hole is there. Set by the applier or the puller; persisted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HoleReason {
    /// Events that never came. Refilled from the origin's history: the first of them must name
    /// `after` as its predecessor, and the last must have the digest `last`. `after` is zero where
    /// the event before the gap came by full sync, which does not tell its digest: `last` vouches
    /// for the whole chain then.
    Gap { after: Digest, last: Digest },
    /// An event whose payload cannot be read here. Asked for again at the beginning of each session
    /// with the origin, and applied if it still has this digest and can be read by then.
    Parked { digest: Digest, why: String },
    /// Applied, but this many of the blocks it names are not here yet.
    BlocksMissing { count: u32 },
    /// The origin no longer has it: only a full sync of the partition can tell what it was.
    LostAtOrigin,
    /// Written before this site began to follow: full sync brings it.
    Adopted,
}

impl HoleReason {
    /// Every [`HoleReason::label`].
    pub const LABELS: [&str; 5] = ["gap", "parked", "blocks_missing", "lost_at_origin", "adopted"];

    /// Short name, for metrics and status.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "gap",
            Self::Parked { .. } => "parked",
            Self::BlocksMissing { .. } => "blocks_missing",
            Self::LostAtOrigin => "lost_at_origin",
            Self::Adopted => "adopted",
        }
    }

    /// Whether the events of the hole have been applied: only their blocks are missing.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::BlocksMissing { .. })
    }
}

/// A run of events of one partition, first and last included.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hole {
    pub first: Seq,
    pub last: Seq,
    pub reason: HoleReason,
}
