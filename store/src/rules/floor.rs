//! Law 6: tombstones are trimmed everywhere at the same cut, and what was deleted stays deleted.
//!
//! The origin logs how far it has trimmed a partition's history, if tombstones of objects lie below;
//! whoever applies that drops them and keeps the floor. From then on an event at or below it says
//! nothing of an entity that is absent. A site that was away for so long that history no longer has
//! that word hears it from the cut of its next full sync. Buckets and users keep their tombstones,
//! which law 14 needs. Tombstones of an epoch that has ended stay: nobody trims its history any more.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{Change, Entity, Line, Partition, Position, Seq};
use schemas::TRIMMED;

use super::{lock, site};
use crate::{
    engine::Table,
    records::{FloorRecord, RecordError, SlotRecord, TombstoneRecord, TombstonesFound},
    section::{Section, SectionError},
};

/// Tombstones dropped in one commit; what is left is dropped by the collector, below the floor.
pub(crate) const ROWS_PER_COMMIT: usize = 256;

/// What is known of the floor of a line's site and partition.
fn floor(section: &Section<'_>, line: Line) -> Result<Option<FloorRecord>, SectionError> {
    section.get::<FloorRecord>(&FloorRecord::key(line))
}

/// Whether an event at a position says nothing of an entity that is absent.
pub(crate) fn has_passed(section: &Section<'_>, position: Position) -> Result<bool, SectionError> {
    Ok(floor(section, position.line())?.is_some_and(|floor| floor.has_passed(position)))
}

/// Whether a tombstone at a position is trimmed. Those of an epoch that has ended never are.
pub(crate) fn has_trimmed(section: &Section<'_>, position: Position) -> Result<bool, SectionError> {
    let floor = floor(section, position.line())?;
    Ok(floor.is_some_and(|floor| floor.epoch == position.epoch && floor.has_passed(position)))
}

/// Whether this site has trimmed a partition beyond a cut at which another looked at it.
pub(crate) fn has_passed_beyond(
    section: &Section<'_>,
    cut: Position,
) -> Result<bool, SectionError> {
    let at = FloorRecord { epoch: cut.epoch, seq: cut.seq };
    Ok(floor(section, cut.line())?.is_some_and(|floor| floor > at))
}

/// Raises the floor of a line, and drops what is below it. `false`: it is as high already.
pub(crate) fn raise(
    section: &mut Section<'_>,
    line: Line,
    up_to: Seq,
) -> Result<bool, SectionError> {
    let raised = FloorRecord { epoch: line.epoch, seq: up_to };
    if floor(section, line)?.is_some_and(|held| held >= raised) {
        return Ok(false);
    }
    section.put(FloorRecord::key(line), &raised);
    drop_tombstones(section, line, up_to)?;
    Ok(true)
}

/// Raises the floor of a line to where its origin's is, unless events below are still to come: of those
/// that are handled, what is not applied is in a hole, and what is ignored there stays in one.
pub(crate) fn hear(section: &mut Section<'_>, line: Line, up_to: Seq) -> Result<(), SectionError> {
    if up_to > Seq::NONE && section.handled(line)?.seq >= up_to {
        raise(section, line, up_to)?;
    }
    Ok(())
}

/// Drops some of the tombstones of a line up to a seq, oldest first. Returns how many were looked
/// at; zero: none are left.
pub(crate) fn drop_tombstones(
    section: &mut Section<'_>,
    line: Line,
    up_to: Seq,
) -> Result<usize, SectionError> {
    let rows = tombstones(section, line, (Seq::NONE, up_to), ROWS_PER_COMMIT)?;
    let count = rows.len();
    for key in rows {
        let Some((position, row)) = TombstoneRecord::split(&key) else { continue };
        let row = key.slice_ref(row);
        if is_tombstone(section, &row)? == Some(position) {
            if let Some((latest, slot)) = SlotRecord::split(&row)
                && let Some(tombstone) = section.in_slot(&latest, slot)?
            {
                lock::give_up(section, &latest, &tombstone)?;
            }
            section.remove_object(&row)?;
        }
        section.remove::<TombstoneRecord>(key);
    }
    Ok(count)
}

/// Logs that this site's tombstones are trimmed up to where its history is, if there are any between
/// the floor and there, and every registered site can read it.
pub(crate) fn log_trimmed(
    section: &mut Section<'_>,
    partition: Partition,
) -> Result<bool, SectionError> {
    let line = section.identity.line(partition);
    let up_to = section.written(partition).trimmed;
    let held = floor(section, line)?.filter(|held| held.epoch == line.epoch);
    let from = held.map_or(Seq::NONE, |held| held.seq);
    // A secondary, and a site whose past is disputed, add nothing to their history.
    let may = section.may_change().is_ok() && site::all_read(section, TRIMMED)?;
    if !may || tombstones(section, line, (from, up_to), 1)?.is_empty() {
        return Ok(false);
    }
    let partitions = section.identity.partitions;
    let entity = Entity::Partition(partition, partitions).hash();
    section.log(entity, |_| Change::Trimmed { partition, partitions, up_to })?;
    raise(section, line, up_to)
}

/// Notes tombstones by their position, of those among some rows of `objects`, and that everything up
/// to there has been looked at.
pub(crate) fn found(
    section: &mut Section<'_>,
    rows: Vec<Bytes>,
    found: &TombstonesFound,
) -> Result<(), SectionError> {
    for row in rows {
        if let Some(position) = is_tombstone(section, &row)? {
            section.put(TombstoneRecord::key(position, &row), &TombstoneRecord);
        }
    }
    section.put(TombstonesFound::key(), found);
    Ok(())
}

/// Where the event of a slot stands that holds a tombstone. What cannot be read is none.
fn is_tombstone(section: &Section<'_>, row: &Bytes) -> Result<Option<Position>, SectionError> {
    let Some((latest, slot)) = SlotRecord::split(row) else { return Ok(None) };
    match section.in_slot(&latest, slot) {
        Ok(record) => Ok(record.filter(|held| !held.stands()).map(|held| held.position)),
        Err(SectionError::Record(RecordError::Damaged { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Rows of up to `limit` tombstones of a line, behind the first seq and up to the second.
fn tombstones(
    section: &Section<'_>,
    line: Line,
    (behind, up_to): (Seq, Seq),
    limit: usize,
) -> Result<Vec<Bytes>, SectionError> {
    let mut rows = Vec::new();
    if behind >= up_to {
        return Ok(rows);
    }
    let start = TombstoneRecord::prefix(line.at(behind.next()));
    let end = TombstoneRecord::prefix(line.at(up_to.next()));
    let range = (Bound::Included(start.as_ref()), Bound::Excluded(end.as_ref()));
    section.scan(Table::Queues, range, &mut |key, _| {
        rows.push(key.clone());
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests;
