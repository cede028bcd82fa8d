//! Lifecycle of a bucket's objects: which of them expire when, and when uploads that nobody completes
//! are ended.

use std::time::Duration;

use model::{Millis, attribute};
use serde::{Deserialize, Serialize};

use super::{json_document, tags::Tags};

mod wire;

/// Rules of one bucket; the limit of S3.
const RULES_MAX: usize = 1_000;

/// The rules of a bucket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Lifecycle(pub(crate) Vec<Rule>);

json_document!(Lifecycle, attribute::LIFECYCLE);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) filter: Filter,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expiration: Option<Expiration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) noncurrent: Option<Noncurrent>,
    /// Days after which an upload that is not completed is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) abort_uploads: Option<u32>,
}

/// Which objects a rule is for: those that are all that it says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// How it was sent, so that it is shown alike.
    form: Form,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "no_tags")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    larger_than: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smaller_than: Option<u64>,
}

fn no_tags(tags: &Tags) -> bool {
    tags.0.is_empty()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// A prefix beside the rule's other parts, as it was before there were filters.
    Prefix,
    #[default]
    Filter,
    And,
}

/// When the newest version of an object expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expiration {
    /// So many days after it was written.
    Days(u32),
    /// From this time on, in seconds since 1970.
    Date(i64),
    /// A delete marker with nothing behind it.
    DeleteMarker(bool),
}

/// When versions expire that are not the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noncurrent {
    /// After another took their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) days: Option<u32>,
    /// So many of the newest of them stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<u32>,
}

/// How long a day of a rule is, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Day(u64);

impl Day {
    /// As S3 counts.
    pub const WHOLE: Self = Self(24 * 60 * 60 * 1_000);

    /// A shorter one, for rules that are tried out; a millisecond at least.
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self(u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1))
    }

    #[must_use]
    pub(crate) fn length(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Midnight (UTC) after so many whole days, as S3 counts them.
    fn after(self, begin: Millis, days: u32) -> Millis {
        let due = begin.0.saturating_add(u64::from(days).saturating_mul(self.0));
        Millis(due.div_ceil(self.0).saturating_mul(self.0))
    }
}

/// When rules are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Today {
    pub(crate) now: Millis,
    pub(crate) day: Day,
}

impl Today {
    /// Whether so many days are over.
    fn is_past(self, begin: Millis, days: u32) -> bool {
        self.now >= self.day.after(begin, days)
    }
}

/// An object version as rules look at it.
pub(crate) struct Candidate<'a> {
    pub(crate) key: &'a str,
    /// `None`: it is a delete marker, which has no tags either.
    pub(crate) size: Option<u64>,
    pub(crate) modified: Millis,
}

/// How a version stands behind those that took its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Behind {
    /// When that was.
    pub(crate) since: Millis,
    /// How many newer ones stand behind the latest as well.
    pub(crate) newer: u32,
}

/// What the rules of a bucket ask for at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Acts {
    pub(crate) objects: bool,
    /// Of versions behind the latest, and of delete markers.
    pub(crate) versions: bool,
    pub(crate) uploads: bool,
}

