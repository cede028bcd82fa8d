//! Object lock as S3 writes it: that of a bucket, and what headers and documents ask for an object.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    Millis, SiteId, attribute,
    lock::{DefaultRetention, Lock, LockConfig, LockMode, Period, Retention},
};
use s3s::{
    S3Result,
    dto::{
        DefaultRetention as ShownDefault, ObjectLockConfiguration, ObjectLockEnabled,
        ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule,
        Timestamp,
    },
    s3_error,
};

use super::Document;
use crate::errors;

/// Longest default retention; the limits of S3.
const DAYS_MAX: u32 = 36_500;
const YEARS_MAX: u32 = 100;

impl Document for LockConfig {
    const NAME: &'static str = attribute::OBJECT_LOCK;

    fn to_bytes(&self) -> Bytes {
        self.to_string().into()
    }

    fn from_bytes(bytes: &Bytes) -> Option<Self> {
        Self::parse(bytes)
    }
}

/// The configuration that a request sends.
pub(crate) fn config(sent: Option<ObjectLockConfiguration>) -> S3Result<LockConfig> {
    let sent = sent.ok_or_else(errors::malformed_xml)?;
    let enabled = sent.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str);
    if enabled != Some(ObjectLockEnabled::ENABLED) {
        return Err(errors::malformed_xml());
    }
    let Some(rule) = sent.rule else { return Ok(LockConfig::default()) };
    let rule = rule.default_retention.ok_or_else(errors::malformed_xml)?;
    let mode = named(rule.mode.as_ref())?.ok_or_else(errors::malformed_xml)?;
    let period = match (rule.days, rule.years) {
        (Some(days), None) => Period::Days(count(days, DAYS_MAX)?),
        (None, Some(years)) => Period::Years(count(years, YEARS_MAX)?),
        _ => return Err(errors::malformed_xml()),
    };
    Ok(LockConfig { default: Some(DefaultRetention { mode, period }) })
}

fn count(asked: i32, max: u32) -> S3Result<u32> {
    let count = u32::try_from(asked).ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| {
        s3_error!(InvalidArgument, "Default retention period must be a positive integer value")
    })?;
    if count > max {
        return Err(s3_error!(InvalidArgument, "Default retention period is at most {max}"));
    }
    Ok(count)
}

/// As it is shown.
pub(crate) fn shown_config(config: LockConfig) -> ObjectLockConfiguration {
    let rule = config.default.map(|DefaultRetention { mode, period }| {
        let (days, years) = match period {
            Period::Days(days) => (i32::try_from(days).ok(), None),
            Period::Years(years) => (None, i32::try_from(years).ok()),
        };
        let mode = Some(ObjectLockRetentionMode::from_static(mode.as_str()));
        ObjectLockRule { default_retention: Some(ShownDefault { days, mode, years }) }
    });
    let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
    ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule }
}

/// The retention that a request sends; none at all takes it away.
pub(crate) fn retention(
    sent: Option<ObjectLockRetention>,
    now: Millis,
) -> S3Result<Option<Retention>> {
    let sent = sent.ok_or_else(errors::malformed_xml)?;
    match (named(sent.mode.as_ref())?, sent.retain_until_date) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => Ok(Some(Retention { mode, until: future(until, now)? })),
        _ => Err(errors::malformed_xml()),
    }
}

fn named(mode: Option<&ObjectLockRetentionMode>) -> S3Result<Option<LockMode>> {
    let named = |mode: &ObjectLockRetentionMode| {
        LockMode::named(mode.as_str()).ok_or_else(errors::malformed_xml)
    };
    mode.map(named).transpose()
}

/// Whether a hold is asked for, or its end.
pub(crate) fn hold(status: &ObjectLockLegalHoldStatus) -> Option<bool> {
    match status.as_str() {
        ObjectLockLegalHoldStatus::ON => Some(true),
        ObjectLockLegalHoldStatus::OFF => Some(false),
        _ => None,
    }
}

/// As it is shown.
pub(crate) fn shown_hold(on: bool) -> ObjectLockLegalHoldStatus {
    let status = if on { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
    ObjectLockLegalHoldStatus::from_static(status)
}

fn future(until: Timestamp, now: Millis) -> S3Result<Millis> {
    let millis = time::OffsetDateTime::from(until).unix_timestamp_nanos() / 1_000_000;
    let until = u64::try_from(millis).ok().map(Millis).filter(|until| *until > now);
    until.ok_or_else(|| s3_error!(InvalidArgument, "The retain until date must be in the future!"))
}

/// The headers of whichever request makes an object.
pub(crate) struct Sent {
    pub(crate) mode: Option<String>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) hold: Option<ObjectLockLegalHoldStatus>,
}

/// Takes them out of the input of any operation that makes an object.
macro_rules! sent_lock {
    ($input:expr) => {
        crate::documents::object_lock::Sent {
            mode: $input.object_lock_mode.take().map(|mode| mode.as_str().to_owned()),
            until: $input.object_lock_retain_until_date.take(),
            hold: $input.object_lock_legal_hold_status.take(),
        }
    };
}
pub(crate) use sent_lock;

