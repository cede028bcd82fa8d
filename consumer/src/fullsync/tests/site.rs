//! A site in memory, which follows another by the rules of the real one.

mod pair;
mod ports;
mod tampering;

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

pub(super) use self::pair::*;
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
        let state =
            User { name: user.to_owned(), enabled: true, keys: Vec::new(), quota: <_>::default() };
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
