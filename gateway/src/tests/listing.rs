use super::site::{Site, ask};

async fn site() -> Site {
    let site = Site::with_bucket().await;
    for key in ["a.txt", "dir/one", "dir/two", "e%20f", "z/1/2"] {
        assert_eq!(site.put(&format!("/photos/{key}"), b"12").await.status, 200);
    }
    site
}

#[tokio::test]
async fn version_one_lists_keys_prefixes_and_pages() {
    let site = site().await;
    let all = site.get("/photos").await;
    assert_eq!(all.tags("Key"), ["a.txt", "dir/one", "dir/two", "e f", "z/1/2"]);
    assert_eq!(all.tag("IsTruncated").as_deref(), Some("false"));
    assert_eq!(all.tag("Size").as_deref(), Some("2"));
    assert_eq!(all.tag("MaxKeys").as_deref(), Some("1000"));
    assert_eq!(all.tag("ID").as_deref(), Some("root"));
    assert_eq!(all.tag("NextMarker"), None);
    let inner = site.get("/photos?delimiter=%2F&prefix=dir%2F").await;
    assert_eq!(inner.tags("Key"), ["dir/one", "dir/two"]);

    let (mut keys, mut prefixes, mut marker) = (Vec::new(), Vec::new(), String::new());
    loop {
        let query = format!("/photos?delimiter=%2F&marker={marker}&max-keys=1");
        let page = site.get(&query).await;
        keys.extend(page.tags("Key"));
        prefixes.extend(page.tags("CommonPrefixes"));
        match page.tag("NextMarker") {
            Some(next) => marker = next.replace('/', "%2F").replace(' ', "%20"),
            None => break,
        }
    }
    assert_eq!(keys, ["a.txt", "e f"]);
    assert_eq!(prefixes, ["<Prefix>dir/</Prefix>", "<Prefix>z/</Prefix>"]);
}

#[tokio::test]
async fn version_two_lists_keys_prefixes_and_pages() {
    let site = site().await;
    let (mut keys, mut prefixes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let query = format!("/photos?{token}delimiter=%2F&list-type=2&max-keys=1");
        let page = site.get(&query).await;
        assert_eq!(page.tag("KeyCount").as_deref(), Some("1"));
        keys.extend(page.tags("Key"));
        prefixes.extend(page.tags("CommonPrefixes"));
        match page.tag("NextContinuationToken") {
            Some(next) => token = format!("continuation-token={next}&"),
            None => break,
        }
    }
    assert_eq!(keys, ["a.txt", "e f"]);
    assert_eq!(prefixes.len(), 2);
    let after = site.get("/photos?list-type=2&start-after=dir%2Fone").await;
    assert_eq!(after.tags("Key"), ["dir/two", "e f", "z/1/2"]);
    assert_eq!(after.tag("ID"), None);
    let owners = site.get("/photos?fetch-owner=true&list-type=2").await;
    assert_eq!(owners.tags("ID").len(), 5);
}

#[tokio::test]
async fn names_are_encoded_when_asked_for() {
    let site = site().await;
    let listed = site.get("/photos?delimiter=%2F&encoding-type=url&list-type=2&prefix=e%20").await;
    assert_eq!(listed.tags("Key"), ["e%20f"]);
    assert_eq!(listed.tag("Prefix").as_deref(), Some("e%20"));
    assert_eq!(listed.tag("EncodingType").as_deref(), Some("url"));
    let odd = site.get("/photos?encoding-type=xml").await;
    assert_eq!(odd.error(), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn limits_are_kept_and_nonsense_is_refused() {
    let site = site().await;
    for kind in ["", "&list-type=2"] {
        let none = site.get(&format!("/photos?max-keys=0{kind}")).await;
        assert!(none.tags("Key").is_empty());
        assert_eq!(none.tag("IsTruncated").as_deref(), Some("false"));
        assert_eq!(none.tag("MaxKeys").as_deref(), Some("0"));
        let many = site.get(&format!("/photos?max-keys=5000{kind}")).await;
        assert_eq!(many.tag("MaxKeys").as_deref(), Some("1000"));
        let negative = site.get(&format!("/photos?max-keys=-1{kind}")).await;
        assert_eq!(negative.error(), (400, "InvalidArgument".to_owned()));
    }
    let words = site.get("/photos?max-keys=many").await;
    assert_eq!(words.error(), (400, "InvalidArgument".to_owned()));
    let empty = site.get("/photos?continuation-token=&delimiter=&list-type=2&max-keys=1").await;
    assert_eq!((empty.tags("Key").len(), empty.tag("Delimiter")), (1, None));
    assert_eq!(empty.tag("ContinuationToken").as_deref(), Some(""));
    let token = site.get("/photos?continuation-token=zz&list-type=2").await;
    assert_eq!(token.error(), (400, "InvalidArgument".to_owned()));
    let missing = site.send(ask("GET", "/other?list-type=2")).await;
    assert_eq!(missing.error(), (404, "NoSuchBucket".to_owned()));
}
