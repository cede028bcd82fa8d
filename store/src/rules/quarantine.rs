//! Records that are set aside: what their origin never issued, and what cannot be read.
//!
//! The row moves as it is, so that nothing that somebody may want to look at is lost. Of one that
//! can be read the blocks stay counted until it is discarded.

use bytes::Bytes;
use model::{
    Manifest, Position, Slot,
    tree::{Leaf, Scope},
};

use super::{blocks, locate, lock, repair};
use crate::{
    engine::Table,
    records::{
        ObjectRecord, ObjectState, QuarantineId, QuarantineReason, QuarantineRecord, Record,
        RecordError, SlotRecord, TombstoneRecord,
    },
    section::{Section, SectionError},
    tree::leaves::{self, Found},
};

/// Sets aside the record of an entity, if it still is at the version of the leaf, or cannot be read.
/// Returns whether it did.
pub(crate) fn quarantine(
    section: &mut Section<'_>,
    scope: &Scope,
    leaf: &Leaf,
) -> Result<bool, SectionError> {
    let Some(Found { table, key: row, value }) = locate::find(section, scope, leaf.entity)? else {
        return Ok(false);
    };
    let reason = match locate::version(table, &row, &value)? {
        Some(version) if version != leaf.version => return Ok(false),
        Some(_) => QuarantineReason::Foreign,
        None => {
            // Its blocks cannot be told any more; that nobody waits for them here can.
            let applied = |hole: &model::Hole| hole.reason.is_applied();
            if section.hole(leaf.position)?.as_ref().is_some_and(applied) {
                section.close_hole(leaf.position.line(), leaf.position.seq);
            }
            QuarantineReason::Rotten
        }
    };
    set_aside(section, (table, &row), value, reason)?;
    Ok(true)
}

/// The record of a row, if it can be read; one that is rotten is set aside, and is absent.
pub(crate) fn readable<R: Record>(
    section: &mut Section<'_>,
    row: &Bytes,
) -> Result<Option<R>, SectionError> {
    match section.get::<R>(row) {
        Err(SectionError::Record(RecordError::Damaged { .. })) => {
            if let Some(value) = section.row(R::TABLE, row)? {
                let record = R::NAME;
                tracing::error!(record, "a record cannot be read and was set aside");
                set_aside(section, (R::TABLE, row), value, QuarantineReason::Rotten)?;
            }
            Ok(None)
        }
        read => read,
    }
}

/// What is in a slot of a key, given by its row in `objects`, beside what is there. Where either
/// cannot be read it is set aside, and what has taken its place is meant.
pub(crate) fn readable_slot(
    section: &mut Section<'_>,
    row: &Bytes,
    slot: Slot,
) -> Result<(Option<ObjectRecord>, Option<ObjectRecord>), SectionError> {
    let latest = match readable::<ObjectRecord>(section, row)? {
        None => section.get::<ObjectRecord>(row)?,
        latest => latest,
    };
    let apart = match &latest {
        Some(latest) if latest.slot == slot => None,
        // What is in the null slot is in `objects` unless a version stands there.
        None if slot == Slot::Null => None,
        _ => readable::<SlotRecord>(section, &SlotRecord::key(row, slot))?,
    };
    Ok((latest, apart.map(|SlotRecord(record)| record)))
}

/// Forgets a record that was set aside, and takes back its references: of one that cannot be read
/// they are for a recount to find. Returns whether there was one.
pub(crate) fn discard(section: &mut Section<'_>, id: QuarantineId) -> Result<bool, SectionError> {
    let rows = section.keys(Table::Quarantine, &QuarantineRecord::prefix(id), usize::MAX)?;
    for key in &rows {
        let record = section.get::<QuarantineRecord>(key)?;
        let table = QuarantineRecord::split(key).map(|(_, table, _)| table);
        if let (Some(record), Some(Table::Objects | Table::Slots)) = (record, table)
            && let Some(manifest) = manifest(&record.row)
        {
            blocks::dereference(section, &manifest.content)?;
        }
        section.remove::<QuarantineRecord>(key.clone());
    }
    Ok(!rows.is_empty())
}

fn set_aside(
    section: &mut Section<'_>,
    (table, row): (Table, &Bytes),
    value: Bytes,
    reason: QuarantineReason,
) -> Result<(), SectionError> {
    let mut id = QuarantineId(section.now().0);
    while !section.keys(Table::Quarantine, &QuarantineRecord::prefix(id), 1)?.is_empty() {
        id.0 += 1;
    }
    let Some(key) = QuarantineRecord::key(id, table, row) else { return Ok(()) };
    section.put(key, &QuarantineRecord { reason, row: value.clone() });
    match table {
        Table::Objects | Table::Slots => take_object_out(section, (table, row), &value),
        _ => repair::take_entity_out(section, row),
    }
}

/// Takes the record of an object version out of its table. What it names stays counted; nobody waits
/// for it.
fn take_object_out(
    section: &mut Section<'_>,
    (table, row): (Table, &Bytes),
    value: &Bytes,
) -> Result<(), SectionError> {
    let Ok(record) = ObjectRecord::decode(value) else {
        return match table {
            Table::Objects => section.remove_unreadable(row),
            _ => section.remove_object(row),
        };
    };
    let slot = leaves::name((table, row), value);
    if let Some((latest, _)) = SlotRecord::split(&slot).filter(|_| !record.stands()) {
        lock::give_up(section, &latest, &record)?;
    }
    match record.state {
        ObjectState::Put(manifest) => stop_waiting(section, &manifest, record.position)?,
        ObjectState::Deleted => {
            section.remove::<TombstoneRecord>(TombstoneRecord::key(record.position, &slot));
        }
        ObjectState::Marker => {}
    }
    section.remove_object(&slot)
}

fn stop_waiting(
    section: &mut Section<'_>,
    manifest: &Manifest,
    position: Position,
) -> Result<(), SectionError> {
    if section.hole(position)?.is_some_and(|hole| hole.reason.is_applied()) {
        blocks::stop_waiting(section, &manifest.content, position);
    }
    Ok(())
}

fn manifest(value: &Bytes) -> Option<Manifest> {
    ObjectRecord::decode(value).ok()?.manifest().cloned()
}

#[cfg(test)]
mod tests;
