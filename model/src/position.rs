//! Where an event stands: `(site, epoch, partition, seq)`.
//!
//! Sequences are dense and ours; Kafka's offsets are only a cache of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::SiteId;

/// One incarnation of a site's numbering, new after any restore or clone of its store.
///
/// The number is the wall clock in milliseconds when the epoch was opened, raised above the one
/// before it, so that a later epoch always compares higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// One of the `P` ordered streams that a site's history is split into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Partition(pub u16);

/// How many partitions an epoch has: a power of two from 1 to 1,024.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PartitionCount(u16);

impl PartitionCount {
    /// Sixteen: enough for sixteen consumers' worth of order-free work, few enough that a
    /// heartbeat per partition and second costs nothing.
    pub const DEFAULT: Self = Self(16);

    /// `None` unless a power of two from 1 to 1,024.
    #[must_use]
    pub fn new(count: u16) -> Option<Self> {
        (count.is_power_of_two() && count <= 1024).then_some(Self(count))
    }

    /// The count.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// Every partition, in order.
    pub fn iter(self) -> impl Iterator<Item = Partition> + Clone {
        (0..self.0).map(Partition)
    }
}

impl TryFrom<u16> for PartitionCount {
    type Error = String;

    fn try_from(count: u16) -> Result<Self, String> {
        Self::new(count)
            .ok_or_else(|| format!("`{count}` partitions: must be a power of two up to 1024"))
    }
}

impl From<PartitionCount> for u16 {
    fn from(count: PartitionCount) -> Self {
        count.0
    }
}

/// Number of an event in its partition: dense, from 1. Zero means "none yet".
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const NONE: Self = Self(0);

    /// The one after this. The largest, which only bad input can hold, has none and stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one before this; [`Seq::NONE`] has none before it and stays.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One partition of one epoch of one site: the run in which seqs are dense and digests chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Line {
    pub site: SiteId,
    pub epoch: Epoch,
    pub partition: Partition,
}

impl Line {
    /// The position of one seq on this line.
    #[must_use]
    pub fn at(self, seq: Seq) -> Position {
        Position { site: self.site, epoch: self.epoch, partition: self.partition, seq }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}/{}", self.site, self.epoch.0, self.partition.0)
    }
}

/// Full address of an event, unique over all sites and for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    pub site: SiteId,
    pub epoch: Epoch,
    pub partition: Partition,
    pub seq: Seq,
}

impl Position {
    /// The line it stands on.
    #[must_use]
    pub fn line(self) -> Line {
        Line { site: self.site, epoch: self.epoch, partition: self.partition }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}/{}/{}", self.site, self.epoch.0, self.partition.0, self.seq)
    }
}
