use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{
    Event, Millis, PartitionCount,
    tree::{Cut, Scope, Verdict, verdict},
};
use ops::ManualClock;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::{
    Acknowledged, Caller, Condition, Engine, Memory, Options, Refusal, Step, Store,
    engine::Batch,
    open::rows,
    records::{ObjectRecord, ObjectState, Record},
    store::tests::{bucket, events, key, options, put, read},
};

/// A site whose clock goes on when it is told to.
struct Site {
    store: Store,
    engine: Arc<Memory>,
    clock: Arc<ManualClock>,
    _home: tempfile::TempDir,
}

impl Site {
    async fn new(site: u8) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (engine, clock) = (Arc::<Memory>::default(), ManualClock::at(Millis(1_000_000)));
        let (port, clock): (Arc<dyn Engine>, _) = (Arc::<Memory>::clone(&engine), Arc::new(clock));
        let options = Options {
            clock: Arc::<ManualClock>::clone(&clock),
            partitions: PartitionCount::new(1).unwrap(),
            ..options(home.path(), site)
        };
        Self { store: Store::open_on(port, options).await.unwrap(), engine, clock, _home: home }
    }

    async fn with_bucket(site: u8) -> Self {
        let site = Self::new(site).await;
        site.store.create_bucket(bucket(), Caller::root()).await.unwrap();
        site
    }

    async fn delete(&self, name: &str) {
        let object = (bucket(), key(name));
        self.store.delete_object(object, Caller::root(), Condition::None).await.unwrap();
    }

    /// Time passes, and the collector with it.
    async fn collect(&self) {
        let now = ops::Clock::now(&*self.clock);
        self.clock.set(Millis(now.0 + 1_000));
        self.store.collect(Duration::from_millis(1)).await.unwrap();
    }

    fn line(&self) -> Line {
        self.store.identity().line(Partition(0))
    }

    /// Tombstones: rows of objects, and rows by position.
    fn tombstones(&self) -> (usize, usize) {
        let mut objects = rows(&*self.engine, Table::Objects, b"").unwrap();
        objects.extend(rows(&*self.engine, Table::Slots, b"").unwrap());
        let dead = |value: &Bytes| ObjectRecord::decode(value).is_ok_and(|r| !r.stands());
        let dead = objects.iter().filter(|(_, value)| dead(value)).count();
        (dead, rows(&*self.engine, Table::Queues, b"t").unwrap().len())
    }

    /// The floor of this site's own line at another.
    fn floor_at(&self, other: &Self) -> u64 {
        other.store.floors().unwrap().get(&self.line()).map_or(0, |seq| seq.0)
    }

    fn trimmed(&self) -> usize {
        let is_trimmed = |event: &&Event| matches!(event.change, Change::Trimmed { .. });
        events(&self.store).iter().filter(is_trimmed).count()
    }
}

fn applied(event: &Event) -> Step {
    Step::Apply(Box::new(event.clone()))
}

fn handled(event: &Event) -> Step {
    let handled =
        model::progress::Handled { seq: event.position.seq, ..model::progress::Handled::START };
    Step::Handle(event.position.line(), handled)
}

