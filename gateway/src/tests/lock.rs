//! Object lock, as clients meet it.

use super::{
    site::{Answer, Ask, Site, ask},
    users,
};

const UNTIL: &str = "2099-01-01T00:00:00.000Z";
const LATER: &str = "2099-06-01T00:00:00.000Z";
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// With the bucket `kept`, which has object lock.
async fn site() -> Site {
    let site = Site::with_bucket().await;
    let make = ask("PUT", "/kept").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(site.send(make).await.status, 200);
    site
}

fn locked(ask: Ask, mode: &str, until: &str) -> Ask {
    ask.header("x-amz-object-lock-mode", mode).header("x-amz-object-lock-retain-until-date", until)
}

/// Puts an object, and returns its id.
async fn put(site: &Site, ask: Ask) -> String {
    let answer = site.send(ask.body(b"1")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-amz-version-id").unwrap().to_owned()
}

async fn set(site: &Site, path: &str, xml: &str) -> Answer {
    site.send(ask("PUT", path).body(xml.as_bytes())).await
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

fn hold(status: &str) -> String {
    format!("<LegalHold><Status>{status}</Status></LegalHold>")
}

fn config(rule: &str) -> String {
    format!(
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}\
         </ObjectLockConfiguration>"
    )
}

fn default(mode: &str, period: &str) -> String {
    config(&format!(
        "<Rule><DefaultRetention><Mode>{mode}</Mode>{period}</DefaultRetention></Rule>"
    ))
}

fn is_protected(answer: &Answer) -> bool {
    let message = answer.tag("Message").unwrap_or_default();
    answer.error() == (403, "AccessDenied".to_owned()) && message.contains("object lock")
}

#[tokio::test]
async fn a_bucket_has_a_lock_from_the_beginning_or_once_it_keeps_versions() {
    let site = site().await;
    let status =
        async |bucket: &str| site.get(&format!("/{bucket}?versioning")).await.tag("Status");
    assert_eq!(status("kept").await.as_deref(), Some("Enabled"));
    assert_eq!(site.get("/kept?object-lock").await.tag("ObjectLockEnabled").unwrap(), "Enabled");
    let none = (404, "ObjectLockConfigurationNotFoundError".to_owned());
    assert_eq!(site.get("/photos?object-lock").await.error(), none);
    let state = (409, "InvalidBucketState".to_owned());
    let rule = default("GOVERNANCE", "<Days>2</Days>");
    assert_eq!(set(&site, "/photos?object-lock", &rule).await.error(), state);
    let versioning = |status: &str| {
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
    };
    assert_eq!(set(&site, "/photos?versioning", &versioning("Enabled")).await.status, 200);
    assert_eq!(set(&site, "/photos?object-lock", &rule).await.status, 200);
    assert_eq!(set(&site, "/photos?versioning", &versioning("Suspended")).await.error(), state);
    let shown = site.get("/photos?object-lock").await;
    assert_eq!(
        (shown.tag("Mode").unwrap(), shown.tag("Days").unwrap()),
        ("GOVERNANCE".to_owned(), "2".to_owned())
    );
    for bad in ["<Days>0</Days>", "<Years>101</Years>"] {
        let refused = set(&site, "/photos?object-lock", &default("GOVERNANCE", bad)).await;
        assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()), "{bad}");
    }
    let both = default("GOVERNANCE", "<Days>1</Days><Years>1</Years>");
    let refused = set(&site, "/photos?object-lock", &both).await;
    assert_eq!(refused.error(), (400, "MalformedXML".to_owned()));
    assert_eq!(set(&site, "/photos?object-lock", &config("")).await.status, 200);
    assert_eq!(site.get("/photos?object-lock").await.tag("Mode"), None);
}

