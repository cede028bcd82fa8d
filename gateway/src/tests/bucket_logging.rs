//! Logging into buckets: how it is set, and what is delivered.

use std::time::Duration;

use serde_json::json;
use store::Refusal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    access_log::{done, read, told, with_file},
    site::{Ask, Site, ask},
    users::{alt, main, with_users},
};
use crate::Pace;

fn setting(rest: &str) -> Ask {
    let xml = format!(
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>\
         <TargetPrefix>log/</TargetPrefix>{rest}</LoggingEnabled></BucketLoggingStatus>"
    );
    ask("PUT", "/photos?logging").body(xml.as_bytes())
}

/// A policy of `logs` that lets records of a bucket be delivered.
fn opened(source: &str) -> Ask {
    let text = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/log/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": format!("arn:aws:s3:::{source}")},
            "StringEquals": {"aws:SourceAccount": "root"},
        },
    }]});
    ask("PUT", "/logs?policy").body(text.to_string().as_bytes())
}

/// With buckets `photos` and `logs`, of which the latter lets records of the former in.
async fn with_target() -> Site {
    let site = with_file().await;
    done(&site, ask("PUT", "/logs")).await;
    done(&site, opened("photos")).await;
    site
}

#[tokio::test]
async fn where_a_bucket_logs_to_is_set_shown_and_taken_away() {
    let site = with_target().await;
    assert!(!site.get("/photos?logging").await.text().contains("LoggingEnabled"));
    done(&site, setting("")).await;
    let shown = site.get("/photos?logging").await;
    assert_eq!(shown.tag("TargetBucket").as_deref(), Some("logs"));
    assert_eq!(shown.tag("TargetPrefix").as_deref(), Some("log/"));
    assert!(shown.text().contains("<SimplePrefix"), "{}", shown.text());
    done(
        &site,
        setting(
            "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime\
             </PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>\
             <TargetGrants><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>\
             http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ\
             </Permission></Grant></TargetGrants>",
        ),
    )
    .await;
    let shown = site.get("/photos?logging").await;
    assert_eq!(shown.tag("PartitionDateSource").as_deref(), Some("EventTime"));
    assert_eq!(shown.tag("Permission").as_deref(), Some("READ"));
    done(&site, ask("PUT", "/photos?logging").body(b"<BucketLoggingStatus/>")).await;
    assert!(!site.get("/photos?logging").await.text().contains("LoggingEnabled"));
}

#[tokio::test]
async fn only_a_bucket_that_lets_records_in_can_be_logged_to() {
    let site = with_users(with_target().await).await;
    let refused = (400, "InvalidTargetBucketForLogging".to_owned());
    done(&site, opened("other")).await;
    assert_eq!(site.send(setting("")).await.error(), refused, "of another bucket only");
    done(&site, ask("DELETE", "/logs?policy")).await;
    assert_eq!(site.send(setting("")).await.error(), refused, "closed");
    done(&site, ask("PUT", "/logs?acl").header("x-amz-acl", "log-delivery-write")).await;
    done(&site, setting("")).await;
    let enforced = b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced\
                     </ObjectOwnership></Rule></OwnershipControls>";
    done(&site, ask("PUT", "/logs?acl").header("x-amz-acl", "private")).await;
    done(&site, ask("PUT", "/logs?ownershipControls").body(enforced)).await;
    done(&site, opened("photos")).await;
    done(&site, setting("")).await;
    let grants = "<TargetGrants><Grant><Grantee \
                  xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                  xsi:type=\"CanonicalUser\"><ID>root</ID></Grantee><Permission>READ</Permission>\
                  </Grant></TargetGrants>";
    let no_lists = (400, "AccessControlListNotSupported".to_owned());
    assert_eq!(site.send(setting(grants)).await.error(), no_lists);
    done(&site, ask("DELETE", "/logs?policy")).await;
    done(&site, ask("DELETE", "/logs")).await;
    assert_eq!(site.send(setting("")).await.error(), refused, "gone");
    done(&site, main(ask("PUT", "/logs"))).await;
    assert_eq!(site.send(setting("")).await.error(), refused, "of somebody else");
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(site.send(alt(setting(""))).await.error(), denied);
    let missing = site.send(ask("PUT", "/none?logging").body(b"<BucketLoggingStatus/>")).await;
    assert_eq!(missing.error(), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn a_bucket_that_retains_what_comes_is_not_logged_to() {
    let site = with_file().await;
    done(&site, ask("PUT", "/logs").header("x-amz-bucket-object-lock-enabled", "true")).await;
    done(&site, opened("photos")).await;
    done(&site, setting("")).await;
    let default = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                    <DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention>\
                    </Rule></ObjectLockConfiguration>";
    done(&site, ask("PUT", "/logs?object-lock").body(default)).await;
    let refused = (400, "InvalidTargetBucketForLogging".to_owned());
    assert_eq!(site.send(setting("")).await.error(), refused);
}

#[tokio::test]
async fn whoever_a_policy_lets_do_all_does_not_say_where_the_owner_logs() {
    let site = with_users(with_target().await).await;
    let text = json!({"Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos"
    }]});
    done(&site, ask("PUT", "/photos?policy").body(text.to_string().as_bytes())).await;
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(site.send(alt(setting(""))).await.error(), denied);
    assert_eq!(site.send(alt(ask("GET", "/photos?logging"))).await.status, 200);
}

/// Keys and records of all objects of `logs`.
async fn delivered(site: &Site) -> Vec<(String, Vec<Vec<String>>)> {
    let mut found = Vec::new();
    for key in site.get("/logs?list-type=2").await.tags("Key") {
        let object = site.get(&format!("/logs/{key}")).await;
        assert_eq!(object.header("content-type"), Some("text/plain"));
        found.push((key, read(&object.text())));
    }
    found
}

