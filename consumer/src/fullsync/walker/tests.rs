use std::collections::BTreeSet;

use bus::wire::tree::{Asked, Home, Sketched, rest_frame};
use bytes::BytesMut;
use model::{
    BucketName, Digest, EntityHash, Epoch, Hlc, Position, SiteId, Version,
    merge::{Decision, State, decide},
    tree::{MemoryView, Rest, Sketch, View},
};
use proptest::prelude::{ProptestConfig, any, proptest};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const EAST: SiteId = SiteId([1; 16]);
const NORTH: SiteId = SiteId([3; 16]);
const PARTITION: Partition = Partition(0);

fn scope() -> Scope {
    Scope::Bucket(BucketName::try_from("bucket".to_owned()).unwrap())
}

fn entity(number: u64) -> EntityHash {
    EntityHash(Digest::of(&number.to_be_bytes()))
}

/// What the source wrote at a seq; deleted, if it says so.
fn written(number: u64, seq: u64, deleted: bool) -> Leaf {
    Leaf {
        entity: entity(number),
        version: Version { hlc: Hlc(seq * 10), site: EAST },
        content: if deleted { Digest::ZERO } else { Digest::of(&seq.to_be_bytes()) },
        deleted,
        position: Position { site: EAST, epoch: Epoch(1), partition: PARTITION, seq: Seq(seq) },
        attributes: None,
    }
}

fn cut(seq: u64, trimmed: u64) -> Cut {
    Cut {
        site: EAST,
        epoch: Epoch(1),
        written: [(PARTITION, Seq(seq))].into(),
        trimmed: [(PARTITION, Seq(trimmed))].into(),
    }
}

/// Two sites, and what a run between them took.
struct World {
    source: MemoryView,
    here: MemoryView,
    cut: Cut,
    trimmed_here: BTreeMap<Partition, Seq>,
    limits: WalkLimits,
    took: Took,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Took {
    /// Requests for nodes that crossed the link.
    requests: usize,
    /// How often something waited for the link, with everything under way answered at once.
    rounds: usize,
    bytes: usize,
    found: usize,
    in_hand_most: usize,
}

impl World {
    fn new(cut: Cut) -> Self {
        Self {
            source: MemoryView::default(),
            here: MemoryView::default(),
            trimmed_here: cut.trimmed.clone(),
            cut,
            limits: WalkLimits::default(),
            took: Took::default(),
        }
    }

