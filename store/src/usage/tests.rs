use model::{QuotaChange, RequestId};

use super::*;
use crate::{
    Caller, KeyPair, NewUser, UserPatch,
    store::tests::{bucket, options, put},
};

fn other() -> BucketName {
    BucketName::try_from("other".to_owned()).unwrap()
}

#[tokio::test]
async fn a_report_is_of_all_of_one_bucket_or_of_one_user() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let main = UserId::try_from("main".to_owned()).unwrap();
    let pair = KeyPair::given("AKM".to_owned(), "a-secret".to_owned()).unwrap();
    let new = NewUser { id: Some(main.clone()), name: "Main".to_owned(), key: pair };
    store.create_user(new, RequestId::NONE).await.unwrap();
    store.create_bucket(bucket(), Caller::root()).await.unwrap();
    store.create_bucket(other(), Caller::of(main.clone(), RequestId::NONE)).await.unwrap();
    put(&store, "k", b"12345").await.unwrap();
    let limit = QuotaChange { bytes: Some(Some(9)), objects: None };
    store.set_bucket_quota(bucket(), limit, RequestId::NONE).await.unwrap();
    let patch = UserPatch { quota: limit, ..UserPatch::default() };
    store.patch_user(main.clone(), patch, RequestId::NONE).await.unwrap();
    let all = store.usage(None, None).unwrap();
    let names: Vec<_> = all.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["bucket", "other"]);
    let BucketUsage { owner, usage, quota, .. } = &all.buckets[0];
    assert_eq!((owner, usage.bytes, quota.bytes), (&UserId::root(), 5, Some(9)));
    let [of_main, of_root] = &all.users[..] else { panic!("{:?}", all.users) };
    assert_eq!((of_root.buckets, of_root.usage.bytes, &of_root.name), (1, 5, &None));
    let none = Usage::NONE;
    let (id, name) = (main.clone(), Some("Main".to_owned()));
    let quota = Quota { bytes: Some(9), objects: None };
    assert_eq!(*of_main, UserUsage { id, name, buckets: 1, usage: none, quota });
    let one = store.usage(Some(&bucket()), None).unwrap();
    assert_eq!((one.buckets, one.users), (vec![all.buckets[0].clone()], Vec::new()));
    let one = store.usage(None, Some(&main)).unwrap();
    assert_eq!((one.buckets, one.users), (vec![all.buckets[1].clone()], vec![of_main.clone()]));
    let absent = BucketName::try_from("absent".to_owned()).unwrap();
    assert_eq!(store.usage(Some(&absent), None).unwrap(), UsageReport::default());
}
