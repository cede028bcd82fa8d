//! What stands in a bucket, counted.

use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

/// What stands: versions of objects and delete markers, whatever slot they are in. Tombstones, and what
/// a collector has yet to free, are none of it. Signed, so that it is a difference as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Keys whose latest version is an object.
    pub objects: i64,
    /// Versions of objects, the latest ones among them.
    pub versions: i64,
    /// Delete markers.
    pub markers: i64,
    /// Bytes of all versions, as clients have sent them: what they share is counted for each.
    pub bytes: i64,
}

impl Usage {
    pub const NONE: Self = Self { objects: 0, versions: 0, markers: 0, bytes: 0 };

    /// Of one version of this size.
    #[must_use]
    pub fn of_version(size: u64) -> Self {
        let bytes = i64::try_from(size).unwrap_or(i64::MAX);
        Self { versions: 1, bytes, ..Self::NONE }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_add(other.objects),
            versions: self.versions.saturating_add(other.versions),
            markers: self.markers.saturating_add(other.markers),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Neg for Usage {
    type Output = Self;

    fn neg(self) -> Self {
        let Self { objects, versions, markers, bytes } = self;
        Self { objects: -objects, versions: -versions, markers: -markers, bytes: -bytes }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::NONE, Add::add)
    }
}
