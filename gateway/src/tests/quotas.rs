//! Quotas: what would exceed one is refused, and before its body where its size is known.

use model::{BucketName, QuotaChange, RequestId, UserId};
use store::UserPatch;

use super::{
    site::{Answer, Site, ask},
    users::{alt, main, site},
};

fn exceeded(answer: &Answer) -> bool {
    answer.error() == (403, "QuotaExceeded".to_owned())
}

fn bytes(most: u64) -> QuotaChange {
    QuotaChange { bytes: Some(Some(most)), objects: None }
}

async fn limit(site: &Site, most: u64) {
    let photos = BucketName::try_from("photos".to_owned()).unwrap();
    site.store.set_bucket_quota(photos, bytes(most), RequestId::NONE).await.unwrap();
}

#[tokio::test]
async fn what_announces_more_than_fits_is_refused_before_its_body() {
    let site = Site::with_bucket().await;
    limit(&site, 1_000).await;
    let announce = |path: &str, size: u64| {
        site.send(ask("PUT", path).header("content-length", &size.to_string()))
    };
    let refused = announce("/photos/a", 1_001).await;
    assert!(exceeded(&refused), "{}", refused.text());
    let told = refused.tag("Message").unwrap();
    assert_eq!(told, "bucket `photos` may hold 1000 bytes, and this would be more");
    // What would fit is taken in, and then has fewer bytes than announced.
    assert_eq!(announce("/photos/a", 1_000).await.error(), (400, "IncompleteBody".to_owned()));
    assert_eq!(site.put("/photos/a", &[1; 900]).await.status, 200);
    assert!(exceeded(&announce("/photos/b", 101).await));
    assert_eq!(announce("/photos/a", 1_000).await.error(), (400, "IncompleteBody".to_owned()));
    let begun = site.send(ask("POST", "/photos/b?uploads")).await;
    let id = begun.tag("UploadId").unwrap();
    let part = |number: u16| format!("/photos/b?partNumber={number}&uploadId={id}");
    assert_eq!(site.put(&part(1), &[1; 60]).await.status, 200);
    assert!(exceeded(&announce(&part(2), 41).await), "with the parts before it");
}

#[tokio::test]
async fn copies_forms_and_uploads_in_parts_are_held_to_it_too() {
    let site = Site::with_bucket().await;
    assert_eq!(site.put("/photos/a", &[1; 60]).await.status, 200);
    let begun = site.send(ask("POST", "/photos/b?uploads")).await;
    let id = begun.tag("UploadId").unwrap();
    let part = format!("/photos/b?partNumber=1&uploadId={id}");
    let etag = site.put(&part, &[1; 60]).await.header("etag").unwrap().to_owned();
    limit(&site, 100).await;
    let copy = ask("PUT", "/photos/copy").header("x-amz-copy-source", "/photos/a");
    assert!(exceeded(&site.send(copy.clone()).await));
    let parts = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = ask("POST", &format!("/photos/b?uploadId={id}")).body(body.as_bytes());
    assert!(exceeded(&site.send(complete.clone()).await));
    let form = super::forms::form(&[("key", "c")]).signed().with(&[1; 60]);
    assert!(exceeded(&site.send_raw(form).await), "its size is known when it has come");
    limit(&site, 180).await;
    assert_eq!(site.send(complete).await.status, 200);
    assert_eq!(site.send(copy).await.status, 200);
    assert!(exceeded(&site.put("/photos/d", b"1").await));
    assert_eq!(site.send(ask("DELETE", "/photos/a")).await.status, 204);
    assert_eq!(site.put("/photos/d", b"1").await.status, 200);
}

#[tokio::test]
async fn a_users_quota_holds_in_all_their_buckets_whoever_writes_and_in_no_others() {
    let site = site().await;
    assert_eq!(site.send(main(ask("PUT", "/second"))).await.status, 200);
    assert_eq!(site.send(alt(ask("PUT", "/of-alt"))).await.status, 200);
    let patch = UserPatch { quota: bytes(10), ..UserPatch::default() };
    let main_id = UserId::try_from("main".to_owned()).unwrap();
    site.store.patch_user(main_id, patch, RequestId::NONE).await.unwrap();
    assert_eq!(site.send(main(ask("PUT", "/photos/a").body(b"12345"))).await.status, 200);
    let refused = site.send(main(ask("PUT", "/second/a").body(b"123456"))).await;
    assert!(exceeded(&refused));
    assert!(refused.tag("Message").unwrap().starts_with("user `main`, who owns the bucket,"));
    assert!(exceeded(&site.put("/second/a", b"123456").await), "the root user too");
    assert_eq!(site.send(main(ask("PUT", "/second/a").body(b"12345"))).await.status, 200);
    assert_eq!(site.send(alt(ask("PUT", "/of-alt/a").body(b"123456"))).await.status, 200);
}