    fn run(&mut self) -> Took {
        self.took = Took::default();
        let mut walker = Walker::new(self.limits, self.cut.clone(), self.trimmed_here.clone());
        let root = |view: &MemoryView| {
            view.roots().unwrap().get(&scope()).copied().unwrap_or(Summary::EMPTY)
        };
        let begin = vec![(scope(), root(&self.source), root(&self.here))];
        let mut effects = walker.step(Input::Begin(begin));
        let mut compared = (0, 0);
        while !effects.contains(&Effect::Done) {
            let before = self.took.requests;
            let mut inputs = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Look { id, places } => inputs.push(self.look(id, &places)),
                    Effect::Mend { id, found } => {
                        self.mend(found);
                        inputs.push(Input::Mended { id });
                    }
                    Effect::Count { compared: more, differ } => {
                        compared = (compared.0 + more, compared.1 + differ);
                    }
                    Effect::Done => {}
                }
            }
            self.took.rounds += usize::from(self.took.requests > before);
            let each = inputs.into_iter().map(|input| {
                let effects = walker.step(input);
                self.took.in_hand_most = self.took.in_hand_most.max(walker.in_hand());
                effects
            });
            effects = each.collect::<Vec<_>>().concat();
        }
        for effect in effects {
            if let Effect::Count { compared: more, differ } = effect {
                compared = (compared.0 + more, compared.1 + differ);
            }
        }
        assert_eq!(compared.1, self.took.found as u64);
        self.took
    }

    fn look(&mut self, id: u64, places: &[Place]) -> Input {
        let home = Home { site: EAST, epoch: Epoch(1) };
        let (mut asked, mut answer) = (Vec::new(), BytesMut::new());
        let nodes = places.iter().map(|place| {
            let node = |view: &MemoryView| view.node(&scope(), place.path).unwrap();
            let here = place.here.then(|| node(&self.here));
            let source = place.source.map(|told| {
                let sketch = here.as_ref().map_or(Sketch::NOTHING, Sketch::of);
                let rest = Rest::of(node(&self.source), &sketch);
                rest_frame(&mut answer, home, &rest);
                asked.push((scope(), Sketched { path: place.path, here: sketch }));
                let node = match &here {
                    Some(here) => rest.onto(here, &told),
                    None => rest.whole(),
                };
                node.expect("it adds up")
            });
            (source, here)
        });
        let nodes = nodes.collect();
        let asked = Asked::new(0, asked);
        if asked.count() > 0 {
            self.took.requests += 1;
            self.took.bytes += asked.to_bytes().len() + answer.len();
        }
        Input::Looked { id, nodes, took: Duration::ZERO }
    }

    fn mend(&mut self, found: Vec<Found>) {
        self.took.found += found.len();
        for Found { verdict, source, here, .. } in found {
            let entity = source.or(here).unwrap().entity;
            match (verdict, source) {
                (Verdict::Behind | Verdict::Attributes | Verdict::Foreign, Some(leaf)) => {
                    self.here.put(scope(), leaf, Vec::new());
                }
                (Verdict::Deleted | Verdict::Foreign, None) => self.here.remove(&scope(), entity),
                other => panic!("nothing to mend: {other:?}"),
            }
        }
    }

    /// A history of the source, cut and trimmed; and here what a careless hand made of it.
    fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let entities = 1 << rng.random_range(0..12);
        let events = rng.random_range(1..=2 * entities);
        let history: Vec<_> = (1..=events)
            .map(|seq| written(rng.random_range(0..entities), seq, rng.random_ratio(1, 4)))
            .collect();
        let at = rng.random_range(0..=events);
        let mut world = Self::new(cut(at, rng.random_range(0..=at)));
        let trimmed = world.cut.trimmed[&PARTITION];
        let here_trimmed = Seq(rng.random_range(0..=events));
        world.trimmed_here = [(PARTITION, here_trimmed.max(trimmed))].into();
        let careless = rng.random_range(0..3);
        for leaf in &history {
            let gone = |trimmed: Seq| leaf.deleted && leaf.position.seq <= trimmed;
            let place = |view: &mut MemoryView, trimmed| {
                if gone(trimmed) {
                    view.remove(&scope(), leaf.entity);
                } else {
                    view.put(scope(), *leaf, Vec::new());
                }
            };
            if leaf.position.seq.0 <= at {
                place(&mut world.source, trimmed);
            }
            // Lost here and there, if anything is.
            if careless == 0 || rng.random_ratio(19, 20) {
                let trimmed = world.trimmed_here[&PARTITION];
                place(&mut world.here, trimmed);
            }
        }
        for _ in 0..careless * rng.random_range(0..=entities) {
            let forged = written(rng.random_range(0..2 * entities), rng.random_range(1..99), false);
            let mut forged = Leaf { content: Digest::of(b"forged"), ..forged };
            if rng.random() {
                // Of a third site: the newer one stays.
                forged.version.site = NORTH;
                forged.position.site = NORTH;
            }
            world.here.put(scope(), forged, Vec::new());
        }
        world
    }

    /// What must be here after a run, entity by entity.
    fn expected(&self) -> BTreeMap<EntityHash, Leaf> {
        let of = |view: &MemoryView| -> BTreeMap<_, _> {
            view.leaves(&scope()).into_iter().map(|leaf| (leaf.entity, leaf)).collect()
        };
        let (source, here) = (of(&self.source), of(&self.here));
        let trimmed = self.trimmed_here[&PARTITION];
        let above = trimmed > self.cut.written[&PARTITION];
        let entities: BTreeSet<_> = source.keys().chain(here.keys()).collect();
        let merged = entities.into_iter().filter_map(|entity| {
            let (source, here) = (source.get(entity), here.get(entity));
            let state = |leaf: &Leaf| State { version: leaf.version, content: leaf.content };
            let kept = match (source, here) {
                (Some(source), None) => {
                    let gone = above || source.deleted && source.position.seq <= trimmed;
                    (!gone).then_some(source)
                }
                // The source knows best what it wrote itself.
                (source, Some(here)) if self.cut.covers(here.position) => source,
                (Some(source), Some(here)) => match decide(Some(state(here)), state(source)) {
                    Decision::Replace | Decision::Conflict { .. } => Some(source),
                    Decision::Stale | Decision::Duplicate => Some(here),
                },
                (None, here) => here,
            };
            kept.map(|leaf| (*entity, *leaf))
        });
        merged.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn law_9_after_one_run_both_are_what_merging_them_gives(seed in any::<u64>()) {
        let mut world = World::random(seed);
        let expected: Vec<_> = world.expected().into_values().collect();
        // In hand at most a few branches: the same comes of it.
        if seed % 2 == 0 {
            world.limits = WalkLimits { budget: 64, paths: (1, 4), found: 3, ..world.limits };
        }
        world.run();
        let sort = |leaves: Vec<Leaf>| -> Vec<Digest> { leaves.iter().map(Leaf::digest).collect() };
        assert_eq!(sort(world.here.leaves(&scope())), sort(expected), "seed {seed}");
        assert_eq!(world.run().found, 0, "a second run finds nothing, seed {seed}");
    }
}