impl Sent {
    /// The registers that the new version begins with.
    pub(crate) fn registers(self, site: SiteId, now: Millis) -> S3Result<BTreeMap<String, Bytes>> {
        let asked = match (self.mode, self.until) {
            (None, None) => None,
            (Some(mode), Some(until)) => {
                let mode = LockMode::named(&mode);
                let unknown = || s3_error!(InvalidArgument, "Unknown wormMode directive.");
                let (mode, until) = (mode.ok_or_else(unknown)?, future(until, now)?);
                Some(Retention { mode, until })
            }
            _ => {
                return Err(s3_error!(
                    InvalidArgument,
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                     supplied"
                ));
            }
        };
        let none = Lock::default();
        let registers = none.retain(site, asked, (now, false));
        let mut registers = registers.map_err(|error| errors::write(error.into()))?;
        if let Some(status) = self.hold {
            let on = hold(&status).ok_or_else(errors::no_such_hold)?;
            registers.extend(none.set_hold(site, on));
        }
        Ok(registers)
    }
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    const NOW: Millis = Millis(1_783_461_184_000);

    fn default(
        mode: &'static str,
        days: Option<i32>,
        years: Option<i32>,
    ) -> ObjectLockConfiguration {
        let mode = Some(ObjectLockRetentionMode::from_static(mode));
        let default_retention = Some(ShownDefault { days, mode, years });
        let enabled = Some(ObjectLockEnabled::from_static("Enabled"));
        let rule = Some(ObjectLockRule { default_retention });
        ObjectLockConfiguration { object_lock_enabled: enabled, rule }
    }

    fn code<T>(result: S3Result<T>) -> Option<S3ErrorCode> {
        result.err().map(|error| error.code().clone())
    }

    #[test]
    fn a_configuration_is_shown_as_it_was_sent() {
        let bare = ObjectLockConfiguration { rule: None, ..default("", None, None) };
        for sent in
            [bare, default("GOVERNANCE", Some(30), None), default("COMPLIANCE", None, Some(100))]
        {
            let kept = config(Some(sent.clone())).unwrap();
            assert_eq!(shown_config(kept), sent);
            assert_eq!(LockConfig::from_bytes(&kept.to_bytes()), Some(kept));
        }
    }

    #[test]
    fn a_configuration_that_s3_would_not_take_is_refused() {
        let malformed = Some(S3ErrorCode::MalformedXML);
        let off = ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static("Disabled")),
            rule: None,
        };
        let empty = ObjectLockConfiguration {
            rule: Some(ObjectLockRule { default_retention: None }),
            ..default("", None, None)
        };
        for sent in [
            None,
            Some(off),
            Some(empty),
            Some(default("OTHER", Some(1), None)),
            Some(default("GOVERNANCE", None, None)),
            Some(default("GOVERNANCE", Some(1), Some(1))),
        ] {
            assert_eq!(code(config(sent.clone())), malformed, "{sent:?}");
        }
        let argument = Some(S3ErrorCode::InvalidArgument);
        for (days, years) in
            [(Some(0), None), (None, Some(-1)), (Some(36_501), None), (None, Some(101))]
        {
            assert_eq!(code(config(Some(default("GOVERNANCE", days, years)))), argument);
        }
    }

    #[test]
    fn headers_ask_for_a_mode_with_a_date_in_the_future() {
        let later = || {
            Some(Timestamp::from(time::OffsetDateTime::from_unix_timestamp(1_783_461_185).unwrap()))
        };
        let ask = |mode: Option<&str>, until, hold: Option<&'static str>| {
            let hold = hold.map(ObjectLockLegalHoldStatus::from_static);
            let sent = Sent { mode: mode.map(str::to_owned), until, hold };
            sent.registers(SiteId([1; 16]), NOW).map(|registers| registers.len())
        };
        assert_eq!(ask(None, None, None).unwrap(), 0);
        assert_eq!(ask(Some("COMPLIANCE"), later(), Some("ON")).unwrap(), 2);
        assert_eq!(ask(None, None, Some("OFF")).unwrap(), 1);
        let argument = Some(S3ErrorCode::InvalidArgument);
        for (mode, until, hold) in [
            (Some("GOVERNANCE"), None, None),
            (None, later(), None),
            (Some("OTHER"), later(), None),
            (Some("GOVERNANCE"), Some(Timestamp::default()), None),
            (None, None, Some("MAYBE")),
        ] {
            assert_eq!(code(ask(mode, until, hold)), argument, "{mode:?} {hold:?}");
        }
    }

    #[test]
    fn a_retention_is_whole_or_none() {
        let later = || {
            Some(Timestamp::from(time::OffsetDateTime::from_unix_timestamp(1_783_461_185).unwrap()))
        };
        let send = |mode: Option<&'static str>, retain_until_date| {
            let mode = mode.map(ObjectLockRetentionMode::from_static);
            retention(Some(ObjectLockRetention { mode, retain_until_date }), NOW)
        };
        let until = Millis(NOW.0 + 1_000);
        let kept = Retention { mode: LockMode::Governance, until };
        assert_eq!(send(Some("GOVERNANCE"), later()).unwrap(), Some(kept));
        assert_eq!(send(None, None).unwrap(), None);
        let malformed = Some(S3ErrorCode::MalformedXML);
        assert_eq!(code(send(Some("GOVERNANCE"), None)), malformed);
        assert_eq!(code(send(None, later())), malformed);
        assert_eq!(code(send(Some("governance"), later())), malformed);
        assert_eq!(code(retention(None, NOW)), malformed);
        let past = send(Some("GOVERNANCE"), Some(Timestamp::default()));
        assert_eq!(code(past), Some(S3ErrorCode::InvalidArgument));
    }
}
