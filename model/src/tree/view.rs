//! The port to a tree as it was at one instant, and one in memory.
//!
//! A view never changes: what two questions to it say fits together, however long the time
//! between them.

use std::{collections::BTreeMap, error::Error, ops::Bound};

use super::{Leaf, Node, Path, Scope, Summary, node_of};
use crate::{BucketName, Entity, EntityHash, Event, Slot, SlotName};

/// A tree could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read the hash tree")]
pub struct TreeError(#[source] pub Box<dyn Error + Send + Sync>);

/// Slots of keys of a bucket that begin alike, from behind one up to another, in their order.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Span {
    pub bucket: BucketName,
    pub prefix: String,
    /// Not in it itself.
    pub after: Option<SlotName>,
    /// The last one in it.
    pub up_to: Option<SlotName>,
}

impl Span {
    /// Whether a slot is in it.
    #[must_use]
    pub fn holds(&self, slot: &SlotName) -> bool {
        slot.key.as_str().starts_with(&self.prefix)
            && self.after.as_ref().is_none_or(|after| slot > after)
            && self.up_to.as_ref().is_none_or(|last| slot <= last)
    }
}

/// A site's trees as of one instant. Reads block: call it where that is allowed.
pub trait View: Send + Sync {
    /// Every tree that is not empty.
    ///
    /// # Errors
    /// If it cannot be read.
    fn roots(&self) -> Result<BTreeMap<Scope, Summary>, TreeError>;

    /// The branch at a path; one that holds nothing has no leaves.
    ///
    /// # Errors
    /// If it cannot be read.
    fn node(&self, scope: &Scope, path: Path) -> Result<Node, TreeError>;

    /// The leaf of an entity.
    ///
    /// # Errors
    /// If it cannot be read.
    fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, TreeError>;

    /// The state of an entity, as the events that bring it about elsewhere, in their order.
    /// Nothing if there is no leaf.
    ///
    /// # Errors
    /// If it cannot be read.
    fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, TreeError>;

    /// The first leaves of a span, tombstones included, in the order of slots.
    ///
    /// # Errors
    /// If it cannot be read.
    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, TreeError>;
}

/// A tree in memory, from which the shape is worked out whenever it is asked for: what the
/// others are compared with.
#[derive(Clone, Default, Debug)]
pub struct MemoryView {
    scopes: BTreeMap<Scope, BTreeMap<EntityHash, (Leaf, Vec<Event>)>>,
}

impl MemoryView {
    /// Puts a leaf and what it stands for in place of what is there.
    pub fn put(&mut self, scope: Scope, leaf: Leaf, change: Vec<Event>) {
        self.scopes.entry(scope).or_default().insert(leaf.entity, (leaf, change));
    }

    /// Takes an entity out.
    pub fn remove(&mut self, scope: &Scope, entity: EntityHash) {
        if let Some(leaves) = self.scopes.get_mut(scope) {
            leaves.remove(&entity);
        }
    }

    /// Every leaf of a scope, in the order of entities.
    #[must_use]
    pub fn leaves(&self, scope: &Scope) -> Vec<Leaf> {
        let leaves = self.scopes.get(scope).into_iter().flat_map(BTreeMap::values);
        leaves.map(|(leaf, _)| *leaf).collect()
    }
}

impl View for MemoryView {
    fn roots(&self) -> Result<BTreeMap<Scope, Summary>, TreeError> {
        let root = |scope: &Scope| node_of(Path::ROOT, &self.leaves(scope)).summary();
        let roots = self.scopes.keys().map(|scope| (scope.clone(), root(scope)));
        Ok(roots.filter(|(_, root)| *root != Summary::EMPTY).collect())
    }

    fn node(&self, scope: &Scope, path: Path) -> Result<Node, TreeError> {
        let range = (Bound::Included(path.first()), Bound::Included(path.last()));
        let below = self.scopes.get(scope).into_iter().flat_map(|leaves| leaves.range(range));
        let below: Vec<Leaf> = below.map(|(_, (leaf, _))| *leaf).collect();
        Ok(node_of(path, &below))
    }

    fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, TreeError> {
        let held = self.scopes.get(scope).and_then(|leaves| leaves.get(&entity));
        Ok(held.map(|(leaf, _)| *leaf))
    }

    fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, TreeError> {
        let held = self.scopes.get(scope).and_then(|leaves| leaves.get(&entity));
        Ok(held.map(|(_, change)| change.clone()).unwrap_or_default())
    }

    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, TreeError> {
        let scope = Scope::Bucket(span.bucket.clone());
        let held = self.scopes.get(&scope).into_iter().flat_map(BTreeMap::values);
        let keyed = held.filter_map(|(leaf, change)| {
            let name = match change.first()?.change.entity() {
                Entity::Object(_, key) => SlotName { key, slot: Slot::Null },
                Entity::Version(_, key, of) => SlotName { key, slot: Slot::Own(of) },
                Entity::Bucket(_) | Entity::User(_) | Entity::Partition(..) => return None,
            };
            span.holds(&name).then_some((name, *leaf))
        });
        let keys: BTreeMap<_, _> = keyed.collect();
        Ok(keys.into_iter().take(limit).collect())
    }
}