#[tokio::test]
async fn law_6_tombstones_are_trimmed_everywhere_and_what_was_deleted_stays_deleted() {
    let (east, west) = (Site::with_bucket(1).await, Site::new(2).await);
    put(&east.store, "gone", b"body").await.unwrap();
    east.delete("gone").await;
    put(&east.store, "here", b"body").await.unwrap();
    let before = events(&east.store);
    west.store.apply(before.iter().map(applied).collect()).await.unwrap();
    assert_eq!((east.tombstones(), west.tombstones()), ((1, 1), (1, 1)));

    east.collect().await;
    let [trimmed] = &events(&east.store)[..] else { panic!("one event is not trimmed") };
    assert!(matches!(trimmed.change, Change::Trimmed { up_to: Seq(4), .. }));
    assert_eq!((east.tombstones(), east.floor_at(&east)), ((0, 0), 4));
    west.store.apply(vec![applied(trimmed)]).await.unwrap();
    assert_eq!((west.tombstones(), east.floor_at(&west)), ((0, 0), 4));
    let again = west.store.apply(vec![applied(trimmed)]).await.unwrap();
    assert_eq!(again.duplicate, 1);

    // All of it once more, in any order: what is here is here, and what is gone is gone.
    let replay: Vec<Step> = before.iter().rev().chain(&before).map(applied).collect();
    let outcomes = west.store.apply(replay).await.unwrap();
    assert_eq!((outcomes.ignored, outcomes.duplicate), (4, 4));
    assert!(read(&west.store, "gone").await.is_none());
    assert!(read(&west.store, "here").await.is_some());
    assert_eq!(west.tombstones(), (0, 0));

    // Nothing more to say of it; also of what said it, once that is trimmed.
    for _ in 0..3 {
        east.collect().await;
    }
    assert_eq!((east.trimmed(), events(&east.store).len()), (0, 0));
}

#[tokio::test]
async fn law_6_a_key_that_was_put_again_has_no_tombstone_to_trim() {
    let east = Site::with_bucket(1).await;
    put(&east.store, "k", b"one").await.unwrap();
    east.delete("k").await;
    put(&east.store, "k", b"two").await.unwrap();
    assert_eq!(east.tombstones(), (0, 0));
    east.collect().await;
    assert_eq!((events(&east.store).len(), east.floor_at(&east)), (0, 0));
    // A bucket's deletion is kept for law 14.
    east.delete("k").await;
    east.store.delete_bucket(bucket(), Caller::root()).await.unwrap();
    east.collect().await;
    assert_eq!(east.tombstones(), (0, 0));
    assert!(east.store.bucket(&bucket()).unwrap().deleted.is_some());
}

#[tokio::test]
async fn law_6_nothing_is_logged_that_a_registered_site_cannot_read() {
    let east = Site::with_bucket(1).await;
    put(&east.store, "gone", b"body").await.unwrap();
    east.delete("gone").await;
    let (site, name) = (model::SiteId([2; 16]), east.store.identity().name.clone());
    let reads = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
    east.store.register_peer(site, name.clone(), reads(&[])).await.unwrap();
    let end = Seq(u64::MAX);
    let (epoch, partition) = (east.line().epoch, Partition(0));
    let ack = || Acknowledged { epoch, partition, handled: end, applied: end, complete: end };
    assert!(east.store.acknowledge(site, vec![ack()]).await.unwrap());
    east.collect().await;
    assert_eq!(
        (events(&east.store).len(), east.tombstones()),
        (0, (1, 1)),
        "only history is trimmed"
    );
    // After its upgrade it says so; and a downgrade counts at once.
    east.store.register_peer(site, name.clone(), reads(&["user_put", TRIMMED])).await.unwrap();
    east.store.register_peer(site, name.clone(), reads(&["user_put"])).await.unwrap();
    east.collect().await;
    assert_eq!((east.trimmed(), east.tombstones()), (0, (1, 1)));
    east.store.register_peer(site, name, reads(&[TRIMMED])).await.unwrap();
    east.collect().await;
    assert_eq!((east.trimmed(), east.tombstones()), (1, (0, 0)));
}

#[tokio::test]
async fn law_13_a_site_whose_past_is_disputed_and_a_secondary_log_no_trimming() {
    let east = Site::with_bucket(1).await;
    put(&east.store, "gone", b"body").await.unwrap();
    east.delete("gone").await;
    east.store.refuse(Refusal::Disputed { why: "a restored disk".to_owned() });
    east.collect().await;
    assert_eq!((east.trimmed(), east.tombstones()), (0, (1, 1)));
}

