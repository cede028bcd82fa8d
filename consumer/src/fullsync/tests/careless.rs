//! What a careless hand does to a secondary: half through the store, so that its tree stays true,
//! and half behind its back.

use bytes::Bytes;
use model::{
    Bucket, BucketName, Change, Content, Digest, Event, Hlc, ObjectKey, Position, RequestId, Slot,
    Version,
    tree::{Leaf, Scope},
};
use rand::{Rng, rngs::StdRng};
use store::{Batch, Step, Table};

use super::stores::{Site, manifest};

/// One way to spoil a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spoil {
    /// As if the events of an entity had been missed.
    Lose,
    /// As if its last event had.
    Age,
    /// An object that the origin never issued.
    Forge,
    /// Behind the store's back: the record is gone.
    Drop,
    /// The same: nobody can read it.
    Rot,
}

impl Spoil {
    pub(super) const ALL: [Self; 5] = [Self::Lose, Self::Age, Self::Forge, Self::Drop, Self::Rot];

    /// Whether only a deep full sync sees it.
    pub(super) fn is_deep(self) -> bool {
        matches!(self, Self::Drop | Self::Rot)
    }
}

/// Does it to something that the draw hits; nothing to a site that holds nothing.
pub(super) async fn spoil(site: &Site, how: Spoil, draw: &mut StdRng) {
    let leaves = site.leaves();
    if leaves.is_empty() {
        return;
    }
    let (scope, leaf) = leaves[draw.random_range(0..leaves.len())].clone();
    match how {
        Spoil::Lose => lose(site, scope, leaf).await,
        Spoil::Age => age(site, scope, leaf).await,
        Spoil::Forge => forge(site, draw).await,
        Spoil::Drop => write(site, &scope, &leaf, None),
        Spoil::Rot => write(site, &scope, &leaf, Some(Bytes::from_static(&[1, 0xff]))),
    }
}

async fn lose(site: &Site, scope: Scope, leaf: Leaf) {
    site.store.apply(vec![Step::Remove { scope, leaf }]).await.unwrap();
}

async fn age(site: &Site, scope: Scope, leaf: Leaf) {
    let Scope::Bucket(bucket) = &scope else { return };
    let Some(event) = event(site, &scope, &leaf) else { return };
    let (Change::ObjectPut { key, birth, .. } | Change::ObjectDeleted { key, birth, .. }) =
        event.change
    else {
        return;
    };
    let before = Version { hlc: Hlc(leaf.version.hlc.0 - 1), ..leaf.version };
    let bucket = bucket.clone();
    lose(site, scope, leaf).await;
    put(site, (before, leaf.position), (bucket, key, birth)).await;
}

/// It stands where its bucket does, a moment later.
async fn forge(site: &Site, draw: &mut StdRng) {
    let leaves = site.leaves().into_iter().filter(|(scope, _)| *scope == Scope::Entities);
    let mut buckets = leaves.filter_map(|(scope, leaf)| match event(site, &scope, &leaf)?.change {
        Change::BucketPut { bucket, state: Bucket { birth, .. } } => Some((leaf, bucket, birth)),
        _ => None,
    });
    if let Some((leaf, bucket, birth)) = buckets.next_back() {
        let key = ObjectKey::try_from(format!("forged-{}", draw.random_range(0..9))).unwrap();
        let version = Version { hlc: Hlc(leaf.version.hlc.0 + 1), ..leaf.version };
        put(site, (version, leaf.position), (bucket, key, birth)).await;
    }
}

/// The last event of what an entity is, if its record can be read.
fn event(site: &Site, scope: &Scope, leaf: &Leaf) -> Option<Event> {
    site.store.tree_view().unwrap().change(scope, leaf.entity).ok()?.pop()
}

async fn put(
    site: &Site,
    (version, position): (Version, Position),
    (bucket, key, birth): (BucketName, ObjectKey, Version),
) {
    let manifest = Box::new(manifest(4, Content::Inline(Bytes::from_static(b"hand"))));
    let change = Change::ObjectPut { bucket, key, slot: Slot::Null, birth, manifest };
    let (prev, request, volume) = (Digest::ZERO, RequestId::NONE, change.volume());
    let event = Box::new(Event { position, version, prev, volume, request, change });
    site.store.apply(vec![Step::Repair { event, cut: position }]).await.unwrap();
}

fn write(site: &Site, scope: &Scope, leaf: &Leaf, value: Option<Bytes>) {
    let Some(event) = event(site, scope, leaf) else { return };
    let (table, row) = match event.change.entity() {
        model::Entity::Object(bucket, key) => {
            (Table::Objects, format!("{}\0{}", bucket.as_str(), key.as_str()))
        }
        model::Entity::Bucket(bucket) => (Table::Entities, format!("b{}", bucket.as_str())),
        model::Entity::User(user) => (Table::Entities, format!("u{}", user.as_str())),
        // Nothing here keeps versions.
        model::Entity::Version(..) | model::Entity::Partition(..) => return,
    };
    assert!(site.engine.get(table, row.as_bytes()).unwrap().is_some(), "no row {row:?}");
    site.engine.commit(Batch::from([((table, row.into()), value)])).unwrap();
}
