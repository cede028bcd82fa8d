//! The hash tree (decision 0009). Keys, all in `tree`: `l` scope place (a leaf), `n` scope nibbles (a
//! branch that is split), `s` (how far the tree is built); its marks have a file of their own. In
//! `meta`: `verified`.
//!
//! A scope is the name of its bucket, none for buckets and users, and a NUL; a place is the hash of
//! an entity; nibbles are a byte each, so that a branch sorts before what is below it.
//!
//! Layout of a leaf after the format byte: version (24), content (32), flags (1: deleted,
//! attributes), position (site 16, epoch 8, partition 2, seq 8), of attributes digest (32) and
//! position, and the rest is what names the entity: the row of a slot behind the scope
//! ([`super::SlotRecord`]), or the key in `entities`. A node is its branches: leaves (8), digest (32).

use bytes::Bytes;
use model::{
    BucketName, Digest, EntityHash, Epoch, Millis, Partition, Position, Seq, SiteId, Version,
    tree::{FANOUT, Leaf, LeafAttributes, Path, Scope, Summary},
};
use serde::{Deserialize, Serialize};

use super::{Record, join};
use crate::{engine::Table, tree::Stage};

const LEAF: &[u8] = b"l";
pub(crate) const NODE: &[u8] = b"n";
/// Of the fields of a leaf without attributes.
const LEAF_LEN: usize = Version::LEN + 32 + 1 + POSITION_LEN;
const ATTRIBUTES_LEN: usize = 32 + POSITION_LEN;
const POSITION_LEN: usize = 16 + 8 + 2 + 8;
const DELETED: u8 = 1;
const ATTRIBUTES: u8 = 2;

/// A leaf, and how to find the record that it speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeafRecord {
    pub(crate) version: Version,
    pub(crate) content: Digest,
    pub(crate) deleted: bool,
    pub(crate) position: Position,
    pub(crate) attributes: Option<LeafAttributes>,
    /// Row of a slot behind its scope, or key of a row in `entities`.
    pub(crate) name: Bytes,
}

impl LeafRecord {
    pub(crate) const PREFIX: &'static [u8] = LEAF;

    pub(crate) fn key(scope: &[u8], entity: EntityHash) -> Bytes {
        join(&[LEAF, scope, &entity.0.0])
    }

    /// What the keys of leaves of one key's versions begin with.
    pub(crate) fn first_of_key(scope: &[u8], entity: EntityHash) -> Bytes {
        join(&[LEAF, scope, &entity.0.0[..EntityHash::OF_KEY]])
    }

    pub(crate) fn leaf(&self, entity: EntityHash) -> Leaf {
        let Self { version, content, deleted, position, attributes, .. } = *self;
        Leaf { entity, version, content, deleted, position, attributes }
    }

    /// The row that names the entity: that of a slot is not always where its record is.
    pub(crate) fn row(&self, scope: &[u8]) -> (Table, Bytes) {
        match scope {
            [0] => (Table::Entities, self.name.clone()),
            bucket => (Table::Objects, join(&[bucket, &self.name])),
        }
    }
}

impl Record for LeafRecord {
    const TABLE: Table = Table::Tree;
    const NAME: &'static str = "leaf";
    const FORMAT: u8 = 1;

    fn encode_body(&self, body: &mut Vec<u8>) {
        let attributes = self.attributes.as_ref();
        let flags = if self.deleted { DELETED } else { 0 };
        let (flags, more) = match attributes {
            Some(_) => (flags | ATTRIBUTES, ATTRIBUTES_LEN),
            None => (flags, 0),
        };
        body.reserve_exact(LEAF_LEN + more + self.name.len());
        body.extend_from_slice(&self.version.to_bytes());
        body.extend_from_slice(&self.content.0);
        body.push(flags);
        put_position(body, self.position);
        if let Some(LeafAttributes { digest, position }) = attributes {
            body.extend_from_slice(&digest.0);
            put_position(body, *position);
        }
        body.extend_from_slice(&self.name);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        let (version, rest) = body.split_at_checked(Version::LEN)?;
        let (content, rest) = rest.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        let (position, mut rest) = position(rest)?;
        let mut attributes = None;
        if flags & ATTRIBUTES != 0 {
            let (digest, more) = rest.split_first_chunk::<32>()?;
            let (position, name) = self::position(more)?;
            attributes = Some(LeafAttributes { digest: Digest(*digest), position });
            rest = name;
        }
        Some(Self {
            version: Version::from_bytes(version)?,
            content: Digest(*content),
            deleted: flags & DELETED != 0,
            position,
            attributes,
            name: body.slice_ref(rest),
        })
    }
}