#[tokio::test]
async fn law_6_more_tombstones_than_fit_one_commit_are_dropped_in_pieces_below_the_floor() {
    let (east, west) = (Site::with_bucket(1).await, Site::new(2).await);
    let count = ROWS_PER_COMMIT + 20;
    for n in 0..count {
        put(&east.store, &format!("k{n}"), b"").await.unwrap();
        east.delete(&format!("k{n}")).await;
    }
    let before = events(&east.store);
    west.store.apply(before.iter().map(applied).collect()).await.unwrap();
    east.collect().await;
    assert_eq!(east.tombstones(), (0, 0));
    let trimmed: Vec<Step> = events(&east.store).iter().map(applied).collect();
    assert_eq!(trimmed.len(), 1, "said once, however much it is");
    west.store.apply(trimmed).await.unwrap();
    assert_eq!(west.tombstones(), (20, 20));
    west.collect().await;
    assert_eq!(west.tombstones(), (0, 0));
}

#[tokio::test]
async fn law_6_tombstones_of_an_earlier_release_are_found_and_rotten_records_stop_nothing() {
    let east = Site::with_bucket(1).await;
    for name in ["gone", "here", "rotten", "rotten too"] {
        put(&east.store, name, b"body").await.unwrap();
    }
    for name in ["gone", "rotten", "rotten too"] {
        east.delete(name).await;
    }
    // As the release before left it: no row by position. One record rots, and one after it was found.
    let mut batch: Batch = rows(&*east.engine, Table::Queues, b"t")
        .unwrap()
        .into_iter()
        .filter(|(row, _)| !row.ends_with(b"rotten too"))
        .map(|(row, _)| ((Table::Queues, row), None))
        .collect();
    for name in ["rotten", "rotten too"] {
        let row = ObjectRecord::key(&bucket(), &key(name));
        batch.insert((Table::Objects, row), Some(Bytes::from_static(&[1, 0xff])));
    }
    east.engine.commit(batch).unwrap();
    east.collect().await;
    assert_eq!((east.trimmed(), east.tombstones()), (1, (0, 0)));
    assert_eq!(rows(&*east.engine, Table::Objects, b"").unwrap().len(), 3, "for others to find");
    let found = east.engine.get(Table::Meta, &TombstonesFound::key()).unwrap().unwrap();
    assert_eq!(TombstonesFound::decode(&found).unwrap(), TombstonesFound::All);
}

#[tokio::test]
async fn law_6_the_search_for_tombstones_goes_on_where_it_was() {
    let east = Site::with_bucket(1).await;
    for name in ["a", "z"] {
        put(&east.store, name, b"").await.unwrap();
        east.delete(name).await;
    }
    let mut batch: Batch = rows(&*east.engine, Table::Queues, b"t")
        .unwrap()
        .into_iter()
        .map(|(row, _)| ((Table::Queues, row), None))
        .collect();
    let up_to = TombstonesFound::UpTo(ObjectRecord::key(&bucket(), &key("m")));
    batch.insert((Table::Meta, TombstonesFound::key()), Some(up_to.encode()));
    east.engine.commit(batch).unwrap();
    east.collect().await;
    assert_eq!(east.tombstones(), (1, 0), "only what lies behind");
}

