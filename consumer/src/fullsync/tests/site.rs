//! Sites in memory, and a pair of them with a link between.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bus::wire::{
    SiteInfo,
    tree::{Building, End},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use model::{
    Attributes, Bucket, BucketName, Change, Content, Digest, ETag, Entity, EntityHash, Epoch,
    Event, Hlc, Line, Manifest, Millis, ObjectKey, Partition, PartitionCount, Parts as UploadParts,
    Position, Register, RequestId, Seq, SiteId, SiteName, Slot, SlotName, User, UserId, Version,
    progress::Handled,
    tree::{
        Cut, Leaf, LeafAttributes, MemoryView, Node, Path, Scope, Sketch, Span, Summary, TreeError,
        View,
    },
};
use ops::{
    Metrics, certs,
    link::{LinkClient, LinkServer, full},
    tls::{LinkTls, PemFile, PemPair},
};
use producer::{FetchService, Heard, PinError, Pinned, TreeSource, Trees};
use schemas::{Codec, Keys};
use store::Store;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    fullsync::{
        Fix, Here, HereError, HereView, Options, Parts, Progress, Report, Request, RunError,
        Throttle, Told, Urgent, Verified, run,
    },
    origin::Origin,
};

const EPOCH: Epoch = Epoch(3);
const PARTITION: Partition = Partition(0);

pub(super) fn bucket() -> BucketName {
    BucketName::try_from("bucket".to_owned()).unwrap()
}

pub(super) fn object(number: u64) -> String {
    format!("object-{number}")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::try_from(name.to_owned()).unwrap()
}

type OnView = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    view: MemoryView,
    log: Vec<Event>,
    handled: u64,
    proved: u64,
    quarantined: usize,
    trimmed: u64,
    /// Lines of an epoch that has ended, and up to where they are proved.
    past: BTreeMap<Line, Seq>,
    /// Parts of its trees that were worked out, by where they began; and who is rotten in them.
    verified: Vec<Option<String>>,
    rotten: Vec<(Scope, EntityHash)>,
    /// Records that have their leaves, while the trees are not built.
    building: Option<Vec<u64>>,
    views: usize,
    on_view: Option<OnView>,
    /// Counts in its branches, and is not among their leaves.
    hidden: Option<EntityHash>,
}

