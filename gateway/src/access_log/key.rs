//! Names of delivered objects. Pure.

use model::{BucketName, Millis, UserId};
use time::OffsetDateTime;

use crate::documents::logging::{DateSource, KeyFormat, Logging};

/// Where records come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Source {
    pub(super) bucket: BucketName,
    pub(super) owner: UserId,
}

/// The key of an object with records; `day` is theirs, `now` that of the delivery, and `unique` tells it
/// from all others.
pub(super) fn key(
    logging: &Logging,
    (source, region): (&Source, &str),
    (day, now): (Millis, Millis),
    unique: u64,
) -> String {
    let Logging { prefix, format, .. } = logging;
    let by_event = *format == KeyFormat::Partitioned(DateSource::EventTime);
    let at = Time::of(if by_event { day } else { now });
    let time = if by_event { "00-00-00".to_owned() } else { at.time };
    let name = format!("{}-{time}-{unique:016X}", at.date.join("-"));
    match format {
        KeyFormat::Simple => format!("{prefix}{name}"),
        KeyFormat::Partitioned(_) => {
            let Source { bucket, owner } = source;
            format!("{prefix}{owner}/{region}/{bucket}/{}/{name}", at.date.join("/"))
        }
    }
}

/// A key as it may be, for whom a policy is asked of it.
pub(crate) fn sample(
    logging: &Logging,
    (bucket, owner): (&BucketName, &UserId),
    (region, now): (&str, Millis),
) -> String {
    let source = Source { bucket: bucket.clone(), owner: owner.clone() };
    key(logging, (&source, region), (now, now), 0)
}

/// The day of a time, so that records of one day go together.
pub(super) fn day(time: Millis) -> u64 {
    time.0 / (24 * 60 * 60 * 1_000)
}

struct Time {
    date: [String; 3],
    time: String,
}

impl Time {
    fn of(at: Millis) -> Self {
        let seconds = i64::try_from(at.0 / 1_000).unwrap_or_default();
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let two = |number: u8| format!("{number:02}");
        let date = [format!("{:04}", at.year()), two(at.month().into()), two(at.day())];
        Self { date, time: [at.hour(), at.minute(), at.second()].map(two).join("-") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_documented_formats() {
        let source = Source {
            bucket: BucketName::try_from("photos".to_owned()).unwrap(),
            owner: UserId::try_from("main".to_owned()).unwrap(),
        };
        // Records of 6 February 2019, delivered on the 7th at 00:04:38.
        let times = (Millis(1_549_411_238_000), Millis(1_549_497_878_000));
        let key = |format| {
            let logging = Logging { format, ..Logging::new("logs", "log/") };
            key(&logging, (&source, "us-east-1"), times, 0xE568_B290_7131_C0C0)
        };
        assert_eq!(key(KeyFormat::Simple), "log/2019-02-07-00-04-38-E568B2907131C0C0");
        assert_eq!(
            key(KeyFormat::Partitioned(DateSource::DeliveryTime)),
            "log/main/us-east-1/photos/2019/02/07/2019-02-07-00-04-38-E568B2907131C0C0"
        );
        assert_eq!(
            key(KeyFormat::Partitioned(DateSource::EventTime)),
            "log/main/us-east-1/photos/2019/02/06/2019-02-06-00-00-00-E568B2907131C0C0"
        );
    }

    #[test]
    fn a_day_ends_at_midnight() {
        assert_eq!(day(Millis(1_549_411_199_999)) + 1, day(Millis(1_549_411_200_000)));
    }
}
