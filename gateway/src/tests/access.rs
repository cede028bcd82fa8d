//! Who is let in where it is not their own: by ACL, by policy, without a signature.

use model::{RequestId, attribute};
use serde_json::{Value, json};
use store::{Caller, VersionName};

use super::{
    site::{Answer, Ask, Site, ask},
    users::{alt, denied, enabled, main, site},
};

async fn anonymous(site: &Site, ask: Ask) -> Answer {
    site.send_raw(ask.unsigned()).await
}

/// What another user and nobody may do: their statuses.
async fn others(site: &Site, ask: Ask) -> [u16; 2] {
    let by_alt = site.send(alt(ask.clone())).await.status.as_u16();
    [by_alt, anonymous(site, ask).await.status.as_u16()]
}

async fn set(site: &Site, ask: Ask) {
    let answer = site.send(main(ask)).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
}

fn canned(path: &str, acl: &str) -> Ask {
    ask("PUT", path).header("x-amz-acl", acl)
}

fn policy(statement: Value) -> Ask {
    let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    ask("PUT", "/photos?policy").body(text.as_bytes())
}

fn allow(principal: Value, action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action,
           "Resource": format!("arn:aws:s3:::{resource}")})
}

#[tokio::test]
async fn nobody_is_let_in_unasked() {
    let site = site().await;
    for ask in [ask("GET", "/"), ask("PUT", "/new"), ask("GET", "/photos"), ask("GET", "/photos/a")]
    {
        assert!(denied(&anonymous(&site, ask).await));
    }
    assert!(denied(&anonymous(&site, ask("GET", "/photos/none")).await), "nor told what is there");
    assert!(denied(&anonymous(&site, ask("GET", "/photos?acl")).await));
    let missing = anonymous(&site, ask("GET", "/nobucket")).await;
    assert_eq!(missing.error(), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn canned_lists_open_buckets_and_objects() {
    let site = site().await;
    set(&site, canned("/photos?acl", "public-read")).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [200, 200]);
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [403, 403], "the object is not");
    assert_eq!(others(&site, ask("GET", "/photos/none")).await, [404, 404], "the list tells");
    assert_eq!(others(&site, ask("PUT", "/photos/b").body(b"x")).await, [403, 403]);
    set(&site, canned("/photos?acl", "authenticated-read")).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [200, 403]);
    set(&site, canned("/photos/a?acl", "public-read")).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [200, 200]);
    assert_eq!(others(&site, ask("GET", "/photos/a?acl")).await, [403, 403]);
    set(&site, canned("/photos/p", "public-read").body(b"1")).await;
    assert_eq!(others(&site, ask("HEAD", "/photos/p")).await, [200, 200]);
    // Written anew it is private again.
    set(&site, ask("PUT", "/photos/p").body(b"2")).await;
    assert_eq!(others(&site, ask("GET", "/photos/p")).await, [403, 403]);
    set(&site, canned("/photos?acl", "public-read-write")).await;
    assert_eq!(others(&site, ask("PUT", "/photos/w").body(b"x")).await, [200, 200]);
    assert_eq!(others(&site, ask("DELETE", "/photos/w")).await, [204, 204]);
    set(&site, canned("/photos?acl", "private")).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [403, 403]);
    let bad = site.send(main(canned("/photos?acl", "open"))).await;
    assert_eq!(bad.error(), (400, "InvalidArgument".to_owned()));
    let none = site.send(main(ask("PUT", "/photos?acl"))).await;
    assert_eq!(none.error(), (400, "MissingSecurityHeader".to_owned()));
}

