use super::site::{BLOCK, Site, ask, bytes};

#[tokio::test]
async fn every_form_of_a_range_is_answered_with_its_bytes() {
    let site = Site::with_bucket().await;
    for length in [10, 5 * BLOCK + 7, 1_100 * BLOCK] {
        let body = bytes(length);
        site.put("/photos/a", &body).await;
        let cases = [
            ("bytes=0-0".to_owned(), 0..1),
            ("bytes=3-8".to_owned(), 3..9),
            ("bytes=7-".to_owned(), 7..length),
            ("bytes=-4".to_owned(), length - 4..length),
            (format!("bytes=2-{}", length * 2), 2..length),
            (format!("bytes=-{}", length * 2), 0..length),
            (format!("bytes={}-{}", length - 3, length - 2), length - 3..length - 1),
        ];
        for (asked, range) in cases {
            for method in ["GET", "HEAD"] {
                let answer = site.send(ask(method, "/photos/a").header("range", &asked)).await;
                assert_eq!(answer.status, 206, "{method} {asked} of {length}");
                let shown = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                assert_eq!(answer.header("content-range"), Some(&*shown));
                assert_eq!(answer.header("content-length"), Some(&*range.len().to_string()));
                if method == "GET" {
                    assert!(answer.body == body[range.clone()] && !answer.broken, "{asked}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_range_without_bytes_is_an_error_that_says_the_size() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", &bytes(100)).await;
    site.put("/photos/empty", b"").await;
    for (path, range, size) in [
        ("/photos/a", "bytes=100-", "bytes */100"),
        ("/photos/a", "bytes=-0", "bytes */100"),
        ("/photos/empty", "bytes=0-", "bytes */0"),
    ] {
        let refused = site.send(ask("GET", path).header("range", range)).await;
        assert_eq!(refused.error(), (416, "InvalidRange".to_owned()));
        assert_eq!(refused.header("content-range"), Some(size));
    }
}

#[tokio::test]
async fn a_range_of_another_version_is_never_served() {
    let site = Site::with_bucket().await;
    let put = site.put("/photos/a", &bytes(100)).await;
    let etag = put.header("etag").unwrap().to_owned();
    let modified = site.get("/photos/a").await.header("last-modified").unwrap().to_owned();
    let ranged = |value: &str| {
        ask("GET", "/photos/a").header("range", "bytes=0-1").header("if-range", value)
    };
    for same in [&etag, &modified] {
        assert_eq!(site.send(ranged(same)).await.status, 206);
    }
    for other in ["\"other\"", "Thu, 01 Dec 1994 16:00:00 GMT"] {
        let whole = site.send(ranged(other)).await;
        assert_eq!((whole.status.as_u16(), whole.body.len()), (200, 100));
    }
}

#[tokio::test]
async fn the_only_part_of_an_object_is_the_object() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", &bytes(100)).await;
    site.put("/photos/empty", b"").await;
    let part = site.get("/photos/a?partNumber=1").await;
    assert_eq!((part.status.as_u16(), part.body.len()), (206, 100));
    assert_eq!(site.get("/photos/empty?partNumber=1").await.status, 200);
    let other = site.get("/photos/a?partNumber=2").await;
    assert_eq!(other.error(), (416, "InvalidPartNumber".to_owned()));
    let both = ask("GET", "/photos/a?partNumber=1").header("range", "bytes=0-1");
    assert_eq!(site.send(both).await.error(), (400, "InvalidRequest".to_owned()));
}

#[tokio::test]
async fn conditions_decide_whether_an_object_is_sent() {
    let site = Site::with_bucket().await;
    let etag = site.put("/photos/a", b"1").await.header("etag").unwrap().to_owned();
    let (past, future) = ("Thu, 01 Dec 1994 16:00:00 GMT", "Thu, 01 Dec 2094 16:00:00 GMT");
    let cases = [
        ("if-match", &*etag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"other\"", 412),
        ("if-none-match", &*etag, 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", past, 200),
        ("if-modified-since", future, 304),
        ("if-unmodified-since", past, 412),
        ("if-unmodified-since", future, 200),
    ];
    for (name, value, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = site.send(ask(method, "/photos/a").header(name, value)).await;
            assert_eq!(answer.status, status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!(answer.header("etag"), Some(&*etag));
                assert!(answer.header("last-modified").is_some());
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let site = Site::with_bucket().await;
    assert_eq!(site.get("/photos/a").await.error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(site.get("/other/a").await.error(), (404, "NoSuchBucket".to_owned()));
    site.put("/photos/a", b"1").await;
    assert_eq!(site.get("/photos/a?versionId=null").await.status, 200);
    let version = site.get("/photos/a?versionId=3HL4").await;
    assert_eq!(version.error(), (400, "InvalidArgument".to_owned()), "no version has such an id");
    let id = "0".repeat(2 * model::Version::LEN);
    let version = site.get(&format!("/photos/a?versionId={id}")).await;
    assert_eq!(version.error(), (404, "NoSuchVersion".to_owned()));
}
