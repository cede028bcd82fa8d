//! `[fullsync]`: when, how fast, and how much it may delete; and which of real time and full sync
//! bring an origin's buckets.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use model::BucketName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Origin, value};

/// `[fullsync]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FullSync {
    /// From the end of one to the beginning of the next. `None`: never by itself.
    #[serde(deserialize_with = "value::interval")]
    pub interval: Option<Duration>,
    /// Added to the interval, by chance, up to this much.
    #[serde(deserialize_with = "value::duration")]
    pub jitter: Duration,
    pub on_connect: bool,
    pub max_deletes: MaxDeletes,
    /// `None`: no limit.
    #[serde(deserialize_with = "value::some_bytes")]
    pub bytes_per_second: Option<u64>,
    pub parallel: usize,
    /// From the end of one deep sync to the beginning of the next. `None`: never by itself.
    #[serde(deserialize_with = "value::interval")]
    pub scrub_interval: Option<Duration>,
}

impl Default for FullSync {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_hours(6)),
            jitter: Duration::from_mins(10),
            on_connect: false,
            max_deletes: MaxDeletes::Default,
            bytes_per_second: None,
            parallel: 8,
            scrub_interval: Some(Duration::from_hours(30 * 24)),
        }
    }
}

/// How much one full sync may delete: more of it is held back until a person says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MaxDeletes {
    /// The larger of 1,000 and 5 % of what is here.
    #[default]
    Default,
    Count(u64),
    /// Of what is here; at most 100.
    Percent(u8),
}

/// Not a ceiling.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no ceiling on deletes; write it like 1000, \"5%\" or \"default\"")]
pub struct NoCeiling(String);

impl FromStr for MaxDeletes {
    type Err = NoCeiling;

    fn from_str(text: &str) -> Result<Self, NoCeiling> {
        let ceiling = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| *p <= 100).map(Self::Percent),
            None if text == "default" => Some(Self::Default),
            None => text.parse().ok().map(Self::Count),
        };
        ceiling.ok_or_else(|| NoCeiling(text.to_owned()))
    }
}

impl fmt::Display for MaxDeletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for MaxDeletes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MaxDeletes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CeilingVisitor)
    }
}

struct CeilingVisitor;

impl de::Visitor<'_> for CeilingVisitor {
    type Value = MaxDeletes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text like \"5%\"")
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<MaxDeletes, E> {
        let wrong = || E::custom(NoCeiling(count.to_string()));
        u64::try_from(count).map(MaxDeletes::Count).map_err(|_| wrong())
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<MaxDeletes, E> {
        Ok(MaxDeletes::Count(count))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<MaxDeletes, E> {
        text.parse().map_err(E::custom)
    }
}

/// `[[origin.bucket]]`: what differs for one bucket from its origin.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginBucket {
    pub name: BucketName,
    /// `None`: as for the origin. The same for the next.
    pub realtime: Option<bool>,
    pub fullsync: Option<bool>,
}

impl Origin {
    /// Buckets whose objects do not come by real time.
    #[must_use]
    pub fn without_realtime(&self) -> BTreeSet<BucketName> {
        self.buckets_where(|bucket| bucket.realtime == Some(false))
    }

    /// Buckets that full sync does not look at.
    #[must_use]
    pub fn without_fullsync(&self) -> BTreeSet<BucketName> {
        self.buckets_where(|bucket| bucket.fullsync == Some(false))
    }

    fn buckets_where(&self, has: impl Fn(&OriginBucket) -> bool) -> BTreeSet<BucketName> {
        self.buckets.iter().filter(|bucket| has(bucket)).map(|it| it.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_a_number_or_a_part_and_reads_as_it_is_written() {
        for (text, ceiling) in [
            ("default", MaxDeletes::Default),
            ("0", MaxDeletes::Count(0)),
            ("1000", MaxDeletes::Count(1_000)),
            ("5%", MaxDeletes::Percent(5)),
            ("100%", MaxDeletes::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(ceiling));
            assert_eq!(ceiling.to_string(), text);
        }
        for wrong in ["", "-1", "101%", "5 %", "many", "%"] {
            assert!(wrong.parse::<MaxDeletes>().is_err(), "{wrong}");
        }
    }
}
