//! References to blocks, who waits for them, and their arrival.
//!
//! A block's `refs` counts who names it, each once: manifests, segments, and the parts and held
//! segments of uploads. The blocks of a segment are counted exactly while its row says that it is
//! here. A want row says
//! who becomes more complete when a block does. Both sides of each count change in one commit.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, Content, Hole, HoleReason, Position, SiteId};

use crate::{
    engine::Table,
    records::{BlockRecord, GarbageRecord, Waiter, WantRecord},
    section::{Section, SectionError},
};

/// A block that has been written to this site's disk.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub hash: BlockHash,
    /// For a segment: the blocks it names.
    pub segment: Option<Vec<BlockRef>>,
}

/// A block that this site wants from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    pub block: BlockRef,
    pub kind: BlockKind,
    pub origin: SiteId,
}

/// Segments that an upload wrote, with the blocks of each.
pub(crate) type Segments = BTreeMap<BlockHash, Vec<BlockRef>>;

/// The blocks a manifest names, each once.
pub(crate) fn distinct(content: &Content) -> BTreeSet<(BlockKind, BlockRef)> {
    content.named().collect()
}

/// Counts the references of a manifest whose blocks were uploaded here: all are on this disk,
/// and the upload keeps the collector away until the commit.
pub(crate) fn reference_uploaded(
    section: &mut Section<'_>,
    content: &Content,
    segments: &Segments,
) -> Result<(), SectionError> {
    let origin = section.identity.site;
    for (kind, block) in distinct(content) {
        let mut record = load(section, kind, block, origin)?;
        record.refs += 1;
        let arrived = !record.here;
        section.put(BlockRecord::key(block.hash), &record);
        match segments.get(&block.hash) {
            Some(children) if kind == BlockKind::Segment => {
                let children: BTreeSet<_> = children.iter().copied().collect();
                uploaded_segment(section, &children, arrived)?;
                settle(section, block.hash)?;
            }
            _ if arrived => {
                assert!(kind == BlockKind::Block, "BUG: a segment without its blocks is no upload");
                arrive(section, block.hash, None)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether all that a manifest names is on this disk, whole, and named by somebody.
pub(crate) fn all_here(section: &Section<'_>, content: &Content) -> Result<bool, SectionError> {
    for (_, block) in distinct(content) {
        let record = section.get::<BlockRecord>(&BlockRecord::key(block.hash))?;
        if !record.is_some_and(|record| record.refs > 0 && record.missing == 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The blocks of an uploaded segment are all here; they are counted when the segment is new.
fn uploaded_segment(
    section: &mut Section<'_>,
    children: &BTreeSet<BlockRef>,
    new: bool,
) -> Result<(), SectionError> {
    let origin = section.identity.site;
    for &child in children {
        let mut record = load(section, BlockKind::Block, child, origin)?;
        record.refs += u32::from(new);
        section.put(BlockRecord::key(child.hash), &record);
        arrive(section, child.hash, None)?;
    }
    Ok(())
}

/// Counts the references of an applied manifest and wants what is not here. Returns how many of
/// the blocks and segments that it names are not complete.
pub(crate) fn reference_applied(
    section: &mut Section<'_>,
    content: &Content,
    position: Position,
) -> Result<u32, SectionError> {
    let named = distinct(content);
    want(section, named, Waiter::Event(position), position.site)
}

fn want(
    section: &mut Section<'_>,
    named: BTreeSet<(BlockKind, BlockRef)>,
    waiter: Waiter,
    origin: SiteId,
) -> Result<u32, SectionError> {
    let mut missing = 0;
    for (kind, block) in named {
        let mut record = load(section, kind, block, origin)?;
        record.refs += 1;
        if record.missing > 0 {
            missing += 1;
            section.put(WantRecord::key(block.hash, waiter), &WantRecord);
        }
        section.put(BlockRecord::key(block.hash), &record);
    }
    Ok(missing)
}

/// What is held of a block, as who names it now needs it. A row is there until the commit in which
/// the collector decides to delete the file, so what it says of the disk holds, also while nobody
/// names the block.
fn load(
    section: &Section<'_>,
    kind: BlockKind,
    block: BlockRef,
    origin: SiteId,
) -> Result<BlockRecord, SectionError> {
    let record = section.get::<BlockRecord>(&BlockRecord::key(block.hash))?;
    let record = record.unwrap_or_else(|| BlockRecord::absent(kind, block.length, origin));
    Ok(match (kind, record.kind) {
        // The bytes of a segment may have been stored as a mere block, whose names count for
        // nothing: they count from now on.
        (BlockKind::Segment, BlockKind::Block) => {
            BlockRecord { refs: record.refs, ..BlockRecord::absent(kind, block.length, origin) }
        }
        _ => record,
    })
}

/// Takes back the references of a manifest. Blocks that nothing names go to the collector.
pub(crate) fn dereference(
    section: &mut Section<'_>,
    content: &Content,
) -> Result<(), SectionError> {
    dereference_blocks(section, distinct(content).into_iter().map(|(_, block)| block.hash))
}

/// Takes back one reference of each block.
pub(crate) fn dereference_blocks(
    section: &mut Section<'_>,
    hashes: impl Iterator<Item = BlockHash>,
) -> Result<(), SectionError> {
    for hash in hashes {
        let key = BlockRecord::key(hash);
        let Some(mut record) = section.get::<BlockRecord>(&key)? else {
            continue;
        };
        record.refs = record.refs.saturating_sub(1);
        if record.refs == 0 {
            section.put(GarbageRecord::key(hash), &GarbageRecord);
        }
        section.put(key, &record);
    }
    Ok(())
}

/// Sets a count right by as much as it was wrong in a snapshot, where it said `counted` of a block that
/// was `named` so often. Returns whether it did: a block that somebody still waits for is let go of
/// once it has come.
pub(crate) fn recount(
    section: &mut Section<'_>,
    hash: BlockHash,
    (counted, named): (u32, u32),
) -> Result<bool, SectionError> {
    let key = BlockRecord::key(hash);
    let Some(mut record) = section.get::<BlockRecord>(&key)? else { return Ok(false) };
    let more = record.refs.saturating_add(named.saturating_sub(counted));
    record.refs = more.saturating_sub(counted.saturating_sub(named));
    if record.refs == 0 {
        if !section.keys(Table::Wants, &hash.0.0, 1)?.is_empty() {
            return Ok(false);
        }
        section.put(GarbageRecord::key(hash), &GarbageRecord);
    }
    section.put(key, &record);
    Ok(true)
}

/// Nobody waits any more for what an incomplete version misses. What it names stays counted.
pub(crate) fn stop_waiting(section: &mut Section<'_>, content: &Content, position: Position) {
    for (_, block) in distinct(content) {
        section.remove::<WantRecord>(WantRecord::key(block.hash, Waiter::Event(position)));
    }
    section.close_hole(position.line(), position.seq);
}

/// Drops what an incomplete version still waits for (law 7: its successor is here).
pub(crate) fn drop_wants(
    section: &mut Section<'_>,
    content: &Content,
    position: Position,
) -> Result<(), SectionError> {
    stop_waiting(section, content, position);
    dereference(section, content)
}

/// Takes note that blocks are on this disk. Of a block that nothing names, it notes garbage.
pub(crate) fn arrivals(
    section: &mut Section<'_>,
    arrivals: Vec<Arrival>,
) -> Result<(), SectionError> {
    for Arrival { hash, segment } in arrivals {
        arrive(section, hash, segment)?;
    }
    Ok(())
}

fn arrive(
    section: &mut Section<'_>,
    hash: BlockHash,
    segment: Option<Vec<BlockRef>>,
) -> Result<(), SectionError> {
    let key = BlockRecord::key(hash);
    let record = section.get::<BlockRecord>(&key)?.filter(|record| record.refs > 0);
    let Some(mut record) = record else {
        section.put(GarbageRecord::key(hash), &GarbageRecord);
        return Ok(());
    };
    if record.here {
        return Ok(());
    }
    record.here = true;
    let children = segment.into_iter().flatten().map(|block| (BlockKind::Block, block));
    record.missing = want(section, children.collect(), Waiter::Segment(hash), record.origin)?;
    section.put(key, &record);
    if record.missing == 0 { settle(section, hash) } else { Ok(()) }
}

/// A block is complete: everyone who waits for it waits for one less.
fn settle(section: &mut Section<'_>, hash: BlockHash) -> Result<(), SectionError> {
    let mut complete = vec![hash];
    while let Some(hash) = complete.pop() {
        let key = BlockRecord::key(hash);
        if let Some(mut record) = section.get::<BlockRecord>(&key)? {
            (record.here, record.missing) = (true, 0);
            section.put(key, &record);
        }
        for row in section.keys(Table::Wants, &hash.0.0, usize::MAX)? {
            complete.extend(advance(section, &row)?);
            section.remove::<WantRecord>(row);
        }
    }
    Ok(())
}

/// One waiter waits for one less. Returns the segment that became complete by it.
fn advance(section: &mut Section<'_>, row: &Bytes) -> Result<Option<BlockHash>, SectionError> {
    match WantRecord::split(row) {
        Some((_, Waiter::Event(position))) => {
            let Some(hole) = section.hole(position)? else {
                return Ok(None);
            };
            match hole.reason {
                HoleReason::BlocksMissing { count } if count > 1 => {
                    let reason = HoleReason::BlocksMissing { count: count - 1 };
                    section.open_hole(position.line(), Hole { reason, ..hole });
                }
                HoleReason::BlocksMissing { .. } => {
                    section.close_hole(position.line(), position.seq);
                }
                _ => {}
            }
            Ok(None)
        }
        Some((_, Waiter::Segment(segment))) => {
            let key = BlockRecord::key(segment);
            let Some(mut record) = section.get::<BlockRecord>(&key)? else {
                return Ok(None);
            };
            record.missing = record.missing.saturating_sub(1);
            section.put(key, &record);
            Ok((record.missing == 0).then_some(segment))
        }
        None => Ok(None),
    }
}
