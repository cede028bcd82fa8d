//! From a place in the hash tree to the record of the entity there.

use std::ops::ControlFlow;

use bytes::Bytes;
use model::{Digest, Entity, EntityHash, Version, tree::Scope};

use crate::{
    engine::{Table, prefix_range},
    records::{BucketRecord, ObjectRecord, Record, RecordError, UserRecord, scope_bytes},
    section::{Section, SectionError},
};

/// The record of an entity, as it lies there.
pub(crate) struct Held {
    pub(crate) table: Table,
    pub(crate) row: Bytes,
    pub(crate) value: Bytes,
    /// `None`: it cannot be read.
    pub(crate) version: Option<Version>,
}

/// What is held of an entity of a scope.
pub(crate) fn held(
    section: &Section<'_>,
    scope: &Scope,
    entity: EntityHash,
) -> Result<Option<Held>, SectionError> {
    let Some((table, row)) = row_of(section, scope, entity)? else { return Ok(None) };
    let Some(value) = section.row(table, &row)? else { return Ok(None) };
    let version = version(table, &row, &value)?;
    Ok(Some(Held { table, row, value, version }))
}

/// The version of a row. `None`: it cannot be read.
pub(crate) fn version(
    table: Table,
    row: &[u8],
    value: &Bytes,
) -> Result<Option<Version>, RecordError> {
    let read = match table {
        Table::Objects => ObjectRecord::decode(value).map(|record| record.version),
        _ if row.starts_with(UserRecord::PREFIX) => {
            UserRecord::decode(value).map(|record| record.version)
        }
        _ => BucketRecord::decode(value).map(|record| record.version),
    };
    match read {
        Ok(version) => Ok(Some(version)),
        Err(RecordError::Damaged { .. }) => Ok(None),
        // Of a later release: nothing is known against it.
        Err(newer) => Err(newer),
    }
}

/// The row of an entity of a scope. Its leaf says; without one it is looked for, since a record that
/// cannot be read has a key that says whose it is.
fn row_of(
    section: &Section<'_>,
    scope: &Scope,
    entity: EntityHash,
) -> Result<Option<(Table, Bytes)>, SectionError> {
    match section.row_of_leaf(&scope_bytes(scope), entity)? {
        Some(found) => Ok(Some(found)),
        None => search(section, scope, entity),
    }
}

fn search(
    section: &Section<'_>,
    scope: &Scope,
    entity: EntityHash,
) -> Result<Option<(Table, Bytes)>, SectionError> {
    let (table, prefixes) = match scope {
        Scope::Entities => {
            (Table::Entities, vec![BucketRecord::PREFIX.to_vec(), UserRecord::PREFIX.to_vec()])
        }
        Scope::Bucket(bucket) => (Table::Objects, vec![ObjectRecord::prefix(bucket)]),
    };
    for prefix in prefixes {
        let (mut end, mut found) = (Vec::new(), None);
        section.scan(table, prefix_range(&prefix, &mut end), &mut |row, _| {
            if place_of(table, row) == Some(entity) {
                found = Some(row.clone());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(row) = found {
            return Ok(Some((table, row)));
        }
    }
    Ok(None)
}

fn place_of(table: Table, row: &[u8]) -> Option<EntityHash> {
    // The key of an object's row is what its place is the hash of.
    if table == Table::Objects {
        return Some(EntityHash(Digest::of(row)));
    }
    let bucket = BucketRecord::bucket(row).map(Entity::Bucket);
    let entity = bucket.or_else(|| UserRecord::id(row).map(Entity::User));
    entity.map(|entity| entity.hash())
}