#[tokio::test]
async fn law_6_an_epoch_that_has_ended_is_below_the_floor_and_keeps_its_tombstones() {
    let (east, west) = (Site::with_bucket(1).await, Site::new(2).await);
    put(&east.store, "gone", b"body").await.unwrap();
    put(&east.store, "before", b"body").await.unwrap();
    east.delete("before").await;
    let mut all = events(&east.store);
    west.store.apply(all.iter().map(applied).collect()).await.unwrap();
    // The next epoch deletes what this one wrote, and trims that.
    let next = |event: &Event, seq, change| {
        let epoch = model::Epoch(event.position.epoch.0 + 1);
        let position = Position { epoch, seq: Seq(seq), ..event.position };
        let hlc = model::Hlc(event.version.hlc.0 + (1 << 20) + seq);
        Event {
            position,
            version: model::Version { hlc, ..event.version },
            change,
            ..event.clone()
        }
    };
    let put_event = all.remove(1);
    let Change::ObjectPut { bucket, key, birth, .. } = put_event.change.clone() else { panic!() };
    let delete = next(&put_event, 1, Change::ObjectDeleted { bucket, key, birth });
    let partitions = PartitionCount::new(1).unwrap();
    let trimmed = Change::Trimmed { partition: Partition(0), partitions, up_to: Seq(1) };
    let trimmed = next(&put_event, 2, trimmed);
    west.store.apply(vec![applied(&delete), applied(&trimmed)]).await.unwrap();
    assert_eq!(west.tombstones(), (1, 1), "that of the epoch before");
    assert_eq!(west.store.apply(vec![applied(&put_event)]).await.unwrap().ignored, 1);
    assert!(read(&west.store, "gone").await.is_none());
    // A word of the epoch before, heard late, does not lower the floor.
    let late = Event { position: put_event.position.line().at(Seq(90)), ..trimmed };
    assert_eq!(west.store.apply(vec![applied(&late)]).await.unwrap().duplicate, 1);
    assert_eq!(west.store.floors().unwrap().values().collect::<Vec<_>>(), [&Seq(1)]);
}

#[tokio::test]
async fn law_6_a_site_that_missed_what_was_trimmed_hears_it_once_all_below_is_handled() {
    let (east, west) = (Site::with_bucket(1).await, Site::new(2).await);
    put(&east.store, "gone", b"body").await.unwrap();
    let before = events(&east.store);
    let follow = before.iter().flat_map(|event| [applied(event), handled(event)]);
    west.store.apply(follow.collect()).await.unwrap();
    // Away, it misses the delete and that its tombstone is trimmed.
    east.delete("gone").await;
    let deleted = events(&east.store).pop().unwrap();
    east.collect().await;
    let up_to = Seq(3);
    assert_eq!((east.floor_at(&east), deleted.position.seq), (3, up_to));
    let hear = |up_to| vec![Step::Trimmed { line: east.line(), up_to }];
    west.store.apply(hear(up_to)).await.unwrap();
    west.store.apply(hear(Seq::NONE)).await.unwrap();
    assert_eq!(east.floor_at(&west), 0, "what is below it may still come");
    let reason = model::HoleReason::LostAtOrigin;
    let missed = Step::Open(east.line(), model::Hole { first: up_to, last: up_to, reason });
    west.store.apply(vec![missed, handled(&deleted)]).await.unwrap();
    west.store.apply(hear(up_to)).await.unwrap();
    assert_eq!((east.floor_at(&west), west.store.line(east.line()).applied()), (3, Seq(2)));
    west.store.apply(hear(Seq(2))).await.unwrap();
    assert_eq!(east.floor_at(&west), 3, "it never falls");
    // A full sync takes it away; then what comes late does not bring it back.
    let view = west.store.tree_view().unwrap();
    let scope = Scope::Bucket(bucket());
    let leaf = view.leaf(&scope, Entity::Object(bucket(), key("gone")).hash()).unwrap().unwrap();
    west.store.apply(vec![Step::Remove { scope, leaf }]).await.unwrap();
    let outcomes = west.store.apply(before.iter().map(applied).collect()).await.unwrap();
    assert_eq!((outcomes.ignored, outcomes.duplicate), (1, 1));
    assert!(read(&west.store, "gone").await.is_none());
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8),
    Delete(u8),
    /// The origin's collector runs.
    Trim,
    /// The next events arrive.
    Follow(u8),
    /// The next events do not arrive, nor what they say that is trimmed.
    Miss(u8),
    /// Some of them come after all.
    Refill(prop::sample::Index, u8),
    /// A full sync hears what is trimmed.
    Hear,
    /// An event that came before comes again.
    Replay(prop::sample::Index),
    /// A full sync looks at a key at the origin.
    Look(u8),
    /// What one of those looks saw arrives.
    Repair(prop::sample::Index),
    /// The collector of the other site runs.
    Collect,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => (0u8..3).prop_map(Op::Put),
        4 => (0u8..3).prop_map(Op::Delete),
        2 => prop::strategy::Just(Op::Trim),
        4 => (1u8..4).prop_map(Op::Follow),
        2 => (1u8..6).prop_map(Op::Miss),
        2 => (any::<prop::sample::Index>(), 0u8..3).prop_map(|(at, more)| Op::Refill(at, more)),
        1 => prop::strategy::Just(Op::Hear),
        4 => any::<prop::sample::Index>().prop_map(Op::Replay),
        3 => (0u8..3).prop_map(Op::Look),
        3 => any::<prop::sample::Index>().prop_map(Op::Repair),
        1 => prop::strategy::Just(Op::Collect),
    ];
    prop::collection::vec(op, 1..40)
}

