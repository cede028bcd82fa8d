use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{
    Attributes, BlockHash, Change, Event, Millis, Seq, Slot, Version, attribute,
    lock::{Lock, LockMode, Retention},
    tree::{Scope, Summary},
};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

use crate::{
    Caller, Condition, Deleted, Found, Memory, Step, Store, VersionName, WriteError,
    engine::Engine,
    records::BlockRecord,
    rules::apply::tests::{LINE, leaf},
    store::tests::{bucket, caller, events, key, options, put},
    tree::tests::assert_tree_is_true,
};

/// When the tests' clocks stand.
const NOW: u64 = 1_000_000;
const GOVERNANCE: LockMode = LockMode::Governance;
const COMPLIANCE: LockMode = LockMode::Compliance;

struct Site {
    store: Store,
    clock: Arc<ops::ManualClock>,
    _home: tempfile::TempDir,
}

impl Site {
    async fn open(number: u8) -> Self {
        let home = tempfile::tempdir().unwrap();
        let clock = Arc::new(ops::ManualClock::at(Millis(NOW)));
        let mut options = options(home.path(), number);
        options.clock = Arc::<ops::ManualClock>::clone(&clock);
        let engine: Arc<dyn Engine> = Arc::<Memory>::default();
        Self { store: Store::open_on(engine, options).await.unwrap(), clock, _home: home }
    }

    /// With a bucket that has object lock.
    async fn with_lock(default: &'static str) -> Self {
        let site = Self::open(1).await;
        let set = |name: &str, value: &'static str| {
            (name.to_owned(), Bytes::from_static(value.as_bytes()))
        };
        let begins =
            [set(attribute::VERSIONING, "Enabled"), set(attribute::OBJECT_LOCK, default)].into();
        site.store.create_bucket_with(bucket(), begins, caller()).await.unwrap();
        site
    }

    async fn retain(
        &self,
        of: Version,
        asked: Option<(LockMode, u64)>,
        bypass: bool,
    ) -> Result<Version, WriteError> {
        let asked = asked.map(|(mode, until)| Retention { mode, until: Millis(NOW + until) });
        self.store.set_retention(name(of), asked, by(bypass)).await
    }

    async fn hold(&self, of: Version, on: bool) {
        self.store.set_legal_hold(name(of), on, caller()).await.unwrap();
    }

    async fn remove(&self, of: Version, bypass: bool) -> Result<Option<Deleted>, WriteError> {
        let object = (bucket(), key("k"));
        self.store.remove_version(object, Slot::Own(of), by(bypass), Condition::None).await
    }

    fn lock(&self, of: Version) -> Lock {
        Lock::of(&self.store.object_attributes((&bucket(), &key("k")), of).unwrap())
    }

    async fn has(&self, of: Version) -> bool {
        let found = self.store.find(&bucket(), &key("k"), Some(Slot::Own(of))).await.unwrap();
        matches!(found, Found::Object(_))
    }

    async fn apply<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            self.store.apply(vec![Step::Apply(Box::new(event.clone()))]).await.unwrap();
        }
        assert_tree_is_true(&self.store);
    }

    fn roots(&self) -> BTreeMap<Scope, Summary> {
        self.store.tree_view().unwrap().roots().unwrap()
    }
}

fn by(bypass: bool) -> Caller {
    Caller { bypass, ..caller() }
}

fn name(of: Version) -> VersionName {
    VersionName { bucket: bucket(), key: key("k"), of: Some(of) }
}

