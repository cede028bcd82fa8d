//! What an entity's leaf is. Everything that replicates is in its digests, and nothing else: two sites
//! that hold the same entity hold the same leaf, whatever releases they run.

use bytes::Bytes;
use model::{
    Digest, EntityHash, Epoch, Hasher, Manifest, Partition, Position, Seq, Slot, User, Version,
    tree::LeafAttributes,
};

use crate::{
    engine::Table,
    records::{
        AttributesRecord, BucketRecord, LeafRecord, ObjectRecord, ObjectState, Record, RecordError,
        SlotRecord, UserRecord,
    },
};

/// Scope of buckets and users, in keys.
pub(crate) const ENTITIES: &[u8] = &[0];

/// Where the leaf of the entity that a row names stands: scope and place. `None`: the row is of
/// nothing that replicates by itself.
pub(crate) fn place(table: Table, row: &Bytes) -> Option<(&[u8], EntityHash)> {
    match table {
        Table::Objects | Table::Slots => place_of_object(row),
        Table::Entities => place_of_entity(row).map(|entity| (ENTITIES, entity)),
        _ => None,
    }
}

/// Of what is in a slot, by its row ([`SlotRecord`]). That of the null slot, bucket 0 key, is its name
/// as [`model::Entity::hash`] takes it.
pub(crate) fn place_of_object(row: &Bytes) -> Option<(&[u8], EntityHash)> {
    let nul = row.iter().position(|&byte| byte == 0)?;
    let (latest, slot) = SlotRecord::split(row)?;
    let key = EntityHash(Digest::of(&latest));
    let place = match slot {
        Slot::Null => key,
        Slot::Own(version) => key.of_version(version),
    };
    Some((&row[..=nul], place))
}