impl Lifecycle {
    /// The rule by which an object has expired, if one says so. Its tags are looked up only where they
    /// decide.
    pub(crate) fn expired<'a, E>(
        &'a self,
        object: &Candidate<'_>,
        today: Today,
        mut tags: impl FnMut() -> Result<Tags, E>,
    ) -> Result<Option<&'a Rule>, E> {
        for rule in self.0.iter().filter(|rule| rule.enabled) {
            if rule.is_due(object, today) {
                let wanted = &rule.filter.tags;
                if wanted.0.is_empty() || has_all(&tags()?, wanted) {
                    return Ok(Some(rule));
                }
            }
        }
        Ok(None)
    }

    /// Whether an object could have expired, whatever its tags are.
    pub(crate) fn may_expire(&self, object: &Candidate<'_>, today: Today) -> bool {
        self.0.iter().any(|rule| rule.enabled && rule.is_due(object, today))
    }

    /// When an object is going to expire, and by which rule: the first to come.
    pub(crate) fn expires<'a>(
        &'a self,
        object: &Candidate<'_>,
        tags: &Tags,
        day: Day,
    ) -> Option<(Millis, &'a str)> {
        let fits = |rule: &&Rule| {
            rule.enabled && rule.filter.fits(object) && has_all(tags, &rule.filter.tags)
        };
        let due = |rule: &'a Rule| Some((rule.expiration?.due(object, day)?, &*rule.id));
        self.0.iter().filter(fits).filter_map(due).min()
    }

    /// Whether an upload that began then has waited for too long.
    pub(crate) fn is_stale(&self, key: &str, began: Millis, today: Today) -> bool {
        self.0
            .iter()
            .filter(|rule| rule.enabled && rule.filter.begins(key))
            .any(|rule| rule.abort_uploads.is_some_and(|days| today.is_past(began, days)))
    }

    /// Whether a version that others took the place of has expired. Its tags are looked up only where
    /// they decide.
    pub(crate) fn expired_behind<E>(
        &self,
        version: &Candidate<'_>,
        behind: Behind,
        today: Today,
        mut tags: impl FnMut() -> Result<Tags, E>,
    ) -> Result<bool, E> {
        for rule in self.0.iter().filter(|rule| rule.enabled) {
            let due = rule.noncurrent.is_some_and(|noncurrent| noncurrent.is_due(behind, today));
            if due && rule.filter.fits(version) {
                let wanted = &rule.filter.tags;
                let marker = version.size.is_none();
                if wanted.0.is_empty() || !marker && has_all(&tags()?, wanted) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether a delete marker goes that is the only version of its key.
    pub(crate) fn expired_marker(&self, marker: &Candidate<'_>, today: Today) -> bool {
        self.0.iter().filter(|rule| rule.enabled).any(|rule| {
            let due = rule.expiration.is_some_and(|expiration| match expiration {
                Expiration::DeleteMarker(goes) => goes,
                other => other.is_due(marker, today),
            });
            due && rule.filter.tags.0.is_empty() && rule.filter.fits(marker)
        })
    }

    /// What the rules ask for at all.
    pub(crate) fn acts(&self) -> Acts {
        let any = |asks: fn(&Rule) -> bool| self.0.iter().any(|rule| rule.enabled && asks(rule));
        Acts {
            objects: any(|rule| {
                matches!(rule.expiration, Some(Expiration::Days(_) | Expiration::Date(_)))
            }),
            versions: any(|rule| rule.noncurrent.is_some() || rule.expiration.is_some()),
            uploads: any(|rule| rule.abort_uploads.is_some()),
        }
    }
}

impl Rule {
    /// Whether its time has come for an object that it is for, but for the object's tags.
    fn is_due(&self, object: &Candidate<'_>, today: Today) -> bool {
        self.expiration.is_some_and(|expiration| expiration.is_due(object, today))
            && self.filter.fits(object)
    }
}

impl Filter {
    fn begins(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }

    fn fits(&self, object: &Candidate<'_>) -> bool {
        self.begins(object.key)
            && self.larger_than.is_none_or(|bytes| object.size.is_some_and(|size| size > bytes))
            && self.smaller_than.is_none_or(|bytes| object.size.is_some_and(|size| size < bytes))
    }
}

fn has_all(tags: &Tags, wanted: &Tags) -> bool {
    wanted.0.iter().all(|(key, value)| tags.0.get(key) == Some(value))
}

impl Expiration {
    fn is_due(self, object: &Candidate<'_>, today: Today) -> bool {
        self.due(object, today.day).is_some_and(|due| today.now >= due)
    }

    /// When that is of an object.
    fn due(self, object: &Candidate<'_>, day: Day) -> Option<Millis> {
        match self {
            Self::Days(days) => Some(day.after(object.modified, days)),
            // What is before 1970 is over.
            Self::Date(seconds) => {
                Some(Millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)))
            }
            Self::DeleteMarker(_) => None,
        }
    }
}

impl Noncurrent {
    fn is_due(self, behind: Behind, today: Today) -> bool {
        behind.newer >= self.kept.unwrap_or(0)
            && today.is_past(behind.since, self.days.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
