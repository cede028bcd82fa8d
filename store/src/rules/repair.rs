//! What full sync found to be gone at the origin: taken away without a trace, as a delete would have
//! been that was trimmed since (law 6).

use bytes::Bytes;
use model::tree::{Leaf, Scope};

use super::{attributes, locate, lock, multipart, place, users};
use crate::{
    engine::Table,
    records::{BucketRecord, ObjectRecord, Record, SlotRecord, UserRecord},
    section::{Section, SectionError},
    tree::leaves::Found,
};

/// Removes an entity that is still what the leaf says, or older. One that cannot be read is left to
/// quarantine. Returns whether it did.
pub(crate) fn remove(
    section: &mut Section<'_>,
    scope: &Scope,
    leaf: &Leaf,
) -> Result<bool, SectionError> {
    let Some(Found { table, key: row, value }) = locate::find(section, scope, leaf.entity)? else {
        return Ok(false);
    };
    let version = locate::version(table, &row, &value)?;
    if version.is_none_or(|version| version > leaf.version) {
        return Ok(false);
    }
    match table {
        Table::Objects | Table::Slots => {
            let held = ObjectRecord::decode(&value)?;
            if let Some((latest, _)) = SlotRecord::split(&row) {
                if held.stands() && lock::is_in_force(section, &latest, held.version)? {
                    tracing::warn!(version = %held.version, "a locked version is not removed");
                    return Ok(false);
                }
                place::remove(section, &latest, &held)?;
            }
        }
        _ => take_entity_out(section, &row)?,
    }
    Ok(true)
}

/// Takes away the row of a bucket or a user, and what hangs on it.
pub(crate) fn take_entity_out(section: &mut Section<'_>, row: &Bytes) -> Result<(), SectionError> {
    if let Some(bucket) = BucketRecord::bucket(row) {
        multipart::bucket_deleted(section, &bucket)?;
        attributes::drop_all_of(section, &bucket)?;
    }
    if let Some(user) = UserRecord::id(row) {
        users::forget_keys(section, &user)?;
    }
    section.remove_entity(row);
    Ok(())
}

#[cfg(test)]
mod tests;
