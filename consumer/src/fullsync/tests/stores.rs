//! Two real stores with a link between: what clients do at one, what of it comes to the other, and
//! what a full sync between them does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::wire::{Acks, Registration};
use bytes::Bytes;
use model::{
    BucketName, Content, ETag, Heartbeat, Line, Manifest, Millis, ObjectKey, PartitionCount,
    Parts as UploadParts, Position, SiteId, Usage, User, UserId, Version,
    tree::{Leaf, Node, Path, Scope, Summary},
};
use ops::{
    ManualClock, Metrics, certs,
    link::{LinkClient, LinkServer},
};
use producer::{FetchService, Heard};
use store::{
    Caller, Condition, Embedded, Engine, Memory, Options as StoreOptions, PutObject, Sizes, Store,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::site::{codec, name, tls, told};
use crate::{
    acks::claims,
    applier::{Applier, Limits},
    decoded::Decoded,
    fullsync::{Options, Parts, Report, Request, Throttle, Urgent, run},
    modes::Modes,
    origin::Origin,
    refill::{gaps, refill},
};

const LIMITS: Limits = Limits { parked_max: 64, holes_max: 1_024 };

/// What becomes of an event on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Comes,
    /// The log has lost it.
    Lost,
    /// It came, and yet it was not applied.
    Missed,
    /// It is still on its way, with all behind it.
    Late,
}

/// All that clients see of a site.
#[derive(PartialEq, Debug)]
pub(super) struct Shown {
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(super) users: BTreeMap<String, (String, bool)>,
}

/// A site of four partitions, and its link.
pub(super) struct Site {
    pub(super) store: Store,
    pub(super) engine: Arc<dyn Engine>,
    clock: Arc<ManualClock>,
    /// The other site, as this one asks it.
    pub(super) origin: Origin,
    metrics: Metrics,
    _home: tempfile::TempDir,
    _serving: DropGuard,
}

/// Both.
pub(super) struct Sites {
    pub(super) east: Site,
    pub(super) west: Site,
    _certs: tempfile::TempDir,
}

impl Sites {
    /// With records on disk, or in memory, where a disk sync costs nothing; blocks are files.
    pub(super) async fn new(on_disk: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        certs::make(home.path(), &[name("east"), name("west")]).unwrap();
        let listen = async |site| {
            LinkServer::bind(([127, 0, 0, 1], 0).into(), tls(home.path(), site)).await.unwrap()
        };
        let (east, west) = (listen("east").await, listen("west").await);
        let origin = |site: &str, server: &LinkServer, by| {
            let address = server.address().unwrap().to_string();
            Origin::new(LinkClient::new(name(site), address, tls(home.path(), by)))
        };
        let (of_east, of_west) = (origin("east", &east, "west"), origin("west", &west, "east"));
        let east = Site::new(("east", 1, on_disk), east, of_west).await;
        let west = Site::new(("west", 2, on_disk), west, of_east).await;
        Self { east, west, _certs: home }
    }
}

impl Site {
    async fn new(
        (site, id, on_disk): (&str, u8, bool),
        server: LinkServer,
        origin: Origin,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let engine: Arc<dyn Engine> = if on_disk {
            Arc::new(Embedded::open(&home.path().join("engine")).unwrap())
        } else {
            Arc::<Memory>::default()
        };
        let clock = Arc::new(ManualClock::at(Millis(1_000_000)));
        let options = StoreOptions {
            directory: home.path().to_owned(),
            name: name(site),
            partitions: PartitionCount::new(4).unwrap(),
            new_site: SiteId([id; 16]),
            sizes: Sizes { block: 16, inline_max: 12 },
            reserve: 0,
            codec: codec(),
            clock: Arc::<ManualClock>::clone(&clock),
            metrics: Metrics::new(),
        };
        let store = Store::open_on(Arc::clone(&engine), options).await.unwrap();
        let metrics = Metrics::new();
        let heard = Heard::new(Millis(0));
        let service = FetchService::new(store.clone(), codec(), metrics.clone(), heard);
        let cancelled = CancellationToken::new();
        let answer = move |peer, request| {
            let service = service.clone();
            async move { service.answer(peer, request).await }
        };
        tokio::spawn(server.serve(answer, cancelled.clone()));
        let serving = cancelled.drop_guard();
        Self { store, engine, clock, origin, metrics, _home: home, _serving: serving }
    }

