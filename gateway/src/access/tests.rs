use serde_json::json;

use super::*;
use crate::documents::acl::{Acl, Of};

fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

fn closed() -> Rules {
    let (ownership, block) = (Ownership::ObjectWriter, PublicAccessBlock::default());
    Rules { owner: user("main"), ownership, block, acl: None, policy: None }
}

fn with_acl(name: &str) -> Rules {
    let acl = Acl::canned(name, &user("main"), Of::Bucket);
    Rules { acl, ..closed() }
}

fn policy(effect: &str, principal: &str, action: &str) -> Policy {
    let text = json!({"Statement": {
        "Effect": effect, "Principal": {"AWS": principal}, "Action": action,
        "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]
    }});
    Policy::parse_for(&text.to_string(), "photos").unwrap()
}

fn with_policy(effect: &str, principal: &str, action: &str) -> Rules {
    Rules { policy: Some(policy(effect, principal, action)), ..closed() }
}

fn decide(rules: &Rules, who: &UserId, operation: &str) -> Verdict {
    let action = Action::of(operation, false);
    let resource = if operation.contains("Object") && !operation.starts_with("List") {
        "photos/a"
    } else {
        "photos"
    };
    rules.decide(&Ask { user: who, action, beside: &[], resource, circumstance: &|_| None })
}

/// What the owner, another user and nobody may do: `+` yes, `-` no, `o` if the object's ACL says so.
fn decided(rules: &Rules, operation: &str) -> String {
    let letter = |who: &UserId| match decide(rules, who, operation) {
        Verdict::Granted => '+',
        Verdict::Refused => '-',
        Verdict::Object(_) => 'o',
        Verdict::OwnUploads => 'u',
    };
    [user("main"), user("alt"), UserId::anonymous()].iter().map(letter).collect()
}

const OPERATIONS: [&str; 6] =
    ["ListObjectsV2", "GetObject", "PutObject", "GetBucketAcl", "PutBucketAcl", "GetBucketCors"];

fn row(rules: &Rules) -> String {
    OPERATIONS.map(|operation| decided(rules, operation)).join(" ")
}

#[test]
fn who_may_do_what_follows_from_acl_policy_block_and_ownership() {
    let enforced = |rules: Rules| Rules { ownership: Ownership::BucketOwnerEnforced, ..rules };
    let ignoring = |rules: Rules| {
        let block = PublicAccessBlock { ignore_acls: true, ..rules.block };
        Rules { block, ..rules }
    };
    let restricted = |rules: Rules| {
        let block = PublicAccessBlock { restrict: true, ..rules.block };
        Rules { block, ..rules }
    };
    let mut denied = with_acl("public-read-write");
    denied.policy = Some(policy("Deny", "*", "s3:*"));
    let table = [
        //                       list get put acl? acl! cors
        (closed(), "+-- +oo +-- +-- +-- +--"),
        (with_acl("private"), "+-- +oo +-- +-- +-- +--"),
        (with_acl("public-read"), "+++ +oo +-- +-- +-- +--"),
        (with_acl("public-read-write"), "+++ +oo +++ +-- +-- +--"),
        (with_acl("authenticated-read"), "++- +oo +-- +-- +-- +--"),
        (ignoring(with_acl("public-read-write")), "+-- +oo +-- +-- +-- +--"),
        (enforced(with_acl("public-read-write")), "+-- +-- +-- +-- +-- +--"),
        (with_policy("Allow", "*", "s3:GetObject"), "+-- +++ +-- +-- +-- +--"),
        (with_policy("Allow", "*", "s3:*"), "+++ +++ +++ +++ +++ +++"),
        (with_policy("Allow", "alt", "s3:*"), "++- ++o ++- ++- ++- ++-"),
        (enforced(with_policy("Allow", "alt", "s3:*")), "++- ++- ++- ++- ++- ++-"),
        (restricted(with_policy("Allow", "*", "s3:*")), "+-- +oo +-- +-- +-- +--"),
        (restricted(with_policy("Allow", "alt", "s3:*")), "++- ++o ++- ++- ++- ++-"),
        (ignoring(with_policy("Allow", "*", "s3:GetObject")), "+-- +++ +-- +-- +-- +--"),
        (with_policy("Deny", "alt", "s3:*"), "+-- +-o +-- +-- +-- +--"),
        (with_policy("Deny", "main", "s3:PutObject"), "+-- +oo --- +-- +-- +--"),
        (denied, "--- --- --- --- --- ---"),
    ];
    for (rules, expected) in table {
        assert_eq!(row(&rules), expected, "{rules:?}");
    }
}