#[tokio::test]
async fn lists_are_shown_and_set_as_xml() {
    let site = site().await;
    let shown = site.send(main(ask("GET", "/photos?acl"))).await;
    assert_eq!(shown.tags("ID"), ["main", "main"]);
    assert_eq!(shown.tags("Permission"), ["FULL_CONTROL"]);
    let grant = |permission| {
        format!(
            "<AccessControlPolicy><Owner><ID>main</ID></Owner><AccessControlList><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
             <ID>alt</ID></Grantee><Permission>{permission}</Permission></Grant>\
             </AccessControlList></AccessControlPolicy>"
        )
    };
    set(&site, ask("PUT", "/photos?acl").body(grant("READ").as_bytes())).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [200, 403]);
    assert_eq!(site.send(main(ask("GET", "/photos?acl"))).await.tags("ID"), ["alt", "main"]);
    set(&site, ask("PUT", "/photos/a?acl").body(grant("WRITE_ACP").as_bytes())).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [403, 403]);
    // Who may write the list may let themselves in.
    let own = canned("/photos/a?acl", "public-read");
    assert_eq!(site.send(alt(own)).await.status, 200);
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [200, 200]);
    let stranger = grant("READ").replace("<ID>alt", "<ID>nobody");
    let refused = site.send(main(ask("PUT", "/photos?acl").body(stranger.as_bytes()))).await;
    assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()));
    let headers = ask("PUT", "/photos/h").header("x-amz-grant-read", "id=alt").body(b"1");
    set(&site, headers).await;
    assert_eq!(others(&site, ask("GET", "/photos/h")).await, [200, 403]);
}

#[tokio::test]
async fn an_object_is_whose_put_it_unless_the_bucket_says_otherwise() {
    let site = site().await;
    set(&site, canned("/photos?acl", "public-read-write")).await;
    let owner = async |key: &str, by: fn(Ask) -> Ask| {
        let shown = site.send(by(ask("GET", &format!("/photos/{key}?acl")))).await;
        (shown.status.as_u16(), shown.tag("ID"))
    };
    let by_alt = async |ask: Ask| site.send(alt(ask)).await;
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(by_alt(ask("PUT", "/photos/x").body(b"1")).await.status, 200);
    assert_eq!(owner("x", alt).await, (200, id("alt")));
    assert_eq!(owner("x", main).await, (403, None), "the bucket's owner may not");
    assert!(denied(&site.send(main(ask("GET", "/photos/x"))).await));
    let root = site.get("/photos/x").await;
    assert_eq!(root.status, 200, "root may");
    let controls = |kind: &str| {
        let xml = format!(
            "<OwnershipControls><Rule><ObjectOwnership>{kind}</ObjectOwnership></Rule>\
             </OwnershipControls>"
        );
        ask("PUT", "/photos?ownershipControls").body(xml.as_bytes())
    };
    let none = site.send(main(ask("GET", "/photos?ownershipControls"))).await;
    assert_eq!(none.error(), (404, "OwnershipControlsNotFoundError".to_owned()));
    set(&site, controls("BucketOwnerPreferred")).await;
    let given = canned("/photos/y", "bucket-owner-full-control").body(b"1");
    assert_eq!(by_alt(given).await.status, 200);
    assert_eq!(owner("y", main).await, (200, id("main")));
    assert_eq!(by_alt(ask("PUT", "/photos/z").body(b"1")).await.status, 200);
    assert_eq!(owner("z", alt).await, (200, id("alt")));
    // A list that gives others something stands against it.
    let refused = site.send(main(controls("BucketOwnerEnforced"))).await;
    assert_eq!(refused.error(), (400, "InvalidBucketAclWithObjectOwnership".to_owned()));
    set(&site, canned("/photos?acl", "private")).await;
    set(&site, controls("BucketOwnerEnforced")).await;
    assert_eq!(owner("x", main).await, (200, id("main")), "all is the bucket owner's");
    assert!(denied(&by_alt(ask("GET", "/photos/x")).await));
    for path in ["/photos?acl", "/photos/x?acl"] {
        let refused = site.send(main(canned(path, "private"))).await;
        assert_eq!(refused.error(), (400, "AccessControlListNotSupported".to_owned()), "{path}");
    }
    let refused = site.send(main(canned("/photos/n", "private").body(b"1"))).await;
    assert_eq!(refused.error(), (400, "AccessControlListNotSupported".to_owned()));
    set(&site, canned("/photos/n", "bucket-owner-full-control").body(b"1")).await;
    set(&site, ask("DELETE", "/photos?ownershipControls")).await;
    assert_eq!(owner("x", alt).await, (200, id("alt")));
}

