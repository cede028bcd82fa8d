use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use serde_json::{Value, json};

use super::*;

fn policy(statement: Value) -> Result<Policy, PolicyError> {
    Policy::parse_for(
        &json!({"Version": "2012-10-17", "Statement": statement}).to_string(),
        "photos",
    )
}

fn allow(action: Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource})
}

fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement[name] = value;
    statement
}

fn answer(policy: &Policy, user: &str, action: &str, resource: &str) -> Answer {
    answer_in(policy, (user, action, resource), &|_| None)
}

fn answer_in(
    policy: &Policy,
    (user, action, resource): (&str, &str, &str),
    circumstance: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Answer {
    let user = &UserId::try_from(user.to_owned()).unwrap();
    policy.evaluate(&Request { who: Who::User(user), action, resource, circumstance })
}

#[test]
fn a_statement_speaks_of_who_does_what_with_what() {
    let get = json!(["s3:GetObject", "s3:list*"]);
    let policy = policy(allow(get, json!(["arn:aws:s3:::photos", "arn:aws:s3:::photos/a/*"])));
    let policy = policy.unwrap();
    let says = |action, resource| answer(&policy, "alt", action, resource);
    assert_eq!(says("s3:GetObject", "photos/a/1"), Answer::Allowed);
    assert_eq!(says("s3:ListBucket", "photos"), Answer::Allowed);
    assert_eq!(says("s3:GetObject", "photos/b/1"), Answer::Silent);
    assert_eq!(says("s3:PutObject", "photos/a/1"), Answer::Silent);
    assert_eq!(says("s3:GetObjectAcl", "photos/a/1"), Answer::Silent);
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let all = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
    let deny = with(all.clone(), "Effect", json!("Deny"));
    let deny = with(deny, "Resource", json!("arn:aws:s3:::photos/secret/*"));
    for statements in [json!([all, deny]), json!([deny, all])] {
        let policy = policy(statements).unwrap();
        assert_eq!(answer(&policy, "alt", "s3:GetObject", "photos/a"), Answer::Allowed);
        assert_eq!(answer(&policy, "alt", "s3:GetObject", "photos/secret/a"), Answer::Denied);
    }
}

#[test]
fn principals_are_users_however_aws_would_name_them() {
    let names = [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": "alt"}),
        json!({"CanonicalUser": ["other", "alt"]}),
        json!({"AWS": "arn:aws:iam::alt:root"}),
        json!({"AWS": ["arn:aws:iam::123456789012:user/path/alt"]}),
        json!({"Service": "logging.s3.amazonaws.com", "AWS": "arn:aws:iam:::user/alt"}),
    ];
    let all = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
    for name in names {
        let policy = policy(with(all.clone(), "Principal", name.clone())).unwrap();
        assert_eq!(answer(&policy, "alt", "s3:GetObject", "photos/a"), Answer::Allowed, "{name}");
        let everybody = name.to_string().contains('*');
        let other = answer(&policy, "main", "s3:GetObject", "photos/a");
        assert_eq!(other == Answer::Allowed, everybody, "{name}");
    }
    let nobody = with(all, "Principal", json!({"Service": "logging.s3.amazonaws.com"}));
    let nobody = policy(nobody).unwrap();
    assert_eq!(answer(&nobody, "alt", "s3:GetObject", "photos/a"), Answer::Silent);
}

#[test]
fn what_is_not_named_is_meant_by_the_forms_that_say_not() {
    let mut deny =
        json!({"Effect": "Deny", "NotPrincipal": {"AWS": "main"}, "NotAction": "s3:Get*"});
    deny["NotResource"] = json!("arn:aws:s3:::photos/open/*");
    let policy = policy(deny).unwrap();
    let says = |user, action, resource| answer(&policy, user, action, resource);
    assert_eq!(says("alt", "s3:PutObject", "photos/a"), Answer::Denied);
    assert_eq!(says("main", "s3:PutObject", "photos/a"), Answer::Silent);
    assert_eq!(says("alt", "s3:GetObject", "photos/a"), Answer::Silent);
    assert_eq!(says("alt", "s3:PutObject", "photos/open/a"), Answer::Silent);
}

/// Whether a condition holds for a request with these values of one key.
fn holds(operator: &str, key: &str, wanted: Value, found: Option<&[&str]>) -> bool {
    let mut statement = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
    statement["Condition"] = json!({operator: {key: wanted}});
    let policy = policy(statement).unwrap();
    let owned = found.map(|all| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
    let known = key.to_ascii_lowercase();
    let circumstance = |asked: &str| owned.clone().filter(|_| asked.to_lowercase() == known);
    let request = ("alt", "s3:GetObject", "photos/a");
    answer_in(&policy, request, &circumstance) == Answer::Allowed
}

#[test]
fn texts_are_compared_as_the_operator_says() {
    let case = |operator, wanted: &str, found| {
        holds(operator, "aws:Referer", json!([wanted, "x"]), Some(&[found]))
    };
    assert!(case("StringEquals", "a", "a") && !case("StringEquals", "a", "A"));
    assert!(case("StringNotEquals", "a", "b") && !case("StringNotEquals", "a", "a"));
    assert!(!case("StringNotEquals", "a", "x"), "it is none of them");
    assert!(case("StringEqualsIgnoreCase", "a", "A"));
    assert!(!case("StringNotEqualsIgnoreCase", "a", "A"));
    assert!(case("StringLike", "http://*", "http://a") && !case("StringLike", "a?", "a"));
    assert!(case("StringNotLike", "http://*", "https://a"));
    assert!(case("ArnLike", "arn:*", "arn:aws") && case("ArnNotEquals", "arn:a", "arn:b"));
}

#[test]
fn numbers_times_booleans_and_addresses_are_compared_as_such() {
    let case = |operator, wanted: &str, found| {
        holds(operator, "s3:max-keys", json!(wanted), Some(&[found]))
    };
    assert!(case("NumericLessThanEquals", "10", "10") && !case("NumericLessThan", "10", "10"));
    assert!(case("NumericGreaterThan", "9", "10") && case("NumericNotEquals", "9", "9.5"));
    assert!(case("NumericGreaterThanEquals", "9", "9") && !case("NumericEquals", "9", "nine"));
    assert!(case("DateLessThan", "2026-01-02", "2026-01-01T23:59:59Z"));
    assert!(case("DateGreaterThan", "0", "2026-01-01T00:00:00Z"));
    assert!(case("Bool", "true", "true") && !case("Bool", "true", "false"));
    assert!(holds("Bool", "aws:SecureTransport", json!(false), Some(&["false"])));
    assert!(case("IpAddress", "10.0.0.0/8", "10.9.9.9") && case("IpAddress", "::1", "::1"));
    assert!(case("IpAddress", "0.0.0.0/0", "1.2.3.4") && !case("IpAddress", "10.0.0.0/8", "::1"));
    assert!(case("IpAddress", "127.0.0.1", "::ffff:127.0.0.1"));
    assert!(case("NotIpAddress", "10.0.0.0/8", "11.0.0.1"));
    assert!(!case("NotIpAddress", "10.0.0.0/8", "10.0.0.1"));
    assert!(case("IpAddress", "2001:db8::/32", "2001:db8:1::9"));
}

#[test]
fn a_key_that_a_request_does_not_have_fits_only_where_the_operator_says_so() {
    let absent = |operator| holds(operator, "s3:prefix", json!("a"), None);
    assert!(!absent("StringEquals") && !absent("ForAnyValue:StringEquals"));
    assert!(absent("StringNotEquals") && absent("StringEqualsIfExists"));
    assert!(absent("ForAllValues:StringEquals"));
    let null = |wanted, found: Option<&[&str]>| holds("Null", "s3:prefix", json!(wanted), found);
    assert!(null("true", None) && !null("true", Some(&["a"])));
    assert!(null("false", Some(&["a"])) && !null("false", None));
}

#[test]
fn of_a_key_with_several_values_all_or_any_must_fit() {
    let case = |operator, found: &[&str]| {
        holds(operator, "s3:RequestObjectTagKeys", json!(["a", "b"]), Some(found))
    };
    assert!(case("ForAllValues:StringEquals", &["a", "b"]));
    assert!(!case("ForAllValues:StringEquals", &["a", "c"]));
    assert!(case("ForAnyValue:StringEquals", &["c", "b"]));
    assert!(!case("ForAnyValue:StringEquals", &["c"]));
    assert!(case("ForAnyValue:StringNotEquals", &["a", "c"]));
}

#[test]
fn keys_have_no_case_and_tags_have() {
    assert!(holds("StringEquals", "AWS:referer", json!("a"), Some(&["a"])));
    let mut statement = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
    statement["Condition"] = json!({"StringEquals": {"s3:existingobjecttag/Team": "red"}});
    let policy = policy(statement).unwrap();
    let tag = |key: &str| (key == "s3:existingobjecttag/Team").then(|| vec!["red".to_owned()]);
    let request = ("alt", "s3:GetObject", "photos/a");
    assert_eq!(answer_in(&policy, request, &tag), Answer::Allowed);
}

#[test]
fn variables_of_a_condition_stand_for_what_the_request_says() {
    let mut statement = allow(json!("s3:*"), json!("arn:aws:s3:::photos"));
    statement["Condition"] = json!({"StringLike": {"s3:prefix": "home/${aws:username}/*"}});
    let listed = |version: Option<&str>, prefix: &str| {
        let mut text = json!({"Statement": statement});
        if let Some(version) = version {
            text["Version"] = json!(version);
        }
        let policy = Policy::parse_for(&text.to_string(), "photos").unwrap();
        let circumstance = |key: &str| match key {
            "s3:prefix" => Some(vec![prefix.to_owned()]),
            "aws:username" => Some(vec!["alt".to_owned()]),
            _ => None,
        };
        answer_in(&policy, ("alt", "s3:ListBucket", "photos"), &circumstance) == Answer::Allowed
    };
    let (newer, older) = (Some("2012-10-17"), Some("2008-10-17"));
    assert!(listed(newer, "home/alt/a") && !listed(newer, "home/main/a"));
    for version in [older, None] {
        assert!(!listed(version, "home/alt/a"), "there were none then");
        assert!(listed(version, "home/${aws:username}/a"));
    }
}

#[test]
fn public_is_what_is_open_to_everybody_without_fixed_limits() {
    let all = allow(json!("s3:ListBucket"), json!("arn:aws:s3:::photos"));
    let public = |statement: Value| policy(statement).unwrap().is_public();
    assert!(public(all.clone()));
    assert!(!public(with(all.clone(), "Effect", json!("Deny"))));
    assert!(!public(with(all.clone(), "Principal", json!({"AWS": "arn:aws:iam::alt:root"}))));
    let under = |condition: Value| public(with(all.clone(), "Condition", condition));
    assert!(!under(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}})));
    assert!(under(json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}})));
    assert!(under(json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})));
    assert!(!under(json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}})));
    assert!(under(json!({"StringLike": {"aws:SourceVpc": "vpc-*"}})));
    assert!(under(json!({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}})));
    assert!(under(json!({"StringEquals": {"aws:Referer": "me"}})));
}