fn is_locked<T>(outcome: Result<T, WriteError>) -> bool {
    match outcome {
        Ok(_) => false,
        Err(WriteError::Locked(_)) => true,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_locked_version_is_not_removed_before_its_time_by_anybody() {
    let site = Site::with_lock("Enabled").await;
    let of = put(&site.store, "k", b"kept").await.unwrap();
    site.retain(of, Some((COMPLIANCE, 50)), false).await.unwrap();
    assert!(is_locked(site.remove(of, true).await));
    assert!(is_locked(site.retain(of, None, true).await));
    // Without an id there is a marker, as always.
    let object = (bucket(), key("k"));
    let deleted = site.store.delete_object(object, caller(), Condition::None).await.unwrap();
    assert!(deleted.unwrap().marker && site.has(of).await);
    site.clock.set(Millis(NOW + 49));
    assert!(is_locked(site.remove(of, true).await));
    site.clock.set(Millis(NOW + 50));
    assert!(site.remove(of, false).await.unwrap().is_some());
    assert!(!site.has(of).await);
}

#[tokio::test]
async fn governance_gives_way_to_whoever_may_bypass_it_and_a_hold_to_nobody() {
    let site = Site::with_lock("Enabled").await;
    let of = put(&site.store, "k", b"kept").await.unwrap();
    site.retain(of, Some((GOVERNANCE, 50)), false).await.unwrap();
    assert!(is_locked(site.remove(of, false).await));
    assert!(is_locked(site.retain(of, Some((GOVERNANCE, 40)), false).await));
    site.retain(of, Some((GOVERNANCE, 40)), true).await.unwrap();
    site.hold(of, true).await;
    assert!(is_locked(site.remove(of, true).await));
    let before = events(&site.store).len();
    site.hold(of, true).await;
    site.retain(of, Some((GOVERNANCE, 40)), false).await.unwrap();
    assert_eq!(events(&site.store).len(), before, "nothing is logged for what is so already");
    site.hold(of, false).await;
    assert!(site.remove(of, true).await.unwrap().is_some());
    assert!(!site.has(of).await);
}

#[tokio::test]
async fn a_version_begins_with_the_default_retention_of_its_bucket() {
    let site = Site::with_lock("Enabled COMPLIANCE 2 days").await;
    let of = put(&site.store, "k", b"kept").await.unwrap();
    let until = Millis(NOW + 2 * 24 * 60 * 60 * 1_000);
    let expected = Retention { mode: COMPLIANCE, until };
    assert_eq!(site.lock(of).retention(Millis(NOW)), Some(expected));
    assert!(is_locked(site.remove(of, true).await));
}

#[tokio::test]
async fn a_lock_is_only_for_buckets_that_have_it_and_keeps_them_versioned() {
    let site = Site::open(1).await;
    let set = |name, value: &'static str| {
        let value = Some(Bytes::from_static(value.as_bytes()));
        site.store.set_bucket_attribute(bucket(), name, value, caller())
    };
    site.store.create_bucket(bucket(), caller()).await.unwrap();
    let refused = |outcome| matches!(outcome, Err(WriteError::LockNeedsVersioning));
    assert!(refused(set(attribute::OBJECT_LOCK, "Enabled").await));
    set(attribute::VERSIONING, "Enabled").await.unwrap();
    let of = put(&site.store, "k", b"kept").await.unwrap();
    let none = |outcome: Result<_, WriteError>| matches!(outcome, Err(WriteError::NoObjectLock));
    assert!(none(site.retain(of, Some((GOVERNANCE, 50)), false).await));
    assert!(none(site.store.set_legal_hold(name(of), true, caller()).await));
    set(attribute::OBJECT_LOCK, "Enabled").await.unwrap();
    assert!(refused(set(attribute::VERSIONING, "Suspended").await));
    let off = site.store.set_bucket_attribute(bucket(), attribute::OBJECT_LOCK, None, caller());
    assert!(refused(off.await));
    set(attribute::VERSIONING, "Enabled").await.unwrap();
    site.hold(of, true).await;
    assert!(is_locked(site.remove(of, true).await));
    set(attribute::OBJECT_LOCK, "Enabled of a newer release").await.unwrap();
    let put = put(&site.store, "k", b"more").await;
    assert!(matches!(put, Err(WriteError::UnknownLock(_))));
}

#[tokio::test]
async fn the_null_version_is_locked_where_clients_write() {
    let site = Site::open(1).await;
    site.store.create_bucket(bucket(), caller()).await.unwrap();
    let of = put(&site.store, "k", b"before").await.unwrap();
    for name in [attribute::VERSIONING, attribute::OBJECT_LOCK] {
        let value = Some(Bytes::from_static(b"Enabled"));
        site.store.set_bucket_attribute(bucket(), name, value, caller()).await.unwrap();
    }
    site.hold(of, true).await;
    let remove =
        || site.store.remove_version((bucket(), key("k")), Slot::Null, caller(), Condition::None);
    assert!(is_locked(remove().await));
    put(&site.store, "k", b"beside it").await.unwrap();
    assert!(is_locked(remove().await));
    site.hold(of, false).await;
    assert!(remove().await.unwrap().is_some());
}

/// What two sites wrote of one version that is `locked` at one of them and removed at the other, which
/// had not heard of it: all events but those of the bucket, which come first.
async fn split(body: &[u8], locked: fn(&Site, Version) -> LockedAt<'_>) -> (Vec<Event>, Version) {
    let east = Site::with_lock("Enabled").await;
    let of = put(&east.store, "k", body).await.unwrap();
    let west = Site::open(2).await;
    west.apply(&events(&east.store)).await;
    locked(&east, of).await;
    west.clock.set(Millis(NOW + 10));
    west.remove(of, false).await.unwrap().unwrap();
    let all = events(&east.store).into_iter().chain(events(&west.store));
    (all.collect(), of)
}

type LockedAt<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

fn of_bucket(event: &Event) -> bool {
    matches!(event.change, Change::BucketPut { .. } | Change::BucketAttributes { .. })
}

#[tokio::test]
async fn a_delete_inside_a_merged_lock_loses_in_any_order_and_one_outside_wins() {
    let kept: [fn(&Site, Version) -> LockedAt<'_>; 4] = [
        |site, of| Box::pin(async move { site.hold(of, true).await }),
        |site, of| {
            Box::pin(async move {
                site.retain(of, Some((COMPLIANCE, 50)), false).await.unwrap();
            })
        },
        |site, of| {
            Box::pin(async move {
                site.retain(of, Some((GOVERNANCE, 50)), false).await.unwrap();
            })
        },
        // It was lifted after the removal, which had not seen it.
        |site, of| {
            Box::pin(async move {
                site.hold(of, true).await;
                site.clock.set(Millis(NOW + 20));
                site.hold(of, false).await;
            })
        },
    ];
    let gone: [fn(&Site, Version) -> LockedAt<'_>; 2] = [
        |site, of| {
            Box::pin(async move {
                site.hold(of, true).await;
                site.hold(of, false).await;
            })
        },
        |site, of| {
            Box::pin(async move {
                site.retain(of, Some((COMPLIANCE, 5)), false).await.unwrap();
            })
        },
    ];
    let all = kept.into_iter().map(|locked| (locked, true));
    for (locked, stands) in all.chain(gone.into_iter().map(|locked| (locked, false))) {
        let (events, of) = split(b"more than one block", locked).await;
        let (buckets, of_key): (Vec<_>, Vec<_>) = events.iter().partition(|event| of_bucket(event));
        let mut roots = Vec::new();
        for order in permutations(of_key.len()) {
            let site = Site::open(3).await;
            site.apply(buckets.iter().copied()).await;
            site.apply(order.iter().map(|&at| of_key[at])).await;
            // And once more, as they were written.
            site.apply(of_key.iter().copied()).await;
            assert_eq!(site.has(of).await, stands, "{order:?}");
            roots.push(site.roots());
        }
        assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "every order ends alike");
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let all = shorter.iter().flat_map(|order| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    });
    all.collect()
}

