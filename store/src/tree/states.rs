//! An entity's state as the events that bring it about at another site.

use bytes::Bytes;
use model::{BucketName, Change, Digest, Event, ObjectKey, RequestId, UserId, Version};

use super::rows;
use crate::{
    engine::{Snapshot, Table},
    errors::ReadError,
    records::{
        AttributesRecord, BucketRecord, LeafRecord, ObjectRecord, Record, RecordError, UserRecord,
    },
};

/// Of the entity that a leaf speaks of.
pub(super) fn events(
    snapshot: &dyn Snapshot,
    scope: &[u8],
    leaf: &LeafRecord,
) -> Result<Vec<Event>, ReadError> {
    let (table, row) = leaf.row(scope);
    let name = std::str::from_utf8(&leaf.name).ok().map(str::to_owned);
    let (Some(value), Some(name)) = (snapshot.get(table, &row)?, name) else {
        return Err(RecordError::Damaged { record: record(table, &row) }.into());
    };
    let changes = match (table, name.split_at_checked(1)) {
        (Table::Objects, _) => object(snapshot, &row, &value, name)?,
        (_, Some(("b", name))) => bucket(snapshot, &value, name.to_owned())?,
        (_, Some((_, id))) => user(&value, id.to_owned())?,
        (_, None) => Vec::new(),
    };
    let event = |(version, change): (Version, Change)| Event {
        position: leaf.position,
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
    key: String,
) -> Result<Vec<(Version, Change)>, ReadError> {
    let damaged = || RecordError::Damaged { record: ObjectRecord::NAME };
    let bucket = std::str::from_utf8(&row[..row.len() - key.len() - 1]).map_err(|_| damaged())?;
    let bucket = BucketName::try_from(bucket.to_owned()).map_err(|_| damaged())?;
    let key = ObjectKey::try_from(key).map_err(|_| damaged())?;
    let ObjectRecord { version, birth, manifest, .. } = ObjectRecord::decode(value)?;
    let Some(manifest) = manifest else {
        return Ok(vec![(version, Change::ObjectDeleted { bucket, key, birth })]);
    };
    let attributes = ObjectRecord::version_key(row, version);
    let attributes = rows::get::<AttributesRecord>(snapshot, &attributes)?;
    let (of, manifest) = (version, Box::new(manifest));
    let put = Change::ObjectPut { bucket: bucket.clone(), key: key.clone(), birth, manifest };
    let mut changes = vec![(version, put)];
    if let Some(AttributesRecord(attributes)) = attributes
        && let Some(version) = attributes.newest()
    {
        changes.push((version, Change::Attributes { bucket, key, of, attributes }));
    }
    Ok(changes)
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
        if let Some(AttributesRecord(attributes)) = rows::get(snapshot, &row)?
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