#[test]
fn what_is_no_policy_of_the_bucket_is_refused_and_says_why() {
    let all = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
    let bad = [
        (json!([]), "needs a statement"),
        (with(all.clone(), "Effect", json!("Maybe")), "Maybe"),
        (with(all.clone(), "Action", json!("ec2:*")), "ec2:*"),
        (with(all.clone(), "Action", json!("s3:")), "s3:"),
        (with(all.clone(), "Resource", json!("arn:aws:s3:::music/*")), "music"),
        (with(all.clone(), "Resource", json!("photos/*")), "photos/*"),
        (with(all.clone(), "Resource", json!("arn:aws:s3:::")), "resource"),
        (with(all.clone(), "Principal", json!("alt")), "principal"),
        (with(all.clone(), "Principal", json!({"AWS": "a*"})), "a*"),
        (with(all.clone(), "Principal", json!({"Else": "a"})), "Else"),
        (with(all.clone(), "Principal", json!({"AWS": UserId::anonymous().as_str()})), "principal"),
        (with(all.clone(), "NotAction", json!("s3:GetObject")), "NotAction"),
        (with(all.clone(), "Condition", json!({"StringIs": {"aws:Referer": "a"}})), "StringIs"),
        (with(all.clone(), "Condition", json!({"NullIfExists": {"a": "true"}})), "NullIfExists"),
        (with(all.clone(), "Condition", json!({"IpAddress": {"aws:SourceIp": "ten"}})), "ten"),
        (with(all.clone(), "Condition", json!({"IpAddress": {"a": "::/129"}})), "::/129"),
        (with(all.clone(), "Condition", json!({"NumericEquals": {"a": "inf"}})), "inf"),
        (with(all.clone(), "More", json!(1)), "JSON"),
        (
            json!({"Effect": "Allow", "NotPrincipal": {"AWS": "alt"}, "Action": "s3:*",
                "Resource": "arn:aws:s3:::photos/*"}),
            "NotPrincipal",
        ),
    ];
    for (statement, why) in bad {
        let error = policy(statement.clone()).unwrap_err().to_string();
        assert!(error.contains(why), "{statement}: {error}");
    }
    let long = format!("{}{}", " ".repeat(POLICY_BYTES_MAX), all);
    assert_eq!(Policy::parse(&long), Err(PolicyError::TooLarge));
    let version = json!({"Version": "2020-01-01", "Statement": all}).to_string();
    assert!(matches!(Policy::parse(&version), Err(PolicyError::Version(_))));
    let twice = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": "*", "Condition": {"Bool": {"a": true}, "Bool": {"b": true}}}}"#;
    assert!(matches!(Policy::parse(twice), Err(PolicyError::Json(_))), "the second would win");
}

