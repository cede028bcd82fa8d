//! What clients set of buckets and objects: tags, cross-origin rules, lifecycle.

use http::{Method, Request};
use s3s::Body;

use super::site::{Answer, Ask, Site, ask};

const TAGS: &[u8] = b"<Tagging><TagSet><Tag><Key>b</Key><Value>2</Value></Tag>\
    <Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";

async fn with_object() -> Site {
    let site = Site::with_bucket().await;
    assert_eq!(site.put("/photos/a", b"1").await.status, 200);
    site
}

async fn put(site: &Site, path: &str, body: &[u8]) -> Answer {
    site.send(ask("PUT", path).body(body)).await
}

async fn delete(site: &Site, path: &str) -> u16 {
    site.send(ask("DELETE", path)).await.status.as_u16()
}

async fn tags(site: &Site, path: &str) -> Vec<String> {
    let answer = site.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (keys, values) = (answer.tags("Key"), answer.tags("Value"));
    keys.iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect()
}

#[tokio::test]
async fn tags_of_an_object_are_set_counted_and_taken_away() {
    let site = with_object().await;
    assert_eq!(tags(&site, "/photos/a?tagging").await, Vec::<String>::new());
    assert_eq!(put(&site, "/photos/a?tagging", TAGS).await.status, 200);
    assert_eq!(tags(&site, "/photos/a?tagging").await, ["a=1", "b=2"]);
    for method in ["GET", "HEAD"] {
        let answer = site.send(ask(method, "/photos/a")).await;
        assert_eq!(answer.header("x-amz-tagging-count"), Some("2"), "{method}");
    }
    assert_eq!(delete(&site, "/photos/a?tagging").await, 204);
    assert_eq!(tags(&site, "/photos/a?tagging").await, Vec::<String>::new());
    assert_eq!(site.get("/photos/a").await.header("x-amz-tagging-count"), None);
    for path in ["/photos/none?tagging", "/nobucket/a?tagging"] {
        assert_eq!(put(&site, path, TAGS).await.status, 404, "{path}");
        assert_eq!(site.get(path).await.status, 404, "{path}");
        assert_eq!(delete(&site, path).await, 404, "{path}");
    }
    let bad = b"<Tagging><TagSet><Tag><Key>aws:a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let refused = put(&site, "/photos/a?tagging", bad).await;
    assert_eq!(refused.error(), (400, "InvalidTag".to_owned()));
}

#[tokio::test]
async fn an_object_begins_with_the_tags_of_its_request() {
    let site = with_object().await;
    let tagged = |ask: Ask, tags| ask.header("x-amz-tagging", tags);
    let answer = site.send(tagged(ask("PUT", "/photos/t").body(b"1"), "x=y&z")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(tags(&site, "/photos/t?tagging").await, ["x=y", "z="]);
    let refused = site.send(tagged(ask("PUT", "/photos/t").body(b"1"), "a=%zz")).await;
    assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()));
    // A copy has its source's, or those that it is given.
    let copy = |to: &str| ask("PUT", to).header("x-amz-copy-source", "/photos/t");
    assert_eq!(site.send(copy("/photos/same")).await.status, 200);
    assert_eq!(tags(&site, "/photos/same?tagging").await, ["x=y", "z="]);
    let replaced = copy("/photos/other").header("x-amz-tagging-directive", "REPLACE");
    assert_eq!(site.send(tagged(replaced.clone(), "n=1")).await.status, 200);
    assert_eq!(tags(&site, "/photos/other?tagging").await, ["n=1"]);
    assert_eq!(site.send(replaced).await.status, 200);
    assert_eq!(tags(&site, "/photos/other?tagging").await, Vec::<String>::new());
    let unknown = copy("/photos/other").header("x-amz-tagging-directive", "SOME");
    assert_eq!(site.send(unknown).await.error(), (400, "InvalidArgument".to_owned()));
    // An upload in parts has those that it was begun with.
    let begun = site.send(tagged(ask("POST", "/photos/parts?uploads"), "p=q")).await;
    let id = begun.tag("UploadId").unwrap();
    let part = site.put(&format!("/photos/parts?partNumber=1&uploadId={id}"), b"body").await;
    let etag = part.header("etag").unwrap();
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let path = format!("/photos/parts?uploadId={id}");
    assert_eq!(site.send(ask("POST", &path).body(complete.as_bytes())).await.status, 200);
    assert_eq!(tags(&site, "/photos/parts?tagging").await, ["p=q"]);
    // A new version has none of the one before it.
    site.put("/photos/t", b"2").await;
    assert_eq!(tags(&site, "/photos/t?tagging").await, Vec::<String>::new());
}

