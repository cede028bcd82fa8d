//! The lock of a bucket: that it has one, and what a new version is retained for by default.

use std::fmt;

use super::{LockMode, Retention};
use crate::{Attributes, Millis, attribute};

const ENABLED: &str = "Enabled";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const DAYS_OF_YEAR: u64 = 365;

/// Of a bucket that has object lock, which it keeps for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LockConfig {
    pub default: Option<DefaultRetention>,
}

/// What a version that is put is retained for, unless its put says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DefaultRetention {
    pub mode: LockMode,
    pub period: Period,
}

/// As it was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    Days(u32),
    Years(u32),
}

/// The configuration is in the form of a newer release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("attribute `object-lock` was set by a newer release than this site runs")]
pub struct UnknownLock;

impl LockConfig {
    /// Of a bucket, if it has one.
    ///
    /// # Errors
    /// If this release cannot read it.
    pub fn of(attributes: &Attributes) -> Result<Option<Self>, UnknownLock> {
        let value = attributes.value(attribute::OBJECT_LOCK);
        value.map(|value| Self::parse(value).ok_or(UnknownLock)).transpose()
    }

    /// Inverse of its text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let words: Vec<&str> = std::str::from_utf8(text).ok()?.split(' ').collect();
        let default = match words[..] {
            [ENABLED] => None,
            [ENABLED, mode, count, unit] => {
                let count = count.parse().ok()?;
                let period = match unit {
                    "days" => Period::Days(count),
                    "years" => Period::Years(count),
                    _ => return None,
                };
                Some(DefaultRetention { mode: LockMode::named(mode)?, period })
            }
            _ => return None,
        };
        Some(Self { default })
    }
}

/// As it is kept: `Enabled`, or `Enabled GOVERNANCE 30 days`.
impl fmt::Display for LockConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ENABLED)?;
        let Some(DefaultRetention { mode, period }) = self.default else { return Ok(()) };
        match period {
            Period::Days(count) => write!(f, " {mode} {count} days"),
            Period::Years(count) => write!(f, " {mode} {count} years"),
        }
    }
}

impl DefaultRetention {
    /// Of what is put at a time.
    #[must_use]
    pub fn from(self, now: Millis) -> Retention {
        let days = match self.period {
            Period::Days(days) => u64::from(days),
            Period::Years(years) => u64::from(years) * DAYS_OF_YEAR,
        };
        Retention { mode: self.mode, until: Millis(now.0.saturating_add(days * DAY_MS)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_back_and_one_of_a_newer_release_is_not_misread() {
        let texts = ["Enabled", "Enabled GOVERNANCE 30 days", "Enabled COMPLIANCE 1 years"];
        for text in texts {
            assert_eq!(LockConfig::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        let newer = [
            "",
            "Disabled",
            "Enabled GOVERNANCE",
            "Enabled OTHER 1 days",
            "Enabled GOVERNANCE 1 weeks",
            "Enabled GOVERNANCE -1 days",
            "Enabled GOVERNANCE 1 days more",
        ];
        for text in newer {
            assert_eq!(LockConfig::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(LockConfig::parse(&[0xff]), None);
    }

    #[test]
    fn a_default_retention_lasts_as_long_as_it_says() {
        let until = |period| {
            let default = DefaultRetention { mode: LockMode::Governance, period };
            default.from(Millis(5)).until.0
        };
        assert_eq!(until(Period::Days(2)), 5 + 2 * DAY_MS);
        assert_eq!(until(Period::Years(1)), until(Period::Days(365)));
    }
}