#[test]
fn the_text_is_kept_as_it_came() {
    let text = format!(" {} ", json!({"Statement": [allow(json!("*"), json!("*"))]}));
    let policy = Policy::parse_for(&text, "photos").unwrap();
    assert_eq!(policy.text(), text);
    assert_eq!(Policy::from_bytes(&policy.to_bytes()), Some(policy));
    assert_eq!(Policy::from_bytes(&Bytes::from_static(b"{}")), None);
}

/// What policies are made of, in places where it may or may not belong.
fn pieces() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 18] = [
        "*",
        "Allow",
        "Deny",
        "s3:Get*",
        "arn:aws:s3:::photos/${aws:username, 'x'}/*?",
        "arn:aws:s3:::*",
        "arn:aws:iam::alt:root",
        "arn:aws:iam::1:user/",
        "2012-10-17",
        "10.0.0.0/33",
        "::/0",
        "0.0.0.0/0",
        "true",
        "1e400",
        "-9223372036854775808",
        "9999-12-31T23:59:60Z",
        "${",
        "",
    ];
    const NAMES: [&str; 18] = [
        "Version",
        "Statement",
        "Effect",
        "Principal",
        "NotPrincipal",
        "AWS",
        "Action",
        "NotAction",
        "Resource",
        "Condition",
        "Null",
        "IpAddress",
        "ForAllValues:StringNotLike",
        "ForAnyValue:DateLessThanIfExists",
        "NumericEquals",
        "Bool",
        "s3:prefix",
        "aws:SourceIp",
    ];
    let text = prop::sample::select(&TEXTS[..]).prop_map(|text| json!(text));
    let leaf = prop_oneof![
        8 => text,
        1 => any::<String>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let entry = (prop::sample::select(&NAMES[..]), inner.clone());
        let entry = entry.prop_map(|(name, value)| (name.to_owned(), value));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(entry, 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// A statement that is one, but for what takes the place of some parts of it.
fn statements() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 6] =
        ["Principal", "Action", "Resource", "Condition", "Effect", "NotPrincipal"];
    let parts = prop::collection::vec((prop::sample::select(&NAMES[..]), pieces()), 0..3);
    parts.prop_map(|parts| {
        let all = allow(json!("s3:*"), json!("arn:aws:s3:::photos/*"));
        parts.into_iter().fold(all, |all, (name, value)| with(all, name, value))
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _unknown = Policy::from_bytes(&bytes.into());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _refused = Policy::parse(&text);
    }

    #[test]
    fn no_text_that_is_almost_a_policy_makes_it_panic(
        texts in prop::collection::vec(
            "[\\[\\]{}:,\"*a-z0-9]{0,12}|\"Statement\"|\"Effect\":\"Allow\"|\"Condition\"", 0..20),
    ) {
        let text = texts.concat();
        let text = format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":"*",{text}}}]}}"#);
        let _refused = Policy::parse(&text);
    }

    /// Neither reading nor judging: whatever is found in a request, too.
    #[test]
    fn no_policy_makes_a_request_panic(
        statement in prop_oneof![statements(), pieces()],
        found in prop::option::of(prop::collection::vec("[0-9.:/TZ-]{0,12}|.{0,3}", 0..3)),
    ) {
        if let Ok(policy) = policy(statement) {
            for user in ["alt", UserId::anonymous().as_str()] {
                let circumstance = |_: &str| found.clone();
                answer_in(&policy, (user, "s3:GetObject", "photos/a"), &circumstance);
            }
            assert_eq!(Policy::from_bytes(&policy.to_bytes()), Some(policy));
        }
    }
}
