//! When a request says that it was signed, where s3s does not look.
//!
//! A signature of version 2 would be good for ever: s3s does not compare its date with the clock.
//! One of version 4 may be dated by `Date`, of which s3s knows nothing.

use http::{HeaderMap, HeaderValue, header};
use model::Millis;
use s3s::{S3ErrorCode, S3Result, s3_error};
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::messages::plain;

/// How far the clocks of a client and a site may be apart; the limit of S3.
const SKEW_SECONDS_MAX: u64 = 15 * 60;

const AMZ_DATE: &str = "x-amz-date";

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How a date says that it is of UTC.
const ZONES: [&str; 3] = [" GMT", " +0000", " -0000"];

/// Checks the date of a request that is signed by version 2, and shows that of version 4 where
/// s3s looks for it.
pub(crate) fn check(headers: &mut HeaderMap, now: Millis) -> S3Result<()> {
    let by = |scheme: &[u8]| {
        headers.get(header::AUTHORIZATION).is_some_and(|by| by.as_bytes().starts_with(scheme))
    };
    if by(b"AWS ") {
        return version_2(headers, now);
    }
    if by(b"AWS4-") && !headers.contains_key(AMZ_DATE) {
        let shown = headers.get(header::DATE).and_then(parse).and_then(amz_date);
        if let Some(shown) = shown {
            headers.insert(AMZ_DATE, shown);
        }
    }
    Ok(())
}

fn version_2(headers: &HeaderMap, now: Millis) -> S3Result<()> {
    let date = headers.get(AMZ_DATE).or_else(|| headers.get(header::DATE)).and_then(parse);
    let seconds = date.map(OffsetDateTime::unix_timestamp).and_then(|at| u64::try_from(at).ok());
    let Some(seconds) = seconds else {
        return Err(s3_error!(
            AccessDenied,
            "AWS authentication requires a valid Date or x-amz-date header"
        ));
    };
    if seconds.abs_diff(now.0 / 1_000) > SKEW_SECONDS_MAX {
        return Err(plain(S3ErrorCode::RequestTimeTooSkewed));
    }
    Ok(())
}

/// A date of HTTP. Which day of the week it says counts for nothing.
fn parse(value: &HeaderValue) -> Option<OffsetDateTime> {
    let (_, date) = value.to_str().ok()?.split_once(", ")?;
    let date = ZONES.iter().find_map(|zone| date.strip_suffix(zone))?;
    let mut parts = date.split([' ', ':']);
    let (day, month, year) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = time::Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let mut number = || parts.next()?.parse::<u8>().ok();
    let time = time::Time::from_hms(number()?, number()?, number()?).ok()?;
    let date = time::Date::from_calendar_date(year.parse().ok()?, month, day).ok()?;
    parts.next().is_none().then(|| PrimitiveDateTime::new(date, time).assume_utc())
}

fn amz_date(date: OffsetDateTime) -> Option<HeaderValue> {
    let (day, time) = (date.date(), date.time());
    let text = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        day.year(),
        u8::from(day.month()),
        day.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tue, 07 Jul 2026 21:53:04 GMT.
    const NOW: Millis = Millis(1_783_461_184_000);

    fn checked(authorization: &str, dates: &[(&'static str, &str)]) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [("authorization", authorization)].iter().chain(dates) {
            headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let outcome = check(&mut headers, NOW);
        outcome.map(|()| headers).map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn a_signature_of_version_2_is_as_young_as_one_of_version_4() {
        let code = |date: &str| checked("AWS a:b", &[("date", date)]).err();
        let (none, skewed) =
            (Some("AccessDenied".to_owned()), Some("RequestTimeTooSkewed".to_owned()));
        assert_eq!(code("Tue, 07 Jul 2026 21:53:04 GMT"), None);
        assert_eq!(code("Wed, 07 Jul 2026 22:08:04 +0000"), None, "a quarter of an hour");
        assert_eq!(code("Tue, 07 Jul 2026 22:08:05 GMT"), skewed);
        assert_eq!(code("Tue, 07 Jul 2010 21:53:04 GMT"), skewed);
        assert_eq!(code("Tue, 07 Jul 9999 21:53:04 GMT"), skewed);
        assert_eq!(code("Tue, 07 Jul 1950 21:53:04 GMT"), none);
        assert_eq!(code("Bad Date"), none);
        assert_eq!(code(""), none);
        assert_eq!(checked("AWS a:b", &[]).err(), none);
        let both = [("date", "Bad Date"), ("x-amz-date", "Tue, 07 Jul 2026 21:53:04 GMT")];
        assert_eq!(checked("AWS a:b", &both).err(), None, "x-amz-date counts first");
    }

    #[test]
    fn a_signature_of_version_4_may_be_dated_by_date() {
        let headers = checked("AWS4-HMAC-SHA256 x", &[("date", "Tue, 07 Jul 2026 21:53:04 -0000")]);
        assert_eq!(headers.expect("fine")[AMZ_DATE], "20260707T215304Z");
        let both = [("date", "Tue, 07 Jul 2026 21:53:04 GMT"), (AMZ_DATE, "20260101T000000Z")];
        assert_eq!(
            checked("AWS4-HMAC-SHA256 x", &both).expect("fine")[AMZ_DATE],
            "20260101T000000Z"
        );
        let headers = checked("AWS4-HMAC-SHA256 x", &[("date", "Bad Date")]).expect("fine");
        assert!(!headers.contains_key(AMZ_DATE), "s3s says so");
    }

    proptest! {
        #[test]
        fn any_date_is_one_or_not(text in "[ -~]{0,40}") {
            let _ = parse(&HeaderValue::from_str(&text).expect("a header"));
            let _ = parse(&HeaderValue::from_str(&format!("Tue, {text} GMT")).expect("a header"));
        }
    }
}
