//! The access log: its file, and what is delivered into buckets.

use std::time::Duration;

use http::{Method, Request};
use s3s::Body;
use serde_json::json;
use store::Refusal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    forms::form,
    site::{ACCESS, Answer, Ask, Site, ask},
    users::{alt, main, with_users},
};
use crate::{Pace, access_log::fields};

const FILE: &str = "access.log";

async fn with_file() -> Site {
    let site = Site::with_access_log(FILE).await;
    assert_eq!(site.put("/photos", b"").await.status, 200);
    site
}

/// The records of the file, once the site has ended.
async fn records(site: Site) -> Vec<Vec<String>> {
    let site = site.ended().await;
    read(&std::fs::read_to_string(site.home.path().join(FILE)).unwrap())
}

fn read(text: &str) -> Vec<Vec<String>> {
    text.split_inclusive('\n').map(fields).collect()
}

/// Requester, operation, key, status, error, bytes sent, object size and version of a record.
fn told(record: &[String]) -> String {
    let shown = [4, 6, 7, 9, 10, 11, 12, 17].map(|at| record[at].as_str());
    shown.join(" ")
}

#[tokio::test]
async fn every_request_is_one_record() {
    let site = with_file().await;
    site.put("/photos/a%20b/%C3%A9", b"12345").await;
    site.get("/photos/a%20b/%C3%A9").await;
    site.send(ask("GET", "/photos/a%20b/%C3%A9").header("range", "bytes=1-2")).await;
    site.send(ask("HEAD", "/photos/a%20b/%C3%A9")).await;
    site.get("/photos/none?versionId=null").await;
    site.send_raw(ask("GET", "/photos").unsigned()).await;
    site.send(ask("GET", "/photos").by(ACCESS, "wrong")).await;
    site.get("/").await;
    site.get("/nobucket?website").await;
    site.send(ask("PUT", "/photos/copy").header("x-amz-copy-source", "/photos/a%20b/%C3%A9")).await;
    site.send_raw(form(&[("key", "posted")]).signed().with(b"123")).await;
    let preflight = Request::builder().method(Method::OPTIONS).uri("/photos/a");
    site.send_raw(preflight.body(Body::empty()).unwrap()).await;
    let elsewhere = ask("GET", "/photos/a?X-Amz-Signature=secret&X-Amz-Credential=x");
    site.send_raw(elsewhere.unsigned()).await;
    let found = records(site).await;
    let told: Vec<String> = found.iter().map(|record| told(record)).collect();
    assert_eq!(
        told,
        [
            "root REST.PUT.BUCKET - 200 - - - -",
            "root REST.PUT.OBJECT a%20b/%C3%A9 200 - - 5 -",
            "root REST.GET.OBJECT a%20b/%C3%A9 200 - 5 5 -",
            "root REST.GET.OBJECT a%20b/%C3%A9 206 - 2 5 -",
            "root REST.HEAD.OBJECT a%20b/%C3%A9 200 - - 5 -",
            &format!("root REST.GET.OBJECT none 404 NoSuchVersion {} - null", found[5][11]),
            &format!("- REST.GET.BUCKET - 403 AccessDenied {} - -", found[6][11]),
            &format!("- REST.GET.BUCKET - 403 SignatureDoesNotMatch {} - -", found[7][11]),
            &format!("root REST.GET.SERVICE - 200 - {} - -", found[8][11]),
            &format!("root REST.GET.WEBSITE - 501 NotImplemented {} - -", found[9][11]),
            &format!("root REST.COPY.OBJECT copy 200 - {} 5 -", found[10][11]),
            "root REST.COPY.OBJECT_GET a%20b/%C3%A9 200 - - 5 -",
            "root REST.POST.BUCKET posted 204 - - - -",
            &format!("- REST.OPTIONS.PREFLIGHT a 400 BadRequest {} - -", found[13][11]),
            &format!("- REST.GET.OBJECT a 403 AccessDenied {} - -", found[14][11]),
        ]
    );
    for record in &found[1..9] {
        let (owner, bucket) = (record[0].as_str(), record[1].as_str());
        let known = record[6] != "REST.GET.SERVICE";
        assert_eq!((owner, bucket), if known { ("root", "photos") } else { ("-", "-") });
    }
    assert_eq!(found[9][..2], ["-", "nobucket"], "it belongs to nobody");
    assert_eq!(found[1][8], "\"PUT /photos/a%20b/%C3%A9 HTTP/1.1\"");
    assert_eq!(found[14][8], "\"GET /photos/a?X-Amz-Signature=-&X-Amz-Credential=x HTTP/1.1\"");
    assert_eq!((found[14][19].as_str(), found[14][21].as_str()), ("SigV4", "QueryString"));
    assert_eq!(found[1][15..17], ["\"-\"", "\"-\""], "nobody sent a referer or an agent");
    assert_eq!(found[1][19..26], ["SigV4", "-", "AuthHeader", "localhost", "-", "-", "-"]);
    assert!(found.iter().all(|record| record[13] == "-" || record[13].parse::<u64>().is_ok()));
}

