use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use model::{Attributes, Change, EVENT_BYTES_MAX, Event, UserId, attribute};

use super::VersionName;
use crate::{
    Caller, Condition, ReadError, Step, Store, WriteError,
    engine::{Batch, Table},
    records::AttributesRecord,
    store::tests::{bucket, caller, events, key, pair, put, read},
    tree::tests::assert_tree_is_true,
};

fn value(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

async fn set(store: &Store, name: &str, to: Option<Bytes>) {
    store.set_bucket_attribute(bucket(), name, to, caller()).await.unwrap();
}

fn of_bucket(store: &Store) -> Attributes {
    store.bucket_view(&bucket()).unwrap().attributes.clone()
}

fn latest(name: &str) -> VersionName {
    VersionName { bucket: bucket(), key: key(name), of: None }
}

async fn tag(store: &Store, name: &str, to: Option<Bytes>) -> Result<model::Version, WriteError> {
    store.set_object_attribute(latest(name), attribute::TAGS, to, caller()).await
}

async fn tags(store: &Store, name: &str) -> Option<Bytes> {
    let object = store.object(&bucket(), &key(name)).await.unwrap().unwrap();
    let all = store.object_attributes((&bucket(), &key(name)), object.version).unwrap();
    all.value(attribute::TAGS).cloned()
}

async fn apply(store: &Store, events: &[Event]) {
    let steps = events.iter().map(|event| Step::Apply(Box::new(event.clone()))).collect();
    store.apply(steps).await.unwrap();
    assert_tree_is_true(store);
}

fn roots(store: &Store) -> BTreeMap<model::tree::Scope, model::tree::Summary> {
    store.tree_view().unwrap().roots().unwrap()
}

fn rows(store: &Store) -> usize {
    crate::open::rows(&*store.shared.engine, Table::Attributes, b"").unwrap().len()
}

#[tokio::test]
async fn what_is_set_of_a_bucket_is_there_at_the_other_site_and_so_is_its_removal() {
    let (east, west, _homes) = pair().await;
    set(&east, attribute::CORS, value("any")).await;
    set(&east, attribute::POLICY, value("all")).await;
    assert_eq!(of_bucket(&east).value(attribute::CORS), value("any").as_ref());
    apply(&west, &events(&east)).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
    let before = events(&east).len();
    set(&east, attribute::POLICY, value("all")).await;
    set(&east, attribute::TAGS, None).await;
    assert_eq!(events(&east).len(), before, "nothing is logged for what is so already");
    set(&east, attribute::CORS, None).await;
    // In any order, and again: the removal wins over what was set before it.
    let mut all = events(&east);
    all.reverse();
    apply(&west, &all).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
    assert_eq!(of_bucket(&west).value(attribute::CORS), None);
    assert_eq!(of_bucket(&west).value(attribute::POLICY), value("all").as_ref());
    assert_eq!(roots(&west), roots(&east));
}

#[tokio::test]
async fn two_sites_that_set_other_attributes_of_one_bucket_have_both_in_the_end() {
    let (east, west, _homes) = pair().await;
    apply(&west, &events(&east)).await;
    set(&east, attribute::CORS, value("east")).await;
    set(&west, attribute::POLICY, value("west")).await;
    set(&east, attribute::TAGS, value("east")).await;
    set(&west, attribute::TAGS, value("west")).await;
    let (of_east, of_west) = (events(&east), events(&west));
    apply(&west, &of_east).await;
    apply(&east, &of_west).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
    assert_eq!(of_bucket(&east).0.len(), 3);
    assert_eq!(roots(&west), roots(&east));
}

#[tokio::test]
async fn law_14_attributes_of_a_bucket_that_was_deleted_never_show_on_the_one_made_after_it() {
    let (east, west, _homes) = pair().await;
    set(&east, attribute::POLICY, value("open to all")).await;
    east.delete_bucket(bucket(), caller()).await.unwrap();
    east.create_bucket(bucket(), caller()).await.unwrap();
    assert!(of_bucket(&east).is_empty());
    assert_eq!(rows(&east), 0);
    set(&east, attribute::TAGS, value("new")).await;
    let all = events(&east);
    // The old attributes come last, and once more with the new bucket known.
    let mut late: Vec<Event> = all.iter().rev().cloned().collect();
    late.extend(all.clone());
    apply(&west, &late).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
    assert_eq!(of_bucket(&west).value(attribute::POLICY), None);
    assert_eq!((rows(&west), roots(&west)), (1, roots(&east)));
}

#[tokio::test]
async fn attributes_that_come_before_their_bucket_wait_for_it() {
    let (east, west, _homes) = pair().await;
    set(&east, attribute::CORS, value("any")).await;
    let all = events(&east);
    apply(&west, &all[1..]).await;
    assert!(of_bucket(&west).is_empty());
    assert_eq!(west.bucket(&bucket()).unwrap().live, None);
    apply(&west, &all[..1]).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
    assert_eq!(roots(&west), roots(&east));
}

#[tokio::test]
async fn full_sync_brings_the_attributes_of_buckets_and_objects() {
    let (east, west, _homes) = pair().await;
    set(&east, attribute::CORS, value("any")).await;
    put(&east, "k", b"body").await.unwrap();
    tag(&east, "k", value("a=b")).await.unwrap();
    let view = east.tree_view().unwrap();
    for event in events(&east) {
        let scope = match event.change.entity() {
            model::Entity::Bucket(_) => model::tree::Scope::Entities,
            _ => model::tree::Scope::Bucket(bucket()),
        };
        let repairs = view.change(&scope, event.change.entity().hash()).unwrap();
        let step = |event: Event| Step::Repair { cut: event.position, event: Box::new(event) };
        west.apply(repairs.into_iter().map(step).collect()).await.unwrap();
    }
    assert_tree_is_true(&west);
    assert_eq!(of_bucket(&west), of_bucket(&east));
    assert_eq!(tags(&west, "k").await, value("a=b"));
    assert_eq!(roots(&west), roots(&east));
}

#[tokio::test]
async fn who_may_not_use_a_bucket_sets_nothing_of_it_or_in_it() {
    let (east, _west, _homes) = pair().await;
    put(&east, "k", b"body").await.unwrap();
    let stranger = Caller { user: UserId::try_from("alt".to_owned()).unwrap(), ..caller() };
    let set = east.set_bucket_attribute(bucket(), attribute::TAGS, value("a"), stranger.clone());
    assert!(matches!(set.await, Err(WriteError::Denied)));
    let set = east.set_object_attribute(latest("k"), attribute::TAGS, value("a"), stranger);
    assert!(matches!(set.await, Err(WriteError::Denied)));
    let none = "none".to_owned().try_into().unwrap();
    let set = east.set_bucket_attribute(none, attribute::TAGS, value("a"), caller());
    assert!(matches!(set.await, Err(WriteError::NoSuchBucket)));
}

#[tokio::test]
async fn attributes_that_would_pass_an_event_are_refused_and_nothing_changes() {
    let (east, _west, _homes) = pair().await;
    let half = Some(Bytes::from(vec![b'x'; EVENT_BYTES_MAX / 2]));
    set(&east, attribute::LIFECYCLE, half.clone()).await;
    let more = east.set_bucket_attribute(bucket(), attribute::POLICY, half, caller()).await;
    assert!(matches!(more, Err(WriteError::TooLarge(_))), "{more:?}");
    assert_eq!(of_bucket(&east).0.len(), 1);
    assert_tree_is_true(&east);
}

#[tokio::test]
async fn tags_belong_to_the_version_that_they_were_given() {
    let (east, west, _homes) = pair().await;
    let missing = tag(&east, "k", value("a=b")).await;
    assert!(matches!(missing, Err(WriteError::NoSuchKey)));
    let first = put(&east, "k", b"one").await.unwrap();
    assert_eq!(tag(&east, "k", value("a=b")).await.unwrap(), first);
    assert_eq!(tags(&east, "k").await, value("a=b"));
    let second = put(&east, "k", b"two").await.unwrap();
    assert_eq!(tags(&east, "k").await, None, "a new version begins without");
    let old = VersionName { of: Some(first), ..latest("k") };
    let old = east.set_object_attribute(old, attribute::TAGS, value("c=d"), caller()).await;
    assert!(matches!(old, Err(WriteError::NoSuchKey)));
    assert_eq!(tag(&east, "k", value("c=d")).await.unwrap(), second);
    apply(&west, &events(&east)).await;
    assert_eq!(tags(&west, "k").await, value("c=d"));
    tag(&east, "k", None).await.unwrap();
    apply(&west, &events(&east)).await;
    assert_eq!((tags(&east, "k").await, tags(&west, "k").await), (None, None));
    assert_eq!(roots(&west), roots(&east));
    // With the version that had them go its attributes.
    assert_eq!(rows(&east), 2);
    east.collect(Duration::ZERO).await.unwrap();
    assert_eq!(rows(&east), 1);
    east.delete_object((bucket(), key("k")), caller(), Condition::None).await.unwrap();
    let gone = tag(&east, "k", value("e=f")).await;
    assert!(matches!(gone, Err(WriteError::NoSuchKey)));
    east.collect(Duration::ZERO).await.unwrap();
    assert_eq!(rows(&east), 0);
    assert_tree_is_true(&east);
}

#[tokio::test]
async fn what_an_object_begins_with_is_logged_in_the_commit_that_makes_it() {
    let (east, west, _homes) = pair().await;
    put(&east, "source", b"a body in blocks, which the copy shares").await.unwrap();
    let source = east.object(&bucket(), &key("source")).await.unwrap().unwrap();
    let attributes = BTreeMap::from([(attribute::TAGS.to_owned(), value("a=b").unwrap())]);
    let copy = crate::CopyObject {
        caller: caller(),
        bucket: bucket(),
        key: key("k"),
        manifest: (*source.manifest).clone(),
        source,
        condition: Condition::None,
        attributes,
    };
    let of = east.copy_object(copy).await.unwrap().version;
    let logged = events(&east).into_iter().find_map(|event| match event.change {
        Change::Attributes { of, .. } => Some(of),
        _ => None,
    });
    assert_eq!(logged, Some(of));
    apply(&west, &events(&east)).await;
    assert_eq!((tags(&east, "k").await, tags(&west, "k").await), (value("a=b"), value("a=b")));
    assert_eq!(tags(&east, "source").await, None);
    assert!(read(&east, "k").await.unwrap().is_ok());
    assert_tree_is_true(&east);
}

#[tokio::test]
async fn attributes_that_cannot_be_read_are_an_error_to_clients_and_are_replaced_by_what_comes() {
    let (east, west, _homes) = pair().await;
    set(&east, attribute::POLICY, value("nobody")).await;
    apply(&west, &events(&east)).await;
    let birth = west.bucket(&bucket()).unwrap().live.unwrap().birth;
    let row = AttributesRecord::key_of_bucket(&bucket(), birth);
    let rotten = Some(Bytes::from_static(&[1, 0xff]));
    west.shared.engine.commit(Batch::from([((Table::Attributes, row), rotten)])).unwrap();
    west.shared.views.changed();
    let refused = west.bucket_view(&bucket());
    assert!(matches!(refused, Err(ReadError::Record(_))), "nobody is let in for want of a policy");
    apply(&west, &events(&east)).await;
    assert_eq!(of_bucket(&west), of_bucket(&east));
}

#[tokio::test]
async fn who_was_granted_a_bucket_may_use_it_until_it_is_made_anew() {
    let (east, _west, _homes) = pair().await;
    let birth = east.bucket(&bucket()).unwrap().live.unwrap().birth;
    let nobody = UserId::anonymous();
    let granted = Caller { granted: Some(birth), ..Caller::of(nobody.clone(), caller().request) };
    let set = |caller| east.set_bucket_attribute(bucket(), attribute::TAGS, value("a"), caller);
    assert!(matches!(set(Caller::of(nobody, caller().request)).await, Err(WriteError::Denied)));
    set(granted.clone()).await.unwrap();
    // A user who is disabled, or is none any more, stays outside whatever was granted.
    let gone = UserId::try_from("gone".to_owned()).unwrap();
    let gone = Caller { user: gone, ..granted.clone() };
    assert!(matches!(set(gone).await, Err(WriteError::Denied)));
    east.delete_bucket(bucket(), caller()).await.unwrap();
    east.create_bucket(bucket(), caller()).await.unwrap();
    assert!(matches!(set(granted.clone()).await, Err(WriteError::Denied)));
    let made = east.create_bucket("another".to_owned().try_into().unwrap(), granted).await;
    assert!(matches!(made, Err(WriteError::Denied)));
}

#[tokio::test]
async fn a_bucket_begins_with_what_it_was_made_with_in_one_commit() {
    let (east, west, _homes) = pair().await;
    east.delete_bucket(bucket(), caller()).await.unwrap();
    let attributes = BTreeMap::from([(attribute::ACL.to_owned(), value("public").unwrap())]);
    east.create_bucket_with(bucket(), attributes, caller()).await.unwrap();
    assert_eq!(of_bucket(&east).value(attribute::ACL), value("public").as_ref());
    apply(&west, &events(&east)).await;
    assert_eq!((of_bucket(&west), roots(&west)), (of_bucket(&east), roots(&east)));
    assert_tree_is_true(&east);
}