fn count(site: &Site, name: &str) -> f64 {
    let text = site.metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("towline_{name} ")));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn records_are_delivered_when_the_site_ends() {
    let site = with_target().await;
    done(&site, ask("PUT", "/other")).await;
    done(&site, setting("")).await;
    site.put("/photos/a", b"12345").await;
    site.put("/other/a", b"1").await;
    site.get("/photos/none").await;
    done(&site, ask("PUT", "/other/copy").header("x-amz-copy-source", "photos/a")).await;
    let site = site.ended().await;
    let objects = delivered(&site).await;
    let [(key, records)] = &objects[..] else { panic!("{objects:?}") };
    let name = key.strip_prefix("log/").unwrap();
    assert_eq!((name.len(), name.matches('-').count()), (36, 6), "{name}");
    let told: Vec<String> = records.iter().map(|record| told(record)).collect();
    // Requests before the setting are told of too, if they wait to be written.
    assert_eq!(told[told.len() - 4], "root REST.PUT.LOGGING_STATUS - 200 - - - -");
    assert_eq!(told[told.len() - 3], "root REST.PUT.OBJECT a 200 - - 5 -");
    assert!(told[told.len() - 2].starts_with("root REST.GET.OBJECT none 404 NoSuchKey "));
    assert_eq!(told[told.len() - 1], "root REST.COPY.OBJECT_GET a 200 - - 5 -");
    assert!(records.iter().all(|record| record[1] == "photos" && record[0] == "root"));
    assert_eq!(count(&site, "access_log_deliveries_total{outcome=\"done\"}"), 1.0);
    let of_bucket = count(&site, "access_log_records_total{to=\"bucket\"}");
    assert_eq!(of_bucket, records.len() as f64);
}

#[tokio::test]
async fn a_bucket_that_logs_into_itself_does_not_log_that() {
    let site = with_file().await;
    done(&site, ask("PUT", "/photos?acl").header("x-amz-acl", "log-delivery-write")).await;
    let xml = b"<BucketLoggingStatus><LoggingEnabled><TargetBucket>photos</TargetBucket>\
                <TargetPrefix>log/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>";
    done(&site, ask("PUT", "/photos?logging").body(xml)).await;
    let site = site.ended().await;
    let keys = site.get("/photos?list-type=2").await.tags("Key");
    assert_eq!(keys.len(), 1);
    let site = site.ended().await;
    let again = site.get("/photos?list-type=2").await.tags("Key");
    assert_eq!(again, keys, "what was delivered is no request");
}

#[tokio::test]
async fn objects_are_named_and_opened_as_the_setting_says() {
    let site = with_target().await;
    let by_day = "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime\
                  </PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>\
                  <TargetGrants><Grant><Grantee \
                  xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">\
                  <URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>\
                  <Permission>READ</Permission></Grant></TargetGrants>";
    done(&site, setting(by_day)).await;
    let site = site.ended().await;
    let keys = site.get("/logs?list-type=2").await.tags("Key");
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(key.starts_with("log/root/us-east-1/photos/20"), "{key}");
    assert!(key.contains("-00-00-00-"), "{key}");
    let path = format!("/logs/{key}");
    assert_eq!(site.send_raw(ask("GET", &path).unsigned()).await.status, 200, "open to all");
    let acl = site.get(&format!("{path}?acl")).await;
    assert_eq!(acl.tags("Permission"), ["READ", "FULL_CONTROL"]);
}

#[tokio::test]
async fn a_target_is_asked_again_at_each_delivery() {
    let site = with_target().await;
    done(&site, setting("")).await;
    done(&site, ask("DELETE", "/logs?policy")).await;
    let site = site.ended().await;
    assert_eq!(delivered(&site).await.len(), 0);
    assert_eq!(count(&site, "access_log_deliveries_total{outcome=\"failed\"}"), 2.0, "once more");
    assert!(count(&site, "access_log_lost_total{reason=\"delivery\"}") >= 1.0);
}

#[tokio::test]
async fn a_secondary_keeps_its_file_and_delivers_nothing() {
    let site = with_target().await;
    done(&site, setting("")).await;
    site.store.refuse(Refusal::Secondary { primary: "east".to_owned() });
    assert_eq!(site.get("/photos").await.status, 200);
    let site = site.ended().await;
    assert_eq!(delivered(&site).await.len(), 0);
    assert!(count(&site, "access_log_records_total{to=\"file\"}") >= 1.0);
    assert_eq!(count(&site, "access_log_lost_total{reason=\"delivery\"}"), 0.0);
}

#[tokio::test]
async fn without_a_file_records_begin_and_end_with_the_setting() {
    let site = Site::with_bucket().await;
    done(&site, ask("PUT", "/logs")).await;
    done(&site, ask("PUT", "/other")).await;
    done(&site, opened("photos")).await;
    let recorder = site.recorder.lock().unwrap().take().unwrap();
    let pace = Pace { interval: Duration::from_millis(100), bytes: 1 << 20 };
    let stop = CancellationToken::new();
    let (pace, ends) = (watch::channel(pace), stop.clone());
    let running = tokio::spawn(recorder.run(site.gateway.delivery(), pace.1, None, ends));
    let of_bucket = || count(&site, "access_log_records_total{to=\"bucket\"}");
    site.get("/photos").await;
    done(&site, setting("")).await;
    let begun = async {
        while of_bucket() < 1.0 {
            site.get("/photos").await;
            site.get("/other").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun).await.unwrap();
    for (_, records) in delivered(&site).await {
        assert!(records.iter().all(|record| record[1] == "photos"), "{records:?}");
    }
    stop.cancel();
    drop(running);
}