#[tokio::test]
async fn keys_that_are_deleted_together_are_a_record_each() {
    let site = with_file().await;
    site.put("/photos/a", b"1").await;
    let body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b c</Key><VersionId>1</VersionId>\
                 </Object></Delete>";
    assert_eq!(site.send(ask("POST", "/photos?delete").body(body)).await.status, 200);
    let found = records(site).await;
    let told: Vec<String> = found[2..].iter().map(|record| told(record)).collect();
    let sent = &found[2][11];
    assert_eq!(
        told,
        [
            &format!("root REST.POST.MULTI_OBJECT_DELETE - 200 - {sent} - -"),
            "root BATCH.DELETE.OBJECT a 204 - - - -",
            "root BATCH.DELETE.OBJECT b%20c 400 InvalidArgument - - 1",
        ]
    );
    assert_eq!(found[3][8], "-");
    assert_eq!(found[3][5], found[2][5], "of the same request");
}

#[tokio::test]
async fn an_upload_in_parts_shows_the_size_of_its_parts_and_of_all() {
    let site = with_file().await;
    let id = site.send(ask("POST", "/photos/p?uploads")).await.tag("UploadId").unwrap();
    let part = site.put(&format!("/photos/p?partNumber=1&uploadId={id}"), b"1234567").await;
    let xml = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        part.header("etag").unwrap()
    );
    let path = format!("/photos/p?uploadId={id}");
    assert_eq!(site.send(ask("POST", &path).body(xml.as_bytes())).await.status, 200);
    let found = records(site).await;
    let told: Vec<_> = found[1..].iter().map(|record| (&*record[6], &*record[12])).collect();
    let expected =
        [("REST.POST.UPLOADS", "-"), ("REST.PUT.PART", "7"), ("REST.POST.UPLOAD", "7")];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_record_says_whether_an_acl_let_its_request_in() {
    let site = with_users(Site::with_access_log(FILE).await).await;
    done(&site, main(ask("PUT", "/photos"))).await;
    site.send(main(ask("PUT", "/photos/open").header("x-amz-acl", "public-read"))).await;
    let asks = [main(ask("GET", "/photos/open")), alt(ask("GET", "/photos/open"))];
    for ask in asks {
        assert_eq!(site.send(ask).await.status, 200);
    }
    let text = json!({"Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::photos/*"
    }]});
    let policy = ask("PUT", "/photos?policy").body(text.to_string().as_bytes());
    assert_eq!(site.send(main(policy)).await.status, 204);
    assert_eq!(site.send_raw(ask("GET", "/photos/open").unsigned()).await.status, 200);
    let found = records(site).await;
    let reads = found.iter().filter(|record| record[6] == "REST.GET.OBJECT");
    let reads: Vec<_> = reads.map(|record| (record[4].clone(), record[25].clone())).collect();
    let [(_, own), (_, others), (nobody, by_policy)] = &reads[..] else { panic!("{reads:?}") };
    assert_eq!([own, others, by_policy, nobody], ["-", "Yes", "-", "-"]);
}

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

async fn done(site: &Site, ask: Ask) -> Answer {
    let answer = site.send(ask).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    answer
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

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error() {
    let metrics = ops::Metrics::new();
    let home = tempfile::tempdir().unwrap();
    let opened = crate::AccessLog::open(Some(&home.path().join("none/log")), metrics);
    assert!(opened.is_err());
}
