//! What is freed behind the fence: history, superseded versions, blocks that nothing names.

use bytes::Bytes;
use model::{BlockHash, BlockRef, Partition, Seq};

use super::blocks;
use crate::{
    engine::Table,
    records::{
        BlockRecord, EndedRecord, GarbageRecord, HeldSegmentRecord, HistoryRecord, MultipartId,
        ObjectRecord, PartRecord, Record, RecordError, SupersededRecord,
    },
    section::{Section, SectionError},
};

/// Removes up to `limit` events of history, up to `until`. Returns how many.
pub(crate) fn trim_history(
    section: &mut Section<'_>,
    partition: Partition,
    until: Seq,
    limit: u64,
) -> Result<u64, SectionError> {
    let mut written = section.written(partition);
    let last = until.min(written.seq).min(Seq(written.trimmed.0 + limit));
    let count = last.0.saturating_sub(written.trimmed.0);
    for seq in written.trimmed.0 + 1..=last.0 {
        let key = HistoryRecord::key(section.identity.epoch, partition, Seq(seq));
        section.remove::<HistoryRecord>(key);
    }
    if count > 0 {
        written.trimmed = last;
        section.set_written(partition, written);
    }
    Ok(count)
}

/// Forgets superseded versions, given by their rows in `queues`.
pub(crate) fn free_versions(
    section: &mut Section<'_>,
    rows: Vec<Bytes>,
) -> Result<(), SectionError> {
    for row in rows {
        let Some((_, version_key)) = SupersededRecord::split(&row) else {
            continue;
        };
        let version_key = Bytes::copy_from_slice(version_key);
        if let Some(value) = section.row(Table::Versions, &version_key)? {
            let manifest = ObjectRecord::decode(&value)?.manifest;
            if let Some(manifest) = manifest {
                blocks::dereference(section, &manifest.content)?;
            }
            section.move_row(Table::Versions, version_key.clone(), None);
            forget_attributes(section, version_key)?;
        }
        section.remove::<SupersededRecord>(row);
    }
    Ok(())
}

/// Forgets the attributes of a version that is gone. One that was only replaced by another content of
/// the same version keeps them.
fn forget_attributes(section: &mut Section<'_>, version_key: Bytes) -> Result<(), SectionError> {
    let split = ObjectRecord::split_version_key(&version_key);
    let split = split.map(|(row, version)| (Bytes::copy_from_slice(row), version));
    if let Some((row, version)) = split {
        let latest = match section.get::<ObjectRecord>(&row) {
            // Whose they are, full sync will say; nothing waits for it.
            Err(SectionError::Record(RecordError::Damaged { .. })) => return Ok(()),
            read => read?,
        };
        if latest.is_none_or(|latest| latest.version != version) {
            section.remove_attributes(version_key);
        }
    }
    Ok(())
}

/// Forgets a block if nothing names it; then its file may be deleted. The caller keeps every
/// upload and pull of the same block away until it has done that.
pub(crate) fn forget_block(
    section: &mut Section<'_>,
    hash: BlockHash,
    segment: &[BlockRef],
) -> Result<bool, SectionError> {
    section.remove::<GarbageRecord>(GarbageRecord::key(hash));
    let key = BlockRecord::key(hash);
    match section.get::<BlockRecord>(&key)? {
        Some(record) if record.refs > 0 => return Ok(false),
        Some(record) if record.here => {
            let children: std::collections::BTreeSet<_> =
                segment.iter().map(|block| block.hash).collect();
            drop_segment_wants(section, hash, &children);
            blocks::dereference_blocks(section, children.into_iter())?;
        }
        _ => {}
    }
    section.remove::<BlockRecord>(key);
    Ok(true)
}

fn drop_segment_wants(
    section: &mut Section<'_>,
    segment: BlockHash,
    children: &std::collections::BTreeSet<BlockHash>,
) {
    use crate::records::{Waiter, WantRecord};
    for &child in children {
        section.remove::<WantRecord>(WantRecord::key(child, Waiter::Segment(segment)));
    }
}

/// Drops up to `limit` of the parts and segments that an ended upload still names. Returns
/// whether there may be more.
pub(crate) fn drop_parts(
    section: &mut Section<'_>,
    id: MultipartId,
    limit: usize,
) -> Result<bool, SectionError> {
    let parts = section.keys(Table::Multipart, &PartRecord::prefix(id), limit)?;
    let segments = section.keys(Table::Multipart, &HeldSegmentRecord::prefix(id), limit)?;
    let more = parts.len() == limit || segments.len() == limit;
    for row in parts {
        if let Some(part) = section.get::<PartRecord>(&row)? {
            blocks::dereference(section, &part.content)?;
        }
        section.remove::<PartRecord>(row);
    }
    let segments: Vec<BlockHash> = segments
        .into_iter()
        .map(|row| {
            let held = section.get::<HeldSegmentRecord>(&row)?;
            section.remove::<HeldSegmentRecord>(row);
            Ok(held.map(|HeldSegmentRecord(segment)| segment.stored.hash))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_, SectionError>>()?;
    blocks::dereference_blocks(section, segments.into_iter())?;
    if !more {
        section.remove::<EndedRecord>(EndedRecord::key(id));
    }
    Ok(more)
}
