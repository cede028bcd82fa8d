//! What two sites say to each other to compare their hash trees (law 9).
//!
//! `POST /v1/tree/cuts` (JSON) pins the trees of the site that is asked and says at which cut;
//! `DELETE /v1/tree/cuts/ID` lets go of them. `POST /v1/tree/roots` (JSON) answers with one digest
//! over all roots ([`RootsDigest`]), or with a page of them. `POST /v1/tree/nodes`
//! ([`Asked`], with what the asker has of each) answers with what it lacks of as many branches as it
//! named, in their order; `POST /v1/tree/states` with sealed events. `POST /v1/tree/keys` (JSON) compares a run of keys, since keys
//! that begin alike are no branch of a tree. A cut that has ended is 410; a site that cannot make one
//! yet answers 503 and says how far it is ([`Building`]).
//!
//! What there is much of is binary (`code`): counts and seqs take as many bytes as they need, an
//! empty branch takes one, a leaf does not repeat the site and epoch of the cut, and nothing that
//! the asker has is sent ([`model::tree::Sketch`]).

mod asked;
mod code;
mod frames;
mod pages;

use model::{
    Digest, Hasher, Millis, Partition, Seq, SiteId, SlotName,
    progress::Handled,
    tree::{Cut, Scope, Span, Summary},
};
use serde::{Deserialize, Serialize};

pub use asked::{Asked, Places, Sketched};
pub use code::{CodeError, Home};
pub use frames::{RestFrames, StateFrames, rest_frame, state_frame};
pub use pages::{KeysPage, RootsPage};

use super::SiteInfo;

pub const CUTS: &str = "/v1/tree/cuts";
pub const ROOTS: &str = "/v1/tree/roots";
pub const NODES: &str = "/v1/tree/nodes";
pub const STATES: &str = "/v1/tree/states";
pub const KEYS: &str = "/v1/tree/keys";

/// Branches of one request: if they are new to the asker, 4,096 split ones are 2.3 MB of answer.
pub const BRANCHES_MAX: usize = 4_096;
/// Entities of one request for states.
pub const ENTITIES_MAX: usize = 1_024;
/// Roots of one page.
pub const ROOTS_MAX: usize = 1_024;
/// Leaves of one page of keys.
pub const KEYS_MAX: usize = 4_096;

/// Asks for a cut.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CutAsked {
    pub site: SiteId,
    pub release: String,
}

/// Why a site cannot make a cut yet: it builds its trees out of what an earlier release stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Building {
    pub done: u64,
    /// Records in all.
    pub of: u64,
}

/// How far one partition was written at a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    pub partition: Partition,
    pub seq: Seq,
    pub digest: Digest,
    pub volume: u64,
    pub time: Millis,
    /// Tombstones up to here are gone (law 6).
    pub trimmed: Seq,
    /// Events up to here are no longer in history.
    pub history: Seq,
}

impl End {
    /// What has been handled once everything up to here has.
    #[must_use]
    pub fn handled(&self) -> Handled {
        Handled { seq: self.seq, digest: self.digest, volume: self.volume, time: self.time }
    }
}

/// A cut, and who made it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CutMade {
    /// Names it in the questions that follow.
    pub id: u64,
    pub site: SiteInfo,
    pub release: String,
    pub ends: Vec<End>,
    /// Leaves of all scopes.
    pub leaves: u64,
    /// [`schemas::Codec::fingerprints`] of the site: two sites that have none in common cannot
    /// read each other.
    pub keys: Vec<Digest>,
}

impl CutMade {
    /// What the rules compare at.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let seqs = |of: fn(&End) -> Seq| self.ends.iter().map(move |end| (end.partition, of(end)));
        Cut {
            site: self.site.site,
            epoch: self.site.epoch,
            written: seqs(|end| end.seq).collect(),
            trimmed: seqs(|end| end.trimmed).collect(),
        }
    }

    /// Where leaves are at home under this cut.
    #[must_use]
    pub fn home(&self) -> Home {
        Home { site: self.site.site, epoch: self.site.epoch }
    }
}

/// Asks about roots of a cut.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootsAsked {
    pub cut: u64,
    /// Only of this scope.
    pub scope: Option<Scope>,
    pub what: RootsWhat,
}

/// What of the roots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RootsWhat {
    /// A [`RootsDigest`], as JSON.
    Digest,
    /// A [`RootsPage`] of those behind a scope.
    Page(Option<Scope>),
}

/// One digest over all roots: equal sites with ten thousand buckets need no more than this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootsDigest {
    pub scopes: u64,
    pub leaves: u64,
    pub digest: Digest,
}

impl RootsDigest {
    /// Of roots in the order of their scopes.
    #[must_use]
    pub fn of<'a>(roots: impl IntoIterator<Item = (&'a Scope, &'a Summary)>) -> Self {
        let mut hasher = Hasher::new();
        let (mut scopes, mut leaves) = (0, 0);
        for (scope, root) in roots {
            match scope {
                Scope::Entities => hasher.field(b""),
                Scope::Bucket(bucket) => hasher.field(bucket.as_str().as_bytes()),
            }
            hasher.update(&root.leaves.to_be_bytes());
            hasher.update(&root.digest.0);
            scopes += 1;
            leaves += root.leaves;
        }
        Self { scopes, leaves, digest: hasher.finish() }
    }
}

/// Asks whether a run of keys holds the same here as there. Answered by a [`KeysPage`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeysAsked {
    pub cut: u64,
    pub span: Span,
    /// Of the leaves that the asker has in it, in the order of their entities.
    pub here: Summary,
}

/// Where a page of keys ended, if not with its span.
pub type KeysEnd = Option<SlotName>;

#[cfg(test)]
mod tests;