#[tokio::test]
async fn tags_of_a_bucket_are_set_and_taken_away_and_end_with_it() {
    let site = Site::with_bucket().await;
    let none = (404, "NoSuchTagSet".to_owned());
    assert_eq!(site.get("/photos?tagging").await.error(), none);
    assert_eq!(put(&site, "/photos?tagging", TAGS).await.status, 200);
    assert_eq!(tags(&site, "/photos?tagging").await, ["a=1", "b=2"]);
    assert_eq!(delete(&site, "/photos").await, 204);
    assert_eq!(site.get("/photos?tagging").await.error(), (404, "NoSuchBucket".to_owned()));
    assert_eq!(site.put("/photos", b"").await.status, 200);
    assert_eq!(site.get("/photos?tagging").await.error(), none, "law 14");
    assert_eq!(put(&site, "/photos?tagging", TAGS).await.status, 200);
    assert_eq!(delete(&site, "/photos?tagging").await, 204);
    assert_eq!(site.get("/photos?tagging").await.error(), none);
    assert_eq!(put(&site, "/none?tagging", TAGS).await.error(), (404, "NoSuchBucket".to_owned()));
}

const CORS: &[u8] = b"<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.com\
    </AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
    <AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule><CORSRule><AllowedOrigin>*</AllowedOrigin>\
    <AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";

