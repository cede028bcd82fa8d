//! Where an object version goes: the one path into `objects` for clients, live apply, replay
//! and full sync.

use bytes::Bytes;
use model::{
    Content, Hole, HoleReason, Position,
    merge::{self, Decision},
};

use super::blocks::{self, Segments};
use crate::{
    engine::Table,
    records::{ObjectRecord, Record, SupersededRecord},
    section::{Section, SectionError},
};

/// Where the blocks of the version are.
pub(crate) enum Presence<'a> {
    /// A client uploaded them here.
    Uploaded(&'a Segments),
    /// At the origin, and perhaps here.
    Applied,
}

/// Brings a version in if the merge rule says so.
pub(crate) fn place(
    section: &mut Section<'_>,
    row: &Bytes,
    incoming: &ObjectRecord,
    presence: &Presence<'_>,
) -> Result<Decision, SectionError> {
    let held = section.get::<ObjectRecord>(row)?;
    let decision = match &held {
        // Digests are needed only where versions are equal, and equal versions are rare.
        Some(held) if held.version == incoming.version => {
            merge::decide(Some(held.state()), incoming.state())
        }
        Some(held) if held.version > incoming.version => Decision::Stale,
        _ => Decision::Replace,
    };
    if !matches!(decision, Decision::Replace | Decision::Conflict { replace: true }) {
        return Ok(decision);
    }
    // In this order, so that blocks which both versions name never count as unnamed.
    if let Some(manifest) = &incoming.manifest {
        debug_assert!(manifest.is_consistent(), "BUG: inconsistent manifest placed");
        settle_content(section, &manifest.content, incoming.position, presence)?;
    }
    if let Some(held) = held {
        retire(section, row, &held, incoming.position)?;
    }
    section.put(row.clone(), incoming);
    Ok(decision)
}

fn settle_content(
    section: &mut Section<'_>,
    content: &Content,
    position: Position,
    presence: &Presence<'_>,
) -> Result<(), SectionError> {
    match presence {
        Presence::Uploaded(segments) => blocks::reference_uploaded(section, content, segments),
        Presence::Applied => {
            let count = blocks::reference_applied(section, content, position)?;
            if count > 0 {
                let reason = HoleReason::BlocksMissing { count };
                let (first, last) = (position.seq, position.seq);
                section.open_hole(position.line(), Hole { first, last, reason });
            }
            Ok(())
        }
    }
}

/// Law 5: a complete version stays until its successor is complete here and the fence has passed
/// it. Law 7: an incomplete one is dropped with its wants, and what it had superseded waits for
/// the new successor instead.
fn retire(
    section: &mut Section<'_>,
    row: &Bytes,
    held: &ObjectRecord,
    successor: Position,
) -> Result<(), SectionError> {
    let Some(manifest) = &held.manifest else {
        return Ok(());
    };
    let incomplete = section.hole(held.position)?.is_some_and(|hole| hole.reason.is_applied());
    if incomplete {
        blocks::drop_wants(section, &manifest.content, held.position)?;
        let before = SupersededRecord::prefix(held.position);
        for key in section.keys(Table::Queues, &before, usize::MAX)? {
            let version_key = key.slice(before.len()..);
            section.remove::<SupersededRecord>(key);
            section.put(SupersededRecord::key(successor, &version_key), &SupersededRecord);
        }
    } else {
        let version_key = ObjectRecord::version_key(row, held.version);
        section.put(SupersededRecord::key(successor, &version_key), &SupersededRecord);
        section.move_row(Table::Versions, version_key, Some(held.encode()));
    }
    Ok(())
}
