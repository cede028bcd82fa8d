use std::{ops::Bound, sync::Arc};

use bytes::Bytes;
use model::{Change, QuotaChange};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::{
    Caller, Memory, Refusal, Step, WriteError,
    store::tests::{bucket, events, options},
};

fn id(text: &str) -> UserId {
    UserId::try_from(text.to_owned()).unwrap()
}

fn pair(access_key: &str) -> KeyPair {
    KeyPair::given(access_key.to_owned(), format!("secret-of-{access_key}")).unwrap()
}

fn new(user: &str, access_key: &str) -> NewUser {
    NewUser { id: Some(id(user)), name: user.to_owned(), key: pair(access_key) }
}

fn patch(enabled: bool) -> UserPatch {
    UserPatch { enabled: Some(enabled), ..UserPatch::default() }
}

async fn open(site: u8) -> (Store, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_on(Arc::<Memory>::default(), options(home.path(), site)).await;
    (store.unwrap(), home)
}

/// With the user `main`, who has the key `AKM`.
async fn with_main() -> (Store, tempfile::TempDir) {
    let (store, home) = open(1).await;
    store.create_user(new("main", "AKM"), RequestId(7)).await.unwrap();
    (store, home)
}

fn signs(store: &Store, access_key: &str) -> Option<(String, String, bool)> {
    let found = store.credential(access_key).unwrap();
    found.map(|found| (found.user.into(), found.secret, found.enabled))
}

fn main_with(access_key: &str, enabled: bool) -> Option<(String, String, bool)> {
    Some(("main".to_owned(), format!("secret-of-{access_key}"), enabled))
}

