//! Checksums and parts, as an object's attributes and its GETs show them.

use store::Sizes;

use super::site::{Answer, Ask, INLINE_MAX, Site, ask, bytes};
use crate::composite::PART_BYTES_MIN;

fn attributes(path: &str) -> Ask {
    ask("GET", &format!("{path}?attributes"))
}

const ALL: &str = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";

/// Two parts, checksums of each by CRC32; what was answered to the parts and to the completion.
async fn upload(site: &Site, kind: &str) -> (Vec<String>, Answer) {
    let begin = ask("POST", "/photos/parts?uploads")
        .header("x-amz-checksum-algorithm", "CRC32")
        .header("x-amz-checksum-type", kind);
    let id = site.send(begin).await.tag("UploadId").expect("an id");
    let bodies = [bytes(usize::try_from(PART_BYTES_MIN).expect("small")), bytes(10)];
    let (mut xml, mut sums) = (String::new(), Vec::new());
    for (number, body) in (1..).zip(bodies) {
        let path = format!("/photos/parts?partNumber={number}&uploadId={id}");
        let part = site.put(&path, &body).await;
        let etag = part.header("etag").expect("an entity tag");
        let sum = part.header("x-amz-checksum-crc32").expect("a checksum").to_owned();
        xml.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>\
             <ChecksumCRC32>{sum}</ChecksumCRC32></Part>"
        ));
        sums.push(sum);
    }
    let xml = format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>");
    let complete = ask("POST", &format!("/photos/parts?uploadId={id}")).body(xml.as_bytes());
    (sums, site.send(complete).await)
}

async fn site() -> Site {
    let site = Site::with_sizes(1, Sizes { block: 1 << 20, inline_max: INLINE_MAX }).await;
    assert_eq!(site.send(ask("PUT", "/photos")).await.status, 200);
    site
}

#[tokio::test]
async fn the_attributes_of_an_object_of_parts_name_each_part() {
    let site = site().await;
    let (sums, done) = upload(&site, "COMPOSITE").await;
    assert_eq!(done.status, 200, "{}", done.text());
    let whole = done.tag("ChecksumCRC32").expect("a checksum");
    assert!(whole.ends_with("-2"));
    let shown = site.send(attributes("/photos/parts").header("x-amz-object-attributes", ALL)).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(shown.tags("ChecksumCRC32"), [&whole, &sums[0], &sums[1]].map(Clone::clone));
    assert_eq!(shown.tag("ChecksumType").as_deref(), Some("COMPOSITE"));
    assert_eq!(shown.tags("Size"), [PART_BYTES_MIN.to_string(), "10".to_owned()]);
    assert_eq!(shown.tag("ObjectSize"), Some((PART_BYTES_MIN + 10).to_string()));
    assert_eq!(shown.tag("PartsCount").as_deref(), Some("2"));
    let etag = done.tag("ETag").expect("an entity tag").replace("&quot;", "").replace('"', "");
    assert_eq!(shown.tag("ETag"), Some(etag), "without quotes");
    let second = attributes("/photos/parts")
        .header("x-amz-object-attributes", "ObjectParts")
        .header("x-amz-max-parts", "1")
        .header("x-amz-part-number-marker", "1");
    let second = site.send(second).await;
    assert_eq!(second.tags("PartNumber"), ["2"]);
    assert_eq!(second.tag("IsTruncated").as_deref(), Some("false"));
    assert_eq!((second.tag("ETag"), second.tag("ObjectSize")), (None, None), "not asked for");

    for method in ["GET", "HEAD"] {
        let part =
            ask(method, "/photos/parts?partNumber=2").header("x-amz-checksum-mode", "ENABLED");
        let part = site.send(part).await;
        assert_eq!(part.status, 206, "{method}");
        assert_eq!(part.header("x-amz-checksum-crc32"), Some(&*sums[1]), "{method}");
        assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"), "{method}");
        let plain = site.send(ask(method, "/photos/parts")).await;
        assert_eq!(plain.header("x-amz-mp-parts-count"), None, "{method}");
    }
}

#[tokio::test]
async fn a_checksum_of_the_full_object_is_that_of_its_bytes() {
    let site = site().await;
    let (_, done) = upload(&site, "FULL_OBJECT").await;
    let body = site.get("/photos/parts").await.body;
    let crc = s3s::crypto::Crc32::checksum_u32(&body).to_be_bytes();
    let crc = base64_simd::STANDARD.encode_to_string(crc);
    assert_eq!(done.tag("ChecksumCRC32"), Some(crc.clone()));
    let asked = attributes("/photos/parts").header("x-amz-object-attributes", "Checksum");
    let shown = site.send(asked).await;
    assert_eq!(shown.tags("ChecksumCRC32"), [crc]);
    assert_eq!(shown.tag("ChecksumType").as_deref(), Some("FULL_OBJECT"));
}

#[tokio::test]
async fn the_attributes_of_an_object_that_was_put_whole_have_no_parts() {
    let site = site().await;
    site.put("/photos/a", b"123").await;
    let shown = site.send(attributes("/photos/a").header("x-amz-object-attributes", ALL)).await;
    assert_eq!(shown.tag("ObjectSize").as_deref(), Some("3"));
    assert_eq!(shown.tag("StorageClass").as_deref(), Some("STANDARD"));
    assert_eq!((shown.tag("ObjectParts"), shown.tag("Checksum")), (None, None));
    let part = site.get("/photos/a?partNumber=1").await;
    assert_eq!((part.status.as_u16(), &*part.body), (206, &b"123"[..]));
    let odd = attributes("/photos/a").header("x-amz-object-attributes", "Colour");
    assert_eq!(site.send(odd).await.error(), (400, "InvalidArgument".to_owned()));
    assert_eq!(
        site.send(attributes("/photos/a")).await.error(),
        (400, "InvalidRequest".to_owned())
    );
    for negative in ["x-amz-part-number-marker", "x-amz-max-parts"] {
        let asked = attributes("/photos/a").header("x-amz-object-attributes", ALL);
        let refused = site.send(asked.header(negative, "-1")).await;
        assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()), "{negative}");
    }
    let gone = attributes("/photos/b").header("x-amz-object-attributes", ALL);
    assert_eq!(site.send(gone).await.error(), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn content_codings_are_kept_as_they_were_sent() {
    let site = site().await;
    for (sent, kept) in [
        ("deflate, gzip", Some("deflate, gzip")),
        ("gzip,br", Some("gzip,br")),
        ("gzip, aws-chunked", Some("gzip")),
        ("aws-chunked, aws-chunked", None),
    ] {
        let put = ask("PUT", "/photos/a").header("content-encoding", sent).body(b"1");
        assert_eq!(site.send(put).await.status, 200);
        assert_eq!(site.get("/photos/a").await.header("content-encoding"), kept, "{sent}");
    }
}
