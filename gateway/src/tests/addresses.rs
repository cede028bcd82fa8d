//! Virtual-host style, whose bucket a client expects, and what an error says of itself.

use super::site::{Site, ask};

#[tokio::test]
async fn a_bucket_may_stand_in_front_of_the_domain() {
    let site = Site::with_bucket().await;
    let hosted =
        |method, path: &str| ask(method, path).header("host", "photos.s3.example.com:9000");
    assert_eq!(site.send(hosted("PUT", "/dir/a").body(b"1")).await.status, 200);
    assert_eq!(site.get("/photos/dir/a").await.body, b"1");
    assert_eq!(site.send(hosted("GET", "/?list-type=2")).await.tags("Key"), ["dir/a"]);
    assert_eq!(site.send(hosted("DELETE", "/dir/a")).await.status, 204);
    assert_eq!(site.send(hosted("DELETE", "/?policyStatus")).await.status, 405);
    assert_eq!(site.send(hosted("DELETE", "/")).await.status, 204);
    let domain = ask("GET", "/").header("host", "s3.example.com");
    assert!(site.send(domain).await.tags("Name").is_empty());
    let made = ask("PUT", "/").header("host", "Music.S3.example.com");
    assert_eq!(site.send(made).await.status, 200);
    assert_eq!(site.get("/").await.tags("Name"), ["music"]);
}

#[tokio::test]
async fn a_bucket_of_another_owner_than_expected_is_refused() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", b"1").await;
    let expects =
        |method, path: &str, owner| ask(method, path).header("x-amz-expected-bucket-owner", owner);
    assert_eq!(site.send(expects("GET", "/photos/a", "root")).await.body, b"1");
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(site.send(expects("GET", "/photos/a", "other")).await.error(), denied);
    assert_eq!(site.send(expects("PUT", "/photos/b", "other").body(b"1")).await.error(), denied);
    let nobody = site.send_raw(expects("GET", "/photos/a", "root").unsigned()).await;
    let other = site.send_raw(expects("GET", "/photos/a", "other").unsigned()).await;
    assert_eq!(nobody.error(), denied);
    assert_eq!(nobody.tag("Message"), other.tag("Message"), "nobody learns who owns it");
    let missing = site.send(expects("GET", "/music/a", "other")).await;
    assert_eq!(missing.error(), (404, "NoSuchBucket".to_owned()));
    let copy = |owner| {
        let copy = ask("PUT", "/photos/b").header("x-amz-copy-source", "/photos/a");
        copy.header("x-amz-source-expected-bucket-owner", owner)
    };
    assert_eq!(site.send(copy("other")).await.error(), denied);
    assert_eq!(site.send(copy("root")).await.status, 200);
}

#[tokio::test]
async fn an_error_names_its_request_its_site_and_what_was_asked_for() {
    let site = Site::with_bucket().await;
    let missing = site.get("/photos/a%20b").await;
    assert_eq!(missing.tag("Message").as_deref(), Some("The specified key does not exist."));
    assert_eq!(missing.tag("Resource").as_deref(), Some("/photos/a%20b"));
    assert_eq!(missing.tag("RequestId").as_deref(), missing.header("x-amz-request-id"));
    let host = missing.header("x-amz-id-2").expect("a host");
    assert_eq!(missing.tag("HostId").as_deref(), Some(host));
    assert_eq!(host, site.store.identity().site.to_string());
    let mut unsigned = ask("GET", "/photos");
    unsigned.secret = "wrong";
    let refused = site.send(unsigned).await;
    assert!(refused.tag("Message").expect("a message").starts_with("The request signature"));
    let head = site.send(ask("HEAD", "/photos/a")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
    assert!(head.header("x-amz-request-id").is_some());
    let found = site.get("/photos").await;
    assert_eq!(found.header("x-amz-id-2"), Some(host));
}

#[tokio::test]
async fn new_buckets_have_names_that_hosts_can_have() {
    let site = Site::new(1).await;
    for bad in ["/a.-b", "/a-.b", "/a..b", "/-ab"] {
        let refused = site.send(ask("PUT", bad)).await;
        assert_eq!(refused.error(), (400, "InvalidBucketName".to_owned()), "{bad}");
    }
    assert_eq!(site.send(ask("PUT", "/a.b-c")).await.status, 200);
}

#[tokio::test]
async fn what_s3s_would_take_for_another_operation_does_nothing() {
    let site = Site::with_bucket().await;
    let refused = site.send(ask("DELETE", "/photos?abac")).await;
    assert_eq!(refused.error(), (501, "NotImplemented".to_owned()));
    let refused = site.send(ask("DELETE", "/photos?acl")).await;
    assert_eq!(refused.error(), (405, "MethodNotAllowed".to_owned()));
    site.put("/photos/a", b"1").await;
    let refused = site.send(ask("PUT", "/photos/a?renameObject").body(b"2")).await;
    assert_eq!(refused.error(), (501, "NotImplemented".to_owned()));
    assert_eq!(site.get("/photos/a").await.body, b"1");
    let refused = site.send(ask("PUT", "/photos?replication").body(b"no XML")).await;
    assert_eq!(refused.error(), (501, "NotImplemented".to_owned()), "before its body");
}