/// Two equal sites with so many objects.
fn equal(objects: u64) -> World {
    let mut world = World::new(cut(objects, 0));
    for number in 0..objects {
        world.source.put(scope(), written(number, number + 1, false), Vec::new());
    }
    world.here = world.source.clone();
    world
}

#[test]
fn equal_sites_ask_for_no_node() {
    assert_eq!(equal(1_000).run(), Took::default());
    assert_eq!(equal(0).run(), Took::default());
}

/// Depth of the tree of 50,000 leaves: 16 to the power of 3 branches hold 12 each.
const OBJECTS: u64 = 50_000;
const DEPTH: usize = 4;

#[test]
fn bytes_follow_what_differs_and_round_trips_the_depth() {
    let mut world = equal(OBJECTS);
    for differences in [1_usize, 10, 100] {
        for number in 0..differences as u64 {
            world.here.remove(&scope(), entity(number * 97));
        }
        let took = world.run();
        assert_eq!((took.found, took.rounds, took.requests), (differences, DEPTH, DEPTH));
        // Three nodes of which 16 branches are sketched and one is another, and of some 12 leaves too.
        let bound = differences * (3 * (16 * 4 + 48) + 32 * 4 + 90) + 600;
        assert!(took.bytes < bound, "{took:?}, at most {bound}");
    }
}

#[test]
fn a_hundred_of_a_hundred_thousand_are_found_with_few_bytes() {
    let mut world = equal(100_000);
    for number in 0..100 {
        world.here.remove(&scope(), entity(number * 970));
    }
    let took = world.run();
    // One branch of twenty is split once more.
    assert_eq!((took.found, took.rounds), (100, 5));
    assert!(took.bytes < 36_000, "{took:?}");
}

#[test]
fn ten_thousand_differences_take_no_more_rounds_than_one() {
    let mut world = equal(OBJECTS);
    for number in 0..10_000 {
        world.here.remove(&scope(), entity(number * 5));
    }
    let took = world.run();
    // The last level does not fit into one request, and its second part waits for room.
    assert_eq!((took.found, took.rounds), (10_000, DEPTH + 1), "{took:?}");
    assert!(took.requests <= 12, "{took:?}");
}

#[test]
fn memory_is_bounded_however_much_differs() {
    let mut world = equal(OBJECTS);
    world.here = MemoryView::default();
    world.limits.budget = 8_192;
    let took = world.run();
    assert_eq!(took.found as u64, OBJECTS);
    assert!(took.in_hand_most <= 2 * world.limits.budget, "{took:?}");
}

#[test]
fn a_few_leaves_against_many_ask_for_nothing_that_is_in_hand() {
    // The source has a handful: nothing but that is asked for, however much is here.
    let mut world = equal(20_000);
    world.source = MemoryView::default();
    for number in 0..20 {
        world.source.put(scope(), written(number, number + 1, false), Vec::new());
    }
    let took = world.run();
    assert_eq!((took.found, took.requests), (19_980, 1));
    assert!(took.bytes < 2_000, "{took:?}");
    // A handful is here: the branches that hold only these are not asked for.
    let mut world = equal(20_000);
    world.here = MemoryView::default();
    for number in 0..20 {
        world.here.put(scope(), written(number, number + 1, false), Vec::new());
    }
    assert_eq!(world.run().found, 19_980);
}

#[test]
fn slow_links_get_smaller_requests_and_quick_ones_larger() {
    let mut walker = Walker::new(WalkLimits::default(), cut(0, 0), BTreeMap::new());
    walker.adapt(PATHS_FIRST, Duration::ZERO);
    assert_eq!(walker.size, 2 * PATHS_FIRST);
    walker.adapt(10, Duration::ZERO);
    assert_eq!(walker.size, 2 * PATHS_FIRST, "a small one says nothing of large ones");
    walker.adapt(2 * PATHS_FIRST, LOOK_TARGET * 2);
    assert_eq!(walker.size, PATHS_FIRST);
    for _ in 0..20 {
        walker.adapt(walker.size, LOOK_TARGET * 2);
    }
    assert_eq!(walker.size, walker.limits.paths.0);
}
