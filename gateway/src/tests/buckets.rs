use store::Refusal;

use super::site::{Site, ask};

#[tokio::test]
async fn a_bucket_is_created_once_shown_and_deleted_when_empty() {
    let site = Site::new(1).await;
    let missing = (404, "NoSuchBucket".to_owned());
    assert_eq!(site.get("/photos").await.error(), missing);
    assert_eq!(site.send(ask("HEAD", "/photos")).await.status, 404);
    assert_eq!(site.send(ask("DELETE", "/photos")).await.error(), missing);

    let created = site.send(ask("PUT", "/photos")).await;
    assert_eq!((created.status.as_u16(), created.header("location")), (200, Some("/photos")));
    let again = site.send(ask("PUT", "/photos")).await;
    assert_eq!(again.status, 200, "as S3 in us-east-1");
    let head = site.send(ask("HEAD", "/photos")).await;
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
    let location = site.get("/photos?location").await;
    assert_eq!(location.status, 200);
    assert!(location.text().contains("LocationConstraint"));
    assert!(!location.text().contains("us-east-1"));

    assert_eq!(site.put("/photos/a", b"1").await.status, 200);
    let full = site.send(ask("DELETE", "/photos")).await;
    assert_eq!(full.error(), (409, "BucketNotEmpty".to_owned()));
    assert_eq!(site.send(ask("DELETE", "/photos/a")).await.status, 204);
    assert_eq!(site.send(ask("DELETE", "/photos")).await.status, 204);
    assert_eq!(site.get("/photos").await.error(), missing);
}

#[tokio::test]
async fn buckets_are_listed_in_order_and_in_pages() {
    let site = Site::new(1).await;
    for name in ["bbb", "aaa", "abc"] {
        site.send(ask("PUT", &format!("/{name}"))).await;
    }
    let all = site.get("/").await;
    assert_eq!(all.tags("Name"), ["aaa", "abc", "bbb"]);
    assert_eq!(all.tag("ID").as_deref(), Some("root"));
    assert_eq!(site.get("/?prefix=a").await.tags("Name"), ["aaa", "abc"]);
    let first = site.get("/?max-buckets=2").await;
    assert_eq!(first.tags("Name"), ["aaa", "abc"]);
    let token = first.tag("ContinuationToken").unwrap();
    let second = site.get(&format!("/?continuation-token={token}&max-buckets=2")).await;
    assert_eq!(second.tags("Name"), ["bbb"]);
    assert_eq!(second.tag("ContinuationToken"), None);
    let none = site.get("/?max-buckets=0").await;
    assert_eq!(none.error(), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn names_and_places_that_cannot_be_are_refused() {
    let site = Site::new(1).await;
    for bad in ["/Photos", "/a_b", "/10.0.0.1"] {
        let refused = site.send(ask("PUT", bad)).await;
        assert_eq!(refused.error(), (400, "InvalidBucketName".to_owned()), "{bad}");
    }
    let region = |name: &str| {
        let xml = format!(
            "<CreateBucketConfiguration><LocationConstraint>{name}</LocationConstraint>\
             </CreateBucketConfiguration>"
        );
        ask("PUT", "/photos").body(xml.as_bytes())
    };
    let refused = site.send(region("eu-west-1")).await;
    assert_eq!(refused.error(), (400, "InvalidLocationConstraint".to_owned()));
    assert_eq!(site.send(region("us-east-1")).await.status, 200);
}

#[tokio::test]
async fn operations_that_are_not_there_say_so() {
    let site = Site::with_bucket().await;
    for missing in
        ["/photos?website", "/photos?accelerate", "/photos?notification", "/photos/a?torrent"]
    {
        let refused = site.get(missing).await;
        assert_eq!(refused.error(), (501, "NotImplemented".to_owned()), "{missing}");
    }
    let config = "<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>";
    let refused = site.send(ask("PUT", "/photos?versioning").body(config.as_bytes())).await;
    let illegal = "IllegalVersioningConfigurationException".to_owned();
    assert_eq!(refused.error(), (400, illegal));
    site.put("/photos/a", b"1").await;
    let tags = site.get("/photos/a?tagging").await;
    assert_eq!((tags.status.as_u16(), tags.tags("Tag").len()), (200, 0), "there are none");
    let text = site.metrics.render();
    assert!(text.contains("towline_s3_requests_total{op=\"other\",status=\"501\"} 4"), "{text}");
}

#[tokio::test]
async fn a_secondary_refuses_every_write_and_names_the_primary() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", b"1").await;
    site.store.refuse(Refusal::Secondary { primary: "east".to_owned() });
    let xml = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let writes = [
        ask("PUT", "/photos/a").body(b"2"),
        ask("DELETE", "/photos/a"),
        ask("POST", "/photos?delete").body(xml),
        ask("PUT", "/other"),
        ask("DELETE", "/photos"),
    ];
    for write in writes {
        let refused = site.send(write).await;
        assert_eq!(refused.error(), (403, "AccessDenied".to_owned()));
        assert!(refused.tag("Message").unwrap().contains("`east`"));
    }
    assert_eq!(site.get("/photos/a").await.body, b"1");

    site.store.refuse(Refusal::Disputed { why: "the log is ahead".to_owned() });
    let refused = site.put("/photos/a", b"2").await;
    assert_eq!(refused.error(), (503, "ServiceUnavailable".to_owned()));
    assert!(refused.tag("Message").unwrap().contains("the log is ahead"));
}
