use proptest::prelude::{any, prop, proptest};
use s3s::{
    S3ErrorCode,
    dto::{
        AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
        LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Tag, Timestamp,
    },
};
use time::OffsetDateTime;

use super::*;
use crate::documents::Document;

const DAY: u64 = 24 * 60 * 60 * 1_000;

fn today(now: u64) -> Today {
    Today { now: Millis(now), day: Day::WHOLE }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}

fn days(days: i32) -> Option<LifecycleExpiration> {
    Some(LifecycleExpiration { days: Some(days), ..LifecycleExpiration::default() })
}

fn date(seconds: i64) -> Option<LifecycleExpiration> {
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok().map(Timestamp::from);
    Some(LifecycleExpiration { date, ..LifecycleExpiration::default() })
}

fn prefix(prefix: &str) -> Option<LifecycleRuleFilter> {
    Some(LifecycleRuleFilter { prefix: Some(prefix.to_owned()), ..LifecycleRuleFilter::default() })
}

fn rule(id: &str) -> LifecycleRule {
    LifecycleRule {
        id: Some(id.to_owned()),
        status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
        filter: prefix("logs/"),
        prefix: None,
        expiration: days(2),
        abort_incomplete_multipart_upload: None,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        transitions: None,
    }
}

fn and(tags: &[(&str, &str)]) -> Option<LifecycleRuleFilter> {
    let and = LifecycleRuleAndOperator {
        prefix: Some("logs/".to_owned()),
        tags: Some(tags.iter().map(|(key, value)| tag(key, value)).collect()),
        object_size_greater_than: Some(10),
        object_size_less_than: Some(20),
    };
    Some(LifecycleRuleFilter { and: Some(and), ..LifecycleRuleFilter::default() })
}

fn read(rules: Vec<LifecycleRule>) -> Result<Lifecycle, S3ErrorCode> {
    let configuration = BucketLifecycleConfiguration { rules };
    let read = Lifecycle::from_configuration(configuration, || "drawn".to_owned());
    read.map_err(|error| error.code().clone())
}

fn one(change: impl FnOnce(&mut LifecycleRule)) -> Result<Lifecycle, S3ErrorCode> {
    let mut rule = rule("one");
    change(&mut rule);
    read(vec![rule])
}

#[test]
fn rules_come_back_as_they_were_sent() {
    let mut old = rule("old");
    (old.filter, old.prefix) = (None, Some("tmp/".to_owned()));
    let mut full = rule("full");
    full.filter = and(&[("a", "1"), ("b", "2")]);
    full.expiration = date(1_767_225_600);
    full.noncurrent_version_expiration = Some(NoncurrentVersionExpiration {
        noncurrent_days: Some(3),
        newer_noncurrent_versions: Some(4),
    });
    let mut uploads = rule("uploads");
    uploads.status = ExpirationStatus::from_static(ExpirationStatus::DISABLED);
    uploads.filter = Some(LifecycleRuleFilter::default());
    uploads.expiration = None;
    uploads.abort_incomplete_multipart_upload =
        Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(7) });
    let mut marker = rule("marker");
    marker.expiration = Some(LifecycleExpiration {
        expired_object_delete_marker: Some(true),
        ..LifecycleExpiration::default()
    });
    let mut tagged = rule("tagged");
    tagged.filter =
        Some(LifecycleRuleFilter { tag: Some(tag("a", "1")), ..LifecycleRuleFilter::default() });
    let rules = vec![rule("plain"), old, full, uploads, marker, tagged];
    let lifecycle = read(rules.clone()).unwrap();
    assert_eq!(lifecycle.to_rules(), rules);
    assert_eq!(Lifecycle::from_bytes(&lifecycle.to_bytes()), Some(lifecycle));
    let drawn = one(|rule| rule.id = None).unwrap();
    assert_eq!(drawn.0[0].id, "drawn");
}