/// A record, where it is.
pub(crate) struct Found {
    pub(crate) table: Table,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// The record of the entity that a row names. One in `objects` that cannot be read does not say whose
/// it is: it may be the one that is looked for, if there is no other.
pub(crate) fn find<E>(
    (table, row): (Table, &Bytes),
    get: impl Fn(Table, &Bytes) -> Result<Option<Bytes>, E>,
) -> Result<Option<Found>, E> {
    let at = |table, key: &Bytes| {
        let value = get(table, key)?;
        Ok(value.map(|value| Found { table, key: key.clone(), value }))
    };
    if table == Table::Entities {
        return at(table, row);
    }
    let Some((latest, slot)) = SlotRecord::split(row) else { return Ok(None) };
    let held = at(Table::Objects, &latest)?;
    match held.as_ref().map(|held| ObjectRecord::decode(&held.value)) {
        Some(Ok(record)) if record.slot == slot => Ok(held),
        Some(Err(_)) => Ok(at(Table::Slots, row)?.or(held)),
        _ => at(Table::Slots, row),
    }
}

/// The row that names the entity of a record. One that cannot be read counts as what is in the null
/// slot of its key.
pub(crate) fn name((table, row): (Table, &Bytes), value: &Bytes) -> Bytes {
    match ObjectRecord::decode(value) {
        Ok(record) if table == Table::Objects => SlotRecord::key(row, record.slot),
        _ => row.clone(),
    }
}

/// A bucket has the empty key, a user the empty bucket.
pub(crate) fn place_of_entity(row: &[u8]) -> Option<EntityHash> {
    let mut hasher = Hasher::new();
    if let Some(bucket) = row.strip_prefix(BucketRecord::PREFIX) {
        hasher.update(bucket);
        hasher.update(&[0]);
    } else {
        hasher.update(&[0]);
        hasher.update(row.strip_prefix(UserRecord::PREFIX)?);
    }
    Some(EntityHash(hasher.finish()))
}

/// The leaf of the entity that a row names. The records of buckets and users do not say where
/// they were written: the leaf that is held does, if it is of the same version.
pub(crate) fn derive<E: From<RecordError>>(
    (table, row): (Table, &Bytes),
    value: &Bytes,
    held: Option<&LeafRecord>,
    get: impl FnOnce(Table, &Bytes) -> Result<Option<Bytes>, E>,
) -> Result<LeafRecord, E> {
    let position = |version: Version| {
        let held = held.filter(|held| held.version == version);
        held.map_or_else(|| unknown(version), |held| held.position)
    };
    if table != Table::Entities {
        let record = ObjectRecord::decode(value)?;
        let latest = SlotRecord::split(row).map_or_else(|| row.clone(), |(latest, _)| latest);
        let attributes = ObjectRecord::version_key(&latest, record.version);
        let attributes = get(Table::Attributes, &attributes)?;
        let attributes = attributes.as_ref().map(AttributesRecord::decode).transpose()?;
        let name = row.iter().position(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        return Ok(of_object(&record, attributes.as_ref(), row.slice(name..)));
    }
    if row.starts_with(BucketRecord::PREFIX) {
        let record = BucketRecord::decode(value)?;
        let attributes = BucketRecord::bucket(row).zip(record.live.as_ref());
        let attributes = attributes.map(|(bucket, live)| {
            get(Table::Attributes, &AttributesRecord::key_of_bucket(&bucket, live.birth))
        });
        let attributes = attributes.transpose()?.flatten();
        let attributes = attributes.as_ref().map(AttributesRecord::decode).transpose()?;
        let position = position(record.version);
        return Ok(of_bucket(&record, attributes.as_ref(), position, row.clone()));
    }
    let record = UserRecord::decode(value)?;
    Ok(of_user(&record, position(record.version), row.clone()))
}

/// Below every cut.
pub(crate) fn unknown(version: Version) -> Position {
    let (site, seq) = (version.site, Seq::NONE);
    Position { site, epoch: Epoch(0), partition: Partition(0), seq }
}

pub(crate) fn of_object(
    record: &ObjectRecord,
    attributes: Option<&AttributesRecord>,
    name: Bytes,
) -> LeafRecord {
    let &ObjectRecord { version, position, birth, ref state, .. } = record;
    let content = match state {
        ObjectState::Deleted => None,
        ObjectState::Put(manifest) => Some(object(manifest, birth)),
        ObjectState::Marker => Some(marker(birth)),
    };
    with(attributes, leaf(version, content, position, name))
}

pub(crate) fn of_bucket(
    record: &BucketRecord,
    attributes: Option<&AttributesRecord>,
    position: Position,
    name: Bytes,
) -> LeafRecord {
    let content = record.live.as_ref().map(|live| {
        let mut hasher = Hasher::new();
        hasher.update(&live.birth.to_bytes());
        hasher.field(live.owner.as_str().as_bytes());
        if let Some(deleted) = record.deleted {
            hasher.update(&deleted.to_bytes());
        }
        hasher.finish()
    });
    with(attributes, leaf(record.version, content, position, name))
}

pub(crate) fn of_user(record: &UserRecord, position: Position, name: Bytes) -> LeafRecord {
    leaf(record.version, record.user.as_ref().map(user), position, name)
}

/// A tombstone has no content: its version says it all, also of a bucket, whose last deletion it is.
fn leaf(version: Version, content: Option<Digest>, position: Position, name: Bytes) -> LeafRecord {
    let deleted = content.is_none();
    let content = content.unwrap_or(Digest::ZERO);
    LeafRecord { version, content, deleted, position, attributes: None, name }
}

/// Those of what is deleted are gone with it.
fn with(attributes: Option<&AttributesRecord>, leaf: LeafRecord) -> LeafRecord {
    let attributes = attributes.filter(|_| !leaf.deleted).and_then(|record| {
        let digest = record.attributes.digest();
        record.position.map(|position| LeafAttributes { digest, position })
    });
    LeafRecord { attributes, ..leaf }
}

fn object(manifest: &Manifest, birth: Version) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&manifest.digest().0);
    hasher.update(&birth.to_bytes());
    hasher.finish()
}

fn marker(birth: Version) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"delete marker");
    hasher.update(&birth.to_bytes());
    hasher.finish()
}

fn user(user: &User) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(user.name.as_bytes());
    hasher.update(&[u8::from(user.enabled)]);
    for key in &user.keys {
        hasher.field(key.id.as_bytes());
        hasher.update(&[u8::from(key.enabled)]);
        hasher.field(key.secret.key_id.as_bytes());
        hasher.update(&key.secret.nonce);
        hasher.field(&key.secret.sealed);
    }
    // Without one a user is what a release without quotas takes the same user for.
    if !user.quota.is_none() {
        hasher.field(user.quota.to_string().as_bytes());
    }
    hasher.finish()
}
