//! Rules as clients send them, checked, and as they are shown: alike.

use s3s::{
    S3Result,
    dto::{
        AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
        LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Tag, Timestamp,
    },
    s3_error,
};
use time::OffsetDateTime;

use super::{Expiration, Filter, Form, Lifecycle, Noncurrent, RULES_MAX, Rule};
use crate::documents::{
    Document, fits,
    tags::{OF_OBJECT_MAX, Tags},
};

/// Characters of a rule's id; the limit of S3.
const ID_MAX: usize = 255;

impl Lifecycle {
    /// Checks what a client sends. A rule without an id is given one.
    pub(crate) fn from_configuration(
        configuration: BucketLifecycleConfiguration,
        mut draw_id: impl FnMut() -> String,
    ) -> S3Result<Self> {
        let rules = configuration.rules;
        if !(1..=RULES_MAX).contains(&rules.len()) {
            return Err(s3_error!(MalformedXML, "A lifecycle has 1 to {RULES_MAX} rules"));
        }
        let rules = rules.into_iter().map(|rule| Rule::new(rule, &mut draw_id));
        let rules = rules.collect::<S3Result<Vec<_>>>()?;
        let mut ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(s3_error!(InvalidArgument, "Rule ID must be unique: `{}`", twice[0]));
        }
        let lifecycle = Self(rules);
        if !fits(&lifecycle.to_bytes()) {
            return Err(s3_error!(InvalidRequest, "The lifecycle configuration is too large"));
        }
        Ok(lifecycle)
    }

    pub(crate) fn to_rules(&self) -> Vec<LifecycleRule> {
        self.0.iter().map(Rule::shown).collect()
    }
}

impl Rule {
    fn new(rule: LifecycleRule, draw_id: impl FnOnce() -> String) -> S3Result<Self> {
        let enabled = match rule.status.as_str() {
            ExpirationStatus::ENABLED => true,
            ExpirationStatus::DISABLED => false,
            _ => return Err(s3_error!(MalformedXML, "Status is Enabled or Disabled")),
        };
        let id = rule.id.filter(|id| !id.is_empty()).unwrap_or_else(draw_id);
        if id.chars().count() > ID_MAX {
            return Err(s3_error!(InvalidArgument, "ID length should not exceed {ID_MAX}"));
        }
        if rule.transitions.is_some() || rule.noncurrent_version_transitions.is_some() {
            return Err(s3_error!(NotImplemented, "There is one storage class here"));
        }
        let filter = Filter::new(rule.filter, rule.prefix)?;
        let expiration = rule.expiration.map(expiration).transpose()?;
        let noncurrent = rule.noncurrent_version_expiration.map(noncurrent).transpose()?;
        let abort = rule.abort_incomplete_multipart_upload;
        let abort_uploads = abort.map(|abort| positive(abort.days_after_initiation)).transpose()?;
        if expiration.is_none() && noncurrent.is_none() && abort_uploads.is_none() {
            return Err(s3_error!(InvalidRequest, "At least one action needs to be in a rule"));
        }
        let tagged = !filter.tags.0.is_empty();
        let sized = filter.larger_than.is_some() || filter.smaller_than.is_some();
        let marker = matches!(expiration, Some(Expiration::DeleteMarker(_)));
        if (tagged || sized) && abort_uploads.is_some() {
            let what = "AbortIncompleteMultipartUpload cannot be with tags or sizes";
            return Err(s3_error!(InvalidRequest, "{what}"));
        }
        if tagged && marker {
            let what = "ExpiredObjectDeleteMarker cannot be with tags";
            return Err(s3_error!(InvalidRequest, "{what}"));
        }
        Ok(Self { id, enabled, filter, expiration, noncurrent, abort_uploads })
    }

    fn shown(&self) -> LifecycleRule {
        let (filter, prefix) = self.filter.shown();
        let status =
            if self.enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
        LifecycleRule {
            id: Some(self.id.clone()),
            status: ExpirationStatus::from_static(status),
            filter,
            prefix,
            expiration: self.expiration.map(Expiration::shown),
            noncurrent_version_expiration: self.noncurrent.map(|noncurrent| {
                NoncurrentVersionExpiration {
                    noncurrent_days: noncurrent.days.map(shown),
                    newer_noncurrent_versions: noncurrent.kept.map(shown),
                }
            }),
            abort_incomplete_multipart_upload: self.abort_uploads.map(|days| {
                AbortIncompleteMultipartUpload { days_after_initiation: Some(shown(days)) }
            }),
            noncurrent_version_transitions: None,
            transitions: None,
        }
    }
}