#[test]
fn what_s3_does_not_take_is_refused() {
    use S3ErrorCode::{InvalidArgument, InvalidRequest, MalformedXML, NotImplemented};

    assert_eq!(read(Vec::new()), Err(MalformedXML));
    assert_eq!(read(vec![rule("a"); RULES_MAX + 1]), Err(MalformedXML));
    assert_eq!(read(vec![rule("a"), rule("a")]), Err(InvalidArgument));
    assert_eq!(one(|rule| rule.id = Some("x".repeat(256))), Err(InvalidArgument));
    let status = ExpirationStatus::from_static("enabled");
    assert_eq!(one(|rule| rule.status = status), Err(MalformedXML));
    assert_eq!(one(|rule| rule.expiration = None), Err(InvalidRequest));
    assert_eq!(one(|rule| rule.expiration = days(0)), Err(InvalidArgument));
    assert_eq!(one(|rule| rule.expiration = date(1)), Err(InvalidArgument));
    let both = LifecycleExpiration { days: Some(1), ..date(0).unwrap() };
    assert_eq!(one(|rule| rule.expiration = Some(both)), Err(MalformedXML));
    assert_eq!(one(|rule| rule.prefix = Some(String::new())), Err(MalformedXML));
    assert_eq!(one(|rule| rule.filter = None), Err(MalformedXML));
    assert_eq!(one(|rule| rule.transitions = Some(Vec::new())), Err(NotImplemented));
    let beside = LifecycleRuleFilter { prefix: Some("a".to_owned()), ..and(&[]).unwrap() };
    assert_eq!(one(|rule| rule.filter = Some(beside)), Err(MalformedXML));
    let two = LifecycleRuleFilter { tag: Some(tag("a", "1")), ..prefix("a").unwrap() };
    assert_eq!(one(|rule| rule.filter = Some(two)), Err(MalformedXML));
    let negative =
        LifecycleRuleFilter { object_size_less_than: Some(-1), ..LifecycleRuleFilter::default() };
    assert_eq!(one(|rule| rule.filter = Some(negative)), Err(InvalidRequest));
    let mut crossed = and(&[]).unwrap();
    crossed.and.as_mut().unwrap().object_size_greater_than = Some(20);
    assert_eq!(one(|rule| rule.filter = Some(crossed)), Err(InvalidRequest));
    let abort = || AbortIncompleteMultipartUpload { days_after_initiation: Some(1) };
    let tagged = |rule: &mut LifecycleRule| {
        rule.filter = and(&[("a", "1")]);
        rule.abort_incomplete_multipart_upload = Some(abort());
    };
    assert_eq!(one(tagged), Err(InvalidRequest));
    let none = AbortIncompleteMultipartUpload { days_after_initiation: None };
    let abort = |rule: &mut LifecycleRule| rule.abort_incomplete_multipart_upload = Some(none);
    assert_eq!(one(abort), Err(MalformedXML));
    let kept =
        NoncurrentVersionExpiration { noncurrent_days: None, newer_noncurrent_versions: Some(1) };
    let kept = |rule: &mut LifecycleRule| rule.noncurrent_version_expiration = Some(kept);
    assert_eq!(one(kept), Err(MalformedXML));
}

#[test]
fn an_object_expires_at_midnight_after_its_days_if_all_of_the_filter_fits() {
    let lifecycle = one(|rule| rule.filter = and(&[("a", "1")])).unwrap();
    let tags =
        |value: &str| Tags::from_set(vec![tag("a", value), tag("b", "2")], 10).map_err(|_| ());
    let noon = DAY / 2;
    let expired = |key, size, value: &str, now| {
        let object = Candidate { key, size: Some(size), modified: Millis(noon) };
        lifecycle.expired(&object, today(now), || tags(value)).unwrap().is_some()
    };
    assert!(expired("logs/a", 11, "1", 3 * DAY));
    assert!(!expired("logs/a", 11, "1", 3 * DAY - 1), "two days, and up to midnight");
    assert!(!expired("log", 11, "1", 3 * DAY));
    assert!(!expired("logs/a", 10, "1", 3 * DAY) && !expired("logs/a", 20, "1", 3 * DAY));
    assert!(!expired("logs/a", 11, "2", 3 * DAY));
    let failed = |key| {
        let object = Candidate { key, size: Some(11), modified: Millis(0) };
        lifecycle.expired(&object, today(9 * DAY), || Err("away")).map(|rule| rule.is_some())
    };
    assert_eq!(failed("logs/a"), Err("away"));
    assert_eq!(failed("other"), Ok(false), "tags are not looked up in vain");
}