#[test]
fn root_may_do_everything_and_an_owner_may_always_take_the_policy_away() {
    let rules = with_policy("Deny", "*", "s3:*");
    for operation in OPERATIONS {
        assert_eq!(decide(&rules, &UserId::root(), operation), Verdict::Granted);
    }
    for operation in ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"] {
        assert_eq!(decided(&rules, operation), "+--");
    }
    assert_eq!(decided(&rules, "DeleteBucket"), "---");
    assert!(rules.decide_object(Verdict::Refused, (&UserId::root(), Permission::Read), None));
}

#[test]
fn each_grant_of_a_bucket_opens_what_it_names() {
    let with = |permission| {
        let grants = vec![crate::documents::acl::Grant::user(user("alt"), permission)];
        Rules { acl: Some(Acl { owner: user("main"), grants }), ..closed() }
    };
    let table = [
        (Permission::Read, "++- +oo +-- +-- +-- +--"),
        (Permission::Write, "+-- +oo ++- +-- +-- +--"),
        (Permission::ReadAcp, "+-- +oo +-- ++- +-- +--"),
        (Permission::WriteAcp, "+-- +oo +-- +-- ++- +--"),
        (Permission::FullControl, "++- +oo ++- ++- ++- +--"),
    ];
    for (permission, expected) in table {
        assert_eq!(row(&with(permission)), expected, "{permission:?}");
    }
}

#[test]
fn what_a_bucket_takes_in_from_others_is_in_uploads_of_their_own() {
    let operations = ["CreateMultipartUpload", "UploadPart", "ListParts", "AbortMultipartUpload"];
    let row = |rules: &Rules| operations.map(|operation| decided(rules, operation)).join(" ");
    assert_eq!(row(&closed()), "+-- +-- +-- +--");
    assert_eq!(row(&with_acl("public-read-write")), "+++ +uu +uu +uu");
    assert_eq!(row(&with_policy("Allow", "alt", "s3:*")), "++- ++- ++- ++-");
}

#[test]
fn all_that_a_request_is_must_be_allowed_and_nothing_denied() {
    let ask = |rules: &Rules, beside: &[&'static str]| {
        let (user, action) = (&user("alt"), Action::of("PutObject", false));
        let resource = "photos/a";
        rules.decide(&Ask { user, action, beside, resource, circumstance: &|_| None })
    };
    let rules = with_policy("Allow", "alt", "s3:PutObject");
    assert_eq!(ask(&rules, &[]), Verdict::Granted);
    assert_eq!(ask(&rules, &["s3:PutObjectAcl"]), Verdict::Refused);
    let rules = with_policy("Allow", "alt", "s3:PutObject*");
    assert_eq!(ask(&rules, &["s3:PutObjectAcl", "s3:PutObjectTagging"]), Verdict::Granted);
    let mut rules = with_acl("public-read-write");
    assert_eq!(ask(&rules, &["s3:PutObjectAcl"]), Verdict::Granted);
    for lock in ["s3:PutObjectRetention", "s3:PutObjectLegalHold"] {
        assert_eq!(ask(&rules, &[lock]), Verdict::Refused, "it would bind the bucket's owner");
    }
    rules.policy = Some(policy("Deny", "alt", "s3:PutObjectAcl"));
    assert_eq!(ask(&rules, &["s3:PutObjectAcl"]), Verdict::Refused);
    assert_eq!(ask(&rules, &[]), Verdict::Granted);
}

