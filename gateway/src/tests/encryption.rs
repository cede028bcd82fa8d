//! Server-side encryption: what is asked for is done, shown and refused as S3 does.

use base64_simd::STANDARD;
use md5::{Digest, Md5};

use super::{
    site::{Answer, Ask, Site, ask, bytes},
    users::{main, site},
};

const METHOD: &str = "x-amz-server-side-encryption";
const CUSTOMER: &str = "x-amz-server-side-encryption-customer";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const OF_SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer";

fn with_key(ask: Ask, prefix: &str, key: u8) -> Ask {
    let md5 = STANDARD.encode_to_string(Md5::digest([key; 32]));
    ask.header(&format!("{prefix}-algorithm"), "AES256")
        .header(&format!("{prefix}-key"), &STANDARD.encode_to_string([key; 32]))
        .header(&format!("{prefix}-key-md5"), &md5)
}

/// How a test has a body encrypted: not, by the sites, under a key of the client or one that it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Plain,
    Site,
    Client(u8),
    Named(&'static str),
}

const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/second";
const ALL: [How; 6] = [
    How::Plain,
    How::Site,
    How::Client(1),
    How::Client(2),
    How::Named("alias/first"),
    How::Named(ARN),
];

impl How {
    fn write(self, ask: Ask) -> Ask {
        match self {
            Self::Plain => ask,
            Self::Site => ask.header(METHOD, "AES256"),
            Self::Client(key) => with_key(ask, CUSTOMER, key),
            Self::Named(key) => ask.header(METHOD, "aws:kms").header(KEY_ID, key),
        }
    }

    fn read(self, ask: Ask) -> Ask {
        if matches!(self, Self::Client(_)) { self.write(ask) } else { ask }
    }

    fn from(self, ask: Ask) -> Ask {
        match self {
            Self::Client(key) => with_key(ask, OF_SOURCE, key),
            Self::Plain | Self::Site | Self::Named(_) => ask,
        }
    }

    fn method(self) -> Option<&'static str> {
        match self {
            Self::Site => Some("AES256"),
            Self::Named(_) => Some("aws:kms"),
            Self::Plain | Self::Client(_) => None,
        }
    }

    /// Whether entity tags are of the body.
    fn tells(self) -> bool {
        matches!(self, Self::Plain | Self::Site)
    }

    fn check(self, answer: &Answer) {
        assert_eq!(answer.header(METHOD), self.method(), "{self:?}");
        let named = if let Self::Named(key) = self { Some(key) } else { None };
        assert_eq!(answer.header(KEY_ID), named);
        let (algorithm, md5) = match self {
            Self::Client(key) => {
                (Some("AES256"), Some(STANDARD.encode_to_string(Md5::digest([key; 32]))))
            }
            Self::Plain | Self::Site | Self::Named(_) => (None, None),
        };
        assert_eq!(answer.header(&format!("{CUSTOMER}-algorithm")), algorithm);
        assert_eq!(answer.header(&format!("{CUSTOMER}-key-md5")), md5.as_deref());
    }
}

fn copy(to: &str, from: &str) -> Ask {
    ask("PUT", to).header("x-amz-copy-source", from)
}

async fn read_is(site: &Site, how: How, path: &str, body: &[u8]) {
    let answer = site.send(how.read(ask("GET", path))).await;
    assert_eq!((answer.status.as_u16(), answer.broken), (200, false), "{}", answer.text());
    assert!(answer.body == body, "{how:?} {path}");
    how.check(&answer);
    let head = site.send(how.read(ask("HEAD", path))).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
    how.check(&head);
}

