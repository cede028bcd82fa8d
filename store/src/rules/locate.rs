//! From a place in the hash tree to the record of the entity there.

use std::ops::ControlFlow;

use bytes::Bytes;
use model::{Entity, EntityHash, Version, tree::Scope};

use crate::{
    engine::{Table, prefix_range},
    records::{
        BucketRecord, ObjectRecord, Record, RecordError, SlotRecord, UserRecord, scope_bytes,
    },
    section::{Section, SectionError},
    tree::leaves::{self, Found},
};

/// The version of a row. `None`: it cannot be read.
pub(crate) fn version(
    table: Table,
    row: &[u8],
    value: &Bytes,
) -> Result<Option<Version>, RecordError> {
    let read = match table {
        Table::Objects | Table::Slots => ObjectRecord::decode(value).map(|record| record.version),
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

/// The record of an entity of a scope. Its leaf says; without one it is looked for, since a record
/// that cannot be read has a key that says whose it is.
pub(crate) fn find(
    section: &Section<'_>,
    scope: &Scope,
    entity: EntityHash,
) -> Result<Option<Found>, SectionError> {
    let found = match section.row_of_leaf(&scope_bytes(scope), entity)? {
        Some((table, row)) => leaves::find((table, &row), |table, key| section.row(table, key))?,
        None => return search(section, scope, entity),
    };
    match found {
        Some(Found { table: Table::Slots, key, .. }) if rotten(section, &key)?.is_some() => {
            rotten(section, &key)
        }
        found => Ok(found),
    }
}

/// The record in `objects` of the key of the null slot's row, if it cannot be read: it is known by no
/// other name than what is in that slot, and stands in the way of it.
fn rotten(section: &Section<'_>, row: &Bytes) -> Result<Option<Found>, SectionError> {
    let null = SlotRecord::split(row).is_some_and(|(_, slot)| slot == model::Slot::Null);
    let value = if null { section.row(Table::Objects, row)? } else { None };
    let value = value
        .filter(|value| matches!(ObjectRecord::decode(value), Err(RecordError::Damaged { .. })));
    Ok(value.map(|value| Found { table: Table::Objects, key: row.clone(), value }))
}

fn search(
    section: &Section<'_>,
    scope: &Scope,
    entity: EntityHash,
) -> Result<Option<Found>, SectionError> {
    let (tables, prefixes): (&[Table], _) = match scope {
        Scope::Entities => {
            let prefixes = vec![BucketRecord::PREFIX.to_vec(), UserRecord::PREFIX.to_vec()];
            (&[Table::Entities], prefixes)
        }
        Scope::Bucket(bucket) => {
            (&[Table::Objects, Table::Slots], vec![ObjectRecord::prefix(bucket)])
        }
    };
    for &table in tables {
        for prefix in &prefixes {
            let (mut end, mut found) = (Vec::new(), None);
            section.scan(table, prefix_range(prefix, &mut end), &mut |key, value| {
                if place_of((table, key), value) == Some(entity) {
                    found = Some(Found { table, key: key.clone(), value: value.clone() });
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn place_of((table, key): (Table, &Bytes), value: &Bytes) -> Option<EntityHash> {
    if table != Table::Entities {
        let row = leaves::name((table, key), value);
        return leaves::place_of_object(&row).map(|(_, place)| place);
    }
    let bucket = BucketRecord::bucket(key).map(Entity::Bucket);
    let entity = bucket.or_else(|| UserRecord::id(key).map(Entity::User));
    entity.map(|entity| entity.hash())
}