impl Filter {
    fn new(filter: Option<LifecycleRuleFilter>, prefix: Option<String>) -> S3Result<Self> {
        let filter = match (filter, prefix) {
            (None, Some(prefix)) => {
                let prefix = Some(prefix);
                return Ok(Self { form: Form::Prefix, prefix, ..Self::default() });
            }
            (Some(filter), None) => filter,
            _ => return Err(s3_error!(MalformedXML, "A rule has a Filter, or a Prefix")),
        };
        let size = |bytes: Option<i64>| match bytes.map(u64::try_from) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(_)) => Err(s3_error!(InvalidRequest, "A size is not below zero")),
        };
        let one_tag = |tag: Tag| Tags::from_set(vec![tag], OF_OBJECT_MAX);
        let alone = Self {
            form: Form::Filter,
            prefix: filter.prefix,
            tags: filter.tag.map(one_tag).transpose()?.unwrap_or_default(),
            larger_than: size(filter.object_size_greater_than)?,
            smaller_than: size(filter.object_size_less_than)?,
        };
        let Some(and) = filter.and else {
            if alone.parts() > 1 {
                return Err(s3_error!(MalformedXML, "A filter has one part, or And"));
            }
            return Ok(alone);
        };
        if alone.parts() > 0 {
            return Err(s3_error!(MalformedXML, "Beside And there is nothing in a filter"));
        }
        let filter = Self {
            form: Form::And,
            prefix: and.prefix,
            tags: Tags::from_set(and.tags.unwrap_or_default(), OF_OBJECT_MAX)?,
            larger_than: size(and.object_size_greater_than)?,
            smaller_than: size(and.object_size_less_than)?,
        };
        if let (Some(larger), Some(smaller)) = (filter.larger_than, filter.smaller_than)
            && larger >= smaller
        {
            let what = "ObjectSizeGreaterThan must be below ObjectSizeLessThan";
            return Err(s3_error!(InvalidRequest, "{what}"));
        }
        Ok(filter)
    }

    fn parts(&self) -> usize {
        let sizes = self.larger_than.iter().count() + self.smaller_than.iter().count();
        self.prefix.iter().count() + self.tags.0.len() + sizes
    }

    /// As it was sent: a filter, or a prefix beside it.
    fn shown(&self) -> (Option<LifecycleRuleFilter>, Option<String>) {
        let size = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok());
        let (larger, smaller) = (size(self.larger_than), size(self.smaller_than));
        let mut filter = LifecycleRuleFilter::default();
        match self.form {
            Form::Prefix => return (None, self.prefix.clone()),
            Form::Filter => {
                filter.prefix = self.prefix.clone();
                filter.tag = self.tags.to_set().into_iter().next();
                filter.object_size_greater_than = larger;
                filter.object_size_less_than = smaller;
            }
            Form::And => {
                filter.and = Some(LifecycleRuleAndOperator {
                    prefix: self.prefix.clone(),
                    tags: (!self.tags.0.is_empty()).then(|| self.tags.to_set()),
                    object_size_greater_than: larger,
                    object_size_less_than: smaller,
                });
            }
        }
        (Some(filter), None)
    }
}

impl Expiration {
    fn shown(self) -> LifecycleExpiration {
        let mut expiration = LifecycleExpiration::default();
        match self {
            Self::Days(days) => expiration.days = Some(shown(days)),
            Self::Date(seconds) => {
                let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
                expiration.date = time.map(Timestamp::from);
            }
            Self::DeleteMarker(expires) => expiration.expired_object_delete_marker = Some(expires),
        }
        expiration
    }
}

fn expiration(expiration: LifecycleExpiration) -> S3Result<Expiration> {
    let LifecycleExpiration { date, days, expired_object_delete_marker: marker } = expiration;
    match (days, date, marker) {
        (Some(days), None, None) => positive(Some(days)).map(Expiration::Days),
        (None, Some(date), None) => {
            let seconds = OffsetDateTime::from(date).unix_timestamp();
            if seconds.rem_euclid(24 * 60 * 60) != 0 {
                return Err(s3_error!(InvalidArgument, "'Date' must be at midnight GMT"));
            }
            Ok(Expiration::Date(seconds))
        }
        (None, None, Some(marker)) => Ok(Expiration::DeleteMarker(marker)),
        _ => Err(s3_error!(MalformedXML, "An expiration has Days, Date or a delete marker")),
    }
}

fn noncurrent(expiration: NoncurrentVersionExpiration) -> S3Result<Noncurrent> {
    let count = |count: Option<i32>| count.map(|count| positive(Some(count))).transpose();
    let days = count(expiration.noncurrent_days)?;
    let kept = count(expiration.newer_noncurrent_versions)?;
    if days.is_none() {
        return Err(s3_error!(MalformedXML, "NoncurrentVersionExpiration needs NoncurrentDays"));
    }
    Ok(Noncurrent { days, kept })
}

fn positive(days: Option<i32>) -> S3Result<u32> {
    match days.map(u32::try_from) {
        Some(Ok(days @ 1..)) => Ok(days),
        None => Err(s3_error!(MalformedXML, "A number of days is missing")),
        Some(_) => Err(s3_error!(InvalidArgument, "A number of days must be a positive integer")),
    }
}

fn shown(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