#[tokio::test]
async fn a_body_comes_back_whole_and_in_ranges_however_it_rests() {
    let site = Site::with_bucket().await;
    // Around what a block of 64 bytes and an inline body of 16 hold, sealed or not; and segments.
    for size in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 1_000, 70_000] {
        let body = bytes(size);
        for how in ALL {
            let put = site.send(how.write(ask("PUT", "/photos/a").body(&body))).await;
            assert_eq!(put.status, 200, "{}", put.text());
            how.check(&put);
            let md5 = format!("\"{}\"", hex::encode(Md5::digest(&body)));
            let tells = put.header("etag") == Some(md5.as_str());
            assert_eq!(tells, how.tells(), "{how:?}");
            read_is(&site, how, "/photos/a", &body).await;
            for (first, last) in [(0, 0), (5, 40), (31, 32), (64, 200), (40_000, 69_999)] {
                if last >= size {
                    continue;
                }
                let range = format!("bytes={first}-{last}");
                let get = how.read(ask("GET", "/photos/a")).header("range", &range);
                let got = site.send(get).await;
                assert_eq!(got.status, 206, "{}", got.text());
                assert!(got.body == body[first..=last], "{how:?} {size} {range}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_is_missing_wrong_or_too_many_reads_nothing() {
    let site = Site::with_bucket().await;
    for (path, how) in
        [("/photos/c", How::Client(1)), ("/photos/s", How::Site), ("/photos/p", How::Plain)]
    {
        assert_eq!(site.send(how.write(ask("PUT", path).body(b"body"))).await.status, 200);
    }
    let invalid = (400, "InvalidRequest".to_owned());
    let denied = (403, "AccessDenied".to_owned());
    let attributes = |path: &str| {
        ask("GET", &format!("{path}?attributes=")).header("x-amz-object-attributes", "ETag")
    };
    for get in [ask("GET", "/photos/c"), attributes("/photos/c"), copy("/photos/d", "/photos/c")] {
        assert_eq!(site.send(get).await.error(), invalid);
    }
    assert_eq!(site.send(How::Client(2).read(ask("GET", "/photos/c"))).await.error(), denied);
    let wrong = How::Client(2).from(copy("/photos/d", "/photos/c"));
    assert_eq!(site.send(wrong).await.error(), denied);
    for path in ["/photos/s", "/photos/p"] {
        assert_eq!(site.send(How::Client(1).read(ask("GET", path))).await.error(), invalid);
        assert_eq!(site.send(How::Client(1).read(attributes(path))).await.error(), invalid);
        let copy = How::Client(1).from(copy("/photos/d", path));
        assert_eq!(site.send(copy).await.error(), invalid);
    }
    assert_eq!(site.send(How::Client(2).read(ask("HEAD", "/photos/c"))).await.status, 403);
    assert_eq!(site.send(ask("HEAD", "/photos/c")).await.status, 400);
    let named = ask("GET", "/photos/s").header(METHOD, "AES256");
    assert_eq!(site.send(named).await.error(), (400, "InvalidArgument".to_owned()));
    assert_eq!(site.get("/photos/d").await.status, 404, "nothing was copied");
}

#[tokio::test]
async fn what_a_request_says_of_encryption_is_done_or_refused() {
    let site = Site::with_bucket().await;
    let put = || ask("PUT", "/photos/a").body(b"body");
    let key = |drop: &str| {
        let whole = with_key(put(), CUSTOMER, 1);
        whole.without(&format!("{CUSTOMER}-{drop}"))
    };
    let argument = "InvalidArgument";
    let many = with_key(put().header(METHOD, "AES256"), CUSTOMER, 1);
    let other = with_key(put(), CUSTOMER, 1).header(&format!("{CUSTOMER}-key-md5"), "AAAA");
    let dsse = put().header(METHOD, "aws:kms:dsse");
    let kms = || put().header(METHOD, "aws:kms");
    let both = with_key(kms(), CUSTOMER, 1);
    let of_site = put().header(METHOD, "AES256").header(KEY_ID, "first");
    let algorithm = with_key(put(), CUSTOMER, 1).header(&format!("{CUSTOMER}-algorithm"), "DES");
    for (ask, status, code) in [
        (key("algorithm"), 400, argument),
        (key("key"), 400, argument),
        (key("key-md5"), 400, argument),
        (other, 400, argument),
        (many, 400, argument),
        (put().header(METHOD, "AES512"), 400, argument),
        (algorithm, 400, "InvalidEncryptionAlgorithmError"),
        (dsse, 501, "NotImplemented"),
        (both, 400, argument),
        (of_site, 400, argument),
        (put().header(KEY_ID, "first"), 400, argument),
        (put().header(CONTEXT, "e30="), 400, argument),
        (kms().header(CONTEXT, "e3"), 400, argument),
        (kms().header(CONTEXT, "WzFd"), 400, argument),
        (kms().header(KEY_ID, "third"), 400, "KMS.NotFoundException"),
        (kms().header(KEY_ID, "alias/"), 400, "KMS.NotFoundException"),
    ] {
        assert_eq!(site.send(ask).await.error(), (status, code.to_owned()));
    }
    assert_eq!(site.get("/photos/a").await.status, 404);
}

#[tokio::test]
async fn a_named_key_is_shown_as_it_was_named_and_binds_the_context() {
    let site = Site::with_bucket().await;
    let named = || ask("PUT", "/photos/a").body(b"body").header(METHOD, "aws:kms");
    // {"a":"b"}
    let put = site.send(named().header(CONTEXT, "eyJhIjoiYiJ9").header(BUCKET_KEY, "true")).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.header(KEY_ID), Some("first"), "the first where none is named");
    assert_eq!((put.header(CONTEXT), put.header(BUCKET_KEY)), (Some("eyJhIjoiYiJ9"), Some("true")));
    for method in ["GET", "HEAD"] {
        let got = site.send(ask(method, "/photos/a")).await;
        assert_eq!((got.status.as_u16(), got.header(METHOD)), (200, Some("aws:kms")));
        assert_eq!((got.header(KEY_ID), got.header(BUCKET_KEY)), (Some("first"), Some("true")));
        assert_eq!(got.header(CONTEXT), None);
    }
    assert_eq!(site.get("/photos/a").await.body, b"body");
    let plain = site.send(named()).await;
    assert_eq!((plain.header(CONTEXT), plain.header(BUCKET_KEY)), (None, None));
}

#[tokio::test]
async fn a_bucket_can_name_the_key_of_what_says_nothing() {
    let site = Site::with_bucket().await;
    let document = |key: &str, bucket_key: bool| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>aws:kms</SSEAlgorithm>{key}</ApplyServerSideEncryptionByDefault>\
             <BucketKeyEnabled>{bucket_key}</BucketKeyEnabled></Rule>\
             </ServerSideEncryptionConfiguration>"
        )
    };
    let put = |key: &str, bucket_key| {
        ask("PUT", "/photos?encryption").body(document(key, bucket_key).as_bytes())
    };
    let second = "<KMSMasterKeyID>alias/second</KMSMasterKeyID>";
    assert_eq!(site.send(put(second, true)).await.status, 200);
    let shown = site.get("/photos?encryption").await;
    assert_eq!(shown.tag("KMSMasterKeyID").as_deref(), Some("alias/second"));
    let body = bytes(100);
    let answer = site.put("/photos/a", &body).await;
    How::Named("alias/second").check(&answer);
    assert_eq!(answer.header(BUCKET_KEY), Some("true"));
    read_is(&site, How::Named("alias/second"), "/photos/a", &body).await;
    How::Named("alias/second").check(&site.send(ask("POST", "/photos/c?uploads")).await);
    How::Site.check(&site.send(How::Site.write(ask("PUT", "/photos/b").body(&body))).await);
    // AWS does not look for the key when the default is set.
    let third = "<KMSMasterKeyID>third</KMSMasterKeyID>";
    assert_eq!(site.send(put(third, false)).await.status, 200);
    let refused = site.put("/photos/a", &body).await.error();
    assert_eq!(refused, (400, "KMS.NotFoundException".to_owned()));
    assert_eq!(site.send(put("", false)).await.status, 200);
    How::Named("first").check(&site.put("/photos/a", &body).await);
}