/// Two sites, and what is on its way between them.
struct Pair {
    east: Site,
    west: Site,
    log: BTreeMap<Seq, Event>,
    followed: usize,
    looks: Vec<Step>,
}

impl Pair {
    async fn new() -> Self {
        let (east, west) = (Site::with_bucket(1).await, Site::new(2).await);
        Self { east, west, log: BTreeMap::new(), followed: 0, looks: Vec::new() }
    }

    async fn run(&mut self, op: &Op) {
        match op {
            Op::Put(n) => drop(put(&self.east.store, &format!("k{n}"), &[*n]).await.unwrap()),
            Op::Delete(n) => self.east.delete(&format!("k{n}")).await,
            Op::Trim => self.east.collect().await,
            Op::Follow(count) => self.follow(usize::from(*count)).await,
            Op::Replay(index) if self.followed > 0 => {
                let event = self.log.values().nth(index.index(self.followed)).unwrap();
                self.west.store.apply(vec![applied(event)]).await.unwrap();
            }
            Op::Miss(count) => self.miss(usize::from(*count)).await,
            Op::Refill(index, more) if self.followed > 0 => {
                let first = index.index(self.followed);
                let last = (first + usize::from(*more)).min(self.followed - 1);
                self.refill(first, last).await;
            }
            Op::Hear => self.hear().await,
            Op::Look(n) => self.look(&format!("k{n}")),
            Op::Repair(index) if !self.looks.is_empty() => {
                let look = self.looks[index.index(self.looks.len())].clone();
                self.west.store.apply(vec![look]).await.unwrap();
            }
            Op::Collect => self.west.collect().await,
            Op::Replay(_) | Op::Refill(..) | Op::Repair(_) => {}
        }
        // The log keeps what history does not.
        self.log
            .extend(events(&self.east.store).into_iter().map(|event| (event.position.seq, event)));
    }

    async fn follow(&mut self, count: usize) {
        let next: Vec<&Event> = self.log.values().skip(self.followed).take(count).collect();
        self.followed += next.len();
        let next = next.into_iter().flat_map(|event| [applied(event), handled(event)]);
        self.west.store.apply(next.collect()).await.unwrap();
    }

    async fn miss(&mut self, count: usize) {
        let next: Vec<&Event> = self.log.values().skip(self.followed).take(count).collect();
        let (Some(first), Some(last)) = (next.first(), next.last()) else { return };
        let reason = model::HoleReason::LostAtOrigin;
        let hole = model::Hole { first: first.position.seq, last: last.position.seq, reason };
        let steps = vec![Step::Open(self.east.line(), hole), handled(last)];
        self.followed += next.len();
        self.west.store.apply(steps).await.unwrap();
    }

    async fn refill(&mut self, first: usize, last: usize) {
        let events: Vec<&Event> = self.log.values().skip(first).take(last - first + 1).collect();
        let (first, last) = (events[0].position.seq, events[events.len() - 1].position.seq);
        let (line, digest) = (self.east.line(), model::Digest::ZERO);
        let close = Step::Close { line, first, last, digest };
        let steps = [close].into_iter().chain(events.into_iter().map(applied));
        self.west.store.apply(steps.collect()).await.unwrap();
    }