#[test]
fn an_object_is_its_owners_whoever_owns_the_bucket() {
    use Verdict::{Granted, Object, Refused};

    let (main, alt, nobody) = (user("main"), user("alt"), UserId::anonymous());
    let read = Permission::Read;
    let may = |rules: &Rules, verdict, who: &UserId, acl: Option<&Acl>| {
        rules.decide_object(verdict, (who, read), acl)
    };
    let rules = closed();
    // The bucket owner's own.
    assert!(may(&rules, Granted, &main, None) && !may(&rules, Object(read), &alt, None));
    let public = Acl::canned("public-read", &main, Of::Object(&main));
    assert!(may(&rules, Object(read), &nobody, public.as_ref()));
    assert!(!may(&rules, Refused, &nobody, public.as_ref()), "a policy denies it");
    assert!(may(&rules, Granted, &nobody, None), "a policy opens it");
    // Somebody else's in the bucket.
    let foreign = Acl::canned("private", &alt, Of::Object(&main));
    assert!(may(&rules, Object(read), &alt, foreign.as_ref()));
    assert!(!may(&rules, Granted, &main, foreign.as_ref()));
    assert!(!may(&rules, Granted, &nobody, foreign.as_ref()), "no policy of the bucket's opens it");
    let shared = Acl::canned("bucket-owner-full-control", &alt, Of::Object(&main));
    assert!(may(&rules, Granted, &main, shared.as_ref()));
    // ACLs disabled: every object is the bucket owner's.
    let enforced = Rules { ownership: Ownership::BucketOwnerEnforced, ..closed() };
    assert!(may(&enforced, Granted, &main, foreign.as_ref()));
    assert!(!may(&enforced, Object(read), &alt, foreign.as_ref()));
    let block = PublicAccessBlock { ignore_acls: true, ..PublicAccessBlock::default() };
    let ignoring = Rules { block, ..closed() };
    assert!(!may(&ignoring, Object(read), &nobody, public.as_ref()));
    // Whoever put it without a signature: everybody, then.
    let nobodys = Some(Acl::private(nobody.clone()));
    assert!(may(&rules, Object(read), &nobody, nobodys.as_ref()));
    assert!(!may(&rules, Object(read), &alt, nobodys.as_ref()));
    assert!(!may(&ignoring, Object(read), &nobody, nobodys.as_ref()));
}

#[test]
fn a_service_puts_where_the_policy_or_the_list_of_the_bucket_lets_it() {
    let service = "logging.s3.amazonaws.com";
    let puts = |rules: &Rules| rules.lets_service_put(service, "photos/log/a", &|_| None);
    let with = |effect: &str, who: &str| {
        let text = json!({"Statement": {
            "Effect": effect, "Principal": {"Service": who}, "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::photos/log/*"
        }});
        let policy = Policy::parse_for(&text.to_string(), "photos").unwrap();
        assert!(!policy.is_public());
        Rules { policy: Some(policy), ..with_acl("log-delivery-write") }
    };
    assert!(!puts(&closed()) && !puts(&with_acl("public-read-write")));
    assert!(puts(&with_acl("log-delivery-write")));
    let enforced = Ownership::BucketOwnerEnforced;
    let listed = Rules { ownership: enforced, ..with_acl("log-delivery-write") };
    assert!(!puts(&listed), "lists count for nothing");
    assert!(puts(&Rules { acl: None, ownership: enforced, ..with("Allow", service) }));
    assert!(!puts(&Rules { acl: None, ..with("Allow", "other.amazonaws.com") }));
    assert!(!puts(&with("Deny", service)), "whatever the list gives");
    let of_user = decide(&with("Allow", service), &user("alt"), "PutObject");
    assert_eq!(of_user, Verdict::Refused, "a service is no user");
}

#[test]
fn an_acl_is_needed_where_nothing_else_lets_somebody_in() {
    let needed = |rules: &Rules, who: &UserId| {
        let action = Action::of("ListObjectsV2", false);
        let resource = "photos";
        rules.needed_acl(&Ask { user: who, action, beside: &[], resource, circumstance: &|_| None })
    };
    let (open, alt) = (with_acl("public-read"), user("alt"));
    assert!(needed(&open, &alt) && needed(&open, &UserId::anonymous()));
    assert!(!needed(&open, &user("main")) && !needed(&open, &UserId::root()));
    let policy = policy("Allow", "*", "s3:ListBucket");
    assert!(!needed(&Rules { policy: Some(policy), ..open }, &alt));
}