#[tokio::test]
async fn an_object_is_put_with_its_lock_and_shows_it() {
    let site = site().await;
    let id = put(
        &site,
        locked(ask("PUT", "/kept/a"), "COMPLIANCE", UNTIL)
            .header("x-amz-object-lock-legal-hold", "ON"),
    )
    .await;
    for method in ["GET", "HEAD"] {
        let answer = site.send(ask(method, "/kept/a")).await;
        assert_eq!(answer.header("x-amz-object-lock-mode"), Some("COMPLIANCE"), "{method}");
        assert_eq!(answer.header("x-amz-object-lock-retain-until-date"), Some(UNTIL));
        assert_eq!(answer.header("x-amz-object-lock-legal-hold"), Some("ON"));
    }
    let shown = site.get(&format!("/kept/a?retention&versionId={id}")).await;
    assert_eq!(shown.tag("Mode").as_deref(), Some("COMPLIANCE"), "{}", shown.text());
    assert_eq!(shown.tag("RetainUntilDate").as_deref(), Some(UNTIL));
    assert_eq!(site.get("/kept/a?legal-hold").await.tag("Status").as_deref(), Some("ON"));
    // A copy has its own, or none.
    let copy = ask("PUT", "/kept/copy").header("x-amz-copy-source", "kept/a");
    assert_eq!(site.send(copy).await.status, 200);
    let none = (404, "NoSuchObjectLockConfiguration".to_owned());
    assert_eq!(site.get("/kept/copy?retention").await.error(), none);
    assert_eq!(site.get("/kept/copy?legal-hold").await.error(), none);
    let copy = locked(ask("PUT", "/kept/copy"), "GOVERNANCE", UNTIL);
    assert_eq!(site.send(copy.header("x-amz-copy-source", "kept/a")).await.status, 200);
    let mode = site.get("/kept/copy?retention").await.tag("Mode");
    assert_eq!(mode.as_deref(), Some("GOVERNANCE"));
    let begun = site.send(locked(ask("POST", "/kept/parts?uploads"), "GOVERNANCE", UNTIL)).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
}

#[tokio::test]
async fn a_put_asks_for_a_whole_lock_in_a_bucket_that_has_one() {
    let site = site().await;
    let refusal = async |ask: Ask| site.send(ask.body(b"1")).await.error();
    let argument = (400, "InvalidArgument".to_owned());
    let put = || ask("PUT", "/kept/a");
    for bad in [
        put().header("x-amz-object-lock-mode", "COMPLIANCE"),
        put().header("x-amz-object-lock-retain-until-date", UNTIL),
        locked(put(), "OTHER", UNTIL),
        locked(put(), "GOVERNANCE", "2000-01-01T00:00:00Z"),
        put().header("x-amz-object-lock-legal-hold", "MAYBE"),
    ] {
        assert_eq!(refusal(bad).await, argument);
    }
    let request = (400, "InvalidRequest".to_owned());
    assert_eq!(refusal(locked(ask("PUT", "/photos/a"), "GOVERNANCE", UNTIL)).await, request);
    let parts = locked(ask("POST", "/photos/a?uploads"), "GOVERNANCE", UNTIL);
    assert_eq!(site.send(parts).await.error(), request);
    assert_eq!(site.put("/photos/a", b"1").await.status, 200);
    for path in ["/photos/a?retention", "/photos/a?legal-hold"] {
        assert_eq!(site.get(path).await.error(), request, "{path}");
    }
    let set_retention = set(&site, "/photos/a?retention", &retention("GOVERNANCE", UNTIL)).await;
    assert_eq!(set_retention.error(), request);
    assert_eq!(set(&site, "/photos/a?legal-hold", &hold("ON")).await.error(), request);
}

#[tokio::test]
async fn what_is_locked_is_not_deleted() {
    let site = site().await;
    let id = put(&site, locked(ask("PUT", "/kept/a"), "GOVERNANCE", UNTIL)).await;
    let version = format!("/kept/a?versionId={id}");
    assert!(is_protected(&site.send(ask("DELETE", &version)).await));
    let xml = format!("<Delete><Object><Key>a</Key><VersionId>{id}</VersionId></Object></Delete>");
    let many = || ask("POST", "/kept?delete").body(xml.as_bytes());
    let answer = site.send(many()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.tag("Code").as_deref()),
        (200, Some("AccessDenied"))
    );
    let marker = site.send(ask("DELETE", "/kept/a")).await;
    assert_eq!(marker.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(site.get(&version).await.status, 200);
    assert_eq!(
        set(&site, &format!("/kept/a?legal-hold&versionId={id}"), &hold("ON")).await.status,
        200
    );
    let bypassing = || ask("DELETE", &version).header(BYPASS, "true");
    assert!(is_protected(&site.send(bypassing()).await), "on hold");
    assert_eq!(
        set(&site, &format!("/kept/a?legal-hold&versionId={id}"), &hold("OFF")).await.status,
        200
    );
    assert!(is_protected(&site.send(ask("DELETE", &version)).await));
    let answer = site.send(many().header(BYPASS, "true")).await;
    assert_eq!(answer.tag("VersionId"), Some(id), "{}", answer.text());
    assert_eq!(site.get(&version).await.error().1, "NoSuchVersion");
}

