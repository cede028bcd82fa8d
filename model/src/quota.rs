//! How much a bucket, or all buckets of a user, may hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Attributes, BucketName, Usage, UserId, attribute};

/// What may stand at most; `None`: as much as there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Of all versions.
    pub bytes: Option<u64>,
    /// Each version counts as one; delete markers do not.
    pub objects: Option<u64>,
}

/// What to set of a quota: `None` leaves a limit as it is, `Some(None)` takes it away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuotaChange {
    pub bytes: Option<Option<u64>>,
    pub objects: Option<Option<u64>>,
}

/// Whose quota it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    Bucket(BucketName),
    User(UserId),
}

/// A write would hold more than a quota allows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{holder} may hold {most} {what}, and this would be more")]
pub struct QuotaExceeded {
    pub holder: Holder,
    pub most: u64,
    /// `bytes` or `objects`.
    pub what: &'static str,
}

/// The quota is in the form of a newer release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("attribute `quota` was set by a newer release than this site runs")]
pub struct UnknownQuota;

const BYTES: &str = "bytes";
const OBJECTS: &str = "objects";

impl Quota {
    /// Of a bucket.
    ///
    /// # Errors
    /// If this release cannot read it.
    pub fn of(attributes: &Attributes) -> Result<Self, UnknownQuota> {
        let value = attributes.value(attribute::QUOTA);
        value.map_or(Ok(Self::default()), |value| Self::parse(value).ok_or(UnknownQuota))
    }

    /// Inverse of its text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut quota = Self::default();
        for limit in std::str::from_utf8(text).ok()?.split(", ") {
            let (most, what) = limit.split_once(' ')?;
            let limit = match what {
                BYTES => &mut quota.bytes,
                OBJECTS => &mut quota.objects,
                _ => return None,
            };
            *limit = Some(most.parse().ok()?);
        }
        Some(quota)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The quota after a change.
    #[must_use]
    pub fn with(self, change: QuotaChange) -> Self {
        let bytes = change.bytes.unwrap_or(self.bytes);
        Self { bytes, objects: change.objects.unwrap_or(self.objects) }
    }

    /// Whether what is there may grow by so much. What does not grow is let be, however full it is.
    ///
    /// # Errors
    /// If it may not; whose quota it is, `holder` says.
    pub fn admits(
        &self,
        there: Usage,
        growth: Usage,
        holder: impl FnOnce() -> Holder,
    ) -> Result<(), QuotaExceeded> {
        let after = there + growth;
        let exceeds = |most: Option<u64>, after: i64, growth: i64| {
            most.filter(|most| growth > 0 && u64::try_from(after).is_ok_and(|after| after > *most))
        };
        let bytes = exceeds(self.bytes, after.bytes, growth.bytes).map(|most| (most, BYTES));
        let objects = exceeds(self.objects, after.versions, growth.versions);
        match bytes.or(objects.map(|most| (most, OBJECTS))) {
            None => Ok(()),
            Some((most, what)) => Err(QuotaExceeded { holder: holder(), most, what }),
        }
    }
}

/// As it is kept of a bucket: `1000 bytes, 20 objects`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |most: Option<u64>, what: &str| most.map(|most| format!("{most} {what}"));
        let limits = [limit(self.bytes, BYTES), limit(self.objects, OBJECTS)];
        f.write_str(&limits.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket(bucket) => write!(f, "bucket `{bucket}`"),
            Self::User(user) => write!(f, "user `{user}`, who owns the bucket,"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_reads_back_and_one_of_a_newer_release_is_not_misread() {
        for text in ["5 bytes", "0 objects", "18446744073709551615 bytes, 7 objects"] {
            assert_eq!(Quota::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        for newer in ["", "5", "5 keys", "-1 bytes", "5 bytes,7 objects", "5 bytes, 7 keys"] {
            assert_eq!(Quota::parse(newer.as_bytes()), None, "{newer}");
        }
        assert_eq!(Quota::parse(&[0xff]), None);
    }

    #[test]
    fn what_grows_past_a_limit_is_refused_and_what_does_not_grow_never() {
        let quota = Quota { bytes: Some(10), objects: Some(2) };
        let holder = || Holder::User(UserId::root());
        let there = |versions, bytes| Usage { versions, bytes, ..Usage::NONE };
        let admits = |there, growth| quota.admits(there, growth, holder);
        assert_eq!(admits(there(1, 4), Usage::of_version(6)), Ok(()));
        let refused = admits(there(1, 4), Usage::of_version(7)).unwrap_err();
        assert_eq!((refused.most, refused.what), (10, "bytes"));
        assert!(refused.to_string().starts_with("user `root`, who owns the bucket, may hold 10"));
        assert_eq!(admits(there(2, 4), Usage::of_version(0)).unwrap_err().what, "objects");
        // Another in its place that is no larger, though all is past the quota.
        assert_eq!(admits(there(9, 99), there(0, 0)), Ok(()));
        assert_eq!(admits(there(9, 99), there(0, -1)), Ok(()));
        assert!(admits(there(9, 99), there(0, 1)).is_err());
        assert_eq!(Quota::default().admits(there(9, 99), Usage::of_version(9), holder), Ok(()));
        // Not counted yet: there may seem to be less than nothing.
        assert_eq!(admits(there(-5, -99), Usage::of_version(7)), Ok(()));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let quota = Quota { bytes: Some(10), objects: Some(2) };
        let change = QuotaChange { bytes: Some(None), objects: None };
        assert_eq!(quota.with(change), Quota { bytes: None, objects: Some(2) });
        let change = QuotaChange { bytes: Some(Some(1)), objects: Some(None) };
        assert_eq!(quota.with(change), Quota { bytes: Some(1), objects: None });
        assert_eq!(quota.with(QuotaChange::default()), quota);
    }
}
