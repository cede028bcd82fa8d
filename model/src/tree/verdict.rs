//! What a difference between two leaves means.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{Leaf, LeafAttributes};
use crate::{Epoch, Partition, Position, Seq, SiteId};

/// What two sites are compared at, as the site that is the source says it: how far each of its
/// partitions was written when its side of the comparison was pinned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cut {
    pub site: SiteId,
    pub epoch: Epoch,
    pub written: BTreeMap<Partition, Seq>,
    /// Tombstones up to here have been trimmed at the source (law 6).
    pub trimmed: BTreeMap<Partition, Seq>,
}

impl Cut {
    /// Whether the source issued this position, and the cut is at or above it. Epochs before the
    /// current one are below every cut.
    #[must_use]
    pub fn covers(&self, position: Position) -> bool {
        position.site == self.site
            && (position.epoch < self.epoch
                || position.epoch == self.epoch
                    && self.written.get(&position.partition).is_some_and(|&at| position.seq <= at))
    }

    /// What `seqs` say of a position's partition; zero unless it is of the current epoch.
    fn of(&self, seqs: &BTreeMap<Partition, Seq>, position: Position) -> Seq {
        let current = position.site == self.site && position.epoch == self.epoch;
        let seq = seqs.get(&position.partition).filter(|_| current);
        seq.copied().unwrap_or(Seq::NONE)
    }
}

/// What is to be done at the site that follows about one entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing: both hold the same.
    Same,
    /// Nothing now: what is here was written above the cut, or at another site than the source.
    /// The next comparison looks at it.
    Ahead,
    /// The source's state is newer, or there is none here: take it over by the merge rule.
    Behind,
    /// Both hold the same object with other attributes: take the source's over, each by the merge rule.
    Attributes,
    /// The source deleted it so long ago that its tombstone is gone: delete it here.
    Deleted,
    /// The source never issued what is here, or something else under the same version: set it
    /// aside, then take over what the source has, if anything.
    Foreign,
}

/// Compares the leaves of one entity: the source's as of the cut, and this site's, taken after
/// everything up to the cut was handled. `trimmed_here`: up to where this site has trimmed the
/// source's tombstones, which may be above the cut.
///
/// Only of its own positions can the source say that it never issued them. What it holds of other
/// sites is taken over if it is newer, and left alone if it is not.
#[must_use]
pub fn verdict(
    cut: &Cut,
    trimmed_here: &BTreeMap<Partition, Seq>,
    source: Option<&Leaf>,
    here: Option<&Leaf>,
) -> Verdict {
    let (source, here) = match (source, here) {
        (None, None) => return Verdict::Same,
        // A tombstone that was here may have been trimmed: what replay ignores is no difference,
        // and where trimming has passed the cut, the entity may have been deleted above it.
        (Some(source), None) => {
            let trimmed = cut.of(trimmed_here, source.position);
            let passed = trimmed > cut.of(&cut.written, source.position);
            let gone = source.deleted && source.position.seq <= trimmed;
            return if passed || gone { Verdict::Ahead } else { Verdict::Behind };
        }
        (None, Some(here)) if !cut.covers(here.position) => return Verdict::Ahead,
        (None, Some(here)) if here.position.seq <= cut.of(&cut.trimmed, here.position) => {
            return Verdict::Deleted;
        }
        (None, Some(_)) => return Verdict::Foreign,
        (Some(source), Some(here)) => (source, here),
    };
    let same = source.content == here.content && source.deleted == here.deleted;
    match source.version.cmp(&here.version) {
        Ordering::Equal if same => attributes(cut, source.attributes, here.attributes),
        Ordering::Equal => Verdict::Foreign,
        Ordering::Greater => Verdict::Behind,
        // Newer than the source's newest, and below its cut: it cannot have come from there.
        Ordering::Less if cut.covers(here.position) => Verdict::Foreign,
        Ordering::Less => Verdict::Ahead,
    }
}

/// Compares the attributes of an object that is the same at both sites. What the source changed above
/// the cut carries all that it had changed below. Else they are merged, which loses nothing whichever
/// is newer.
fn attributes(cut: &Cut, source: Option<LeafAttributes>, here: Option<LeafAttributes>) -> Verdict {
    let digest = |attributes: Option<LeafAttributes>| attributes.map(|it| it.digest);
    let above = |at: Position| at.site == cut.site && !cut.covers(at);
    match here {
        _ if digest(source) == digest(here) => Verdict::Same,
        Some(here) if above(here.position) => Verdict::Ahead,
        _ => Verdict::Attributes,
    }
}

#[cfg(test)]
mod tests;