async fn preflight(site: &Site, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(Method::OPTIONS).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    site.send_raw(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_page_may_do_what_the_rules_of_the_bucket_let_its_origin_do() {
    let site = with_object().await;
    let origin = ("origin", "https://app.example.com");
    let wants = |method| ("access-control-request-method", method);
    let disabled = preflight(&site, "/photos/a", &[origin, wants("GET")]).await;
    assert_eq!(disabled.error(), (403, "AccessForbidden".to_owned()));
    assert_eq!(put(&site, "/photos?cors", CORS).await.status, 200);
    let headers = ("access-control-request-headers", "X-Amz-Date, x-amz-acl");
    let allowed = preflight(&site, "/photos/a?x=y", &[origin, wants("PUT"), headers]).await;
    assert_eq!(allowed.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-amz-date, x-amz-acl"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "60"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{name}");
    }
    assert!(allowed.header("vary").unwrap().starts_with("Origin"));
    assert!(allowed.header("x-amz-request-id").is_some());
    let other = ("access-control-request-headers", "authorization");
    for refused in [
        preflight(&site, "/photos/a", &[origin, wants("DELETE")]).await,
        preflight(&site, "/photos/a", &[origin, wants("PUT"), other]).await,
        preflight(&site, "/photos/a", &[("origin", "https://example.com"), wants("GET")]).await,
    ] {
        assert_eq!(refused.error(), (403, "AccessForbidden".to_owned()));
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    for incomplete in
        [preflight(&site, "/photos", &[]).await, preflight(&site, "/photos", &[origin]).await]
    {
        assert_eq!(incomplete.error(), (400, "BadRequest".to_owned()));
    }
    let nowhere = preflight(&site, "/none/a", &[origin, wants("GET")]).await;
    assert_eq!(nowhere.error(), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn an_answer_says_which_page_may_read_it_also_if_it_is_an_error() {
    let site = with_object().await;
    assert_eq!(put(&site, "/photos?cors", CORS).await.status, 200);
    let from = |method, path, origin| ask(method, path).header("origin", origin);
    let page = "https://app.example.com";
    let answer = site.send(from("GET", "/photos/a", page)).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, b"1".as_slice()));
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
    let missing = site.send(from("GET", "/photos/none", page)).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("access-control-allow-origin"), Some(page));
    let any = site.send(from("HEAD", "/photos/a", "https://else")).await;
    assert_eq!(any.header("access-control-allow-origin"), Some("*"));
    assert_eq!(any.header("access-control-allow-credentials"), None);
    let other = site.send(from("GET", "/photos/a", "https://else")).await;
    assert_eq!(other.status, 200);
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(site.get("/photos/a").await.header("vary"), None, "no browser asked");
    let shown = site.get("/photos?cors").await;
    assert_eq!(shown.tags("AllowedMethod"), ["GET", "PUT", "HEAD"]);
    assert_eq!(delete(&site, "/photos?cors").await, 204);
    let gone = (404, "NoSuchCORSConfiguration".to_owned());
    assert_eq!(site.get("/photos?cors").await.error(), gone);
    let answer = site.send(from("GET", "/photos/a", page)).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_lifecycle_is_shown_as_it_was_put() {
    let site = Site::with_bucket().await;
    let none = (404, "NoSuchLifecycleConfiguration".to_owned());
    assert_eq!(site.get("/photos?lifecycle").await.error(), none);
    let rules = b"<LifecycleConfiguration><Rule><ID>one</ID><Status>Enabled</Status><Filter>\
        <And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>\
        <Expiration><Days>7</Days></Expiration></Rule><Rule><Status>Disabled</Status>\
        <Prefix></Prefix><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule>\
        </LifecycleConfiguration>";
    assert_eq!(put(&site, "/photos?lifecycle", rules).await.status, 200);
    let shown = site.get("/photos?lifecycle").await;
    assert_eq!(shown.tags("Status"), ["Enabled", "Disabled"]);
    assert_eq!(shown.tag("Days").as_deref(), Some("7"));
    assert_eq!(shown.tag("Date").as_deref(), Some("2030-01-01T00:00:00.000Z"));
    assert_eq!(shown.tags("ID").len(), 2, "one without an id is given one");
    let bad = b"<LifecycleConfiguration><Rule><Status>Enabled</Status><Prefix></Prefix>\
        <Expiration><Days>0</Days></Expiration></Rule></LifecycleConfiguration>";
    let refused = put(&site, "/photos?lifecycle", bad).await;
    assert_eq!(refused.error(), (400, "InvalidArgument".to_owned()));
    assert_eq!(delete(&site, "/photos?lifecycle").await, 204);
    assert_eq!(site.get("/photos?lifecycle").await.error(), none);
}

#[tokio::test]
async fn answers_say_when_an_object_expires() {
    let site = Site::with_bucket().await;
    let rules = b"<LifecycleConfiguration><Rule><ID>a b</ID><Status>Enabled</Status><Filter>\
        <And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>\
        <Expiration><Date>2130-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>";
    assert_eq!(put(&site, "/photos?lifecycle", rules).await.status, 200);
    let expected = "expiry-date=\"Sun, 01 Jan 2130 00:00:00 GMT\", rule-id=\"a%20b\"";
    let shown = |answer: &Answer| answer.header("x-amz-expiration").map(str::to_owned);
    let tagged = |uri: &str| ask("PUT", uri).header("x-amz-tagging", "a=1");
    for uri in ["/photos/logs/1", "/photos/logs/2"] {
        let written = site.send(tagged(uri).body(b"1")).await;
        assert_eq!(shown(&written).as_deref(), Some(expected), "{}", written.text());
    }
    let copy = ask("PUT", "/photos/logs/3").header("x-amz-copy-source", "/photos/logs/1");
    assert_eq!(shown(&site.send(copy).await).as_deref(), Some(expected));
    for method in ["GET", "HEAD"] {
        let read = site.send(ask(method, "/photos/logs/3")).await;
        assert_eq!(shown(&read).as_deref(), Some(expected));
    }
    let begun = site.send(ask("POST", "/photos/logs/4?uploads").header("x-amz-tagging", "a=1"));
    let id = begun.await.tag("UploadId").unwrap();
    let part = ask("PUT", &format!("/photos/logs/4?partNumber=1&uploadId={id}")).body(b"1");
    let etag = site.send(part).await.header("etag").unwrap().to_owned();
    let xml = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let complete = ask("POST", &format!("/photos/logs/4?uploadId={id}")).body(xml.as_bytes());
    assert_eq!(shown(&site.send(complete).await).as_deref(), Some(expected));
    let stays = [tagged("/photos/other").body(b"1"), ask("PUT", "/photos/logs/5").body(b"1")];
    for request in stays {
        assert_eq!(shown(&site.send(request).await), None);
    }
}