#[tokio::test]
async fn a_retention_is_extended_by_all_and_shortened_by_those_who_may() {
    let site = site().await;
    put(&site, locked(ask("PUT", "/kept/a"), "GOVERNANCE", LATER)).await;
    let shorter = retention("GOVERNANCE", UNTIL);
    assert!(is_protected(&set(&site, "/kept/a?retention", &shorter).await));
    let put_shorter = ask("PUT", "/kept/a?retention").body(shorter.as_bytes());
    assert_eq!(site.send(put_shorter.header(BYPASS, "true")).await.status, 200);
    assert_eq!(set(&site, "/kept/a?retention", &retention("GOVERNANCE", LATER)).await.status, 200);
    let strict = retention("COMPLIANCE", LATER);
    let strict = ask("PUT", "/kept/a?retention").body(strict.as_bytes()).header(BYPASS, "true");
    assert_eq!(site.send(strict).await.status, 200);
    for less in
        [retention("COMPLIANCE", UNTIL), retention("GOVERNANCE", LATER), "<Retention/>".to_owned()]
    {
        let less = ask("PUT", "/kept/a?retention").body(less.as_bytes()).header(BYPASS, "true");
        assert!(is_protected(&site.send(less).await));
    }
    let malformed = (400, "MalformedXML".to_owned());
    for bad in
        ["<Retention><Mode>GOVERNANCE</Mode></Retention>".to_owned(), retention("OTHER", UNTIL)]
    {
        assert_eq!(set(&site, "/kept/a?retention", &bad).await.error(), malformed);
    }
    assert_eq!(set(&site, "/kept/a?legal-hold", &hold("MAYBE")).await.error(), malformed);
    let past = retention("COMPLIANCE", "2000-01-01T00:00:00Z");
    let refused = set(&site, "/kept/a?retention", &past).await;
    assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn others_need_leave_to_lock_and_to_pass_over_a_lock() {
    let site = users::site().await;
    let make = ask("PUT", "/kept").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(site.send(users::main(make)).await.status, 200);
    let allow = async |actions: &str| {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"alt"}},
            "Action":[{actions}],"Resource":"arn:aws:s3:::kept/*"}}]}}"#
        );
        let set = ask("PUT", "/kept?policy").body(policy.as_bytes());
        assert_eq!(site.send(users::main(set)).await.status, 204);
    };
    let (delete, bypass) =
        (r#""s3:PutObject","s3:DeleteObjectVersion""#, r#""s3:BypassGovernanceRetention""#);
    allow(delete).await;
    let put = || locked(ask("PUT", "/kept/a"), "GOVERNANCE", UNTIL).body(b"1");
    assert!(users::denied(&site.send(users::alt(put())).await), "it may not set a retention");
    let made = site.send(users::main(put())).await;
    let id = made.header("x-amz-version-id").unwrap().to_owned();
    let remove =
        || users::alt(ask("DELETE", &format!("/kept/a?versionId={id}")).header(BYPASS, "true"));
    let xml = format!("<Delete><Object><Key>a</Key><VersionId>{id}</VersionId></Object></Delete>");
    let many = users::alt(ask("POST", "/kept?delete").body(xml.as_bytes()).header(BYPASS, "true"));
    assert!(is_protected(&site.send(remove()).await));
    assert_eq!(site.send(many).await.tag("Code").as_deref(), Some("AccessDenied"));
    allow(&format!("{delete},{bypass}")).await;
    assert_eq!(site.send(remove()).await.status, 204);
    allow(&format!(r#"{delete},"s3:PutObjectRetention""#)).await;
    assert_eq!(site.send(users::alt(put())).await.status, 200);
}