#[tokio::test]
async fn any_copy_of_any_encryption_comes_back() {
    let site = Site::with_bucket().await;
    let body = bytes(1_000);
    for from in ALL {
        let put = from.write(ask("PUT", "/photos/from").body(&body));
        assert_eq!(site.send(put.header("x-amz-meta-colour", "blue")).await.status, 200);
        for to in ALL {
            let asked = to.write(from.from(copy("/photos/to", "/photos/from")));
            let copied = site.send(asked).await;
            assert_eq!(copied.status, 200, "{from:?} {to:?}: {}", copied.text());
            to.check(&copied);
            read_is(&site, to, "/photos/to", &body).await;
            let head = site.send(to.read(ask("HEAD", "/photos/to"))).await;
            assert_eq!(head.header("x-amz-meta-colour"), Some("blue"));
            let md5 = format!("\"{}\"", hex::encode(Md5::digest(&body)));
            let tells = head.header("etag") == Some(md5.as_str());
            assert_eq!(tells, to.tells(), "{from:?} {to:?}");
        }
        // Another key of the client for the same object, where it is.
        let again = How::Client(9).write(from.from(copy("/photos/from", "/photos/from")));
        assert_eq!(site.send(again).await.status, 200);
        read_is(&site, How::Client(9), "/photos/from", &body).await;
    }
}