#[test]
fn a_date_expires_whatever_is_older_or_newer_and_a_disabled_rule_nothing() {
    let expired = |lifecycle: &Lifecycle, now| {
        let object = Candidate { key: "logs/a", size: Some(1), modified: Millis(now) };
        let none = || Ok::<_, ()>(Tags::default());
        lifecycle.expired(&object, today(now), none).unwrap().is_some()
    };
    let lifecycle = one(|rule| rule.expiration = date(86_400)).unwrap();
    assert!(expired(&lifecycle, DAY) && !expired(&lifecycle, DAY - 1));
    let acts = Acts { objects: true, versions: true, uploads: false };
    assert_eq!(lifecycle.acts(), acts);
    let disabled = one(|rule| {
        rule.expiration = date(86_400);
        rule.status = ExpirationStatus::from_static(ExpirationStatus::DISABLED);
    });
    let disabled = disabled.unwrap();
    assert!(!expired(&disabled, DAY));
    let acts = Acts { objects: false, versions: false, uploads: false };
    assert_eq!(disabled.acts(), acts);
}

#[test]
fn an_object_expires_by_the_rule_whose_time_comes_first() {
    let later = LifecycleRule { expiration: days(5), ..rule("later") };
    let dated = LifecycleRule { expiration: date(9 * 24 * 60 * 60), ..rule("dated") };
    let lifecycle = read(vec![later, rule("two days"), dated]).unwrap();
    let expires = |key, modified, day| {
        let object = Candidate { key, size: Some(1), modified: Millis(modified) };
        let due = lifecycle.expires(&object, &Tags::default(), day);
        due.map(|(due, rule)| (due.0, rule.to_owned()))
    };
    assert_eq!(expires("logs/a", 1, Day::WHOLE), Some((3 * DAY, "two days".to_owned())));
    assert_eq!(expires("logs/a", 8 * DAY, Day::WHOLE), Some((9 * DAY, "dated".to_owned())));
    assert_eq!(expires("other", 1, Day::WHOLE), None);
    let short = Day::of(Duration::from_secs(10));
    assert_eq!(expires("logs/a", 1_001, short), Some((30_000, "two days".to_owned())));
}

#[test]
fn an_upload_is_stale_after_its_days() {
    let lifecycle = one(|rule| {
        rule.expiration = None;
        rule.abort_incomplete_multipart_upload =
            Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(1) });
    });
    let lifecycle = lifecycle.unwrap();
    let acts = Acts { objects: false, versions: false, uploads: true };
    assert_eq!(lifecycle.acts(), acts);
    assert!(lifecycle.is_stale("logs/a", Millis(1), today(2 * DAY)));
    assert!(!lifecycle.is_stale("logs/a", Millis(1), today(2 * DAY - 1)));
    assert!(!lifecycle.is_stale("other", Millis(1), today(9 * DAY)));
}

#[test]
fn versions_expire_by_when_others_took_their_place_and_how_many_have_since() {
    let noncurrent = |days, newer| {
        let read = one(|rule| {
            rule.expiration = None;
            rule.noncurrent_version_expiration = Some(NoncurrentVersionExpiration {
                noncurrent_days: Some(days),
                newer_noncurrent_versions: newer,
            });
        });
        read.unwrap()
    };
    let expired = |lifecycle: &Lifecycle, size, newer, now| {
        let version = Candidate { key: "logs/a", size, modified: Millis(0) };
        let behind = Behind { since: Millis(DAY), newer };
        let none = || Ok::<_, ()>(Tags::default());
        lifecycle.expired_behind(&version, behind, today(now), none).unwrap()
    };
    let days = noncurrent(2, None);
    assert!(expired(&days, Some(1), 0, 3 * DAY) && !expired(&days, Some(1), 0, 3 * DAY - 1));
    assert!(expired(&days, None, 0, 3 * DAY), "a delete marker");
    let kept = noncurrent(1, Some(2));
    assert!(expired(&kept, Some(1), 2, 2 * DAY) && !expired(&kept, Some(1), 1, 9 * DAY));
    let tagged = one(|rule| {
        rule.filter = and(&[("a", "1")]);
        rule.expiration = None;
        rule.noncurrent_version_expiration = Some(NoncurrentVersionExpiration {
            noncurrent_days: Some(1),
            newer_noncurrent_versions: None,
        });
    });
    let tagged = tagged.unwrap();
    assert!(!expired(&tagged, Some(15), 0, 9 * DAY) && !expired(&tagged, None, 0, 9 * DAY));
}