    /// Time passes.
    pub(super) fn tick(&self) {
        self.clock.set(Millis(self.store.now().0 + 10));
    }

    pub(super) async fn put(&self, bucket: &BucketName, key: &ObjectKey, body: &[u8]) -> Version {
        let mut upload = self.store.upload();
        upload.write(Bytes::copy_from_slice(body)).await.unwrap();
        let uploaded = upload.finish().await.unwrap();
        let manifest = manifest(body.len(), uploaded.content().clone());
        let (caller, bucket, key) = (Caller::root(), bucket.clone(), key.clone());
        let (condition, attributes) = (Condition::None, BTreeMap::new());
        let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
        self.store.put_object(put).await.unwrap().version
    }

    pub(super) async fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> Option<Version> {
        let object = (bucket.clone(), key.clone());
        let deleted = self.store.delete_object(object, Caller::root(), Condition::None).await;
        deleted.unwrap().map(|deleted| deleted.version)
    }

    fn line(&self, partition: model::Partition) -> Line {
        let identity = self.store.identity();
        Line { site: identity.site, epoch: identity.epoch, partition }
    }

    /// Takes in what the other has written since, as the applier does.
    pub(super) async fn follow(&self, other: &Self, mut fate: impl FnMut() -> Fate) {
        let lines = self.store.lines(|line, progress| (line, progress.clone()));
        let mut applier = Applier::new(LIMITS, lines);
        for partition in other.store.identity().partitions.iter() {
            let line = other.line(partition);
            let handled = self.store.line(line).handled.seq;
            let events = other.store.history(line.epoch, partition, handled, usize::MAX).unwrap();
            let fates = events.into_iter().map(|event| (event, fate()));
            let mut steps = Vec::new();
            for (event, fate) in fates.take_while(|(_, fate)| *fate != Fate::Late) {
                if fate == Fate::Lost {
                    continue;
                }
                let mut decision = applier.event(Decoded::new(&codec(), event));
                if fate == Fate::Missed {
                    decision.steps.retain(|step| !matches!(step, store::Step::Apply(_)));
                }
                steps.extend(decision.steps);
            }
            self.store.apply(steps).await.unwrap();
        }
    }

    /// Hears from the other what it has written, often enough to know that nothing more comes.
    pub(super) async fn hear(&self) {
        let lines = self.store.lines(|line, progress| (line, progress.clone()));
        let mut applier = Applier::new(LIMITS, lines);
        let mut steps = Vec::new();
        for beat in self.origin.heartbeats(&codec()).await.unwrap() {
            for later in [0, 60_000] {
                let time = Millis(beat.time.0 + later);
                steps.extend(applier.heartbeat(&Heartbeat { time, ..beat }).steps);
            }
        }
        self.store.apply(steps).await.unwrap();
    }

    /// Asks the other for what its log has lost.
    pub(super) async fn refill(&self, other: &Self) {
        let modes = Modes::default();
        for hole in gaps(&self.store, other.store.identity().site) {
            refill(&self.store, &self.origin, (&codec(), &modes), hole).await.unwrap();
        }
    }

    /// Registers with the other, and tells it how far this site is.
    pub(super) async fn acknowledge(&self, other: &Self) {
        let site = self.store.identity().site;
        let acks = claims(&self.store, other.store.identity().site);
        let reads = schemas::readable_kinds().map(ToOwned::to_owned).collect();
        let claims = acks.iter().map(|ack| ack.claim).collect();
        self.origin.register(&Registration { site, claims, reads }).await.unwrap();
        self.origin.acknowledge(&Acks { site, acks }).await.unwrap();
    }

    /// Frees all that the fence has passed.
    pub(super) async fn collect(&self) {
        self.tick();
        self.store.collect(Duration::ZERO).await.unwrap();
    }

