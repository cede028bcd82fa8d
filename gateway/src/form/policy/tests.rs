use proptest::prelude::*;

use super::*;

const NOW: Millis = Millis(1_000_000);

fn encoded(json: &str) -> String {
    STANDARD.encode_to_string(json)
}

fn policy(conditions: &str) -> String {
    encoded(&format!(
        r#"{{"expiration": "2026-01-01T00:00:00.000Z", "conditions": [{{"bucket": "photos"}}, {conditions}]}}"#
    ))
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fields::new(pairs.iter().map(owned).collect(), Some("a.txt"))
}

/// The message of the refusal, if the form is refused.
fn refused(conditions: &str, pairs: &[(&str, &str)]) -> Option<String> {
    let policy = Policy::parse(&policy(conditions)).expect("a policy");
    let error = policy.check(&fields(pairs), "photos", NOW).err()?;
    assert_eq!(error.code().as_str(), "AccessDenied");
    error.message().map(str::to_owned)
}

#[test]
fn every_field_is_named_by_a_condition_that_holds() {
    let key = r#"["starts-with", "$key", "user/"]"#;
    assert_eq!(refused(key, &[("key", "user/a")]), None);
    assert_eq!(refused(key, &[("key", "user/${filename}")]), None);
    let broken = refused(key, &[("key", "other/a")]).expect("refused");
    assert!(broken.contains(r#"["starts-with","$key","user/"]"#), "{broken}");
    let both = format!(r#"{key}, {{"acl": "private"}}"#);
    assert_eq!(refused(&both, &[("key", "user/a"), ("ACL", "private")]), None);
    assert!(refused(&both, &[("key", "user/a"), ("acl", "public-read")]).is_some());
    assert!(refused(&both, &[("key", "user/a")]).is_some(), "a field that is missing");
    let extra = refused(key, &[("key", "user/a"), ("x-amz-meta-a", "1")]).expect("refused");
    assert!(extra.ends_with("Extra input fields: x-amz-meta-a"), "{extra}");
    let exempt =
        [("key", "user/a"), ("policy", "p"), ("x-ignore-me", "1"), ("x-amz-checksum-crc32", "c")];
    assert_eq!(refused(key, &exempt), None);
    assert_eq!(refused(r#"["StArTs-WiTh", "$KeY", ""]"#, &[("key", "a")]), None);
}

#[test]
fn escapes_are_those_of_json_and_two_more() {
    assert_eq!(refused(r#"{"key": "\$a\v\\\u0041"}"#, &[("key", "$a\u{b}\\A")]), None);
    assert_eq!(refused(r#"{"key": "\\$a\\v"}"#, &[("key", "\\$a\\v")]), None);
}

#[test]
fn the_bucket_is_a_field_of_every_form() {
    let other = Policy::parse(&policy(r#"["eq", "$key", "a"]"#)).expect("a policy");
    assert!(other.check(&fields(&[("key", "a")]), "music", NOW).is_err());
    let none = encoded(r#"{"expiration": "2026-01-01T00:00:00Z", "conditions": [{"key": "a"}]}"#);
    let none = Policy::parse(&none).expect("a policy");
    assert!(none.check(&fields(&[("key", "a")]), "photos", NOW).is_err());
}

#[test]
fn each_of_several_content_types_is_looked_at() {
    let images = r#"["starts-with", "$Content-Type", "image/"]"#;
    assert_eq!(refused(images, &[("content-type", "image/png, image/gif")]), None);
    assert!(refused(images, &[("content-type", "image/png,text/html")]).is_some());
}

#[test]
fn a_policy_has_an_end() {
    let policy = Policy::parse(&policy(r#"{"key": "a"}"#)).expect("a policy");
    let end = Millis(1_767_225_600_000);
    let fields = fields(&[("key", "a")]);
    assert!(policy.check(&fields, "photos", Millis(end.0 - 1)).is_ok());
    assert!(policy.check(&fields, "photos", end).is_err());
}

#[test]
fn sizes_are_those_that_all_ranges_allow() {
    let bytes = |conditions: &str| Policy::parse(&policy(conditions)).expect("a policy").bytes();
    assert_eq!(bytes(r#"{"key": "a"}"#), 0..=u64::MAX);
    assert_eq!(bytes(r#"["content-length-range", 1, 10]"#), 1..=10);
    assert_eq!(bytes(r#"["content-length-range", "1", "10"]"#), 1..=10);
    let two = r#"["content-length-range", 1, 10], ["content-length-range", 5, 20]"#;
    assert_eq!(bytes(two), 5..=10);
}

#[test]
fn what_is_no_policy_is_refused() {
    let time = r#""expiration": "2026-01-01T00:00:00.000Z""#;
    let wrong = [
        "no json".to_owned(),
        "[]".to_owned(),
        r#"{"conditions": []}"#.to_owned(),
        format!("{{{time}}}"),
        format!(r#"{{{time}, "CONDITIONS": []}}"#),
        r#"{"EXPIRATION": "2026-01-01T00:00:00.000Z", "conditions": []}"#.to_owned(),
        r#"{"expiration": "tomorrow", "conditions": []}"#.to_owned(),
        r#"{"expiration": "2026-12-31 12:00:00Z", "conditions": []}"#.to_owned(),
        r#"{"expiration": "2026-12-31T12:00:00+01:00", "conditions": []}"#.to_owned(),
        format!(r#"{{{time}, "conditions": [{{}}]}}"#),
        format!(r#"{{{time}, "conditions": [{{"a": "1", "b": "2"}}]}}"#),
        format!(r#"{{{time}, "conditions": [["eq", "key", "a"]]}}"#),
        format!(r#"{{{time}, "conditions": [["is", "$key", "a"]]}}"#),
        format!(r#"{{{time}, "conditions": [["content-length-range", 0]]}}"#),
        format!(r#"{{{time}, "conditions": [["content-length-range", -1, 0]]}}"#),
        format!(r#"{{{time}, "conditions": [["content-length-range", 2, 1]]}}"#),
        format!(r#"{{{time}, "conditions": [{}]}}"#, vec![r#"{"a":"b"}"#; 1_001].join(",")),
    ];
    for wrong in wrong.iter().map(|json| encoded(json)).chain(["no base64!".to_owned()]) {
        let error = Policy::parse(&wrong).expect_err("no policy");
        assert_eq!(error.code().as_str(), "InvalidPolicyDocument");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_policy_or_are_refused(bytes: Vec<u8>, text: String) {
        let _ = Policy::parse(&STANDARD.encode_to_string(&bytes));
        let _ = Policy::parse(&text);
        let _ = Policy::parse(&policy(&text));
    }

    #[test]
    fn any_end_and_conditions_are_a_policy_or_are_refused(
        end in "[0-9TZ:.+-]{0,30}",
        condition in r#"[\[\]{}":,$a-c0-9\\-]{0,40}"#,
    ) {
        let time = format!(r#"{{"expiration": "{end}", "conditions": []}}"#);
        let _ = Policy::parse(&encoded(&time));
        let _ = Policy::parse(&policy(&condition));
    }

    #[test]
    fn any_form_is_let_in_or_refused(
        field in "[a-z]{1,8}",
        value: String,
        sent in proptest::collection::vec(("[a-zA-Z-]{1,8}", any::<String>()), 0..5),
    ) {
        let condition = serde_json::json!([{"bucket": "b"}, ["eq", format!("${field}"), value]]);
        let json = serde_json::json!({"expiration": "2026-01-01T00:00:00Z", "conditions": condition});
        let policy = Policy::parse(&encoded(&json.to_string())).expect("a policy");
        let fields = Fields::new(sent, None);
        let holds = fields.get(&field).unwrap_or_default() == value
            && fields.iter().all(|(name, _)| name == field || is_exempt(name));
        prop_assert_eq!(policy.check(&fields, "b", NOW).is_ok(), holds);
    }
}