#[tokio::test]
async fn a_checksum_that_a_copy_asks_for_is_of_the_body() {
    let site = Site::with_bucket().await;
    let body = bytes(300);
    let sent = ask("PUT", "/photos/sum").header("x-amz-sdk-checksum-algorithm", "CRC32");
    let crc = site.send(sent.body(&body)).await.header("x-amz-checksum-crc32").map(str::to_owned);
    assert!(crc.is_some());
    for from in ALL {
        let put = from.write(ask("PUT", "/photos/from").body(&body));
        assert_eq!(site.send(put).await.status, 200);
        for to in ALL {
            let asked = to.write(from.from(copy("/photos/to", "/photos/from")));
            let copied = site.send(asked.header("x-amz-checksum-algorithm", "CRC32")).await;
            assert_eq!(copied.tag("ChecksumCRC32"), crc, "{from:?} {to:?}: {}", copied.text());
        }
    }
}

async fn begin(site: &Site, how: How) -> String {
    let begun = site.send(how.write(ask("POST", "/photos/a?uploads"))).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    how.check(&begun);
    begun.tag("UploadId").unwrap()
}

fn part(id: &str, number: u16) -> Ask {
    ask("PUT", &format!("/photos/a?partNumber={number}&uploadId={id}"))
}

#[tokio::test]
async fn an_upload_in_parts_is_sealed_part_by_part() {
    let site = Site::with_sizes(1, store::Sizes { block: 1 << 20, inline_max: 16 }).await;
    assert_eq!(site.send(ask("PUT", "/photos")).await.status, 200);
    let bodies = [bytes(5 << 20), bytes((5 << 20) + 77), bytes(11)];
    let source = How::Client(7).write(ask("PUT", "/photos/from").body(&bodies[1]));
    assert_eq!(site.send(source).await.status, 200);
    for (how, next) in ALL.into_iter().zip(ALL.into_iter().cycle().skip(1)) {
        let id = begin(&site, how).await;
        let mut listed = String::new();
        // Numbers with gaps, and one part that comes twice.
        for (number, body) in [(2, 0), (4, 1), (9, 0), (9, 2)] {
            let ask = how.read(part(&id, number));
            let answer = if number == 4 {
                let ask = ask.header("x-amz-copy-source", "/photos/from");
                let ask = How::Client(7).from(ask);
                let range = format!("bytes=0-{}", bodies[1].len() - 1);
                site.send(ask.header("x-amz-copy-source-range", &range)).await
            } else {
                site.send(ask.body(&bodies[body])).await
            };
            assert_eq!(answer.status, 200, "{how:?} {number}: {}", answer.text());
            how.check(&answer);
            let shown = answer.header("etag").map(|tag| tag.trim_matches('"').to_owned());
            let etag = shown.or_else(|| answer.tag("ETag")).unwrap();
            let etag = etag.replace("&quot;", "").replace('"', "");
            let md5 = hex::encode(Md5::digest(&bodies[body]));
            assert_eq!(etag == md5, how.tells(), "{how:?}");
            if (number, body) != (9, 0) {
                listed +=
                    &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
            }
        }
        let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        let complete = ask("POST", &format!("/photos/a?uploadId={id}")).body(body.as_bytes());
        let done = site.send(complete).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let again = ask("POST", &format!("/photos/a?uploadId={id}")).body(body.as_bytes());
        for answer in [&done, &site.send(again).await] {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header(METHOD), how.method(), "also to who asks again");
            let named = if let How::Named(key) = how { Some(key) } else { None };
            assert_eq!(answer.header(KEY_ID), named);
        }
        let whole = bodies.concat();
        read_is(&site, how, "/photos/a", &whole).await;
        let second = site.send(how.read(ask("GET", "/photos/a?partNumber=2"))).await;
        assert!(second.body == bodies[1], "{how:?}");
        let at = (5 << 20) - 9;
        let range = format!("bytes={at}-{}", at + 99);
        let got = site.send(how.read(ask("GET", "/photos/a")).header("range", &range)).await;
        assert!(got.body == whole[at..at + 100], "{how:?}");
        let asked = next.write(how.from(copy("/photos/to", "/photos/a")));
        assert_eq!(site.send(asked).await.status, 200, "{how:?} {next:?}");
        read_is(&site, next, "/photos/to", &whole).await;
    }
}

