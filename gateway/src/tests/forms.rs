//! Uploads by HTML form.

use base64_simd::STANDARD;
use s3s::Body;

use super::site::{ACCESS, Ask, SECRET, Site, ask, bytes, hmac, key};

const DAY: &str = "20260101";

/// A form that is being put together.
pub(super) struct Form {
    path: &'static str,
    fields: Vec<(String, String)>,
    conditions: Vec<serde_json::Value>,
    secret: &'static str,
}

/// A form to `photos`, which lets its sender give these fields any value.
pub(super) fn form(fields: &[(&str, &str)]) -> Form {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let any = |(name, _): &(&str, &str)| serde_json::json!(["starts-with", format!("${name}"), ""]);
    let mut conditions: Vec<_> = fields.iter().map(any).collect();
    conditions.push(serde_json::json!({"bucket": "photos"}));
    Form { path: "/photos", fields: fields.iter().map(owned).collect(), conditions, secret: SECRET }
}

impl Form {
    fn condition(mut self, condition: serde_json::Value) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Signs it by version 4.
    pub(super) fn signed(mut self) -> Self {
        let scope = format!("{ACCESS}/{DAY}/us-east-1/s3/aws4_request");
        let more = [
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", scope.as_str()),
            ("x-amz-date", "20260101T000000Z"),
        ];
        for (name, value) in more {
            self.conditions.push(serde_json::json!({ name: value }));
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        let policy = serde_json::json!({
            "expiration": "2099-01-01T00:00:00.000Z",
            "conditions": self.conditions,
        });
        let policy = STANDARD.encode_to_string(policy.to_string());
        let signature = hex::encode(hmac(&key(self.secret, DAY), policy.as_bytes()));
        self.fields.push(("policy".to_owned(), policy));
        self.fields.push(("x-amz-signature".to_owned(), signature));
        self
    }

    pub(super) fn with(&self, file: &[u8]) -> http::Request<Body> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let head = format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        body.extend_from_slice(
            b"--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
              Content-Type: text/x\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b0--\r\n");
        let post: Ask = ask("POST", self.path);
        post.header("content-type", "multipart/form-data; boundary=b0").body(&body).unsigned()
    }
}

#[tokio::test]
async fn a_form_becomes_an_object_with_all_that_it_says() {
    let site = Site::with_bucket().await;
    let fields = [
        ("key", "up/${filename}"),
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-cache"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
    ];
    let answer = site.send_raw(form(&fields).signed().with(b"123456789")).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("/photos/up/a.txt"));
    let got = site.send(ask("GET", "/photos/up/a.txt").header("x-amz-checksum-mode", "ENABLED"));
    let got = got.await;
    assert_eq!(got.body, b"123456789");
    assert_eq!(got.header("etag"), answer.header("etag"));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.header("cache-control"), Some("no-cache"));
    assert_eq!(got.header("x-amz-meta-colour"), Some("blue"));
    assert_eq!(got.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    let large = bytes(100_000);
    let answer = site.send_raw(form(&[("key", "large")]).signed().with(&large)).await;
    assert_eq!(answer.status, 204);
    assert!(site.get("/photos/large").await.body == large);
    let text = site.metrics.render();
    assert!(
        text.contains("towline_s3_requests_total{op=\"PostObject\",status=\"204\"} 2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_form_can_ask_for_encryption() {
    let site = Site::with_bucket().await;
    let method = ("x-amz-server-side-encryption", "AES256");
    let answer = site.send_raw(form(&[("key", "a"), method]).signed().with(b"123456789")).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(answer.header(method.0), Some(method.1));
    let got = site.get("/photos/a").await;
    assert_eq!((got.header(method.0), &got.body[..]), (Some(method.1), &b"123456789"[..]));
    let key = ("x-amz-server-side-encryption-aws-kms-key-id", "alias/second");
    let kms = form(&[("key", "b"), (method.0, "aws:kms"), key]).signed().with(b"1");
    let answer = site.send_raw(kms).await;
    assert_eq!((answer.status.as_u16(), answer.header(key.0)), (204, Some(key.1)));
    let dsse = form(&[("key", "b"), (method.0, "aws:kms:dsse")]).signed().with(b"1");
    assert_eq!(site.send_raw(dsse).await.error(), (501, "NotImplemented".to_owned()));
}

#[tokio::test]
async fn a_form_chooses_how_it_is_answered() {
    let site = Site::with_bucket().await;
    let post = async |name: &str, value: &str| {
        site.send_raw(form(&[("key", "a <b>"), (name, value)]).signed().with(b"1")).await
    };
    for (asked, status) in [("200", 200), ("204", 204), ("404", 204)] {
        assert_eq!(post("success_action_status", asked).await.status, status, "{asked}");
    }
    let created = post("success_action_status", "201").await;
    assert_eq!(created.status, 201);
    assert_eq!(created.tag("Key").as_deref(), Some("a &lt;b&gt;"));
    assert_eq!(created.tag("Bucket").as_deref(), Some("photos"));
    let etag = created.header("etag").expect("an ETag").replace('"', "&quot;");
    assert_eq!(created.tag("ETag"), Some(etag.clone()));
    let page = post("success_action_redirect", "https://example.com/done?x=1").await;
    let etag = etag.replace("&quot;", "%22");
    let wanted = format!("https://example.com/done?x=1&bucket=photos&key=a%20%3Cb%3E&etag={etag}");
    assert_eq!((page.status.as_u16(), page.header("location")), (303, Some(&*wanted)));
    assert_eq!(post("success_action_redirect", "javascript:alert(1)").await.status, 204);
}

#[tokio::test]
async fn a_form_leads_to_its_object_by_the_host_that_it_came_by() {
    let site = Site::with_bucket().await;
    let mut hosted = form(&[("key", "a")]).signed();
    hosted.path = "/";
    let mut post = hosted.with(b"1");
    post.headers_mut().insert("host", http::HeaderValue::from_static("Photos.s3.example.com"));
    let answer = site.send_raw(post).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (204, Some("/a")));
    assert_eq!(site.get("/photos/a").await.body, b"1");
}

#[tokio::test]
async fn what_no_header_could_bring_is_not_kept() {
    let site = Site::with_bucket().await;
    let injected = "a\r\nx-injected: 1";
    for name in ["Content-Type", "Content-Disposition", "x-amz-meta-a"] {
        let refused = form(&[("key", "a"), (name, injected)]).signed().with(b"1");
        let refused = site.send_raw(refused).await.error();
        assert_eq!(refused, (400, "InvalidArgument".to_owned()), "{name}");
    }
    let refused = form(&[("key", "a"), ("x-amz-meta-a b", "1")]).signed().with(b"1");
    let refused = site.send_raw(refused).await.error();
    assert_eq!(refused, (400, "InvalidArgument".to_owned()));
    let fine = form(&[("key", "a"), ("x-amz-meta-a", "ü")]).signed().with(b"1");
    assert_eq!(site.send_raw(fine).await.status, 204);
    assert_eq!(site.get("/photos/a").await.header("x-amz-meta-a"), Some("=?UTF-8?B?w7w=?="));
}

#[tokio::test]
async fn a_form_says_nothing_twice() {
    let site = Site::with_bucket().await;
    let mut form = form(&[("key", "a"), ("x-amz-meta-a", "asked about")]).signed();
    form.fields.push(("X-Amz-Meta-A".to_owned(), "kept".to_owned()));
    let refused = site.send_raw(form.with(b"1")).await.error();
    assert_eq!(refused, (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn a_form_does_no_more_than_its_signer_allows() {
    let site = Site::with_bucket().await;
    let range = |least, most| serde_json::json!(["content-length-range", least, most]);
    let key = || form(&[("key", "a")]);
    let refused = async |form: Form| site.send_raw(form.with(b"12345")).await.error();
    let code = |status, code: &str| (status, code.to_owned());
    let large = key().condition(range(0, 4)).signed();
    assert_eq!(refused(large).await, code(400, "EntityTooLarge"));
    let small = key().condition(range(6, 9)).signed();
    assert_eq!(refused(small).await, code(400, "EntityTooSmall"));
    let other = key().condition(serde_json::json!(["eq", "$key", "b"])).signed();
    assert_eq!(refused(other).await, code(403, "AccessDenied"));
    let mut extra = key().signed();
    extra.fields.push(("x-amz-meta-a".to_owned(), "1".to_owned()));
    assert_eq!(refused(extra).await, code(403, "AccessDenied"));
    let mut wrong = key();
    wrong.secret = "wrong";
    assert_eq!(refused(wrong.signed()).await, code(403, "SignatureDoesNotMatch"));
    assert_eq!(refused(key()).await, code(403, "AccessDenied"), "nobody signed it");
    let mut elsewhere = key().signed();
    elsewhere.path = "/photos/a";
    assert_eq!(refused(elsewhere).await, code(405, "MethodNotAllowed"));
    assert_eq!(refused(form(&[]).signed()).await, code(400, "InvalidArgument"), "no key");
    let digest = form(&[("key", "a"), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]).signed();
    assert_eq!(refused(digest).await, code(400, "BadDigest"));
    assert_eq!(site.get("/photos/a").await.status, 404, "nothing of it was kept");
    let fits = key().condition(range(5, 5)).signed();
    assert_eq!(site.send_raw(fits.with(b"12345")).await.status, 204);
}