/// A site of one partition.
pub(super) struct MemorySite {
    site: SiteId,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// The line of the site that others follow.
fn origin() -> Line {
    MemorySite::new([1; 16]).line()
}

fn scope_of(change: &Change) -> Scope {
    match change {
        Change::ObjectPut { bucket, .. }
        | Change::ObjectDeleted { bucket, .. }
        | Change::MarkerPut { bucket, .. }
        | Change::VersionRemoved { bucket, .. }
        | Change::Attributes { bucket, .. } => Scope::Bucket(bucket.clone()),
        _ => Scope::Entities,
    }
}

fn leaf_of(event: &Event) -> Leaf {
    let content = match &event.change {
        Change::ObjectPut { manifest, .. } => manifest.digest(),
        Change::BucketPut { state, .. } => Digest::of(&state.birth.to_bytes()),
        Change::UserPut { state, .. } => Digest::of(state.name.as_bytes()),
        _ => Digest::ZERO,
    };
    Leaf {
        entity: event.change.entity().hash(),
        version: event.version,
        content,
        deleted: content == Digest::ZERO,
        position: event.position,
        attributes: None,
    }
}

fn put_of(name: &str, body: &str) -> Change {
    let manifest = Manifest {
        size: body.len() as u64,
        etag: ETag(body.to_owned()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: UploadParts::Whole,
        content: Content::Inline(Bytes::copy_from_slice(body.as_bytes())),
        encryption: None,
    };
    let manifest = Box::new(manifest);
    let (bucket, key, slot, birth) = (bucket(), key(name), Slot::Null, Version::NONE);
    Change::ObjectPut { bucket, key, slot, birth, manifest }
}

impl MemorySite {
    pub(super) fn new(site: [u8; 16]) -> Self {
        Self { site: SiteId(site), state: Mutex::default(), changed: watch::channel(0).0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn place(state: &mut State, event: Event) {
        if let Change::Attributes { of, .. } = event.change {
            return Self::merge(state, of, event);
        }
        let (scope, leaf) = (scope_of(&event.change), leaf_of(&event));
        let held = state.view.leaf(&scope, leaf.entity).unwrap();
        if held.is_none_or(|held| held.version < leaf.version) {
            state.view.put(scope, leaf, vec![event]);
        }
    }

    fn merge(state: &mut State, of: Version, event: Event) {
        let (scope, entity) = (scope_of(&event.change), event.change.entity().hash());
        let Some(mut leaf) = state.view.leaf(&scope, entity).unwrap() else { return };
        let mut events = state.view.change(&scope, entity).unwrap();
        let Change::Attributes { attributes, .. } = &event.change else { return };
        if leaf.version != of {
            return;
        }
        match events.last_mut() {
            Some(Event {
                position, change: Change::Attributes { attributes: held, .. }, ..
            }) => {
                held.merge(attributes);
                *position = event.position.max(*position);
            }
            _ => events.push(event),
        }
        let Some(Event { position, change: Change::Attributes { attributes, .. }, .. }) =
            events.last()
        else {
            return;
        };
        leaf.attributes = Some(LeafAttributes { digest: attributes.digest(), position: *position });
        state.view.put(scope, leaf, events);
    }

    fn write(&self, change: Change) {
        let mut state = self.state();
        let event = self.event(state.log.len() as u64 + 1, change);
        state.log.push(event.clone());
        Self::place(&mut state, event);
    }

    fn event(&self, seq: u64, change: Change) -> Event {
        Event {
            position: self.line().at(Seq(seq)),
            version: Version { hlc: Hlc(seq * 10), site: self.site },
            prev: Digest::ZERO,
            volume: 0,
            request: RequestId::NONE,
            change,
        }
    }

    fn line(&self) -> Line {
        Line { site: self.site, epoch: EPOCH, partition: PARTITION }
    }

    pub(super) fn create_bucket(&self) {
        let owner = UserId::try_from("root".to_owned()).unwrap();
        let state = Bucket { birth: Version::NONE, owner };
        self.write(Change::BucketPut { bucket: bucket(), state });
    }

    pub(super) fn put(&self, name: &str, body: &str) {
        self.write(put_of(name, body));
    }

    pub(super) fn delete(&self, name: &str) {
        let (bucket, key) = (bucket(), key(name));
        self.write(Change::ObjectDeleted { bucket, key, birth: Version::NONE });
    }

    /// Takes over what the other has written since, as real time does.
    pub(super) fn follow(&self, other: &Self) {
        let mut state = self.state();
        let log = other.state().log.clone();
        let from = usize::try_from(state.handled).unwrap();
        log[from..].iter().for_each(|event| Self::place(&mut state, event.clone()));
        state.handled = log.len() as u64;
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Sets one attribute; its event carries all of them.
    pub(super) fn tag(&self, name: &str, tag: &str) {
        let entity = put_of(name, "").entity().hash();
        let (held, version) = {
            let state = self.state();
            let version = Version { hlc: Hlc(state.log.len() as u64 * 10 + 10), site: self.site };
            (state.view.change(&Self::object_scope(), entity).unwrap(), version)
        };
        let mut attributes = match &held.last().unwrap().change {
            Change::Attributes { attributes, .. } => attributes.clone(),
            _ => Attributes::default(),
        };
        let register = Register { version, value: Bytes::new() };
        attributes.0.insert(tag.to_owned(), register);
        let (bucket, key, of) = (bucket(), key(name), held[0].version);
        self.write(Change::Attributes { bucket, key, of, attributes });
    }

    /// Takes the attributes of an object away, as a lost row would.
    pub(super) fn untag(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        let (mut state, scope) = (self.state(), Self::object_scope());
        let leaf = state.view.leaf(&scope, entity).unwrap().unwrap();
        let put = state.view.change(&scope, entity).unwrap().remove(0);
        state.view.put(scope, Leaf { attributes: None, ..leaf }, vec![put]);
    }

    fn object_scope() -> Scope {
        Scope::Bucket(bucket())
    }

    pub(super) fn lose(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        self.state().view.remove(&Self::object_scope(), entity);
    }

    /// Its branches still say that it is there.
    pub(super) fn hide(&self, name: &str) {
        self.state().hidden = Some(put_of(name, "").entity().hash());
    }

    /// Two bodies of the next object to be written whose leaves are alike in a sketch.
    pub(super) fn alike(&self, name: &str) -> [String; 2] {
        let seq = self.state().log.len() as u64 + 1;
        let mut seen = HashMap::new();
        let found = (0_u64..).find_map(|number| {
            let event = self.event(seq, put_of(name, &number.to_string()));
            let Sketch::Leaves(stubs) = Sketch::of(&Node::Leaves(vec![leaf_of(&event)])) else {
                return None;
            };
            Some([number, seen.insert(stubs[0], number)?])
        });
        found.unwrap().map(|number| number.to_string())
    }

    /// An object that says it is the origin's and never was.
    pub(super) fn forge(&self, name: &str, seq: u64) {
        let position = origin().at(Seq(seq));
        let version = Version { hlc: Hlc(7), site: position.site };
        self.force(position, version, put_of(name, "forged"));
    }

    /// Other content under the same version.
    pub(super) fn spoil(&self, name: &str) {
        self.spoil_with(name, "spoilt");
    }

    pub(super) fn spoil_with(&self, name: &str, body: &str) {
        let change = put_of(name, body);
        let held = self.state().view.leaf(&Self::object_scope(), change.entity().hash());
        let held = held.unwrap().unwrap();
        self.force(held.position, held.version, change);
    }

    fn force(&self, position: Position, version: Version, change: Change) {
        let (prev, request) = (Digest::ZERO, RequestId::NONE);
        let event = Event { position, version, prev, volume: 0, request, change };
        self.state().view.put(Self::object_scope(), leaf_of(&event), vec![event]);
    }

    /// The tombstone is trimmed: everything up to it is.
    pub(super) fn trim_tombstone(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        let mut state = self.state();
        let leaf = state.view.leaf(&Self::object_scope(), entity).unwrap().unwrap();
        assert!(leaf.deleted);
        state.view.remove(&Self::object_scope(), entity);
        state.trimmed = leaf.position.seq.0;
    }

    /// What happens between the cut and the view here, once.
    pub(super) fn on_view(
        self: &Arc<Self>,
        other: &Arc<Self>,
        then: impl FnOnce(&Self, &Self) + Send + 'static,
    ) {
        let (east, west) = (Arc::clone(other), Arc::clone(self));
        let mut state = self.state();
        state.views = 0;
        state.on_view = Some(Box::new(move || then(&east, &west)));
    }

    pub(super) fn view(&self) -> MemoryView {
        self.state().view.clone()
    }

    pub(super) fn roots(&self) -> BTreeMap<Scope, Summary> {
        self.view().roots().unwrap()
    }

    pub(super) fn cut(&self) -> Cut {
        let state = self.state();
        Cut {
            site: self.site,
            epoch: EPOCH,
            written: [(PARTITION, Seq(state.log.len() as u64))].into(),
            trimmed: [(PARTITION, Seq(state.trimmed))].into(),
        }
    }

    pub(super) fn live(&self) -> usize {
        let view = self.view();
        let scopes = [Scope::Entities, Self::object_scope()];
        let leaves = scopes.iter().flat_map(|scope| view.leaves(scope));
        leaves.filter(|leaf| !leaf.deleted).count()
    }

    pub(super) fn written(&self) -> u64 {
        self.state().log.len() as u64
    }

    pub(super) fn handled(&self) -> u64 {
        self.state().handled
    }

    pub(super) fn proved(&self) -> u64 {
        self.state().proved
    }

    /// Tombstones up to there are gone here.
    pub(super) fn trim_here(&self, seq: u64) {
        self.state().trimmed = seq;
    }

    /// It has followed the origin through an epoch that has ended since.
    pub(super) fn follow_past(&self, epoch: u64) -> Line {
        let line = Line { epoch: Epoch(epoch), ..Self::new([1; 16]).line() };
        self.state().past.insert(line, Seq::NONE);
        line
    }

    pub(super) fn proved_past(&self, line: Line) -> Seq {
        self.state().past[&line]
    }

    /// An object of an epoch that has ended.
    pub(super) fn put_past(&self, name: &str, epoch: u64, seq: u64) {
        let line = Line { epoch: Epoch(epoch), ..Self::new([1; 16]).line() };
        let version = Version { hlc: Hlc(seq), site: line.site };
        self.force(line.at(Seq(seq)), version, put_of(name, "of before"));
    }

    /// A bucket, and the user who owns it.
    pub(super) fn create_owned(&self, owner: &str) {
        self.create_user(owner);
        let owner = UserId::try_from(owner.to_owned()).unwrap();
        let state = Bucket { birth: Version::NONE, owner };
        self.write(Change::BucketPut { bucket: bucket(), state });
    }

    pub(super) fn create_user(&self, user: &str) {
        let state = User { name: user.to_owned(), enabled: true, keys: Vec::new() };
        let user = UserId::try_from(user.to_owned()).unwrap();
        self.write(Change::UserPut { user, state });
    }

    pub(super) fn lose_entity(&self, entity: &Entity) {
        self.state().view.remove(&Scope::Entities, entity.hash());
    }

    /// A record that cannot be read: working its trees out finds it, and sets it aside.
    pub(super) fn rot(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        self.state().rotten.push((Self::object_scope(), entity));
    }

    /// Where the parts of its trees began that were worked out.
    pub(super) fn verified(&self) -> Vec<Option<String>> {
        self.state().verified.clone()
    }

    /// Its trees are being built, and so far at each of the next questions.
    pub(super) fn build(&self, done: impl IntoIterator<Item = u64>) {
        let mut done: Vec<u64> = done.into_iter().collect();
        done.reverse();
        self.state().building = Some(done);
    }

    /// Up to where this site knows that tombstones are gone.
    pub(super) fn floor(&self) -> u64 {
        self.state().trimmed
    }

    pub(super) fn quarantined(&self) -> usize {
        self.state().quarantined
    }
}

#[async_trait]
impl TreeSource for MemorySite {
    async fn pin(&self) -> Result<Pinned, PinError> {
        let mut state = self.state();
        if let Some(done) = state.building.as_mut().and_then(Vec::pop) {
            return Err(PinError::Building(Building { done, of: 100 }));
        }
        let end = End {
            partition: PARTITION,
            seq: Seq(state.log.len() as u64),
            digest: Digest::ZERO,
            volume: 0,
            time: Millis(0),
            trimmed: Seq(state.trimmed),
            history: Seq(state.trimmed),
        };
        let view: Arc<dyn View> = match state.hidden {
            Some(hidden) => Arc::new(Hiding { view: state.view.clone(), hidden }),
            None => Arc::new(state.view.clone()),
        };
        Ok(Pinned { view, ends: vec![end] })
    }
}

#[async_trait]
impl Here for MemorySite {
    fn site(&self) -> SiteId {
        self.site
    }

    fn now(&self) -> Millis {
        Millis(7)
    }

    fn lines(&self) -> BTreeMap<Line, Handled> {
        let handled = self.state().handled;
        let known =
            (handled > 0).then_some((origin(), Handled { seq: Seq(handled), ..Handled::START }));
        let past = self.state().past.clone().into_keys();
        let past = past.map(|line| (line, Handled { seq: Seq(9), ..Handled::START }));
        known.into_iter().chain(past).collect()
    }

    fn lines_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn view(&self) -> Result<HereView, HereError> {
        let then = {
            let mut state = self.state();
            state.views += 1;
            // The first is for the guard, the second is what is compared.
            if state.views == 2 { state.on_view.take() } else { None }
        };
        if let Some(then) = then {
            then();
        }
        let state = self.state();
        let trimmed = (state.trimmed > 0).then_some((origin(), Seq(state.trimmed)));
        let trimmed = trimmed.into_iter().collect();
        Ok(HereView { view: Arc::new(state.view.clone()), trimmed })
    }

    /// In three parts; what is rotten is in the first.
    async fn verify(&self, from: Option<String>, dry_run: bool) -> Result<Verified, HereError> {
        let mut state = self.state();
        state.verified.push(from.clone());
        let next = match from.as_deref() {
            None => Some("two".to_owned()),
            Some("two") => Some("three".to_owned()),
            Some(_) => None,
        };
        let rotten = if dry_run { Vec::new() } else { std::mem::take(&mut state.rotten) };
        for (scope, entity) in &rotten {
            state.view.remove(scope, *entity);
            state.quarantined += 1;
        }
        Ok(Verified { next, differ: rotten.len() as u64, rotten })
    }

    async fn take(&self, fixes: Vec<Fix>) -> Result<(), HereError> {
        let mut state = self.state();
        for fix in fixes {
            let still = |state: &State, scope: &Scope, leaf: &Leaf| {
                state.view.leaf(scope, leaf.entity).unwrap().map(|held| held.version)
                    == Some(leaf.version)
            };
            match fix {
                Fix::Repair { event, cut } => {
                    assert!(event.position <= cut);
                    Self::place(&mut state, *event);
                }
                Fix::Remove { scope, leaf } => {
                    assert!(still(&state, &scope, &leaf));
                    state.view.remove(&scope, leaf.entity);
                }
                Fix::Quarantine { scope, leaf } => {
                    assert!(still(&state, &scope, &leaf));
                    state.view.remove(&scope, leaf.entity);
                    state.quarantined += 1;
                }
                Fix::Prove { line, up_to } if line.epoch < EPOCH => {
                    state.past.insert(line, up_to);
                }
                Fix::Prove { up_to, .. } => state.proved = up_to.0,
                Fix::Trimmed { up_to, .. } if state.handled >= up_to.0 => state.trimmed = up_to.0,
                Fix::Trimmed { .. } => {}
                Fix::Handle { handled, .. } => state.handled = handled.seq.0,
            }
        }
        Ok(())
    }
}

/// A tree that does not say what it holds.
struct Hiding {
    view: MemoryView,
    hidden: EntityHash,
}

impl View for Hiding {
    fn roots(&self) -> Result<BTreeMap<Scope, Summary>, TreeError> {
        self.view.roots()
    }

    fn node(&self, scope: &Scope, path: Path) -> Result<Node, TreeError> {
        let mut node = self.view.node(scope, path)?;
        if let Node::Leaves(leaves) = &mut node {
            leaves.retain(|leaf| leaf.entity != self.hidden);
        }
        Ok(node)
    }

    fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, TreeError> {
        self.view.leaf(scope, entity)
    }

    fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, TreeError> {
        self.view.change(scope, entity)
    }

    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, TreeError> {
        self.view.keys(span, limit)
    }
}

/// Answers that are not given: one of so many, if it is set.
#[derive(Default)]
pub(super) struct Faults {
    every: AtomicUsize,
    asked: AtomicUsize,
    seen: AtomicUsize,
}

impl Faults {
    pub(super) fn set(&self, every: usize) {
        self.every.store(every, Ordering::SeqCst);
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// What is said instead of an answer, if anything.
    fn instead(&self) -> Option<StatusCode> {
        let every = self.every.load(Ordering::SeqCst);
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        // Without a rhythm, in which requests could fall into step with it; the same in every run.
        let draw = usize::from(Digest::of(&asked.to_be_bytes()).0[0]);
        if every == 0 || !draw.is_multiple_of(every) {
            return None;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let codes = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GONE, StatusCode::BAD_GATEWAY];
        Some(codes[seen % 3])
    }
}

/// Two sites and a link; `west` follows `east`.
pub(super) struct Pair {
    pub(super) east: Arc<MemorySite>,
    pub(super) west: Arc<MemorySite>,
    pub(super) metrics: Metrics,
    pub(super) faults: Arc<Faults>,
    origin: Origin,
    _home: tempfile::TempDir,
    _serving: DropGuard,
}

/// What a first run tells, and its progress.
pub(super) fn told() -> (Told, watch::Receiver<Progress>) {
    let (progress, seen) = watch::channel(Progress::default());
    (Told { progress, checkpoint: watch::channel(Bytes::new()).0 }, seen)
}

pub(super) fn name(name: &str) -> SiteName {
    SiteName::try_from(name.to_owned()).unwrap()
}

pub(super) fn codec() -> Codec {
    Codec::new(Keys::parse(&format!("main:{}", "11".repeat(32)), "test").unwrap())
}

pub(super) fn tls(home: &std::path::Path, site: &str) -> watch::Receiver<LinkTls> {
    let pair = (home.join(format!("{site}.pem")), home.join(format!("{site}.key")));
    let pair = PemPair::read(("link.cert", &pair.0), ("link.key", &pair.1)).unwrap();
    let ca = PemFile::read("link.ca", &home.join("ca.pem")).unwrap();
    watch::channel(LinkTls::new(&ca, &pair, &[name("east"), name("west")]).unwrap()).1
}

impl Pair {
    pub(super) async fn new() -> Self {
        Self::with_store(None).await
    }

    /// With a store behind the origin, for its blocks.
    pub(super) async fn with_store(store: Option<Store>) -> Self {
        let home = tempfile::tempdir().unwrap();
        certs::make(home.path(), &[name("east"), name("west")]).unwrap();
        let (east, west) = (MemorySite::new([1; 16]), MemorySite::new([2; 16]));
        let (east, west) = (Arc::new(east), Arc::new(west));
        let info = SiteInfo {
            site: east.site,
            name: name("east"),
            epoch: EPOCH,
            past_epochs: vec![],
            partitions: PartitionCount::new(1).unwrap(),
        };
        let source: Arc<dyn TreeSource> = Arc::<MemorySite>::clone(&east);
        let trees = Trees::new(source, info, codec(), Metrics::new());
        let faults = Arc::new(Faults::default());
        let server = LinkServer::bind(([127, 0, 0, 1], 0).into(), tls(home.path(), "east"));
        let server = server.await.unwrap();
        let address = server.address().unwrap().to_string();
        let cancelled = CancellationToken::new();
        let failing = Arc::clone(&faults);
        let service = store.map(|store| {
            FetchService::new(store, codec(), Metrics::new(), Heard::new(Millis(0)))
                .with_trees(trees.clone())
        });
        let answer = move |peer, request| {
            let (trees, failing) = (trees.clone(), Arc::clone(&failing));
            let service = service.clone();
            async move {
                let Some(status) = failing.instead() else {
                    return match service {
                        Some(service) => service.answer(peer, request).await,
                        None => trees.answer(peer, request).await,
                    };
                };
                let mut response = Response::new(full("a fault"));
                *response.status_mut() = status;
                response
            }
        };
        tokio::spawn(server.serve(answer, cancelled.clone()));
        let client = LinkClient::new(name("east"), address, tls(home.path(), "west"));
        Self {
            east,
            west,
            metrics: Metrics::new(),
            faults,
            origin: Origin::new(client),
            _home: home,
            _serving: cancelled.drop_guard(),
        }
    }

    pub(super) fn parts(&self, options: Options) -> Parts {
        let here: Arc<dyn Here> = Arc::<MemorySite>::clone(&self.west);
        Parts {
            here,
            origin: self.origin.clone(),
            codec: codec(),
            metrics: self.metrics.clone(),
            blocks: None,
            throttle: Throttle::new(4, None, Urgent::default()),
            scrub: Throttle::new(4, None, Urgent::default()),
            options,
            without: Arc::default(),
        }
    }

    /// A run without real time.
    pub(super) async fn run(&self, request: &Request) -> Result<Report, RunError> {
        self.run_with(request, Options { realtime: false, ..Options::default() }).await
    }

    pub(super) async fn run_with(
        &self,
        request: &Request,
        options: Options,
    ) -> Result<Report, RunError> {
        let (told, seen) = told();
        let report = run(&self.parts(options), request, &told, &CancellationToken::new()).await?;
        assert_eq!(*seen.borrow(), report.progress);
        Ok(report)
    }
}
