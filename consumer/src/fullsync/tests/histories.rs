//! Random histories over real stores, against models that are maps: whatever was lost, spoilt or
//! trimmed on the way, one run makes both sites what merging them by hand gives.
//!
//! `TOWLINE_TEST_CASES` says how many histories: a dozen by itself, some thousands by hand.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use model::{QuotaChange, RequestId, Version};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use rand::{Rng, SeedableRng, rngs::StdRng};
use store::{Caller, KeyPair, NewUser, UserPatch};

use super::{
    careless::{Spoil, spoil},
    stores::{Fate, Shown, Site, Sites},
    *,
};

const CASES: u32 = 12;
/// How many of them are over the engine of production: each commit is a disk sync there.
const ON_DISK: f64 = 0.1;
/// More than a branch has leaves without being split.
const KEYS: u8 = 48;

#[derive(Clone, Debug)]
enum Op {
    Put { bucket: u8, key: u8, length: u8 },
    Fill { bucket: u8 },
    Delete { bucket: u8, key: u8 },
    Create { bucket: u8 },
    Empty { bucket: u8, and_delete: bool },
    User { user: u8, change: u8 },
    Follow { draw: u64 },
    Refill,
    Pull,
    Acknowledge,
    Evict,
    Collect,
    Spoil { how: Spoil, draw: u64 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let bucket = 0u8..3;
    // Few keys are hit often: every collision happens.
    let key = prop_oneof![3 => 0u8..4, 1 => 0..KEYS];
    let put = (bucket.clone(), key.clone(), 0u8..40);
    let op = prop_oneof![
        12 => put.prop_map(|(bucket, key, length)| Op::Put { bucket, key, length }),
        6 => (bucket.clone(), key).prop_map(|(bucket, key)| Op::Delete { bucket, key }),
        1 => bucket.clone().prop_map(|bucket| Op::Fill { bucket }),
        2 => bucket.clone().prop_map(|bucket| Op::Create { bucket }),
        2 => (bucket, any::<bool>())
            .prop_map(|(bucket, and_delete)| Op::Empty { bucket, and_delete }),
        2 => (0u8..3, 0u8..4).prop_map(|(user, change)| Op::User { user, change }),
        6 => any::<u64>().prop_map(|draw| Op::Follow { draw }),
        1 => Just(Op::Refill),
        1 => Just(Op::Pull),
        2 => Just(Op::Acknowledge),
        1 => Just(Op::Evict),
        3 => Just(Op::Collect),
        3 => (prop::sample::select(Spoil::ALL.to_vec()), any::<u64>())
            .prop_map(|(how, draw)| Op::Spoil { how, draw }),
    ];
    prop::collection::vec(op, 1..60)
}

fn cases() -> ProptestConfig {
    let asked = std::env::var("TOWLINE_TEST_CASES").ok();
    ProptestConfig::with_cases(asked.map_or(CASES, |asked| asked.parse().expect("a number")))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn bucket(number: u8) -> BucketName {
    format!("bucket-{number}").try_into().unwrap()
}

fn key(number: u8) -> model::ObjectKey {
    format!("key-{number}").try_into().unwrap()
}

fn keys() -> Vec<model::ObjectKey> {
    (0..KEYS).map(key).collect()
}

fn user(number: u8) -> model::UserId {
    format!("user-{number}").try_into().unwrap()
}

/// What no two puts share, unless they say the same.
fn body(key: u8, length: u8) -> Vec<u8> {
    (0..length).map(|n| n.wrapping_mul(3).wrapping_add(key)).collect()
}

/// How real time goes that may lose anything.
fn badly(draw: u64) -> impl FnMut() -> Fate {
    let mut draw = StdRng::seed_from_u64(draw);
    move || match draw.random_range(0..16) {
        0 => Fate::Lost,
        1 => Fate::Missed,
        2 => Fate::Late,
        _ => Fate::Comes,
    }
}

fn well() -> Fate {
    Fate::Comes
}

fn without_limits(deep: bool) -> Request {
    Request { deep, max_deletes: MaxDeletes::Percent(100), ..Request::default() }
}

/// What clients have done at the origin.
#[derive(Default)]
struct Model {
    buckets: BTreeMap<u8, BTreeMap<u8, Vec<u8>>>,
    /// Who was deleted never comes again.
    users: BTreeMap<u8, Option<(String, bool)>>,
}

impl Model {
    fn shown(&self) -> Shown {
        let objects = |(bucket_, objects): (&u8, &BTreeMap<u8, Vec<u8>>)| {
            let objects =
                objects.iter().map(|(number, body)| (key(*number).to_string(), body.clone()));
            (bucket(*bucket_).to_string(), objects.collect())
        };
        let users = self.users.iter().filter_map(|(number, held)| {
            held.clone().map(|held| (user(*number).as_str().to_owned(), held))
        });
        Shown { buckets: self.buckets.iter().map(objects).collect(), users: users.collect() }
    }

    async fn create(&mut self, east: &Site, number: u8) {
        if let Entry::Vacant(bucket_of) = self.buckets.entry(number) {
            east.store.create_bucket(bucket(number), Caller::root()).await.unwrap();
            bucket_of.insert(BTreeMap::new());
        }
    }

    async fn put(&mut self, east: &Site, (bucket_, number): (u8, u8), body: Vec<u8>) {
        if let Some(objects) = self.buckets.get_mut(&bucket_) {
            east.put(&bucket(bucket_), &key(number), &body).await;
            objects.insert(number, body);
        }
    }

    async fn delete(&mut self, east: &Site, (bucket_, number): (u8, u8)) {
        if let Some(objects) = self.buckets.get_mut(&bucket_) {
            let deleted = east.delete(&bucket(bucket_), &key(number)).await.is_some();
            assert_eq!(deleted, objects.remove(&number).is_some());
        }
    }

    async fn empty(&mut self, east: &Site, number: u8, and_delete: bool) {
        let held = self.buckets.get(&number).into_iter().flat_map(BTreeMap::keys);
        for key in held.copied().collect::<Vec<_>>() {
            self.delete(east, (number, key)).await;
        }
        if and_delete && self.buckets.remove(&number).is_some() {
            east.store.delete_bucket(bucket(number), Caller::root()).await.unwrap();
        }
    }

    async fn user(&mut self, east: &Site, number: u8, change: u8) {
        let (id, store) = (user(number), &east.store);
        let Some(held) = self.users.get_mut(&number) else {
            let name = format!("name {number}");
            let pair = KeyPair::given(format!("access-{number}"), "a-secret".to_owned());
            let new = NewUser { id: Some(id), name: name.clone(), key: pair.unwrap() };
            store.create_user(new, RequestId::NONE).await.unwrap();
            self.users.insert(number, Some((name, true)));
            return;
        };
        match (held.is_some(), change) {
            (true, 0) => {
                store.delete_user(id, RequestId::NONE).await.unwrap();
                *held = None;
            }
            (true, change) => {
                let (name, enabled) = (format!("name {number} {change}"), change == 1);
                let patch = UserPatch {
                    name: Some(name.clone()),
                    enabled: Some(enabled),
                    quota: QuotaChange { bytes: Some((change > 1).then_some(9)), objects: None },
                };
                store.patch_user(id, patch, RequestId::NONE).await.unwrap();
                *held = Some((name, enabled));
            }
            (false, _) => {}
        }
    }

    /// Carries out one step of a history.
    async fn step(&mut self, Sites { east, west, .. }: &Sites, op: Op) {
        east.tick();
        match op {
            Op::Put { bucket, key, length } => {
                self.put(east, (bucket, key), body(key, length)).await;
            }
            Op::Fill { bucket } => {
                for key in 0..KEYS {
                    self.put(east, (bucket, key), body(key, 3)).await;
                }
            }
            Op::Delete { bucket, key } => self.delete(east, (bucket, key)).await,
            Op::Create { bucket } => self.create(east, bucket).await,
            Op::Empty { bucket, and_delete } => self.empty(east, bucket, and_delete).await,
            Op::User { user, change } => self.user(east, user, change).await,
            Op::Follow { draw } => west.follow(east, badly(draw)).await,
            Op::Refill => west.refill(east).await,
            Op::Pull => {
                west.pull(east).await;
            }
            Op::Acknowledge => west.acknowledge(east).await,
            Op::Evict => {
                east.store.remove_peer(west.store.identity().site).await.unwrap();
            }
            Op::Collect => {
                east.collect().await;
                west.collect().await;
            }
            Op::Spoil { how, draw } => {
                spoil(west, how, &mut StdRng::seed_from_u64(draw)).await;
            }
        }
    }
}

/// One run, with or without real time beside it, and all that must be true then.
async fn one_run_is_enough(ops: Vec<Op>, (on_disk, deep, realtime): (bool, bool, bool)) {
    let sites = Sites::new(on_disk).await;
    let Sites { east, west, .. } = &sites;
    let mut model = Model::default();
    // An origin that holds nothing is refused.
    model.create(east, 0).await;
    let behind_its_back = |op: &Op| matches!(op, Op::Spoil { how, .. } if how.is_deep());
    let behind_its_back = ops.iter().any(behind_its_back);
    // Nobody counts what changes behind the store's back.
    let spoilt = ops.iter().any(|op| matches!(op, Op::Spoil { .. }));
    for op in ops {
        model.step(&sites, op).await;
    }
    let options = Options { realtime, wait_max: Duration::ZERO, ..Options::default() };
    let report = west.full_sync(&without_limits(deep || behind_its_back), options).await;
    assert!(report.converged, "{:?}", report.progress);
    assert_eq!(west.roots(), east.roots());
    if !spoilt {
        assert_eq!(west.standing(), east.standing());
    }

    // What real time still brings of the past changes nothing.
    west.follow(east, well).await;
    west.hear().await;
    west.refill(east).await;
    assert_eq!(west.roots(), east.roots());
    let again = west.full_sync(&without_limits(false), options).await;
    assert!(again.converged, "{:?}", again.progress);
    assert_eq!((again.progress.differ, again.progress.round_trips), (0, 3), "only roots move");
    are_the_model(&sites, &model, behind_its_back).await;

    // And from here on it goes on as if nothing had been.
    model.create(east, 0).await;
    for number in 0..4 {
        model.put(east, (0, number), body(number, 30)).await;
        model.delete(east, (0, number + 2)).await;
    }
    west.follow(east, well).await;
    assert_eq!(west.roots(), east.roots());
    are_the_model(&sites, &model, behind_its_back).await;
}

/// Both show what the model does, byte for byte, and nothing is missing any more.
async fn are_the_model(Sites { east, west, .. }: &Sites, model: &Model, behind_its_back: bool) {
    let freed = west.pull(east).await;
    let shown = model.shown();
    assert_eq!(east.shown(&keys()).await, shown);
    assert_eq!(west.shown(&keys()).await, shown);
    let holes = west.holes();
    // Whose record was taken behind the store's back waits for its blocks for ever.
    if behind_its_back {
        assert!(holes.iter().all(|(_, hole)| hole.reason.is_applied()), "{holes:?}");
    } else {
        assert_eq!((holes, freed), (Vec::new(), 0));
    }
}

#[derive(Clone, Debug)]
enum Write {
    Put { bucket: u8, key: u8, length: u8 },
    Delete { bucket: u8, key: u8 },
    Create { bucket: u8 },
    Follow { draw: u64 },
}

/// What is done at one site, or the other.
fn writes() -> impl Strategy<Value = Vec<(bool, Write)>> {
    let put = (0u8..3, 0u8..6, 0u8..40);
    let write = prop_oneof![
        6 => put.prop_map(|(bucket, key, length)| Write::Put { bucket, key, length }),
        3 => (0u8..3, 0u8..6).prop_map(|(bucket, key)| Write::Delete { bucket, key }),
        1 => (1u8..3).prop_map(|bucket| Write::Create { bucket }),
        3 => any::<u64>().prop_map(|draw| Write::Follow { draw }),
    ];
    prop::collection::vec((any::<bool>(), write), 1..60)
}

/// What was written of one object: a body, or that it was deleted.
type Written = BTreeMap<Version, Option<Vec<u8>>>;

/// Every write that any site took, by what it was of: the newest is what merging gives.
#[derive(Default)]
struct Merged {
    buckets: BTreeSet<u8>,
    objects: BTreeMap<(u8, u8), Written>,
}

impl Merged {
    fn shown(&self) -> Shown {
        let mut buckets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for number in &self.buckets {
            buckets.entry(bucket(*number).to_string()).or_default();
        }
        for ((bucket_, number), versions) in &self.objects {
            if let Some((_, Some(body))) = versions.last_key_value() {
                let objects = buckets.entry(bucket(*bucket_).to_string()).or_default();
                objects.insert(key(*number).to_string(), body.clone());
            }
        }
        Shown { buckets, users: BTreeMap::new() }
    }

    async fn step(&mut self, (site, other): (&Site, &Site), write: Write) {
        site.tick();
        match write {
            Write::Put { bucket: b, key: k, length } if is_live(site, b) => {
                let body = body(k, length);
                let version = site.put(&bucket(b), &key(k), &body).await;
                self.objects.entry((b, k)).or_default().insert(version, Some(body));
            }
            Write::Delete { bucket: b, key: k } if is_live(site, b) => {
                if let Some(version) = site.delete(&bucket(b), &key(k)).await {
                    self.objects.entry((b, k)).or_default().insert(version, None);
                }
            }
            Write::Create { bucket: b } if !is_live(site, b) => {
                site.store.create_bucket(bucket(b), Caller::root()).await.unwrap();
                self.buckets.insert(b);
            }
            Write::Follow { draw } => site.follow(other, badly(draw)).await,
            Write::Put { .. } | Write::Delete { .. } | Write::Create { .. } => {}
        }
    }
}

fn is_live(site: &Site, number: u8) -> bool {
    site.store.bucket(&bucket(number)).unwrap().live.is_some()
}

/// Both have written, and neither has heard all of the other: each takes over what it lacks.
async fn each_takes_over_what_it_lacks(writes: Vec<(bool, Write)>, on_disk: bool) {
    let sites = Sites::new(on_disk).await;
    let Sites { east, west, .. } = &sites;
    let mut merged = Merged::default();
    merged.step((east, west), Write::Create { bucket: 0 }).await;
    west.follow(east, well).await;
    for (at_west, write) in writes {
        merged.step(if at_west { (west, east) } else { (east, west) }, write).await;
    }
    let shown = merged.shown();
    let options = Options { realtime: false, ..Options::default() };
    for (site, other) in [(west, east), (east, west)] {
        let report = site.full_sync(&without_limits(false), options).await;
        assert!(report.converged, "{:?}", report.progress);
        assert_eq!(site.pull(other).await, 0);
        assert_eq!(site.shown(&keys()).await, shown);
    }
    assert_eq!(west.roots(), east.roots());
    for site in [west, east] {
        let again = site.full_sync(&without_limits(false), options).await;
        assert_eq!((again.progress.differ, again.progress.round_trips), (0, 3));
        assert!(site.holes().is_empty());
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn law_9_one_run_makes_a_site_what_its_origin_is_whatever_befell_it(
        ops in ops(),
        how in (prop::bool::weighted(ON_DISK), any::<bool>(), any::<bool>()),
    ) {
        block_on(one_run_is_enough(ops, how));
    }

    #[test]
    fn law_9_of_two_that_both_wrote_each_becomes_the_merge_of_both(
        writes in writes(),
        on_disk in prop::bool::weighted(ON_DISK),
    ) {
        block_on(each_takes_over_what_it_lacks(writes, on_disk));
    }
}