#[tokio::test]
async fn a_version_that_comes_back_has_its_bytes_and_a_removal_that_counts_frees_them() {
    let east = Site::with_lock("Enabled").await;
    let of = put(&east.store, "k", b"more than one block").await.unwrap();
    let west = Site::open(2).await;
    west.apply(&events(&east.store)).await;
    let first = BlockRecord::key(BlockHash::of(b"more tha"));
    let named = || west.store.shared.get::<BlockRecord>(&first).unwrap().unwrap().refs;
    assert_eq!(named(), 1);
    west.clock.set(Millis(NOW + 10));
    west.remove(of, false).await.unwrap().unwrap();
    assert_eq!(named(), 1, "it is buried");
    east.hold(of, true).await;
    west.apply(&events(&east.store)).await;
    assert!(west.has(of).await);
    assert_eq!(named(), 1);
    // The primary of now takes the hold back, and removes it with leave.
    west.clock.set(Millis(NOW + 20));
    west.hold(of, false).await;
    assert!(west.has(of).await, "taking the hold back is no removal");
    west.remove(of, false).await.unwrap().unwrap();
    east.apply(&events(&west.store)).await;
    assert!(!east.has(of).await && !west.has(of).await);
    assert_eq!(east.roots(), west.roots());
}

#[tokio::test]
async fn a_removal_in_spite_of_governance_is_one_at_every_site() {
    let east = Site::with_lock("Enabled").await;
    let of = put(&east.store, "k", b"kept").await.unwrap();
    east.retain(of, Some((GOVERNANCE, 50)), false).await.unwrap();
    let west = Site::open(2).await;
    west.apply(&events(&east.store)).await;
    assert!(is_locked(west.remove(of, false).await));
    east.remove(of, true).await.unwrap().unwrap();
    let mut all = events(&east.store);
    west.apply(&all).await;
    assert!(!west.has(of).await);
    // Also where the removal comes before what let it be.
    all.reverse();
    let third = Site::open(3).await;
    third.apply(all.iter().filter(|event| of_bucket(event))).await;
    third.apply(&all).await;
    assert!(!third.has(of).await);
    assert_eq!((east.roots(), third.roots()), (west.roots(), west.roots()));
}