#[tokio::test]
async fn a_part_comes_with_the_key_that_its_upload_began_with() {
    let site = Site::with_bucket().await;
    let invalid = (400, "InvalidRequest".to_owned());
    let (client, plain) = (begin(&site, How::Client(1)).await, begin(&site, How::Plain).await);
    let sealed = begin(&site, How::Site).await;
    for (id, how) in [
        (&client, How::Plain),
        (&client, How::Client(2)),
        (&plain, How::Client(1)),
        (&sealed, How::Client(1)),
    ] {
        let refused = site.send(how.read(part(id, 1).body(b"part"))).await;
        assert_eq!(refused.error(), invalid, "{how:?}");
    }
    let body = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>\
        </CompleteMultipartUpload>";
    let complete = ask("POST", &format!("/photos/a?uploadId={client}")).body(body);
    assert_eq!(site.send(How::Client(2).read(complete)).await.error(), invalid);
}

#[tokio::test]
async fn the_default_of_a_bucket_is_for_whatever_says_nothing() {
    let site = Site::with_bucket().await;
    let none = "ServerSideEncryptionConfigurationNotFoundError".to_owned();
    assert_eq!(site.get("/photos?encryption").await.error(), (404, none.clone()));
    let document = |method: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>{method}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        )
    };
    let put = |method: &str| ask("PUT", "/photos?encryption").body(document(method).as_bytes());
    assert_eq!(site.send(put("aws:kms:dsse")).await.error(), (501, "NotImplemented".to_owned()));
    assert_eq!(site.send(put("none")).await.error(), (400, "MalformedXML".to_owned()));
    assert_eq!(site.send(put("AES256")).await.status, 200);
    let shown = site.get("/photos?encryption").await;
    assert_eq!(shown.tag("SSEAlgorithm").as_deref(), Some("AES256"));

    let body = bytes(100);
    How::Site.check(&site.put("/photos/a", &body).await);
    read_is(&site, How::Site, "/photos/a", &body).await;
    How::Site.check(&site.send(copy("/photos/b", "/photos/a")).await);
    How::Site.check(&site.send(ask("POST", "/photos/c?uploads")).await);
    let own = How::Client(1).write(ask("PUT", "/photos/d").body(&body));
    How::Client(1).check(&site.send(own).await);

    assert_eq!(site.send(ask("DELETE", "/photos?encryption")).await.status, 204);
    assert_eq!(site.get("/photos?encryption").await.error(), (404, none));
    How::Plain.check(&site.put("/photos/e", &body).await);
    read_is(&site, How::Site, "/photos/a", &body).await;
}

#[tokio::test]
async fn law_5_a_sealed_block_that_is_swapped_for_another_breaks_the_read() {
    let site = Site::with_bucket().await;
    let body = bytes(64);
    let put = How::Site.write(ask("PUT", "/photos/a").body(&body));
    assert_eq!(site.send(put).await.status, 200);
    let (bucket, key) = ("photos".to_owned(), "a".to_owned());
    let object = site.store.object(&bucket.try_into().unwrap(), &key.try_into().unwrap()).await;
    let mut object = object.unwrap().unwrap();
    let encryption = object.manifest.encryption.clone().unwrap();
    let key = site.store.data_key(&encryption.key, None).unwrap();
    let key = store::BodyKey::new(key, &object.manifest, &encryption);
    let model::Content::Blocks(blocks) = &mut object.manifest.content else { panic!("blocks") };
    assert_eq!(blocks.len(), 2, "blocks of 64 bytes hold 32 of the body");
    blocks.swap(0, 1);
    let meter = crate::meter::Meter::new(site.metrics.clone());
    let blocks = crate::blocks::Blocks::new(site.store.clone(), None, meter);
    let blocks = std::sync::Arc::new(blocks);
    let opened = crate::object_body::ObjectBody::open(&blocks, (object, Some(key)), 0..64, None);
    assert!(matches!(opened.await.err(), Some(crate::blocks::FetchError::Sealed(_))));
}

#[tokio::test]
async fn a_policy_can_ask_for_encryption() {
    let site = site().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
        "Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{
        "StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"},
        "Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"true"}}}]}"#;
    let set = site.send(main(ask("PUT", "/photos?policy").body(policy.as_bytes()))).await;
    assert_eq!(set.status, 204, "{}", set.text());
    let put = |how: How| main(how.write(ask("PUT", "/photos/a").body(b"body")));
    assert_eq!(site.send(put(How::Plain)).await.error(), (403, "AccessDenied".to_owned()));
    for how in [How::Site, How::Client(1)] {
        assert_eq!(site.send(put(how)).await.status, 200, "{how:?}");
    }
}