#[tokio::test]
async fn a_user_is_created_once_and_found_by_id_and_by_key() {
    let (store, _home) = with_main().await;
    assert_eq!(signs(&store, "AKM"), main_with("AKM", true));
    assert_eq!(store.key_holder("AKM").unwrap(), Some((id("main"), true)));
    assert_eq!(signs(&store, "AK"), None);
    assert_eq!(store.user(&id("main")).unwrap().unwrap().name, "main");

    let same_id = store.create_user(new("main", "AKO"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(same_id, UserError::Exists(user) if user == id("main")));
    let same_key = store.create_user(new("other", "AKM"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(same_key, UserError::KeyExists(key) if key == "AKM"));
    let root = store.create_user(new("root", "AKR"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(root, UserError::Root));
    let anonymous = NewUser { id: Some(UserId::anonymous()), ..new("nobody", "AKA") };
    let anonymous = store.create_user(anonymous, RequestId::NONE).await.unwrap_err();
    assert!(matches!(anonymous, UserError::Reserved(_)));
    for name in ["", "a\nb", &"x".repeat(65)] {
        let bad = NewUser { name: name.to_owned(), ..new("bad", "AKB") };
        let bad = store.create_user(bad, RequestId::NONE).await.unwrap_err();
        assert!(matches!(bad, UserError::BadName), "{name:?}");
    }
    let drawn = NewUser { id: None, ..new("drawn", "AKD") };
    let (drawn, _) = store.create_user(drawn, RequestId::NONE).await.unwrap();
    assert_eq!(drawn.as_str().len(), 32);
    assert_eq!(store.users().unwrap().len(), 2);
    let event =
        events(&store).into_iter().find(|e| e.change.entity() == model::Entity::User(id("main")));
    assert_eq!(event.unwrap().request, RequestId(7), "the event names what caused it");
}

#[tokio::test]
async fn a_disabled_user_or_key_lets_nobody_in_and_one_that_is_gone_is_not_found() {
    let (store, _home) = with_main().await;
    let none = RequestId::NONE;
    store.patch_user(id("main"), patch(false), none).await.unwrap();
    assert_eq!(signs(&store, "AKM"), main_with("AKM", false));
    let count = events(&store).len();
    store.patch_user(id("main"), patch(false), none).await.unwrap();
    assert_eq!(events(&store).len(), count, "what is so already is not logged again");
    let renamed = UserPatch { name: Some("Main".to_owned()), ..patch(true) };
    assert_eq!(store.patch_user(id("main"), renamed, none).await.unwrap().name, "Main");

    store.enable_key(id("main"), ("AKM".to_owned(), false), none).await.unwrap();
    assert_eq!(signs(&store, "AKM"), main_with("AKM", false));
    store.rekey_user(id("main"), (&pair("AKN"), true), none).await.unwrap();
    assert_eq!(signs(&store, "AKN"), main_with("AKN", true), "beside the disabled one");
    store.rekey_user(id("main"), (&pair("AKP"), false), none).await.unwrap();
    assert_eq!((signs(&store, "AKM"), signs(&store, "AKN")), (None, None));
    store.delete_key(id("main"), "AKP".to_owned(), none).await.unwrap();
    assert_eq!(signs(&store, "AKP"), None);
    let gone = store.delete_key(id("main"), "AKP".to_owned(), none).await.unwrap_err();
    assert!(matches!(gone, UserError::NoSuchKey(key) if key == "AKP"));
}

#[tokio::test]
async fn keys_are_unique_and_bounded() {
    let (store, _home) = with_main().await;
    let rekey = async |key: &str| {
        store.rekey_user(id("main"), (&pair(key), true), RequestId::NONE).await.map(|_| ())
    };
    assert!(matches!(rekey("AKM").await, Err(UserError::KeyExists(_))));
    for n in 1..10 {
        rekey(&format!("AK{n}")).await.unwrap();
    }
    assert!(matches!(rekey("AKX").await, Err(UserError::TooManyKeys { most: 10 })));
    let nobody = store.rekey_user(id("none"), (&pair("AKX"), false), RequestId::NONE).await;
    assert!(matches!(nobody, Err(UserError::NoSuchUser(user)) if user == id("none")));
}

#[tokio::test]
async fn a_user_who_owns_buckets_stays_and_one_who_is_gone_may_not_write() {
    let (store, _home) = with_main().await;
    let main = Caller::of(id("main"), RequestId::NONE);
    store.create_bucket(bucket(), main.clone()).await.unwrap();
    let refused = store.delete_user(id("main"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(&refused, UserError::HasBuckets { buckets: 1, .. }));
    assert_eq!(refused.to_string(), "user `main` owns buckets (1); delete these first");
    store.delete_bucket(bucket(), main.clone()).await.unwrap();
    store.delete_user(id("main"), RequestId::NONE).await.unwrap();
    assert_eq!((signs(&store, "AKM"), store.user(&id("main")).unwrap()), (None, None));
    let late = store.create_bucket(bucket(), main).await.unwrap_err();
    assert!(matches!(late, WriteError::Denied));
    let again = store.delete_user(id("main"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(again, UserError::NoSuchUser(_)));
    let again = store.create_user(new("main", "AKN"), RequestId::NONE).await.unwrap_err();
    assert!(matches!(again, UserError::Exists(_)), "a bucket of the first one may still be about");
    store.create_user(new("other", "AKM"), RequestId::NONE).await.unwrap();
    assert!(signs(&store, "AKM").is_some(), "the key is free again");
}

#[tokio::test]
async fn a_secondary_changes_no_user_and_names_the_primary() {
    let (store, _home) = with_main().await;
    store.refuse(Refusal::Secondary { primary: "east".to_owned() });
    let none = RequestId::NONE;
    let refusals = [
        store.create_user(new("other", "AKO"), none).await.map(|_| ()),
        store.patch_user(id("main"), patch(false), none).await.map(|_| ()),
        store.rekey_user(id("main"), (&pair("AKN"), false), none).await.map(|_| ()),
        store.delete_user(id("main"), none).await,
    ];
    for refusal in refusals {
        assert!(refusal.unwrap_err().to_string().contains("write to the primary `east`"));
    }
    assert_eq!(signs(&store, "AKM"), main_with("AKM", true));
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_here_is_an_error_and_no_stranger() {
    let (east, _east) = with_main().await;
    let home = tempfile::tempdir().unwrap();
    let (store, keys) = (Arc::<Memory>::default(), format!("other:{}", "22".repeat(32)));
    let mut other = options(home.path(), 2);
    other.codec = schemas::Codec::new(schemas::Keys::parse(&keys, "test").unwrap());
    let west = Store::open_on(store, other).await.unwrap();
    west.apply(events(&east).into_iter().map(|e| Step::Apply(Box::new(e))).collect())
        .await
        .unwrap();
    assert!(matches!(west.credential("AKM"), Err(CredentialError::Sealed(key, _)) if key == "AKM"));
    assert_eq!(west.key_holder("AKM").unwrap(), Some((id("main"), true)));
}

#[tokio::test]
async fn no_event_and_no_row_holds_a_secret() {
    let (store, _home) = with_main().await;
    let event = events(&store).remove(0);
    assert!(matches!(&event.change, Change::UserPut { .. }));
    assert!(!format!("{event:?}").contains("secret-of-AKM"));
    let secret = b"secret-of-AKM";
    let clear = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    for table in Table::ALL {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let scan = store.shared.engine.scan(table, all, &mut |key, value| {
            assert!(!clear(key) && !clear(value), "{table:?}");
            ControlFlow::Continue(())
        });
        scan.unwrap();
    }
}

/// Few ids and few keys: every collision happens.
#[derive(Clone, Debug)]
enum Op {
    Create { user: u8, key: u8 },
    Rekey { user: u8, key: u8, keep_old: bool },
    Patch { user: u8, enabled: bool },
    EnableKey { user: u8, key: u8, enabled: bool },
    DeleteKey { user: u8, key: u8 },
    Delete { user: u8 },
    Quota { user: u8, bytes: Option<u64> },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (user, key) = (0u8..3, 0u8..4);
    let both = (user.clone(), key.clone(), any::<bool>());
    let op = prop_oneof![
        4 => (user.clone(), key.clone()).prop_map(|(user, key)| Op::Create { user, key }),
        3 => both.clone().prop_map(|(user, key, keep_old)| Op::Rekey { user, key, keep_old }),
        2 => (user.clone(), any::<bool>()).prop_map(|(user, enabled)| Op::Patch { user, enabled }),
        1 => both.prop_map(|(user, key, enabled)| Op::EnableKey { user, key, enabled }),
        1 => (user.clone(), key).prop_map(|(user, key)| Op::DeleteKey { user, key }),
        2 => user.clone().prop_map(|user| Op::Delete { user }),
        1 => (user, any::<Option<u64>>()).prop_map(|(user, bytes)| Op::Quota { user, bytes }),
        1 => Just(Op::Delete { user: 0 }),
    ];
    prop::collection::vec(op, 1..25)
}

async fn run(store: &Store, ops: &[Op]) {
    let (user, key) = (|user: u8| id(&format!("u{user}")), |key: u8| format!("AK{key}"));
    let none = RequestId::NONE;
    for op in ops.iter().cloned() {
        // Most are refused now and then: of a user that is not there, or a key that is.
        let _refused = match op {
            Op::Create { user: u, key: k } => {
                store.create_user(new(&format!("u{u}"), &key(k)), none).await.map(|_| ())
            }
            Op::Rekey { user: u, key: k, keep_old } => {
                store.rekey_user(user(u), (&pair(&key(k)), keep_old), none).await.map(|_| ())
            }
            Op::Patch { user: u, enabled } => {
                store.patch_user(user(u), patch(enabled), none).await.map(|_| ())
            }
            Op::EnableKey { user: u, key: k, enabled } => {
                store.enable_key(user(u), (key(k), enabled), none).await.map(|_| ())
            }
            Op::DeleteKey { user: u, key: k } => {
                store.delete_key(user(u), key(k), none).await.map(|_| ())
            }
            Op::Delete { user: u } => store.delete_user(user(u), none).await,
            Op::Quota { user: u, bytes } => {
                let quota = QuotaChange { bytes: Some(bytes), objects: None };
                let patch = UserPatch { quota, ..UserPatch::default() };
                store.patch_user(user(u), patch, none).await.map(|_| ())
            }
        };
    }
}

/// Users and index, as rows.
fn rows(store: &Store) -> Vec<(Bytes, Bytes)> {
    let (mut rows, all) = (Vec::new(), (Bound::Unbounded, Bound::Unbounded));
    let scan = store.shared.engine.scan(Table::Entities, all, &mut |key, value| {
        rows.push((key.clone(), value.clone()));
        ControlFlow::Continue(())
    });
    scan.unwrap();
    rows
}

/// What the index must be: the keys of the users there are, and no more.
fn expected_index(store: &Store) -> Vec<Bytes> {
    let users = store.users().unwrap();
    let keys = users.iter().flat_map(|(id, user)| user.keys.iter().map(move |key| (id, key)));
    let mut rows: Vec<Bytes> = keys.map(|(id, key)| KeyHolderRecord::key(&key.id, id)).collect();
    rows.sort();
    rows
}

fn check_index(store: &Store) {
    let index = rows(store).into_iter().map(|(key, _)| key).filter(|key| key.starts_with(b"k"));
    assert_eq!(index.collect::<Vec<_>>(), expected_index(store));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn law_3_any_order_and_repetition_of_changes_of_users_gives_the_same_users_and_the_same_index(
        (ops_of_one, ops_of_other) in (ops(), ops()),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        batch in 1usize..7,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Two sites that write at the same time give one key to different users.
            let ((one, _one), (other, _other)) = (open(1).await, open(2).await);
            run(&one, &ops_of_one).await;
            run(&other, &ops_of_other).await;
            let (of_one, of_other) = (events(&one), events(&other));
            check_index(&one);
            let all: Vec<_> = of_one.iter().chain(&of_other).collect();
            let mut shuffled: Vec<_> = order.iter().filter(|_| !all.is_empty()).map(|i| *i.get(&all)).collect();
            shuffled.extend(all.iter().rev());
            let ((west, _west), (north, _north)) = (open(3).await, open(4).await);
            for events in shuffled.chunks(batch) {
                let steps = events.iter().map(|event| Step::Apply(Box::new((*event).clone())));
                west.apply(steps.collect()).await.unwrap();
            }
            for event in &all {
                north.apply(vec![Step::Apply(Box::new((*event).clone()))]).await.unwrap();
            }
            assert_eq!(rows(&west), rows(&north));
            check_index(&west);
            for key in 0..4 {
                let key = format!("AK{key}");
                assert_eq!(signs(&west, &key), signs(&north, &key));
            }
            // And the sites that wrote come to the same when they hear of each other.
            one.apply(of_other.iter().map(|e| Step::Apply(Box::new(e.clone()))).collect()).await.unwrap();
            assert_eq!(rows(&one), rows(&west));
            for store in [&one, &other, &west, &north] {
                crate::tree::tests::assert_tree_is_true(store);
            }
        });
    }
}
