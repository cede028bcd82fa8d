//! Holes, and how they go together.
//!
//! A hole's row is named by its first seq, and full sync applies events in the middle of holes. What
//! must stay true: an event that is applied and misses blocks has its own hole, whose row nothing
//! else takes; and no event that is not applied falls out of every hole. Holes may overlap: the line
//! is complete below the first of them.
//!
//! So the hole that somebody has seen at a seq may be another one by the time they act on it, and
//! reach further. Whoever closes one says up to where, and no more than that is closed.
//!
//! A hole that begins before the first event, at [`Seq::NONE`], says that the chain broke behind its
//! last: how far back the histories part nobody knows. No event can take its row or its beginning,
//! and only a proof at or above its last closes it, as a whole.

use std::ops::ControlFlow;

use model::{Digest, Hole, HoleReason, Line, Position, Seq, progress::Handled};

use crate::{
    engine::{Table, prefix_range},
    records::{HoleRecord, Record},
    section::{Section, SectionError},
};

/// Opens a hole whose events are not applied, or changes the reason of one. What it begins with and
/// what is applied already, but for its blocks, is not in it.
pub(crate) fn open(
    section: &mut Section<'_>,
    line: Line,
    mut hole: Hole,
) -> Result<(), SectionError> {
    while let Some(held) = section.hole(line.at(hole.first))? {
        if held.reason.is_applied() {
            let Some(rest) = behind(hole, held.last) else { return Ok(()) };
            hole = rest;
        } else if held.last > hole.last {
            return Ok(());
        } else {
            break;
        }
    }
    section.open_hole(line, hole);
    Ok(())
}

/// The event there is applied, and so many of its blocks are not here.
pub(crate) fn blocks_missing(
    section: &mut Section<'_>,
    position: Position,
    count: u32,
) -> Result<(), SectionError> {
    applied(section, position)?;
    let (first, last) = (position.seq, position.seq);
    let reason = HoleReason::BlocksMissing { count };
    section.open_hole(position.line(), Hole { first, last, reason });
    Ok(())
}

/// The event there is applied: a hole that began with it begins behind it. One that it is in the
/// middle of stays as it is, for the sake of the others.
pub(crate) fn applied(section: &mut Section<'_>, position: Position) -> Result<(), SectionError> {
    match section.hole(position)? {
        Some(hole) if !hole.reason.is_applied() && position.seq > Seq::NONE => {
            shorten(section, position.line(), hole, position.seq)
        }
        _ => Ok(()),
    }
}

/// Closes what began there up to a seq, if its events are not applied yet; `digest` is that of the
/// last event that came. Returns the seqs that are in no hole now for all that this knows. `None`: it
/// is closed already, or what it began with came by full sync, and what remained is a hole of its
/// own.
pub(crate) fn close(
    section: &mut Section<'_>,
    line: Line,
    (first, last): (Seq, Seq),
    digest: Digest,
) -> Result<Option<(Seq, Seq)>, SectionError> {
    let held = section.hole(line.at(first))?.filter(|hole| !hole.reason.is_applied());
    let Some(held) = held else { return Ok(None) };
    section.close_hole(line, first);
    let closed = (first, held.last.min(last));
    if let Some(mut rest) = behind(held, last) {
        if let HoleReason::Gap { after, .. } = &mut rest.reason {
            *after = digest;
        }
        open(section, line, rest)?;
    }
    Ok(Some(closed))
}

/// Full sync found no difference at a cut: what is not applied up to there is made up for. Of a broken
/// chain nothing is, until the cut is at or above where it broke.
pub(crate) fn prove(section: &mut Section<'_>, line: Line, up_to: Seq) -> Result<(), SectionError> {
    let (mut end, mut holes, mut failed) = (Vec::new(), Vec::new(), None);
    let prefix = HoleRecord::prefix(line);
    section.scan(Table::Queues, prefix_range(&prefix, &mut end), &mut |_, value| {
        match HoleRecord::decode(value) {
            Ok(HoleRecord(hole)) if hole.first > up_to => return ControlFlow::Break(()),
            Ok(HoleRecord(hole)) if hole.reason.is_applied() => {}
            Ok(HoleRecord(hole)) if hole.first == Seq::NONE && hole.last > up_to => {}
            Ok(HoleRecord(hole)) => holes.push(hole),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    holes.into_iter().try_for_each(|hole| shorten(section, line, hole, up_to))
}

/// A line of which nothing was handled begins at a cut: what lies below it, full sync brings.
/// Nothing is done to a line that has begun.
pub(crate) fn adopt(
    section: &mut Section<'_>,
    line: Line,
    handled: Handled,
) -> Result<(), SectionError> {
    if section.handled(line)? != Handled::START || handled.seq == Seq::NONE {
        return Ok(());
    }
    section.adopt_handled(line, handled);
    let reason = HoleReason::Adopted;
    open(section, line, Hole { first: Seq::NONE.next(), last: handled.seq, reason })
}

/// Takes the events up to a seq out of a hole that is open.
fn shorten(
    section: &mut Section<'_>,
    line: Line,
    hole: Hole,
    up_to: Seq,
) -> Result<(), SectionError> {
    section.close_hole(line, hole.first);
    match behind(hole, up_to) {
        Some(rest) => open(section, line, rest),
        None => Ok(()),
    }
}

/// What is left of a hole behind a seq.
fn behind(hole: Hole, seq: Seq) -> Option<Hole> {
    let reason = match hole.reason {
        HoleReason::Gap { last, .. } => HoleReason::Gap { after: Digest::ZERO, last },
        other => other,
    };
    (seq < hole.last).then_some(Hole { first: seq.next(), last: hole.last, reason })
}
