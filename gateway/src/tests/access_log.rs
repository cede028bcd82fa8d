//! The access log: a record of each request, in its file.

use std::time::Duration;

use http::{Method, Request};
use s3s::{Body, stream::DynByteStream};
use serde_json::json;

use super::{
    forms::form,
    limits::Silence,
    site::{ACCESS, Answer, Ask, Site, ask},
    users::{alt, main, with_users},
};
use crate::access_log::fields;

pub(super) const FILE: &str = "access.log";

pub(super) async fn with_file() -> Site {
    let site = Site::with_access_log(FILE).await;
    assert_eq!(site.put("/photos", b"").await.status, 200);
    site
}

/// The records of the file, once the site has ended.
async fn records(site: Site) -> Vec<Vec<String>> {
    let site = site.ended().await;
    read(&std::fs::read_to_string(site.home.path().join(FILE)).unwrap())
}

pub(super) fn read(text: &str) -> Vec<Vec<String>> {
    text.split_inclusive('\n').map(fields).collect()
}

/// Requester, operation, key, status, error, bytes sent, object size and version of a record.
pub(super) fn told(record: &[String]) -> String {
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
            "root REST.POST.BUCKET posted 204 - - 3 -",
            &format!("- REST.OPTIONS.PREFLIGHT a 400 BadRequest {} - -", found[13][11]),
            &format!("- REST.GET.OBJECT a 400 InvalidRequest {} - -", found[14][11]),
        ]
    );
    for record in &found[1..9] {
        let (owner, bucket) = (record[0].as_str(), record[1].as_str());
        let known = record[6] != "REST.GET.SERVICE";
        assert_eq!((owner, bucket), if known { ("root", "photos") } else { ("-", "-") });
    }
    assert_eq!(found[9][..2], ["-", "nobucket"], "it belongs to nobody");
    assert_eq!(found[1][8], "\"PUT /photos/a%20b/%C3%A9 HTTP/1.1\"");
    assert_eq!(found[14][8], "\"GET /photos/a?X-Amz-Credential=x&X-Amz-Signature=- HTTP/1.1\"");
    assert_eq!((found[14][19].as_str(), found[14][21].as_str()), ("SigV4", "QueryString"));
    assert_eq!(found[1][15..17], ["\"-\"", "\"-\""], "nobody sent a referer or an agent");
    assert_eq!(found[1][19..26], ["SigV4", "-", "AuthHeader", "localhost", "-", "-", "-"]);
    assert!(found.iter().all(|record| record[13] == "-" || record[13].parse::<u64>().is_ok()));
}

#[tokio::test]
async fn keys_that_are_deleted_together_are_a_record_each() {
    let site = with_file().await;
    site.put("/photos/a", b"1").await;
    let body =
        b"<Delete><Object><Key>a</Key></Object><Object><Key>b c</Key><VersionId>1</VersionId>\
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
    let expected = [("REST.POST.UPLOADS", "-"), ("REST.PUT.PART", "7"), ("REST.POST.UPLOAD", "7")];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_record_says_whether_an_acl_let_its_request_in() {
    let site = with_users(Site::with_access_log(FILE).await).await;
    done(&site, main(ask("PUT", "/photos"))).await;
    site.send(main(ask("PUT", "/photos/open").header("x-amz-acl", "public-read").body(b"1"))).await;
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

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_record_without_a_status() {
    let site = with_file().await;
    let put = ask("PUT", "/photos/a").header("content-length", "100");
    let put = put.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let silence: DynByteStream = Box::pin(Silence);
    let request = put.sign().map(|_| Body::from(silence));
    let gone = tokio::time::timeout(Duration::from_millis(100), site.send_raw(request));
    assert!(gone.await.is_err(), "it waits for the body");
    let found = records(site).await;
    assert_eq!(told(&found[1]), "root REST.PUT.OBJECT a - - - - -");
}

#[tokio::test]
async fn a_request_beyond_a_limit_is_recorded_too() {
    let site = with_file().await;
    let refusal = site.gateway.service().refuse(
        &ask("GET", "/photos/a").sign(),
        s3s::s3_error!(SlowDown, "You send requests too fast"),
    );
    assert_eq!(refusal.unwrap().status(), 503);
    let found = records(site).await;
    assert_eq!(told(&found[1]), "- REST.GET.OBJECT a 503 SlowDown - - -");
}

pub(super) async fn done(site: &Site, ask: Ask) -> Answer {
    let answer = site.send(ask).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    answer
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error() {
    let metrics = ops::Metrics::new();
    let home = tempfile::tempdir().unwrap();
    let opened = crate::AccessLog::open(Some(&home.path().join("none/log")), metrics);
    assert!(opened.is_err());
}
