use model::{RequestId, UserId};
use store::{KeyPair, NewUser, UserPatch};

use super::site::{Answer, Ask, Site, ask};

/// A site with the users `main` and `alt`, and a bucket `photos` with an object `a` of `main`.
pub(super) async fn site() -> Site {
    let site = with_users(Site::new(1).await).await;
    assert_eq!(site.send(main(ask("PUT", "/photos"))).await.status, 200);
    assert_eq!(site.send(main(ask("PUT", "/photos/a").body(b"1"))).await.status, 200);
    site
}

/// The same site with the users `main` and `alt`.
pub(super) async fn with_users(site: Site) -> Site {
    for name in ["main", "alt"] {
        let key = KeyPair::given(format!("AK-{name}"), format!("secret-{name}")).unwrap();
        let id = UserId::try_from(name.to_owned()).ok();
        let new = NewUser { id, name: name.to_owned(), key };
        site.store.create_user(new, RequestId::NONE).await.unwrap();
    }
    site
}

pub(super) fn main(ask: Ask) -> Ask {
    ask.by("AK-main", "secret-main")
}

pub(super) fn alt(ask: Ask) -> Ask {
    ask.by("AK-alt", "secret-alt")
}

pub(super) fn enabled(enabled: bool) -> UserPatch {
    UserPatch { enabled: Some(enabled), ..UserPatch::default() }
}

pub(super) fn denied(answer: &Answer) -> bool {
    answer.error() == (403, "AccessDenied".to_owned())
}

fn every_operation() -> Vec<Ask> {
    let xml = b"<Delete><Object><Key>a</Key></Object></Delete>";
    vec![
        ask("GET", "/photos"),
        ask("GET", "/photos?list-type=2"),
        ask("GET", "/photos?location"),
        ask("GET", "/photos/a"),
        ask("PUT", "/photos/a").body(b"2"),
        ask("DELETE", "/photos/a"),
        ask("DELETE", "/photos/none"),
        ask("POST", "/photos?delete").body(xml),
        ask("DELETE", "/photos"),
    ]
}

#[tokio::test]
async fn a_bucket_is_its_owners_and_root_may_do_everything() {
    let site = site().await;
    for operation in every_operation() {
        assert!(denied(&site.send(alt(operation)).await));
    }
    for head in ["/photos", "/photos/a"] {
        assert_eq!(site.send(alt(ask("HEAD", head))).await.status, 403);
        assert_eq!(site.send(main(ask("HEAD", head))).await.status, 200);
        assert_eq!(site.send(ask("HEAD", head)).await.status, 200, "root");
    }
    assert_eq!(site.send(main(ask("GET", "/photos/a"))).await.body, b"1", "nothing was changed");
    let taken = site.send(alt(ask("PUT", "/photos"))).await;
    assert_eq!(taken.error(), (409, "BucketAlreadyExists".to_owned()));
    let own = site.send(main(ask("PUT", "/photos"))).await;
    assert_eq!(own.status, 200, "as S3 in us-east-1");
    for operation in every_operation() {
        assert!(site.send(operation).await.status.is_success(), "root");
    }
}

#[tokio::test]
async fn everybody_sees_their_own_buckets_and_root_sees_all() {
    let site = site().await;
    assert_eq!(site.send(alt(ask("PUT", "/music"))).await.status, 200);
    assert_eq!(site.send(ask("PUT", "/root")).await.status, 200);
    let mine = site.send(main(ask("GET", "/"))).await;
    assert_eq!(
        (mine.tags("Name"), mine.tag("ID").as_deref()),
        (vec!["photos".to_owned()], Some("main"))
    );
    assert_eq!(site.send(alt(ask("GET", "/"))).await.tags("Name"), ["music"]);
    assert_eq!(site.get("/").await.tags("Name"), ["music", "photos", "root"]);
    assert!(denied(&site.send(main(ask("GET", "/root"))).await));
}

#[tokio::test]
async fn a_disabled_user_a_disabled_key_and_a_stranger_look_alike() {
    let site = site().await;
    let main_id = || UserId::try_from("main".to_owned()).unwrap();
    let get = || main(ask("GET", "/photos/a"));
    let stranger = ask("GET", "/photos/a").by("AK-nobody", "secret-main");
    let stranger = site.send(stranger).await;
    assert_eq!(stranger.error(), (403, "InvalidAccessKeyId".to_owned()));
    let same = async |why: &str| {
        let refused = site.send(get()).await;
        assert_eq!(refused.error(), stranger.error(), "{why}");
        assert_eq!(refused.tag("Message"), stranger.tag("Message"), "{why}");
    };
    let none = RequestId::NONE;
    site.store.patch_user(main_id(), enabled(false), none).await.unwrap();
    same("a disabled user").await;
    site.store.patch_user(main_id(), enabled(true), none).await.unwrap();
    assert_eq!(site.send(get()).await.status, 200);
    site.store.enable_key(main_id(), ("AK-main".to_owned(), false), none).await.unwrap();
    same("a disabled key").await;
    let key = KeyPair::given("AK-new".to_owned(), "secret-new".to_owned()).unwrap();
    site.store.rekey_user(main_id(), (&key, false), none).await.unwrap();
    same("a key of before").await;
    let new = ask("GET", "/photos/a").by("AK-new", "secret-new");
    assert_eq!(site.send(new).await.status, 200);
    let wrong = site.send(ask("GET", "/photos/a").by("AK-new", "secret-main")).await;
    assert_eq!(wrong.error(), (403, "SignatureDoesNotMatch".to_owned()));
}

#[tokio::test]
async fn no_user_takes_the_place_of_root() {
    let site = site().await;
    let key = KeyPair::given(super::site::ACCESS.to_owned(), "secret-thief".to_owned()).unwrap();
    let thief = NewUser { id: None, name: "thief".to_owned(), key };
    site.store.create_user(thief, RequestId::NONE).await.unwrap();
    let asks = ask("GET", "/").by(super::site::ACCESS, "secret-thief");
    assert_eq!(site.send(asks).await.error(), (403, "SignatureDoesNotMatch".to_owned()));
    assert_eq!(site.get("/photos/a").await.status, 200);
}