#[test]
fn a_delete_marker_goes_that_nothing_stands_behind() {
    let goes = |lifecycle: &Lifecycle, now| {
        let marker = Candidate { key: "logs/a", size: None, modified: Millis(DAY) };
        lifecycle.expired_marker(&marker, today(now))
    };
    let at_once = one(|rule| {
        rule.expiration = Some(LifecycleExpiration {
            expired_object_delete_marker: Some(true),
            ..LifecycleExpiration::default()
        });
    });
    assert!(goes(&at_once.unwrap(), DAY));
    let days = one(|_| {}).unwrap();
    assert!(goes(&days, 3 * DAY) && !goes(&days, 3 * DAY - 1));
}

const PIECES: [&str; 28] = [
    "<Status>Enabled</Status>",
    "<Status>Disabled</Status>",
    "<Status>On</Status>",
    "<Filter><Prefix>logs/</Prefix></Filter>",
    "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>",
    "<Filter><Tag><Key></Key><Value>v</Value></Tag></Filter>",
    "<Filter><And><Prefix>l</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>",
    "<Filter><ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan></Filter>",
    "<Filter><ObjectSizeLessThan>9223372036854775807</ObjectSizeLessThan></Filter>",
    "<Filter></Filter>",
    "<Prefix></Prefix>",
    "<Prefix>logs/</Prefix>",
    "<ID>one</ID>",
    "<ID></ID>",
    "<Expiration><Days>2147483647</Days></Expiration>",
    "<Expiration><Days>0</Days></Expiration>",
    "<Expiration><Date>9999-12-31T00:00:00Z</Date></Expiration>",
    "<Expiration><Date>0000-01-01T00:00:00.000Z</Date></Expiration>",
    "<Expiration><Date>2020-02-30</Date></Expiration>",
    "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
    "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2147483647</DaysAfterInitiation>\
     </AbortIncompleteMultipartUpload>",
    "<AbortIncompleteMultipartUpload/>",
    "<Transition><Days>1</Days></Transition>",
    "</Rule><Rule>",
    "<Rule>",
    "&#xFFFFFFFF;",
    "<!--",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _unknown = Lifecycle::from_bytes(&bytes.into());
    }

    /// Neither XML that a client could send, nor an object that is then judged by it.
    #[test]
    fn no_configuration_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8),
        (size, modified, now) in (any::<u64>(), any::<u64>(), any::<u64>()),
    ) {
        let xml = format!("<LifecycleConfiguration><Rule>{}", pieces.concat());
        for xml in [format!("{xml}</Rule></LifecycleConfiguration>"), xml] {
            let mut reader = s3s::xml::Deserializer::new(xml.as_bytes());
            let read = s3s::xml::Deserialize::deserialize(&mut reader);
            let Ok::<BucketLifecycleConfiguration, _>(configuration) = read else { continue };
            let mut drawn = 0;
            let draw = || {
                drawn += 1;
                format!("drawn-{drawn}")
            };
            let Ok(lifecycle) = Lifecycle::from_configuration(configuration, draw) else {
                continue;
            };
            let object = Candidate { key: "logs/a", size: Some(size), modified: Millis(modified) };
            let judged = lifecycle.expired(&object, today(now), || Ok::<_, ()>(Tags::default()));
            assert!(judged.unwrap().is_none() || lifecycle.may_expire(&object, today(now)));
            lifecycle.is_stale("logs/a", Millis(modified), today(now));
            let kept = Lifecycle::from_bytes(&lifecycle.to_bytes()).unwrap();
            assert_eq!(kept, lifecycle);
            // What is shown is what could be set again.
            let shown = BucketLifecycleConfiguration { rules: lifecycle.to_rules() };
            assert_eq!(Lifecycle::from_configuration(shown, || "none".to_owned()).unwrap(), kept);
        }
    }
}
