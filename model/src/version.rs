//! Versions: which of two states of one entity is the newer, everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::SiteId;

/// Milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

impl Millis {
    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// As in RFC 3339, in UTC; a number beyond the year 9999 as it is.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000);
        match time.ok().and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Hybrid logical clock: 48 bits of milliseconds, 16 bits that count within one.
///
/// After Kulkarni et al., "Logical Physical Clocks" (2014). It follows the wall clock, never
/// goes back, and moves past every value it is shown.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The lowest reading of one millisecond.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self(now.0 << 16)
    }

    /// The reading after this one when the wall clock says `now`.
    #[must_use]
    pub fn tick(self, now: Millis) -> Self {
        Self((self.0 + 1).max(Self::at(now).0))
    }

    /// The wall-clock part.
    #[must_use]
    pub fn millis(self) -> Millis {
        Millis(self.0 >> 16)
    }
}

/// Version of an entity: assigned in the commit section, strictly increasing at its site.
///
/// Ordered by clock, then by site, so that of two writers everywhere the same one wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Version {
    pub hlc: Hlc,
    pub site: SiteId,
}

impl Version {
    /// Below every version that is ever assigned.
    pub const NONE: Self = Self { hlc: Hlc(0), site: SiteId([0; 16]) };

    /// Length of [`Version::to_bytes`].
    pub const LEN: usize = 24;

    /// Big-endian clock, then site: bytes sort as versions do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.hlc.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.site.0);
        bytes
    }

    /// Inverse of [`Version::to_bytes`]; `None` if the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hlc, site) = bytes.split_first_chunk::<8>()?;
        Some(Self { hlc: Hlc(u64::from_be_bytes(*hlc)), site: SiteId(site.try_into().ok()?) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_never_goes_back_when_the_wall_clock_does() {
        let first = Hlc::default().tick(Millis(1_000));
        let second = first.tick(Millis(10));
        assert!(second > first);
        assert_eq!(second.tick(Millis(2_000)).millis(), Millis(2_000));
    }

    #[test]
    fn bytes_sort_as_versions_do() {
        let version = |hlc, site| Version { hlc: Hlc(hlc), site: SiteId([site; 16]) };
        let mut versions = [version(256, 1), version(1, 9), version(255, 2), version(256, 0)];
        versions.sort();
        assert!(versions.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
        assert_eq!(Version::from_bytes(&versions[0].to_bytes()), Some(versions[0]));
        assert_eq!(Version::from_bytes(b"short"), None);
    }
}
