//! An entity's state as the events that bring it about at another site.

use bytes::Bytes;
use model::{BucketName, Change, Digest, Event, ObjectKey, RequestId, Slot, UserId, Version};

use super::{leaves, rows};
use crate::{
    engine::{Snapshot, Table},
    errors::ReadError,
    records::{
        AttributesRecord, BucketRecord, LeafRecord, ObjectRecord, ObjectState, Record, RecordError,
        UserRecord,
    },
    slots::key_of,
};

/// Of the entity that a leaf speaks of.
pub(super) fn events(
    snapshot: &dyn Snapshot,
    scope: &[u8],
    leaf: &LeafRecord,
) -> Result<Vec<Event>, ReadError> {
    let (table, row) = leaf.row(scope);
    let get = |table, key: &Bytes| Ok::<_, ReadError>(snapshot.get(table, key)?);
    let damaged = || RecordError::Damaged { record: record(table, &row) };
    let value = leaves::find((table, &row), get)?.ok_or_else(damaged)?.value;
    let changes = match table {
        Table::Objects => object(snapshot, &row, &value)?,
        _ => {
            let name = std::str::from_utf8(&leaf.name).map_err(|_| damaged())?;
            match name.split_at_checked(1) {
                Some(("b", name)) => bucket(snapshot, &value, name.to_owned())?,
                Some((_, id)) => user(&value, id.to_owned())?,
                None => Vec::new(),
            }
        }
    };
    let event = |(version, change): (Version, Change)| Event {
        position: match (&change, leaf.attributes) {
            (Change::Attributes { .. } | Change::BucketAttributes { .. }, Some(attributes)) => {
                attributes.position
            }
            _ => leaf.position,
        },
        version,
        prev: Digest::ZERO,
        volume: change.volume(),
        request: RequestId::NONE,
        change,
    };
    Ok(changes.into_iter().map(event).collect())
}

fn record(table: Table, row: &Bytes) -> &'static str {
    match table {
        Table::Objects => ObjectRecord::NAME,
        _ if row.starts_with(BucketRecord::PREFIX) => BucketRecord::NAME,
        _ => UserRecord::NAME,
    }
}

fn object(
    snapshot: &dyn Snapshot,
    row: &Bytes,
    value: &Bytes,
) -> Result<Vec<(Version, Change)>, ReadError> {
    let damaged = || RecordError::Damaged { record: ObjectRecord::NAME };
    let (latest, bucket, key) = names(row).ok_or_else(damaged)?;
    let ObjectRecord { version, birth, state, slot, .. } = ObjectRecord::decode(value)?;
    let manifest = match (state, slot) {
        (ObjectState::Put(manifest), _) => manifest,
        (ObjectState::Marker, slot) => {
            return Ok(vec![(version, Change::MarkerPut { bucket, key, slot, birth })]);
        }
        (ObjectState::Deleted, Slot::Null) => {
            return Ok(vec![(version, Change::ObjectDeleted { bucket, key, birth })]);
        }
        (ObjectState::Deleted, Slot::Own(of)) => {
            let named = (bucket.clone(), key.clone());
            let removed = Change::VersionRemoved { bucket, key, of, birth };
            // Its lock, with which the removal was made.
            let attributes = attributes(snapshot, &latest, named, of)?;
            return Ok([(version, removed)].into_iter().chain(attributes).collect());
        }
    };
    let put = Change::ObjectPut { bucket: bucket.clone(), key: key.clone(), slot, birth, manifest };
    let attributes = attributes(snapshot, &latest, (bucket, key), version)?;
    Ok([(version, put)].into_iter().chain(attributes).collect())
}

/// What is set of a version, if anything is.
fn attributes(
    snapshot: &dyn Snapshot,
    latest: &Bytes,
    (bucket, key): (BucketName, ObjectKey),
    of: Version,
) -> Result<Option<(Version, Change)>, ReadError> {
    let row = ObjectRecord::version_key(latest, of);
    let held = rows::get::<AttributesRecord>(snapshot, &row)?;
    Ok(held.and_then(|AttributesRecord { attributes, .. }| {
        let newest = attributes.newest()?;
        Some((newest, Change::Attributes { bucket, key, of, attributes }))
    }))
}

/// The row in `objects`, the bucket and the key in the row of a slot.
fn names(row: &Bytes) -> Option<(Bytes, BucketName, ObjectKey)> {
    let (latest, _, key) = key_of(row)?;
    let bucket = std::str::from_utf8(row.get(..latest.len() - key.len() - 1)?).ok()?;
    let (bucket, key) = (bucket.to_owned().try_into().ok()?, key.to_owned().try_into().ok()?);
    Some((latest, bucket, key))
}

/// A bucket that was deleted before it was made again: law 14 needs both elsewhere too.
fn bucket(
    snapshot: &dyn Snapshot,
    value: &Bytes,
    name: String,
) -> Result<Vec<(Version, Change)>, ReadError> {
    let bucket = BucketName::try_from(name);
    let bucket = bucket.map_err(|_| RecordError::Damaged { record: BucketRecord::NAME })?;
    let BucketRecord { version, live, deleted } = BucketRecord::decode(value)?;
    let deleted = if live.is_some() { deleted } else { Some(version) };
    let deleted = deleted.map(|at| (at, Change::BucketDeleted { bucket: bucket.clone() }));
    let mut changes: Vec<_> = deleted.into_iter().collect();
    if let Some(state) = live {
        let birth = state.birth;
        changes.push((version, Change::BucketPut { bucket: bucket.clone(), state }));
        let row = AttributesRecord::key_of_bucket(&bucket, birth);
        if let Some(AttributesRecord { attributes, .. }) = rows::get(snapshot, &row)?
            && let Some(version) = attributes.newest()
        {
            changes.push((version, Change::BucketAttributes { bucket, birth, attributes }));
        }
    }
    Ok(changes)
}

fn user(value: &Bytes, id: String) -> Result<Vec<(Version, Change)>, ReadError> {
    let user = UserId::try_from(id);
    let user = user.map_err(|_| RecordError::Damaged { record: UserRecord::NAME })?;
    let UserRecord { version, user: state } = UserRecord::decode(value)?;
    let change = match state {
        Some(state) => Change::UserPut { user, state },
        None => Change::UserDeleted { user },
    };
    Ok(vec![(version, change)])
}
