//! The port to an ordered, transactional key-value engine.
//!
//! The store's one committer is the only caller of [`Engine::commit`]; anyone may read at any
//! time. Every record and rule of the store stands on these operations, and [`conformance`] is
//! what an implementation must pass.

#[cfg(test)]
pub(crate) mod conformance;
mod embedded;
mod memory;

use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use bytes::Bytes;

pub use embedded::Embedded;
pub use memory::Memory;

/// An ordered map of byte strings. The order of the variants is not persisted; the names are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// Identity, positions, peers: few rows, written with almost every commit.
    Meta,
    /// Buckets and users.
    Entities,
    /// The latest version of every key; of one without any, the tombstone of its null slot.
    Objects,
    /// What else is in the slots of keys: versions that stand, and tombstones.
    Slots,
    /// Versions that nobody can ask for any more, kept until their successors are complete.
    Versions,
    /// Attributes of object versions.
    Attributes,
    /// Events of this site, in order.
    History,
    /// What is known of each block and segment.
    Blocks,
    /// Blocks that are not here yet, and who waits for them.
    Wants,
    /// Work for the collector, and holes.
    Queues,
    /// Multipart uploads under way.
    Multipart,
    /// The hash tree over objects, buckets and users.
    Tree,
    /// Records that were set aside: rotten, or not what their origin has.
    Quarantine,
}

impl Table {
    /// Every table, in no order that matters.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Entities,
        Self::Objects,
        Self::Slots,
        Self::Versions,
        Self::Attributes,
        Self::History,
        Self::Blocks,
        Self::Wants,
        Self::Queues,
        Self::Multipart,
        Self::Tree,
        Self::Quarantine,
    ];

    /// Persisted name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Entities => "entities",
            Self::Objects => "objects",
            Self::Slots => "slots",
            Self::Versions => "versions",
            Self::Attributes => "attributes",
            Self::History => "history",
            Self::Blocks => "blocks",
            Self::Wants => "wants",
            Self::Queues => "queues",
            Self::Multipart => "multipart",
            Self::Tree => "tree",
            Self::Quarantine => "quarantine",
        }
    }
}

/// Rows to write as one: `None` removes.
pub type Batch = std::collections::BTreeMap<(Table, Bytes), Option<Bytes>>;

/// Keys from here to there.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Called for each row of a scan, in key order.
pub type Visit<'a> = &'a mut dyn FnMut(&Bytes, &Bytes) -> ControlFlow<()>;

/// Why an engine could not do it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process has the directory open.
    #[error("the store is in use by another process")]
    Locked,
    /// A write or sync failed before: what is on disk is unknown until a restart recovers it.
    #[error("the store stopped after a failed write; restart the site to recover")]
    Poisoned,
    /// The rows are of a format that this release cannot read.
    #[error("the engine's files are of a format that this release cannot read")]
    Format,
    /// The device or file system refused.
    #[error("storage engine failed")]
    Io(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An ordered, transactional key-value engine.
pub trait Engine: Send + Sync + 'static {
    /// The value of one key as of the last commit.
    ///
    /// # Errors
    /// If the device fails.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits the rows of a range in key order, all as of one instant, until `visit` breaks.
    ///
    /// # Errors
    /// If the device fails.
    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError>;

    /// Writes all rows or none. They are on stable storage before they are seen by any reader
    /// and before this returns. After an error the outcome is unknown and every later commit
    /// fails: a failed sync is never tried again.
    ///
    /// # Errors
    /// If the device fails, or failed before.
    fn commit(&self, batch: Batch) -> Result<(), EngineError>;

    /// All rows as of the last commit. Rows that are replaced later stay on disk for as long as it
    /// lives.
    fn snapshot(&self) -> Arc<dyn Snapshot>;
}

/// All tables as of one instant.
pub trait Snapshot: Send + Sync {
    /// As [`Engine::get`].
    ///
    /// # Errors
    /// If the device fails.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// As [`Engine::scan`].
    ///
    /// # Errors
    /// If the device fails.
    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError>;
}

/// The range of all keys with a prefix; `end` is scratch space for its upper bound.
#[must_use]
pub(crate) fn prefix_range<'a>(prefix: &'a [u8], end: &'a mut Vec<u8>) -> KeyRange<'a> {
    end.clear();
    end.extend_from_slice(prefix);
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return (Bound::Included(prefix), Bound::Excluded(end));
        }
        end.pop();
    }
    (Bound::Included(prefix), Bound::Unbounded)
}
