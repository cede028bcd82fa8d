//! Conditions on a read, evaluated in the order of RFC 9110.

use model::Millis;

/// What an entity tag is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TagCondition {
    Any,
    /// One of these, without quotes.
    OneOf(Vec<String>),
}

/// The conditions of a read; times in seconds since the Unix epoch, as HTTP dates have no more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Preconditions {
    pub(crate) matches: Option<TagCondition>,
    pub(crate) matches_none: Option<TagCondition>,
    pub(crate) modified_since: Option<i64>,
    pub(crate) unmodified_since: Option<i64>,
}

/// What the conditions say of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Hold,
    /// The client has it already: 304.
    NotModified,
    /// 412.
    Failed,
}

impl TagCondition {
    /// Parses what stands in the header after the first quote and before the last.
    pub(crate) fn listed(inner: &str) -> Self {
        let tag = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        Self::OneOf(inner.split("\",").map(tag).collect())
    }

    fn holds(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

impl Preconditions {
    /// Evaluates the conditions on an object that exists. A condition on time counts only
    /// where there is none on the tag.
    pub(crate) fn evaluate(&self, etag: &str, modified: Millis) -> Verdict {
        let modified = i64::try_from(modified.0 / 1_000).unwrap_or(i64::MAX);
        let passes = match (&self.matches, self.unmodified_since) {
            (Some(condition), _) => condition.holds(etag),
            (None, Some(since)) => modified <= since,
            (None, None) => true,
        };
        if !passes {
            return Verdict::Failed;
        }
        let fresh = match (&self.matches_none, self.modified_since) {
            (Some(condition), _) => !condition.holds(etag),
            (None, Some(since)) => modified > since,
            (None, None) => true,
        };
        if fresh { Verdict::Hold } else { Verdict::NotModified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: Millis = Millis(10_999);

    fn verdict(change: impl FnOnce(&mut Preconditions)) -> Verdict {
        let mut preconditions = Preconditions::default();
        change(&mut preconditions);
        preconditions.evaluate("aa", MODIFIED)
    }

    #[test]
    fn tags_are_compared_one_by_one_and_by_star() {
        let tags = |inner| Some(TagCondition::listed(inner));
        assert_eq!(verdict(|c| c.matches = tags("aa")), Verdict::Hold);
        assert_eq!(verdict(|c| c.matches = tags("bb\", \"aa")), Verdict::Hold);
        assert_eq!(verdict(|c| c.matches = tags("bb")), Verdict::Failed);
        assert_eq!(verdict(|c| c.matches = Some(TagCondition::Any)), Verdict::Hold);
        assert_eq!(verdict(|c| c.matches_none = tags("aa")), Verdict::NotModified);
        assert_eq!(verdict(|c| c.matches_none = tags("bb\",W/\"aa")), Verdict::NotModified);
        assert_eq!(verdict(|c| c.matches_none = tags("bb")), Verdict::Hold);
        assert_eq!(verdict(|c| c.matches_none = Some(TagCondition::Any)), Verdict::NotModified);
    }

    #[test]
    fn times_are_compared_in_seconds() {
        assert_eq!(verdict(|c| c.modified_since = Some(10)), Verdict::NotModified);
        assert_eq!(verdict(|c| c.modified_since = Some(9)), Verdict::Hold);
        assert_eq!(verdict(|c| c.unmodified_since = Some(10)), Verdict::Hold);
        assert_eq!(verdict(|c| c.unmodified_since = Some(9)), Verdict::Failed);
    }

    #[test]
    fn a_tag_counts_before_a_time() {
        let tags = |inner| Some(TagCondition::listed(inner));
        let held = verdict(|c| (c.matches, c.unmodified_since) = (tags("aa"), Some(9)));
        assert_eq!(held, Verdict::Hold);
        let fresh = verdict(|c| (c.matches_none, c.modified_since) = (tags("bb"), Some(10)));
        assert_eq!(fresh, Verdict::Hold);
        let both = verdict(|c| (c.matches, c.matches_none) = (tags("bb"), tags("aa")));
        assert_eq!(both, Verdict::Failed);
    }
}
