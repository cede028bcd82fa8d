//! Where an object version goes: the one path into the slots of keys for clients, live apply, replay
//! and full sync.

use bytes::Bytes;
use model::{
    Content, Position, Version,
    merge::{self, Decision},
};

use super::{
    blocks::{self, Segments},
    floor, holes, lock, quarantine,
};
use crate::{
    engine::Table,
    records::{ObjectRecord, ObjectState, SlotRecord, SupersededRecord, TombstoneRecord},
    section::{Section, SectionError},
};

/// Where the blocks of the version are.
pub(crate) enum Presence<'a> {
    /// A client uploaded them here.
    Uploaded(&'a Segments),
    /// At the origin, and perhaps here: an event of real time, or of the origin's history.
    Applied,
    /// The same; a state that full sync found at a cut, whose place in the partition this is.
    Repaired { cut: Position },
}

impl Presence<'_> {
    /// Law 6: whether the event there says nothing of an entity that is absent here. `deleted`: it
    /// says that it is.
    pub(crate) fn is_ignored(
        &self,
        section: &Section<'_>,
        (position, deleted): (Position, bool),
    ) -> Result<bool, SectionError> {
        match self {
            Self::Uploaded(_) => Ok(false),
            Self::Applied => floor::has_passed(section, position),
            // Of epochs before, tombstones stay.
            Self::Repaired { .. } if deleted && floor::has_trimmed(section, position)? => Ok(true),
            // It was there at the cut, so it was not deleted below. Above, it may have been.
            Self::Repaired { cut } => floor::has_passed_beyond(section, *cut),
        }
    }
}

/// Brings a state of a slot in if the merge rule says so; `row` is that of the key in `objects`.
/// `None`: it is ignored, for what it speaks of may have been deleted so long ago that nothing tells
/// any more (law 6).
pub(crate) fn place(
    section: &mut Section<'_>,
    row: &Bytes,
    incoming: &ObjectRecord,
    presence: &Presence<'_>,
) -> Result<Option<Decision>, SectionError> {
    let (latest, apart) = quarantine::readable_slot(section, row, incoming.slot)?;
    let mut held = latest.as_ref().filter(|latest| latest.slot == incoming.slot).or(apart.as_ref());
    if held.is_none() && presence.is_ignored(section, (incoming.position, !incoming.stands()))? {
        return Ok(None);
    }
    if let Some(there) = held
        && lock::stands_against(section, row, (there, incoming))?
    {
        return Ok(Some(Decision::Stale));
    }
    let decision = match held {
        // Digests are needed only where versions are equal, and equal versions are rare.
        Some(held) if held.version == incoming.version => {
            merge::decide(Some(held.state()), incoming.state())
        }
        Some(tombstone) if tombstone.version > incoming.version => {
            if lock::rises(section, row, (tombstone, incoming), presence)? {
                held = None;
                Decision::Replace
            } else {
                Decision::Stale
            }
        }
        _ => Decision::Replace,
    };
    if !matches!(decision, Decision::Replace | Decision::Conflict { replace: true }) {
        return Ok(Some(decision));
    }
    // Of two contents of one event, what waits for the first waits where the second will.
    let (before, after) = match held {
        Some(held) if held.position == incoming.position => (Some(held), None),
        held => (None, held),
    };
    if let Some(held) = before {
        give_way(section, row, held, incoming)?;
    }
    // In this order otherwise, so that blocks which both versions name never count as unnamed.
    if let Some(manifest) = incoming.manifest() {
        debug_assert!(manifest.is_consistent(), "BUG: inconsistent manifest placed");
        settle_content(section, &manifest.content, incoming.position, presence)?;
    }
    if let Some(held) = after {
        give_way(section, row, held, incoming)?;
    }
    section.put_object(row, incoming, (latest.as_ref(), apart.as_ref()))?;
    if !incoming.stands() {
        let slot = SlotRecord::key(row, incoming.slot);
        section.put(TombstoneRecord::key(incoming.position, &slot), &TombstoneRecord);
        lock::forget_voided(section, row, incoming.slot);
    }
    Ok(Some(decision))
}

/// Takes what is in a slot away as a delete would that was trimmed since: no tombstone is left.
pub(crate) fn remove(
    section: &mut Section<'_>,
    row: &Bytes,
    held: &ObjectRecord,
) -> Result<(), SectionError> {
    retire(section, row, held, (Version::NONE, held.position))?;
    if held.stands() {
        lock::forget_voided(section, row, held.slot);
    } else {
        lock::give_up(section, row, held)?;
    }
    section.remove_object(&SlotRecord::key(row, held.slot))
}

pub(super) fn settle_content(
    section: &mut Section<'_>,
    content: &Content,
    position: Position,
    presence: &Presence<'_>,
) -> Result<(), SectionError> {
    match presence {
        Presence::Uploaded(segments) => blocks::reference_uploaded(section, content, segments),
        Presence::Applied | Presence::Repaired { .. } => {
            let count = blocks::reference_applied(section, content, position)?;
            if count > 0 { holes::blocks_missing(section, position, count) } else { Ok(()) }
        }
    }
}

/// What was in a slot goes; what a lock that is not heard of yet could bring back is only buried.
fn give_way(
    section: &mut Section<'_>,
    row: &Bytes,
    held: &ObjectRecord,
    incoming: &ObjectRecord,
) -> Result<(), SectionError> {
    if !incoming.stands() && lock::buries(section, row, held)? {
        lock::bury(section, row, held);
        return Ok(());
    }
    retire(section, row, held, (incoming.version, incoming.position))
}

/// Law 5: a complete version stays until its successor is complete here and the fence has passed
/// it. Law 7: an incomplete one is dropped with its wants, and what it had superseded waits for
/// the new successor instead.
fn retire(
    section: &mut Section<'_>,
    row: &Bytes,
    held: &ObjectRecord,
    (incoming, successor): (Version, Position),
) -> Result<(), SectionError> {
    let manifest = match &held.state {
        ObjectState::Put(manifest) => manifest,
        ObjectState::Marker => return Ok(()),
        ObjectState::Deleted => {
            let slot = SlotRecord::key(row, held.slot);
            section.remove::<TombstoneRecord>(TombstoneRecord::key(held.position, &slot));
            return Ok(());
        }
    };
    let incomplete = section.hole(held.position)?.is_some_and(|hole| hole.reason.is_applied());
    let version_key = ObjectRecord::version_key(row, held.version);
    if incomplete {
        if incoming != held.version {
            section.remove_attributes(version_key);
        }
        blocks::drop_wants(section, &manifest.content, held.position)?;
        let before = SupersededRecord::prefix(held.position);
        for key in section.keys(Table::Queues, &before, usize::MAX)? {
            let superseded = key.slice(before.len()..);
            section.remove::<SupersededRecord>(key);
            section.put(SupersededRecord::key(successor, &superseded), &SupersededRecord);
        }
    } else {
        section.put(SupersededRecord::key(successor, &version_key), &SupersededRecord);
        section.keep_version(version_key, held);
    }
    Ok(())
}