#[tokio::test]
async fn a_bucket_begins_with_its_list_and_ownership() {
    let site = site().await;
    set(&site, canned("/open", "public-read")).await;
    assert_eq!(others(&site, ask("GET", "/open")).await, [200, 200]);
    let enforced =
        |path, acl| canned(path, acl).header("x-amz-object-ownership", "BucketOwnerEnforced");
    let refused = site.send(main(enforced("/both", "public-read"))).await;
    assert_eq!(refused.error(), (400, "InvalidBucketAclWithObjectOwnership".to_owned()));
    set(&site, enforced("/both", "private")).await;
    let shown = site.send(main(ask("GET", "/both?ownershipControls"))).await;
    assert_eq!(shown.tag("ObjectOwnership").as_deref(), Some("BucketOwnerEnforced"));
}

#[tokio::test]
async fn a_policy_opens_and_closes_what_it_names() {
    let site = site().await;
    let none = site.send(main(ask("GET", "/photos?policy"))).await;
    assert_eq!(none.error(), (404, "NoSuchBucketPolicy".to_owned()));
    set(&site, policy(allow(json!("*"), "s3:GetObject", "photos/a*"))).await;
    set(&site, ask("PUT", "/photos/other").body(b"1")).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [200, 200]);
    assert_eq!(others(&site, ask("GET", "/photos/other")).await, [403, 403]);
    assert_eq!(others(&site, ask("GET", "/photos/a-missing")).await, [403, 403]);
    let shown = site.send(main(ask("GET", "/photos?policy"))).await;
    assert!(shown.text().contains(r#""Action":"s3:GetObject""#));
    let status = site.send(main(ask("GET", "/photos?policyStatus"))).await;
    assert_eq!(status.tag("IsPublic").as_deref(), Some("true"));
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:*", "photos/*"))).await;
    assert_eq!(others(&site, ask("PUT", "/photos/new").body(b"x")).await, [200, 403]);
    assert_eq!(others(&site, ask("GET", "/photos")).await, [403, 403], "the bucket is not named");
    let xml = b"<Delete><Object><Key>other</Key></Object></Delete>";
    let deleted = site.send(alt(ask("POST", "/photos?delete").body(xml))).await;
    assert_eq!((deleted.status.as_u16(), deleted.tag("Code")), (200, None));
    // What is denied is denied to the owner too, but for the policy itself.
    let mut deny = allow(json!("*"), "s3:*", "photos*");
    deny["Effect"] = json!("Deny");
    set(&site, policy(deny)).await;
    assert!(denied(&site.send(main(ask("GET", "/photos/a"))).await));
    let kept = site.send(main(ask("POST", "/photos?delete").body(xml))).await;
    assert_eq!((kept.status.as_u16(), kept.tags("Code")), (200, vec!["AccessDenied".to_owned()]));
    assert_eq!(site.get("/photos/a").await.status, 200, "root stands above it");
    set(&site, ask("DELETE", "/photos?policy")).await;
    assert_eq!(site.send(main(ask("GET", "/photos/a"))).await.status, 200);
    let other = policy(allow(json!("*"), "s3:GetObject", "music/*"));
    let refused = site.send(main(other)).await;
    assert_eq!(refused.error(), (400, "MalformedPolicy".to_owned()));
    assert!(denied(&site.send(alt(policy(allow(json!("*"), "s3:*", "photos")))).await));
}

#[tokio::test]
async fn conditions_are_of_the_request_and_of_the_object_that_is_there() {
    let site = site().await;
    let mut statement = allow(json!("*"), "s3:GetObject", "photos/*");
    statement["Condition"] = json!({"StringEquals": {"s3:ExistingObjectTag/open": "yes"}});
    set(&site, policy(statement)).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [403, 403]);
    set(&site, ask("PUT", "/photos/a").header("x-amz-tagging", "open=yes").body(b"1")).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [200, 200]);
    let mut statement = allow(json!("*"), "s3:ListBucket", "photos");
    statement["Condition"] = json!({"StringLike": {"s3:prefix": "a*"}});
    set(&site, policy(statement)).await;
    assert_eq!(others(&site, ask("GET", "/photos?prefix=a")).await, [200, 200]);
    assert_eq!(others(&site, ask("GET", "/photos")).await, [403, 403]);
    // Behind no connection that anybody knows of, no address fits.
    let mut statement = allow(json!("*"), "s3:ListBucket", "photos");
    statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}});
    set(&site, policy(statement)).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [403, 403]);
}

#[tokio::test]
async fn who_may_depend_on_tags_that_nobody_here_can_read_is_refused() {
    let site = site().await;
    let all = allow(json!({"AWS": "alt"}), "s3:*", "photos/*");
    let mut deny = all.clone();
    deny["Effect"] = json!("Deny");
    deny["Condition"] = json!({"StringEquals": {"s3:ExistingObjectTag/locked": "yes"}});
    let text = json!({"Version": "2012-10-17", "Statement": [all, deny]}).to_string();
    set(&site, ask("PUT", "/photos?policy").body(text.as_bytes())).await;
    let tagging = |tags: &'static [u8]| {
        let (bucket, key) = ("photos".to_owned().try_into(), "a".to_owned().try_into());
        let name = VersionName { bucket: bucket.unwrap(), key: key.unwrap(), of: None };
        let tags = Some(tags.into());
        site.store.set_object_attribute(name, attribute::TAGS, tags, Caller::root())
    };
    for tags in [&br#"{"locked":"yes"}"#[..], br#"{"form":2,"locked":["yes"]}"#] {
        tagging(tags).await.unwrap();
        assert!(denied(&site.send(alt(ask("DELETE", "/photos/a"))).await));
    }
    tagging(br#"{"locked":"no"}"#).await.unwrap();
    assert_eq!(site.send(alt(ask("DELETE", "/photos/a"))).await.status, 204);
}

#[tokio::test]
async fn what_a_policy_asks_of_a_put_must_be_done_and_not_only_said() {
    let site = site().await;
    let mut statement = allow(json!({"AWS": "alt"}), "s3:PutObject*", "photos/*");
    let given = "bucket-owner-full-control";
    statement["Condition"] = json!({"StringEquals": {"s3:x-amz-acl": given}});
    set(&site, policy(statement)).await;
    let in_the_url = format!("/photos/x?x-amz-acl={given}");
    assert!(denied(&site.send(alt(ask("PUT", &in_the_url).body(b"1"))).await));
    assert_eq!(site.send(alt(canned("/photos/x", given).body(b"1"))).await.status, 200);
    assert_eq!(site.send(main(ask("GET", "/photos/x"))).await.status, 200);
}

#[tokio::test]
async fn a_copy_needs_its_source_to_be_open_and_a_delete_of_many_each_key() {
    let site = site().await;
    assert_eq!(site.send(alt(ask("PUT", "/music"))).await.status, 200);
    let copy = |key: &str| {
        let source = format!("/photos/{key}");
        ask("PUT", "/music/copy").header("x-amz-copy-source", &source)
    };
    assert!(denied(&site.send(alt(copy("a"))).await));
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:GetObject", "photos/a"))).await;
    set(&site, ask("PUT", "/photos/b").body(b"1")).await;
    assert_eq!(site.send(alt(copy("a"))).await.status, 200);
    assert!(denied(&site.send(alt(copy("b"))).await));
    assert!(denied(&site.send(alt(copy("missing"))).await));
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:DeleteObject", "photos/b"))).await;
    let xml = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
    let deleted = site.send(alt(ask("POST", "/photos?delete").body(xml))).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(deleted.tags("Code"), ["AccessDenied"]);
    assert_eq!(site.send(main(ask("GET", "/photos/a"))).await.status, 200);
    assert_eq!(site.send(main(ask("GET", "/photos/b"))).await.status, 404);
}

#[tokio::test]
async fn the_block_of_public_access_stands_above_lists_and_policies() {
    let site = site().await;
    let block = |settings: &[&str]| {
        let settings = settings.iter().map(|name| format!("<{name}>true</{name}>"));
        let xml = settings.collect::<String>();
        let xml = format!("<PublicAccessBlockConfiguration>{xml}</PublicAccessBlockConfiguration>");
        ask("PUT", "/photos?publicAccessBlock").body(xml.as_bytes())
    };
    let none = site.send(main(ask("GET", "/photos?publicAccessBlock"))).await;
    assert_eq!(none.error(), (404, "NoSuchPublicAccessBlockConfiguration".to_owned()));
    set(&site, block(&["BlockPublicAcls", "BlockPublicPolicy"])).await;
    let shown = site.send(main(ask("GET", "/photos?publicAccessBlock"))).await;
    assert_eq!(shown.tag("BlockPublicAcls").as_deref(), Some("true"));
    assert_eq!(shown.tag("IgnorePublicAcls").as_deref(), Some("false"));
    for ask in [
        canned("/photos?acl", "public-read"),
        canned("/photos/a?acl", "authenticated-read"),
        canned("/photos/new", "public-read").body(b"1"),
        policy(allow(json!("*"), "s3:GetObject", "photos/*")),
    ] {
        assert!(denied(&site.send(main(ask)).await));
    }
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:ListBucket", "photos"))).await;
    set(&site, block(&[])).await;
    set(&site, canned("/photos/a?acl", "public-read")).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [200, 200]);
    set(&site, block(&["IgnorePublicAcls"])).await;
    assert_eq!(others(&site, ask("GET", "/photos/a")).await, [403, 403]);
    set(&site, block(&[])).await;
    set(&site, policy(allow(json!("*"), "s3:ListBucket", "photos"))).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [200, 200]);
    set(&site, block(&["RestrictPublicBuckets"])).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [403, 403]);
    assert_eq!(site.send(main(ask("GET", "/photos"))).await.status, 200);
    set(&site, ask("DELETE", "/photos?publicAccessBlock")).await;
    assert_eq!(others(&site, ask("GET", "/photos")).await, [200, 200]);
}

#[tokio::test]
async fn who_is_disabled_stays_outside_whatever_is_open_to_them() {
    let site = site().await;
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:*", "photos/*"))).await;
    assert_eq!(site.send(alt(ask("PUT", "/photos/x").body(b"1"))).await.status, 200);
    let id = "alt".to_owned().try_into().unwrap();
    site.store.patch_user(id, enabled(false), RequestId::NONE).await.unwrap();
    let refused = site.send(alt(ask("PUT", "/photos/x").body(b"1"))).await;
    assert_eq!(refused.error(), (403, "InvalidAccessKeyId".to_owned()));
}

#[tokio::test]
async fn tags_of_what_others_put_are_the_bucket_owners_business() {
    let site = site().await;
    set(&site, canned("/photos?acl", "public-read-write")).await;
    let put = ask("PUT", "/photos/theirs").body(b"1");
    assert_eq!(anonymous(&site, put).await.status, 200);
    let tagging = || ask("GET", "/photos/theirs?tagging");
    assert_eq!(site.send(main(tagging())).await.status, 200);
    assert!(denied(&site.send(main(ask("GET", "/photos/theirs"))).await), "the object is not");
    assert_eq!(others(&site, tagging()).await, [403, 403]);
}

#[tokio::test]
async fn whom_a_list_lets_write_cannot_lock_what_they_write() {
    let site = site().await;
    let bucket = canned("/locked", "public-read-write");
    set(&site, bucket.header("x-amz-bucket-object-lock-enabled", "true")).await;
    let put = || ask("PUT", "/locked/a").body(b"1");
    let retention = put()
        .header("x-amz-object-lock-mode", "COMPLIANCE")
        .header("x-amz-object-lock-retain-until-date", "2130-01-01T00:00:00Z");
    assert_eq!(others(&site, retention).await, [403, 403]);
    let hold = put().header("x-amz-object-lock-legal-hold", "ON");
    assert_eq!(others(&site, hold).await, [403, 403]);
    assert_eq!(others(&site, put()).await, [200, 200]);
}

#[tokio::test]
async fn tags_are_told_to_those_alone_who_may_read_them() {
    let site = site().await;
    let tagged = canned("/photos/open", "public-read").header("x-amz-tagging", "secret=yes");
    set(&site, tagged.body(b"1")).await;
    set(&site, canned("/photos?acl", "public-read-write")).await;
    let count = |answer: Answer| answer.header("x-amz-tagging-count").map(str::to_owned);
    for method in ["GET", "HEAD"] {
        let read = || ask(method, "/photos/open");
        assert_eq!(count(site.send(main(read())).await).as_deref(), Some("1"));
        assert_eq!(count(site.send(alt(read())).await), None);
    }
    let copy = || ask("PUT", "/photos/copy").header("x-amz-copy-source", "/photos/open");
    assert!(denied(&site.send(alt(copy())).await), "the copy would show them");
    let without = || copy().header("x-amz-tagging-directive", "REPLACE");
    assert_eq!(site.send(alt(without())).await.status, 200);
    set(&site, policy(allow(json!({"AWS": "alt"}), "s3:GetObjectTagging", "photos/*"))).await;
    assert_eq!(count(site.send(alt(ask("GET", "/photos/open"))).await).as_deref(), Some("1"));
    assert_eq!(site.send(alt(copy())).await.status, 200);
}

#[tokio::test]
async fn headers_of_an_answer_are_chosen_by_who_signs() {
    let site = site().await;
    set(&site, canned("/photos/open", "public-read").body(b"<script>")).await;
    for method in ["GET", "HEAD"] {
        let page = || ask(method, "/photos/open?response-content-type=text%2Fhtml");
        assert_eq!(anonymous(&site, page()).await.status, 400);
        assert_eq!(site.send(alt(page())).await.header("content-type"), Some("text/html"));
    }
    let refused = anonymous(&site, ask("GET", "/photos/open?%72esponse-content-language=en")).await;
    assert_eq!(refused.error(), (400, "InvalidRequest".to_owned()));
}

#[tokio::test]
async fn whom_a_list_lets_write_goes_on_with_uploads_of_their_own() {
    let site = site().await;
    set(&site, canned("/photos?acl", "public-read-write")).await;
    let begin = || ask("POST", "/photos/up?uploads");
    let mains = site.send(main(begin())).await.tag("UploadId").unwrap();
    let alts = site.send(alt(begin())).await.tag("UploadId").unwrap();
    let part = |id: &str| ask("PUT", &format!("/photos/up?partNumber=1&uploadId={id}")).body(b"1");
    let rest = |method: &'static str, id: &str| ask(method, &format!("/photos/up?uploadId={id}"));
    for ask in [part(&mains), rest("GET", &mains), rest("DELETE", &mains)] {
        assert_eq!(others(&site, ask).await, [403, 403]);
    }
    for (ask, status) in [(part(&alts), 200), (rest("GET", &alts), 200)] {
        assert_eq!(site.send(alt(ask.clone())).await.status, status);
        assert!(denied(&anonymous(&site, ask).await));
    }
    assert_eq!(site.send(main(rest("GET", &alts))).await.status, 200, "it is in their bucket");
    assert_eq!(site.send(alt(rest("DELETE", &alts))).await.status, 204);
}