    async fn hear(&self) {
        let (line, up_to) = (self.east.line(), Seq(self.east.floor_at(&self.east)));
        self.west.store.apply(vec![Step::Trimmed { line, up_to }]).await.unwrap();
    }

    /// A full sync, in a moment in which nothing happens.
    async fn compare(&self) {
        self.hear().await;
        let (line, scope) = (self.east.line(), Scope::Bucket(bucket()));
        let (east, west) =
            (self.east.store.tree_view().unwrap(), self.west.store.tree_view().unwrap());
        let at = |seq| BTreeMap::from([(Partition(0), seq)]);
        let floor = |site: &Site| Seq(self.east.floor_at(site));
        let written = east.written()[0].seq;
        let (site, epoch) = (line.site, line.epoch);
        let cut = Cut { site, epoch, written: at(written), trimmed: at(floor(&self.east)) };
        let mut steps = Vec::new();
        for n in 0..3 {
            let entity = Entity::Object(bucket(), key(&format!("k{n}"))).hash();
            let (source, here) =
                (east.leaf(&scope, entity).unwrap(), west.leaf(&scope, entity).unwrap());
            match verdict(&cut, &at(floor(&self.west)), source.as_ref(), here.as_ref()) {
                Verdict::Same => {}
                Verdict::Behind => {
                    let events = east.change(&scope, entity).unwrap();
                    steps.extend(events.into_iter().map(|event| Step::Repair {
                        event: Box::new(event),
                        cut: line.at(written),
                    }));
                }
                Verdict::Deleted => {
                    let (scope, leaf) = (scope.clone(), here.unwrap());
                    steps.push(Step::Remove { scope, leaf });
                }
                other => panic!("{other:?}: {source:?}, {here:?}"),
            }
        }
        steps.push(Step::Prove { line, up_to: written });
        self.west.store.apply(steps).await.unwrap();
    }

    fn look(&mut self, name: &str) {
        let row = ObjectRecord::key(&bucket(), &key(name));
        let Some(value) = self.east.engine.get(Table::Objects, &row).unwrap() else { return };
        let record = ObjectRecord::decode(&value).unwrap();
        let (bucket, key, birth) = (bucket(), key(name), record.birth);
        let change = match record.state {
            ObjectState::Put(manifest) => {
                let slot = record.slot;
                Change::ObjectPut { bucket, key, slot, birth, manifest }
            }
            _ => Change::ObjectDeleted { bucket, key, birth },
        };
        let event = Event {
            position: record.position,
            version: record.version,
            prev: model::Digest::ZERO,
            volume: 0,
            request: model::RequestId::NONE,
            change,
        };
        let cut = record.position.line().at(self.east.store.written().borrow()[0].seq);
        self.looks.push(Step::Repair { event: Box::new(event), cut });
    }

    fn objects(site: &Site) -> Vec<(Bytes, Bytes)> {
        rows(&*site.engine, Table::Objects, b"").unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn law_3_and_6_deleted_stays_deleted_and_repairs_commute_with_events(ops in ops()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for op in &ops {
                pair.run(op).await;
            }
            pair.run(&Op::Follow(u8::MAX)).await;
            let looks = pair.looks.clone();
            pair.west.store.apply(looks.clone()).await.unwrap();
            pair.compare().await;
            // What was on its way changes nothing any more.
            let events = pair.log.values().map(applied);
            pair.west.store.apply(events.chain(looks).collect()).await.unwrap();
            pair.run(&Op::Collect).await;
            assert_eq!(Pair::objects(&pair.west), Pair::objects(&pair.east));
            assert_eq!(pair.west.tombstones(), pair.east.tombstones());
            assert_eq!(pair.east.floor_at(&pair.west), pair.east.floor_at(&pair.east));
        });
    }
}
