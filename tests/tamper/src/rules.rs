//! Through the rules of the store, which keep the hash tree true.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{
    Change, Content, Digest, ETag, Entity, EntityHash, Event, Hlc, Manifest, Parts, Position,
    RequestId, SiteId, Slot, Version,
    tree::{FANOUT, Leaf, Node, Path, Scope, View},
};
use ops::{Config, Metrics, SystemClock};
use schemas::{Codec, Keys};
use serde_json::json;
use store::{Options, QuarantinedEntity, Sizes, Step, Store, TreeView};

use crate::{Many, Named, Outcome};

/// Opens the store of a stopped site.
pub(crate) async fn open(config: &Config) -> Outcome<Store> {
    let options = Options {
        directory: config.site.data.clone(),
        name: config.site.name.clone(),
        partitions: config.site.partitions,
        // Of a new store; this one is there.
        new_site: SiteId([0; 16]),
        sizes: Sizes {
            block: usize::try_from(config.s3.block_size)?,
            inline_max: usize::try_from(config.s3.inline_max)?,
        },
        reserve: 0,
        codec: Codec::new(Keys::load(&config.keys.file)?),
        clock: Arc::new(SystemClock),
        metrics: Metrics::new(),
    };
    Ok(Store::open(options).await?)
}

pub(crate) async fn lose(store: &Store, named: &Named) -> Outcome {
    let leaf = leaf(store, &named.scope(), named)?;
    take_away(store, named, leaf).await
}

/// The places of keys are as good as drawn: a key near each of the places that follow from the seed.
pub(crate) async fn lose_many(store: &Store, many: &Many) -> Outcome {
    let scope = Scope::Bucket(many.bucket.clone());
    store.fold_tree().await?;
    let view = store.tree_view()?;
    let mut lost = BTreeMap::new();
    for number in 0.. {
        if lost.len() == many.count {
            break;
        }
        let name = [many.seed.to_be_bytes(), u64::to_be_bytes(number)].concat();
        if let Some(leaf) = near(&view, &scope, EntityHash(Digest::of(&name)))? {
            lost.insert(leaf.entity, leaf);
        }
        if number > 100 * many.count as u64 {
            return Err(format!("there are no {} keys", many.count).into());
        }
    }
    let remove = |leaf| Step::Remove { scope: scope.clone(), leaf };
    let done = store.apply(lost.into_values().map(remove).collect()).await?;
    if done.removed == many.count as u64 {
        Ok(())
    } else {
        Err("the store did not take them all away".into())
    }
}

/// A leaf of the branch that a place is in.
fn near(view: &TreeView, scope: &Scope, place: EntityHash) -> Outcome<Option<Leaf>> {
    let mut path = Path::ROOT;
    loop {
        match View::node(view, scope, path)? {
            Node::Leaves(leaves) => {
                let from = leaves.partition_point(|leaf| leaf.entity < place);
                return Ok(leaves.get(from).or(leaves.last()).copied());
            }
            Node::Split(_) => {
                let mut below = (0..FANOUT as u8).filter_map(|nibble| path.branch(nibble));
                path = below.find(|below| below.holds(place)).ok_or("a branch without an end")?;
            }
        }
    }
}

/// It stands where its bucket does, a moment later: below every cut, and issued by nobody.
pub(crate) async fn add(store: &Store, named: &Named) -> Outcome {
    let view = store.tree_view()?;
    let bucket = view.leaf(&Scope::Entities, Entity::Bucket(named.bucket.clone()).hash())?;
    let bucket = bucket.ok_or("there is no such bucket")?;
    let birth = store.bucket(&named.bucket)?.live.ok_or("there is no such bucket")?.birth;
    let put = put(named, birth, manifest());
    let version = Version { hlc: Hlc(bucket.version.hlc.0 + 1), ..bucket.version };
    repair(store, (version, bucket.position), put).await
}

pub(crate) async fn change(store: &Store, named: &Named) -> Outcome {
    let leaf = leaf(store, &named.scope(), named)?;
    let held = View::change(&store.tree_view()?, &named.scope(), named.hash())?;
    let change = match held.into_iter().next().map(|event| event.change) {
        Some(Change::ObjectPut { birth, mut manifest, .. }) => {
            manifest.metadata.insert("changed".to_owned(), "yes".to_owned());
            put(named, birth, *manifest)
        }
        Some(Change::ObjectDeleted { birth, .. }) => put(named, birth, manifest()),
        _ => return Err("it is no object".into()),
    };
    take_away(store, named, leaf).await?;
    let before = Version { hlc: Hlc(leaf.version.hlc.0 - 1), ..leaf.version };
    repair(store, (before, leaf.position), change).await
}

pub(crate) fn quarantined(store: &Store) -> Outcome {
    for record in store.quarantined()? {
        let (bucket, key) = match record.what {
            QuarantinedEntity::Object { bucket, key } => (bucket, Some(key)),
            QuarantinedEntity::Bucket(name) | QuarantinedEntity::User(name) => (name, None),
        };
        println!("{}", json!({"reason": record.reason.label(), "bucket": bucket, "key": key}));
    }
    Ok(())
}

fn leaf(store: &Store, scope: &Scope, named: &Named) -> Outcome<Leaf> {
    let leaf = store.tree_view()?.leaf(scope, named.hash())?;
    leaf.ok_or_else(|| format!("there is no `{}`", named.key.as_str()).into())
}

async fn take_away(store: &Store, named: &Named, leaf: Leaf) -> Outcome {
    let done = store.apply(vec![Step::Remove { scope: named.scope(), leaf }]).await?;
    if done.removed == 1 { Ok(()) } else { Err("the store did not take it away".into()) }
}

/// As full sync brings a state in.
async fn repair(
    store: &Store,
    (version, position): (Version, Position),
    change: Change,
) -> Outcome {
    let (prev, volume, request) = (Digest::ZERO, change.volume(), RequestId::NONE);
    let event = Box::new(Event { position, version, prev, volume, request, change });
    let done = store.apply(vec![Step::Repair { event, cut: position }]).await?;
    if done.replaced == 1 { Ok(()) } else { Err("the store did not take it in".into()) }
}

fn put(named: &Named, birth: Version, manifest: Manifest) -> Change {
    let (bucket, key) = (named.bucket.clone(), named.key.clone());
    Change::ObjectPut { bucket, key, slot: Slot::Null, birth, manifest: Box::new(manifest) }
}

/// Of an object that nobody put.
fn manifest() -> Manifest {
    let body = Bytes::from_static(b"nobody put this");
    Manifest {
        size: body.len() as u64,
        etag: ETag("0".repeat(32)),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: Content::Inline(body),
        encryption: None,
    }
}
