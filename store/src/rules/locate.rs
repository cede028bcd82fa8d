//! From a place in the hash tree to the row of the entity there.

use std::ops::ControlFlow;

use bytes::Bytes;
use model::{Digest, Entity, EntityHash, tree::Scope};

use crate::{
    engine::{Table, prefix_range},
    records::{BucketRecord, ObjectRecord, UserRecord, scope_bytes},
    section::{Section, SectionError},
};

/// The row of an entity of a scope. Its leaf says; without one it is looked for, since a record that
/// cannot be read has a key that says whose it is.
pub(crate) fn row_of(
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