    /// Brings every block that is wanted here; returns how many the other has freed.
    pub(super) async fn pull(&self, other: &Self) -> usize {
        let mut freed = 0;
        for want in self.store.wants(None, usize::MAX, |_| false).unwrap() {
            match other.store.block(want.block).await.unwrap() {
                Some(bytes) => {
                    self.store.keep_block(want.block.hash, want.kind, bytes).await.unwrap();
                }
                None => freed += 1,
            }
        }
        freed
    }

    /// A full sync of this site with the other.
    pub(super) async fn full_sync(&self, request: &Request, options: Options) -> Report {
        let parts = Parts {
            here: Arc::new(self.store.clone()),
            blocks: Some(self.store.clone()),
            origin: self.origin.clone(),
            codec: codec(),
            metrics: self.metrics.clone(),
            throttle: Throttle::new(4, None, Urgent::default()),
            scrub: Throttle::new(4, None, Urgent::default()),
            options,
            without: Arc::default(),
        };
        let (told, _seen) = told();
        run(&parts, request, &told, &CancellationToken::new()).await.unwrap()
    }

    pub(super) fn roots(&self) -> BTreeMap<Scope, Summary> {
        self.store.tree_view().unwrap().roots().unwrap()
    }

    /// What is counted in each bucket.
    pub(super) fn standing(&self) -> Vec<(BucketName, Usage)> {
        let report = self.store.usage(None, None).unwrap();
        report.buckets.into_iter().map(|bucket| (bucket.name, bucket.usage)).collect()
    }

    /// Every leaf of its trees, in order.
    pub(super) fn leaves(&self) -> Vec<(Scope, Leaf)> {
        let view = self.store.tree_view().unwrap();
        let mut all = Vec::new();
        for scope in self.roots().into_keys() {
            let mut paths = vec![Path::ROOT];
            while let Some(path) = paths.pop() {
                match view.node(&scope, path).unwrap() {
                    Node::Leaves(leaves) => {
                        all.extend(leaves.into_iter().map(|leaf| (scope.clone(), leaf)));
                    }
                    Node::Split(_) => paths.extend((0..16).rev().filter_map(|n| path.branch(n))),
                }
            }
        }
        all
    }

    /// Holes of what it follows, whether blocks or whole events are missing.
    pub(super) fn holes(&self) -> Vec<(Position, model::Hole)> {
        let holes = |line: Line, progress: &store::LineProgress| {
            let holes = progress.holes.values().cloned();
            holes.map(|hole| (line.at(hole.first), hole)).collect::<Vec<_>>()
        };
        self.store.lines(holes).concat()
    }

    /// What clients see; every block must be here.
    pub(super) async fn shown(&self, keys: &[ObjectKey]) -> Shown {
        let mut buckets = BTreeMap::new();
        for (bucket, _) in self.store.buckets().unwrap() {
            let mut objects = BTreeMap::new();
            for key in keys {
                let object = self.store.object(&bucket, key).await.unwrap();
                let Some(object) = object else { continue };
                objects.insert(key.to_string(), self.body(&object.manifest.content).await);
            }
            buckets.insert(bucket.to_string(), objects);
        }
        let users = self.store.users().unwrap().into_iter();
        let users = users.map(|(id, User { name, enabled, .. }): (UserId, User)| {
            (id.as_str().to_owned(), (name, enabled))
        });
        Shown { buckets, users: users.collect() }
    }

    async fn body(&self, content: &Content) -> Vec<u8> {
        let blocks = match content {
            Content::Inline(bytes) => return bytes.to_vec(),
            Content::Blocks(blocks) => blocks,
            Content::Segments(_) => panic!("nothing here is so large"),
        };
        let mut body = Vec::new();
        for block in blocks {
            body.extend_from_slice(&self.store.block(*block).await.unwrap().unwrap());
        }
        body
    }
}

/// Of an object whose other attributes do not matter.
pub(super) fn manifest(size: usize, content: Content) -> Manifest {
    Manifest {
        size: size as u64,
        etag: ETag(size.to_string()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: UploadParts::Whole,
        content,
        encryption: None,
    }
}