#[tokio::test]
async fn full_sync_does_not_take_a_locked_version_away_without_a_removal() {
    let site = Site::with_lock("Enabled").await;
    let of = put(&site.store, "k", b"kept").await.unwrap();
    site.hold(of, true).await;
    let entity = Slot::Own(of).entity(bucket(), key("k"));
    let leaf = leaf(&entity, LINE.at(Seq(1)), of);
    let remove = || Step::Remove { scope: Scope::Bucket(bucket()), leaf };
    assert_eq!(site.store.apply(vec![remove()]).await.unwrap().removed, 0);
    assert!(site.has(of).await);
    site.hold(of, false).await;
    assert_eq!(site.store.apply(vec![remove()]).await.unwrap().removed, 1);
}

/// What two sites do to one version, and when each hears of the other.
fn ops() -> impl Strategy<Value = Vec<(bool, u8)>> {
    prop::collection::vec((any::<bool>(), 0u8..8), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A history of two sites that hear of each other now and then: whoever applies all of it, in
    /// whatever order, holds the same, and what they hold is what the merged lock says.
    #[test]
    fn law_3_locks_and_removals_give_one_state_in_any_order(
        ops in ops(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (east, west) = (Site::with_lock("Enabled").await, Site::open(2).await);
            let of = put(&east.store, "k", b"more than one block").await.unwrap();
            west.apply(&events(&east.store)).await;
            for (now, &(at_west, op)) in (1..).zip(&ops) {
                let (here, there) = if at_west { (&west, &east) } else { (&east, &west) };
                here.clock.set(Millis(NOW + now));
                let until = now + 4;
                // What is refused, or is of a version that is gone here, changes nothing.
                match op {
                    0 => drop(here.store.set_legal_hold(name(of), true, caller()).await),
                    1 => drop(here.store.set_legal_hold(name(of), false, caller()).await),
                    2 => drop(here.retain(of, Some((GOVERNANCE, until)), false).await),
                    3 => drop(here.retain(of, Some((COMPLIANCE, until)), false).await),
                    4 => drop(here.retain(of, None, true).await),
                    5 => drop(here.remove(of, false).await),
                    6 => drop(here.remove(of, true).await),
                    _ => here.apply(&events(&there.store)).await,
                }
            }
            let all: Vec<Event> =
                events(&east.store).into_iter().chain(events(&west.store)).collect();
            let third = Site::open(3).await;
            third.apply(all.iter().filter(|event| of_bucket(event))).await;
            third.apply(order.iter().map(|at| at.get(&all))).await;
            third.apply(all.iter().rev()).await;
            east.apply(&events(&west.store)).await;
            west.apply(&events(&east.store)).await;

            let (mut merged, mut removal) = (Attributes::default(), None);
            for event in &all {
                match &event.change {
                    Change::Attributes { attributes, .. } => merged.merge(attributes),
                    Change::VersionRemoved { .. } => removal = removal.max(Some(event.version)),
                    _ => {}
                }
            }
            let stands = removal.is_none_or(|removal| Lock::of(&merged).voids(removal));
            for site in [&east, &west, &third] {
                assert_eq!(site.has(of).await, stands, "{ops:?}");
                assert_eq!(site.roots(), third.roots(), "{ops:?}");
            }
        });
    }
}
