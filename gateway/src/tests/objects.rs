use base64_simd::STANDARD;
use md5::{Digest, Md5};

use super::site::{Answer, BLOCK, INLINE_MAX, Site, ask, bytes};

fn md5(body: &[u8]) -> String {
    hex::encode(Md5::digest(body))
}

async fn assert_absent(site: &Site, path: &str) {
    assert_eq!(site.get(path).await.error(), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn a_body_of_any_size_comes_back_as_it_was() {
    let site = Site::with_bucket().await;
    // Inline, one block, blocks with and without a rest, and more than a segment of them.
    for length in [0, 1, INLINE_MAX, INLINE_MAX + 1, BLOCK, 3 * BLOCK, 5 * BLOCK + 1, 1_100 * BLOCK]
    {
        let body = bytes(length);
        let put = site.put("/photos/a", &body).await;
        let etag = format!("\"{}\"", md5(&body));
        assert_eq!((put.status.as_u16(), put.header("etag")), (200, Some(&*etag)), "{length}");
        let got = site.get("/photos/a").await;
        assert_eq!(got.status, 200, "{length}");
        assert_eq!(got.header("content-length"), Some(&*length.to_string()));
        assert_eq!(got.header("etag"), Some(&*etag));
        assert_eq!(got.header("accept-ranges"), Some("bytes"));
        assert!(got.body == body && !got.broken, "{length}");
        let head = site.send(ask("HEAD", "/photos/a")).await;
        assert_eq!(head.header("content-length"), Some(&*length.to_string()));
        assert_eq!(head.header("last-modified"), got.header("last-modified"));
    }
    let text = site.metrics.render();
    assert!(text.contains("towline_s3_requests_total{op=\"PutObject\",status=\"200\"} 8"));
    let sizes = 1 + 16 + 17 + 64 + 192 + 321 + 70_400;
    assert!(text.contains(&format!("towline_s3_body_bytes_total{{direction=\"in\"}} {sizes}")));
    assert!(text.contains(&format!("towline_s3_body_bytes_total{{direction=\"out\"}} {sizes}")));
}

#[tokio::test]
async fn headers_and_metadata_are_kept_and_shown() {
    let site = Site::with_bucket().await;
    let plain = site.put("/photos/plain", b"1").await;
    assert_eq!(plain.status, 200);
    let got = site.get("/photos/plain").await;
    assert_eq!(got.header("content-type"), Some("binary/octet-stream"));
    let kept = [
        ("cache-control", "max-age=5"),
        ("content-disposition", "attachment"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-type", "image/png"),
        ("expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
        ("x-amz-meta-colour", "blue"),
    ];
    let put =
        kept.iter().fold(ask("PUT", "/photos/a"), |put, (name, value)| put.header(name, value));
    assert_eq!(site.send(put.body(b"1")).await.status, 200);
    for method in ["GET", "HEAD"] {
        let shown = site.send(ask(method, "/photos/a")).await;
        for (name, value) in kept {
            assert_eq!(shown.header(name), Some(value), "{method} {name}");
        }
        let query = "/photos/a?response-cache-control=none&response-content-type=text%2Fplain";
        let shown = site.send(ask(method, query)).await;
        assert_eq!(shown.header("cache-control"), Some("none"), "{method}");
        assert_eq!(shown.header("content-type"), Some("text/plain"), "{method}");
        assert_eq!(shown.header("content-language"), Some("de"), "{method}");
    }
    let large = ask("PUT", "/photos/b").header("x-amz-meta-n", &"v".repeat(2_048)).body(b"1");
    assert_eq!(site.send(large).await.error(), (400, "MetadataTooLarge".to_owned()));
    assert_absent(&site, "/photos/b").await;
}

#[tokio::test]
async fn a_body_that_is_not_what_was_promised_is_not_committed() {
    let site = Site::with_bucket().await;
    let body = bytes(3 * BLOCK);
    let wrong = STANDARD.encode_to_string(Md5::digest(b"other"));
    let put = |name: &str, value: &str| ask("PUT", "/photos/a").body(&body).header(name, value);
    let cases = [
        (put("content-md5", &wrong), "BadDigest"),
        (put("content-md5", "short"), "InvalidDigest"),
        (put("content-md5", ""), "InvalidDigest"),
        (put("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
        (put("x-amz-checksum-sha256", "AAAAAA=="), "BadDigest"),
        (put("x-amz-content-sha256", &"0".repeat(64)), "XAmzContentSHA256Mismatch"),
        (put("content-length", "500"), "IncompleteBody"),
        (put("content-length", "10"), "IncompleteBody"),
        (put("x-amz-sdk-checksum-algorithm", "MD4"), "InvalidRequest"),
    ];
    for (request, code) in cases {
        assert_eq!(site.send(request).await.error(), (400, code.to_owned()));
        assert_absent(&site, "/photos/a").await;
    }
    let right = STANDARD.encode_to_string(Md5::digest(&body));
    assert_eq!(site.send(put("content-md5", &right)).await.status, 200);
}

#[tokio::test]
async fn a_checksum_is_verified_kept_and_shown_when_asked_for() {
    let site = Site::with_bucket().await;
    // CRC-32 of `123456789`, as every catalogue of checksums has it.
    let put = ask("PUT", "/photos/a").header("x-amz-checksum-crc32", "y/Q5Jg==");
    let answer = site.send(put.body(b"123456789")).await;
    assert_eq!(answer.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    assert_eq!(answer.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let asked = |method| ask(method, "/photos/a").header("x-amz-checksum-mode", "ENABLED");
    for method in ["GET", "HEAD"] {
        let shown = site.send(asked(method)).await;
        assert_eq!(shown.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="), "{method}");
        let part = site.send(asked(method).header("range", "bytes=0-1")).await;
        assert_eq!(part.header("x-amz-checksum-crc32"), None, "{method}");
        let plain = site.send(ask(method, "/photos/a")).await;
        assert_eq!(plain.header("x-amz-checksum-crc32"), None, "{method}");
    }
    let computed = ask("PUT", "/photos/b").header("x-amz-sdk-checksum-algorithm", "CRC32");
    let answer = site.send(computed.body(b"123456789")).await;
    assert_eq!(answer.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
}

#[tokio::test]
async fn a_put_has_conditions() {
    let site = Site::with_bucket().await;
    let put = |name, value: &str, body| ask("PUT", "/photos/a").header(name, value).body(body);
    let matches = |body: &[u8]| format!("\"{}\"", md5(body));
    let absent = site.send(put("if-match", &matches(b"1"), b"2")).await;
    assert_eq!(absent.error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(site.send(put("if-none-match", "*", b"1")).await.status, 200);
    let exists = site.send(put("if-none-match", "*", b"2")).await;
    assert_eq!(exists.error(), (412, "PreconditionFailed".to_owned()));
    let other = site.send(put("if-match", &matches(b"2"), b"3")).await;
    assert_eq!(other.error(), (412, "PreconditionFailed".to_owned()));
    assert_eq!(site.get("/photos/a").await.body, b"1");
    assert_eq!(site.send(put("if-match", &matches(b"1"), b"2")).await.status, 200);
    assert_eq!(site.get("/photos/a").await.body, b"2");
    assert_eq!(site.send(put("if-match", "*", b"3")).await.status, 200);
    let same = site.send(put("if-none-match", &matches(b"3"), b"4")).await;
    assert_eq!(same.error(), (412, "PreconditionFailed".to_owned()));
    let both = put("if-none-match", "*", b"4").header("if-match", "*");
    assert_eq!(site.send(both).await.error(), (501, "NotImplemented".to_owned()));
    let delete = |value: &str| ask("DELETE", "/photos/a").header("if-match", value);
    let other = site.send(delete(&matches(b"2"))).await;
    assert_eq!(other.error(), (412, "PreconditionFailed".to_owned()));
    assert_eq!(site.send(delete(&matches(b"3"))).await.status, 204);
    assert_absent(&site, "/photos/a").await;
    for gone in [&*matches(b"3"), "*"] {
        let refused = site.send(delete(gone)).await;
        assert_eq!(refused.error(), (404, "NoSuchKey".to_owned()), "{gone}");
    }
    assert_eq!(site.send(put("if-none-match", &matches(b"3"), b"4")).await.status, 200);
}

#[tokio::test]
async fn a_delete_is_of_what_the_client_has_seen() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", b"123").await;
    let seen = site.send(ask("HEAD", "/photos/a")).await;
    let modified = seen.header("last-modified").expect("a time").to_owned();
    let delete = |name, value: &str| ask("DELETE", "/photos/a").header(name, value);
    let failed = (412, "PreconditionFailed".to_owned());
    let (time, size) = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size");
    let old = "Thu, 01 Jan 2015 00:00:00 GMT";
    assert_eq!(site.send(delete(time, old)).await.error(), failed);
    assert_eq!(site.send(delete(size, "4")).await.error(), failed);
    let one_of_two = delete(size, "3").header(time, old);
    assert_eq!(site.send(one_of_two).await.error(), failed);
    let negative = site.send(delete(size, "-1")).await;
    assert_eq!(negative.error(), (400, "InvalidArgument".to_owned()));
    let many = |object: &str| {
        let xml = format!("<Delete><Object><Key>a</Key>{object}</Object></Delete>");
        ask("POST", "/photos?delete").body(xml.as_bytes())
    };
    let listed = site.send(many("<Size>4</Size>")).await;
    assert_eq!(listed.tags("Code"), ["PreconditionFailed"]);
    let listed = site.send(many(&format!("<LastModifiedTime>{old}</LastModifiedTime>"))).await;
    assert_eq!(listed.tags("Code"), ["PreconditionFailed"], "{}", listed.text());
    let both = delete(size, "3").header(time, &modified);
    assert_eq!(site.send(both).await.status, 204);
    assert_absent(&site, "/photos/a").await;
    assert_eq!(site.send(delete(size, "4")).await.status, 204, "what is gone is gone");
}

#[tokio::test]
async fn a_put_that_cannot_be_is_refused_before_its_body() {
    let site = Site::with_bucket().await;
    let size = (5_u64 << 30) + 1;
    let large = ask("PUT", "/photos/a").header("content-length", &size.to_string());
    assert_eq!(site.send(large.body(b"")).await.error(), (400, "EntityTooLarge".to_owned()));
    let long = site.put(&format!("/photos/{}", "k".repeat(1_025)), b"1").await;
    assert_eq!(long.error(), (400, "KeyTooLongError".to_owned()));
    assert_eq!(site.put("/other/a", b"1").await.error(), (404, "NoSuchBucket".to_owned()));
    let unannounced = ask("PUT", "/photos/a").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let refused = site.send(unannounced).await;
    assert_eq!(refused.error(), (411, "MissingContentLength".to_owned()));
    let moved = ask("PUT", "/photos/a").header("x-amz-website-redirect-location", "/b").body(b"1");
    assert_eq!(site.send(moved).await.error(), (501, "NotImplemented".to_owned()));
}

#[tokio::test]
async fn deletes_answer_alike_whether_the_key_was_there() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", b"1").await;
    for _ in 0..2 {
        assert_eq!(site.send(ask("DELETE", "/photos/a")).await.status, 204);
    }
    assert_absent(&site, "/photos/a").await;
    let versioned = site.send(ask("DELETE", "/photos/a?versionId=3HL4")).await;
    assert_eq!(versioned.error(), (400, "InvalidArgument".to_owned()));
    let missing = site.send(ask("DELETE", "/other/a")).await;
    assert_eq!(missing.error(), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_each_with_its_outcome() {
    let site = Site::with_bucket().await;
    for key in ["a", "b", "c"] {
        site.put(&format!("/photos/{key}"), b"1").await;
    }
    let delete = |quiet: bool, objects: &str| {
        let xml = format!("<Delete><Quiet>{quiet}</Quiet>{objects}</Delete>");
        ask("POST", "/photos?delete").body(xml.as_bytes())
    };
    let keys = |answer: &Answer| answer.tags("Key");
    let objects = "<Object><Key>a</Key></Object><Object><Key>gone</Key></Object>\
         <Object><Key>b</Key><VersionId>x</VersionId></Object>";
    let answer = site.send(delete(false, objects)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(keys(&answer), ["a", "gone", "b"]);
    assert_eq!(answer.tags("Code"), ["InvalidArgument"]);
    assert_absent(&site, "/photos/a").await;
    assert_eq!(site.get("/photos/b").await.status, 200);

    let quiet = site.send(delete(true, "<Object><Key>b</Key></Object>")).await;
    assert!(keys(&quiet).is_empty());
    assert_absent(&site, "/photos/b").await;
    let many = "<Object><Key>k</Key></Object>".repeat(1_001);
    for wrong in ["", &many] {
        let refused = site.send(delete(false, wrong)).await;
        assert_eq!(refused.error(), (400, "MalformedXML".to_owned()));
    }
}
