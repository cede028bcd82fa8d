//! One pass over all records: some of the blocks, and how often each is named.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use bytes::Bytes;
use model::{BlockHash, BlockKind, BlockRef, Content, Partition, Segment};

use crate::{
    engine::{Snapshot, Table, prefix_range},
    errors::{KeepError, ReadError},
    records::{
        BlockRecord, HeldSegmentRecord, Identity, ObjectRecord, PartRecord, QuarantineRecord,
        Record, RecordError, Written,
    },
    rules::blocks::distinct,
    store::Store,
};

/// Rows of blocks that are looked through at once for segments.
const ROWS: usize = 16 << 10;

/// How often a block counts, and how often it is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    pub(super) counted: u32,
    pub(super) named: u32,
    length: u32,
}

/// Some blocks in the order of hashes, in one snapshot.
pub(super) struct Pass {
    counts: BTreeMap<BlockHash, Count>,
    after: Option<BlockHash>,
    /// Behind which the next pass goes on. `None`: it is the last.
    pub(super) last: Option<BlockHash>,
    /// Names of blocks between the two that have no row.
    pub(super) unknown: u64,
    pub(super) unreadable: u64,
    /// What this site had written.
    pub(super) written: Vec<(Partition, Written)>,
}

impl Store {
    /// Counts the next blocks behind a hash.
    pub(super) async fn count(
        &self,
        after: Option<BlockHash>,
        at_once: usize,
    ) -> Result<Pass, KeepError> {
        let snapshot = self.shared.engine.snapshot();
        let (of, identity) = (Arc::clone(&snapshot), Arc::clone(&self.shared.identity));
        let pass = move || {
            let mut pass = Pass::begin(&*of, after, at_once)?;
            pass.written = written(&*of, &identity)?;
            pass.records(&*of)?;
            Ok::<_, ReadError>(pass)
        };
        let mut pass = ops::blocking(pass).await?;
        let mut from = Some(None);
        while let Some(behind) = from {
            let of = Arc::clone(&snapshot);
            let (segments, next) = ops::blocking(move || segments(&*of, behind)).await?;
            for segment in segments {
                pass.segment(self.shared.blocks.get(segment).await.ok().flatten().as_ref());
            }
            from = next.map(Some);
        }
        Ok(pass)
    }
}

impl Pass {
    fn begin(
        snapshot: &dyn Snapshot,
        after: Option<BlockHash>,
        at_once: usize,
    ) -> Result<Self, ReadError> {
        let (counts, last, written) = Default::default();
        let mut pass = Self { counts, after, last, unknown: 0, unreadable: 0, written };
        let start = after.map(BlockRecord::key);
        let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        snapshot.scan(Table::Blocks, (start, Bound::Unbounded), &mut |key, value| {
            match (BlockRecord::hash(key), BlockRecord::decode(value)) {
                (Some(hash), Ok(BlockRecord { refs: counted, length, .. })) => {
                    pass.counts.insert(hash, Count { counted, named: 0, length });
                    if pass.counts.len() == at_once {
                        pass.last = Some(hash);
                        return ControlFlow::Break(());
                    }
                }
                _ => pass.unreadable += 1,
            }
            ControlFlow::Continue(())
        })?;
        Ok(pass)
    }

    pub(super) fn blocks(&self) -> u64 {
        self.counts.len() as u64
    }