fn put_position(body: &mut Vec<u8>, position: Position) {
    let Position { site, epoch, partition, seq } = position;
    body.extend_from_slice(&site.0);
    body.extend_from_slice(&epoch.0.to_be_bytes());
    body.extend_from_slice(&partition.0.to_be_bytes());
    body.extend_from_slice(&seq.0.to_be_bytes());
}

fn position(bytes: &[u8]) -> Option<(Position, &[u8])> {
    let (site, rest) = bytes.split_first_chunk::<16>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (partition, rest) = rest.split_first_chunk::<2>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let position = Position {
        site: SiteId(*site),
        epoch: Epoch(u64::from_be_bytes(*epoch)),
        partition: Partition(u16::from_be_bytes(*partition)),
        seq: Seq(u64::from_be_bytes(*seq)),
    };
    Some((position, rest))
}

/// Scope, with its NUL, and place inside the key of a leaf.
pub(crate) fn split_place(key: &[u8]) -> Option<(&[u8], EntityHash)> {
    let (scope, place) = key.get(1..)?.split_last_chunk::<32>()?;
    Some((scope, EntityHash(Digest(*place))))
}

pub(crate) fn scope_bytes(scope: &Scope) -> Vec<u8> {
    let name = match scope {
        Scope::Entities => "",
        Scope::Bucket(bucket) => bucket.as_str(),
    };
    [name.as_bytes(), &[0]].concat()
}

/// Inverse of [`scope_bytes`].
pub(crate) fn scope_of(bytes: &[u8]) -> Option<Scope> {
    let name = std::str::from_utf8(bytes.strip_suffix(&[0])?).ok()?;
    match name {
        "" => Some(Scope::Entities),
        name => BucketName::try_from(name.to_owned()).ok().map(Scope::Bucket),
    }
}

/// The branches of a split branch.
pub(crate) type Branches = [Summary; FANOUT];

/// A branch that is split.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeRecord(pub(crate) Box<Branches>);

impl NodeRecord {
    pub(crate) fn key(scope: &[u8], path: Path) -> Bytes {
        let place = path.first().0.0;
        let nibbles = place.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut key = Vec::with_capacity(1 + scope.len() + usize::from(path.depth()));
        key.extend_from_slice(NODE);
        key.extend_from_slice(scope);
        key.extend(nibbles.take(path.depth().into()));
        key.into()
    }

    /// Scope, with its NUL, and path inside a key of this record.
    pub(crate) fn split(key: &[u8]) -> Option<(&[u8], Path)> {
        let rest = key.strip_prefix(NODE)?;
        let nul = rest.iter().position(|&byte| byte == 0)?;
        let (scope, nibbles) = rest.split_at(nul + 1);
        let path = nibbles.iter().try_fold(Path::ROOT, |path, &nibble| path.branch(nibble))?;
        Some((scope, path))
    }
}

impl Record for NodeRecord {
    const TABLE: Table = Table::Tree;
    const NAME: &'static str = "node";
    const FORMAT: u8 = 1;

    fn encode_body(&self, body: &mut Vec<u8>) {
        body.reserve_exact(FANOUT * 40);
        for branch in &*self.0 {
            body.extend_from_slice(&branch.leaves.to_be_bytes());
            body.extend_from_slice(&branch.digest.0);
        }
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        if body.len() != FANOUT * 40 {
            return None;
        }
        let mut branches = Box::new([Summary::EMPTY; FANOUT]);
        for (branch, bytes) in branches.iter_mut().zip(body.chunks_exact(40)) {
            let (leaves, digest) = bytes.split_first_chunk::<8>()?;
            branch.leaves = u64::from_be_bytes(*leaves);
            branch.digest = Digest(digest.try_into().ok()?);
        }
        Some(Self(branches))
    }
}

/// How far the tree is built out of records that a release without trees wrote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum TreeStateRecord {
    /// Objects up to this row have their leaves.
    Objects(Vec<u8>),
    /// Buckets and users up to this row as well.
    Entities(Vec<u8>),
    /// All leaves are there; nodes are not.
    Leaves,
    Built,
    /// Objects have their leaves, and slots up to this row; buckets and users come next.
    Slots(Vec<u8>),
}

super::record!(TreeStateRecord, Table::Tree, "tree state", format 1);

impl TreeStateRecord {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"s")
    }
}

/// When the tree was last compared with all records, in a round of small steps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VerifiedRecord {
    /// When the round began that ended last, and when it ended; zero before the first.
    pub(crate) began: Millis,
    pub(crate) ended: Millis,
    /// What it found to differ.
    pub(crate) differ: u64,
    /// The round under way.
    pub(crate) round: Option<Round>,
}

/// A round of small steps, and how far it has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) began: Millis,
    pub(crate) differ: u64,
    pub(crate) stage: Stage,
}

super::record!(VerifiedRecord, Table::Meta, "verified", format 1);

impl VerifiedRecord {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"verified")
    }
}

#[cfg(test)]
mod tests;
