//! The hash tree: what two sites compare to find out where they differ (law 9).
//!
//! One tree a [`Scope`]. A leaf's place is the SHA-256 of its entity's name, read nibble by nibble.
//! A branch with at most [`LEAVES_MAX`] leaves below it is not split; every other is split in
//! [`FANOUT`]. So the shape, and with it every digest, follows from the set of leaves alone and not
//! from its past: equal sets have equal roots.

mod sketch;
mod verdict;
mod view;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BucketName, Digest, EntityHash, Hasher, Position, Version};

pub use sketch::{Rest, Sketch, Stub};
pub use verdict::{Cut, Verdict, verdict};
pub use view::{MemoryView, Span, TreeError, View};

/// Branches of a split branch: one a nibble.
pub const FANOUT: usize = 16;

/// Leaves of a branch that is not split.
pub const LEAVES_MAX: usize = 32;

/// What one tree is over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Buckets and users.
    Entities,
    /// The objects of a bucket.
    Bucket(BucketName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entities => f.write_str("buckets and users"),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

/// One entity as the tree knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaf {
    pub entity: EntityHash,
    pub version: Version,
    /// Of everything about the entity that replicates, but for attributes; [`Digest::ZERO`] for a
    /// tombstone.
    pub content: Digest,
    pub deleted: bool,
    /// Where its event stands. Seq zero if that is not known: below every cut.
    pub position: Position,
    /// Of an object that has any. They change without a new version of the object, and are merged
    /// where they differ.
    pub attributes: Option<LeafAttributes>,
}

/// An object's attributes as the tree knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeafAttributes {
    pub digest: Digest,
    /// Where the event of the last change stands, which carried all of them.
    pub position: Position,
}

impl Leaf {
    /// What identity means: entity, version, content (law 11) and attributes. Positions are not in it:
    /// they say where a state was written, not what it is.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(&self.entity.0.0);
        hasher.update(&self.version.to_bytes());
        hasher.update(&self.content.0);
        hasher.update(&[u8::from(self.deleted)]);
        if let Some(attributes) = &self.attributes {
            hasher.update(&attributes.digest.0);
        }
        hasher.finish()
    }
}

/// What a branch holds, in short. Two branches of one path are equal if and only if these are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Leaves below it.
    pub leaves: u64,
    pub digest: Digest,
}

impl Summary {
    /// Of a branch without leaves.
    pub const EMPTY: Self = Self { leaves: 0, digest: Digest::ZERO };

    /// Of a branch that is not split, from its leaves in the order of their entities.
    #[must_use]
    pub fn of_leaves<'a>(leaves: impl IntoIterator<Item = &'a Leaf>) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&[0]);
        let mut count = 0;
        for leaf in leaves {
            hasher.update(&leaf.digest().0);
            count += 1;
        }
        if count == 0 { Self::EMPTY } else { Self { leaves: count, digest: hasher.finish() } }
    }

    /// Of a branch that is split.
    #[must_use]
    pub fn of_branches(branches: &[Self; FANOUT]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&[1]);
        for branch in branches {
            hasher.update(&branch.leaves.to_be_bytes());
            hasher.update(&branch.digest.0);
        }
        let leaves = branches.iter().map(|branch| branch.leaves).sum();
        Self { leaves, digest: hasher.finish() }
    }

    /// Whether a branch with these leaves is split.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.leaves > LEAVES_MAX as u64
    }
}

/// The way from the root to a branch: the first nibbles of the places below it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Path {
    /// Nibbles behind the first `depth` are zero.
    place: Digest,
    depth: u8,
}

impl Path {
    /// To the root.
    pub const ROOT: Self = Self { place: Digest::ZERO, depth: 0 };

    /// To the one place of an entity.
    #[must_use]
    pub fn to(entity: EntityHash) -> Self {
        Self { place: entity.0, depth: 64 }
    }

    /// Nibbles from the root.
    #[must_use]
    pub fn depth(self) -> u8 {
        self.depth
    }

    /// The lowest place below it, and its first bytes: where its leaves begin.
    #[must_use]
    pub fn first(self) -> EntityHash {
        EntityHash(self.place)
    }

    /// The highest place below it.
    #[must_use]
    pub fn last(self) -> EntityHash {
        let mut last = self.place;
        for depth in self.depth..64 {
            set(&mut last, depth, 0xf);
        }
        EntityHash(last)
    }

    /// To the branch below this one that a nibble leads to. `None` from a single place.
    #[must_use]
    pub fn branch(self, nibble: u8) -> Option<Self> {
        let mut place = self.place;
        let depth = (self.depth < 64).then_some(self.depth)?;
        set(&mut place, depth, nibble & 0xf);
        Some(Self { place, depth: depth + 1 })
    }

    /// Which nibble leads from here towards a place below it.
    #[must_use]
    pub fn towards(self, entity: EntityHash) -> u8 {
        nibble(&entity.0, self.depth.min(63))
    }

    /// Whether a place is below it.
    #[must_use]
    pub fn holds(self, entity: EntityHash) -> bool {
        (self.first()..=self.last()).contains(&entity)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.place.to_string();
        f.write_str(&text[..usize::from(self.depth)])
    }
}

fn nibble(place: &Digest, depth: u8) -> u8 {
    let byte = place.0[usize::from(depth / 2)];
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 0xf }
}

fn set(place: &mut Digest, depth: u8, nibble: u8) {
    let byte = &mut place.0[usize::from(depth / 2)];
    *byte = if depth.is_multiple_of(2) {
        (*byte & 0x0f) | nibble << 4
    } else {
        (*byte & 0xf0) | nibble
    };
}

/// A branch as it is looked at: what a comparison needs to go one level down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Node {
    Split(Box<[Summary; FANOUT]>),
    /// In the order of their entities; at most [`LEAVES_MAX`].
    Leaves(Vec<Leaf>),
}

impl Node {
    /// What it says of its branch.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match self {
            Self::Split(branches) => Summary::of_branches(branches),
            Self::Leaves(leaves) => Summary::of_leaves(leaves),
        }
    }
}

/// The node at a path, from all leaves below it in the order of their entities: what the shape of
/// a tree means, in a dozen lines. Stores keep inner nodes instead of looking at every leaf.
#[must_use]
pub fn node_of(path: Path, leaves: &[Leaf]) -> Node {
    if leaves.len() <= LEAVES_MAX {
        return Node::Leaves(leaves.to_vec());
    }
    let mut branches = [Summary::EMPTY; FANOUT];
    for (nibble, summary) in (0..).zip(&mut branches) {
        let Some(below) = path.branch(nibble) else { break };
        let from = leaves.partition_point(|leaf| leaf.entity < below.first());
        let to = leaves.partition_point(|leaf| leaf.entity <= below.last());
        *summary = node_of(below, &leaves[from..to]).summary();
    }
    Node::Split(Box::new(branches))
}

#[cfg(test)]
mod tests;