    /// Those that count otherwise than they are named.
    pub(super) fn wrong(&self) -> impl Iterator<Item = (BlockRef, Count)> + '_ {
        let wrong = self.counts.iter().filter(|(_, count)| count.counted != count.named);
        wrong.map(|(&hash, &count)| (BlockRef { hash, length: count.length }, count))
    }

    fn name(&mut self, hash: BlockHash) {
        match self.counts.get_mut(&hash) {
            Some(count) => count.named += 1,
            None => {
                let here = self.after.is_none_or(|after| hash > after)
                    && self.last.is_none_or(|last| hash <= last);
                self.unknown += u64::from(here);
            }
        }
    }

    /// What records name: latest versions and those beside and before them, uploads, and what was set
    /// aside.
    fn records(&mut self, snapshot: &dyn Snapshot) -> Result<(), ReadError> {
        type Read = fn(&[u8], &Bytes) -> Result<Option<Content>, RecordError>;
        let tables: [(Table, &[u8], Read); 6] = [
            (Table::Objects, b"", object),
            (Table::Slots, b"", object),
            (Table::Versions, b"", object),
            (Table::Multipart, PartRecord::PREFIX, part),
            (Table::Multipart, HeldSegmentRecord::PREFIX, held_segment),
            (Table::Quarantine, b"", set_aside),
        ];
        for (table, prefix, read) in tables {
            let mut end = Vec::new();
            snapshot.scan(table, prefix_range(prefix, &mut end), &mut |row, value| {
                match read(row, value) {
                    Ok(content) => content
                        .iter()
                        .flat_map(distinct)
                        .for_each(|(_, block)| self.name(block.hash)),
                    Err(_) => self.unreadable += 1,
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    /// What a segment names whose row says that it is here; `None`: it cannot be read.
    fn segment(&mut self, bytes: Option<&Bytes>) {
        match bytes.map(|bytes| Segment::from_bytes(bytes)) {
            Some(Ok(Segment(blocks))) => {
                distinct(&Content::Blocks(blocks))
                    .iter()
                    .for_each(|(_, block)| self.name(block.hash));
            }
            Some(Err(_)) | None => self.unreadable += 1,
        }
    }
}

/// The next segments that are here, and where to go on.
fn segments(
    snapshot: &dyn Snapshot,
    after: Option<BlockHash>,
) -> Result<(Vec<BlockHash>, Option<BlockHash>), ReadError> {
    let (mut segments, mut left, mut last) = (Vec::new(), ROWS, None);
    let start = after.map(BlockRecord::key);
    let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    snapshot.scan(Table::Blocks, (start, Bound::Unbounded), &mut |key, value| {
        let is_here = |record: &BlockRecord| record.kind == BlockKind::Segment && record.here;
        let hash = BlockRecord::hash(key);
        if BlockRecord::decode(value).as_ref().is_ok_and(is_here) {
            segments.extend(hash);
        }
        left -= 1;
        if left > 0 {
            return ControlFlow::Continue(());
        }
        last = hash;
        ControlFlow::Break(())
    })?;
    Ok((segments, last))
}

fn written(
    snapshot: &dyn Snapshot,
    identity: &Identity,
) -> Result<Vec<(Partition, Written)>, ReadError> {
    let of = |partition| {
        let row = snapshot.get(Table::Meta, &Written::key(identity.epoch, partition))?;
        let written = row.as_ref().map(Written::decode).transpose()?;
        Ok((partition, written.unwrap_or(Written::START)))
    };
    identity.partitions.iter().map(of).collect()
}

fn object(_: &[u8], value: &Bytes) -> Result<Option<Content>, RecordError> {
    Ok(ObjectRecord::decode(value)?.manifest().map(|manifest| manifest.content.clone()))
}

fn part(_: &[u8], value: &Bytes) -> Result<Option<Content>, RecordError> {
    Ok(Some(PartRecord::decode(value)?.content))
}

fn held_segment(_: &[u8], value: &Bytes) -> Result<Option<Content>, RecordError> {
    let HeldSegmentRecord(segment) = HeldSegmentRecord::decode(value)?;
    Ok(Some(Content::Segments(vec![segment])))
}

fn set_aside(row: &[u8], value: &Bytes) -> Result<Option<Content>, RecordError> {
    let QuarantineRecord { row: record, .. } = QuarantineRecord::decode(value)?;
    match QuarantineRecord::split(row) {
        Some((_, Table::Objects | Table::Slots, _)) => object(row, &record),
        // Buckets and users name no blocks.
        _ => Ok(None),
    }
}
