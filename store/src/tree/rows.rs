//! The rows of the tree in a snapshot.

use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use bytes::Bytes;
use model::{
    EntityHash, Millis,
    tree::{LEAVES_MAX, Leaf, Path},
};

use super::fold::Reader;
use crate::{
    engine::{Engine, EngineError, KeyRange, Snapshot, Table, prefix_range},
    errors::ReadError,
    records::{
        Branches, LeafRecord, MarksRecord, NODE, NodeRecord, Record, RecordError, split_place,
    },
};

/// One scope in a snapshot.
pub(super) struct ScopeRows {
    pub(super) snapshot: Arc<dyn Snapshot>,
    /// As in keys.
    pub(super) scope: Vec<u8>,
}

impl ScopeRows {
    pub(super) fn leaf(&self, entity: EntityHash) -> Result<Option<LeafRecord>, ReadError> {
        let found = get(&*self.snapshot, &LeafRecord::key(&self.scope, entity));
        Ok(readable(found)?.unwrap_or_default())
    }

    /// Keys of nodes whose branches are not split: a crash left them behind, and nobody reads them.
    pub(super) fn strays(&self) -> Result<Vec<Bytes>, ReadError> {
        let (prefix, mut end) = (NodeRecord::key(&self.scope, Path::ROOT), Vec::new());
        let mut strays = Vec::new();
        let range = (Table::Tree, prefix_range(&prefix, &mut end));
        each(&*self.snapshot, range, usize::MAX, |key, _| {
            let path = NodeRecord::split(key).map(|(_, path)| path);
            if let Some(path) = path.filter(|path| *path != Path::ROOT)
                && self.leaves(path, path.first(), LEAVES_MAX + 1)?.len() <= LEAVES_MAX
            {
                strays.push(key.clone());
            }
            Ok(())
        })?;
        Ok(strays)
    }
}

impl Reader for ScopeRows {
    fn node(&self, path: Path) -> Result<Option<Box<Branches>>, ReadError> {
        let found = get::<NodeRecord>(&*self.snapshot, &NodeRecord::key(&self.scope, path));
        let found: Option<NodeRecord> = readable(found)?.unwrap_or_default();
        Ok(found.map(|NodeRecord(branches)| branches))
    }

    fn leaves(&self, path: Path, from: EntityHash, limit: usize) -> Result<Vec<Leaf>, ReadError> {
        let last = path.last();
        if from > last {
            return Ok(Vec::new());
        }
        let first = LeafRecord::key(&self.scope, from);
        let last = LeafRecord::key(&self.scope, last);
        let range = (Bound::Included(first.as_ref()), Bound::Included(last.as_ref()));
        let mut leaves = Vec::new();
        self.snapshot.scan(Table::Tree, range, &mut |key, value| {
            if let (Some((_, entity)), Ok(leaf)) = (split_place(key), LeafRecord::decode(value)) {
                leaves.push(leaf.leaf(entity));
            }
            if leaves.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(leaves)
    }
}

/// Tells a row that cannot be read from a store that cannot. A leaf or a node that cannot counts as
/// none: then the tree differs from that of other sites, which a comparison finds and repairs.
pub(super) fn readable<T>(
    outcome: Result<T, ReadError>,
) -> Result<Result<T, RecordError>, ReadError> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(ReadError::Record(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

pub(super) fn get<R: Record>(snapshot: &dyn Snapshot, key: &[u8]) -> Result<Option<R>, ReadError> {
    let value = snapshot.get(R::TABLE, key)?;
    Ok(value.as_ref().map(R::decode).transpose()?)
}

/// Visits at most `limit` rows of a range; the first error ends it.
pub(super) fn each(
    snapshot: &dyn Snapshot,
    (table, range): (Table, KeyRange<'_>),
    limit: usize,
    mut visit: impl FnMut(&Bytes, &Bytes) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (mut left, mut outcome) = (limit, Ok(()));
    snapshot.scan(table, range, &mut |key, value| {
        left = left.saturating_sub(1);
        outcome = visit(key, value);
        if outcome.is_ok() && left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}

/// Rows after a key that begin with a prefix, at most `limit`.
pub(super) fn after(
    snapshot: &dyn Snapshot,
    (table, prefix): (Table, &[u8]),
    after: &[u8],
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
    let (mut end, mut rows) = (Vec::new(), Vec::new());
    let (first, last) = prefix_range(prefix, &mut end);
    let first = if after > prefix { Bound::Excluded(after) } else { first };
    snapshot.scan(table, (first, last), &mut |key, value| {
        rows.push((key.clone(), value.clone()));
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(rows)
}

/// What is left to fold.
#[derive(Default)]
pub(super) struct Marked {
    pub(super) marks: MarksRecord,
    /// Where that was written, in order.
    pub(super) rows: Vec<Bytes>,
    /// There is more.
    pub(super) more: bool,
}

/// Marks from a number on: rows of them, in order, for as long as they hold `limit` places at most,
/// but one row at the least.
pub(super) fn marked(
    snapshot: &dyn Snapshot,
    since: u64,
    limit: usize,
) -> Result<Marked, EngineError> {
    let (mut marked, mut count, mut end) = (Marked::default(), 0, Vec::new());
    let from = MarksRecord::key(since);
    let range = (Bound::Included(from.as_ref()), prefix_range(MarksRecord::PREFIX, &mut end).1);
    snapshot.scan(Table::Tree, range, &mut |key, row| {
        // What a row would have said that has rotted, verifying the tree finds out.
        let marks = MarksRecord::decode(row).unwrap_or_default();
        count += marks.len();
        marked.more = count > limit && !marked.rows.is_empty();
        if marked.more {
            return ControlFlow::Break(());
        }
        marked.marks.extend(marks);
        marked.rows.push(key.clone());
        ControlFlow::Continue(())
    })?;
    Ok(marked)
}

/// Number of the first marks, and one above all of them. It follows the clock, so as to be above
/// those that were folded before the last restart too; no site makes 65 commits a microsecond.
pub(crate) fn numbers_of_marks(
    engine: &dyn Engine,
    now: Millis,
) -> Result<(u64, u64), EngineError> {
    let (mut first, mut next, mut end) = (None, now.0 << 16, Vec::new());
    engine.scan(Table::Tree, prefix_range(MarksRecord::PREFIX, &mut end), &mut |key, _| {
        if let Some(number) = MarksRecord::number(key) {
            first = first.or(Some(number));
            next = next.max(number.saturating_add(1));
        }
        ControlFlow::Continue(())
    })?;
    Ok((first.unwrap_or(next), next))
}

/// The first scope after another that has leaves or nodes, as in keys. One seek a scope, however
/// many leaves it has.
pub(super) fn next_scope(
    snapshot: &dyn Snapshot,
    after_scope: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, EngineError> {
    let mut first = None;
    for tag in [LeafRecord::PREFIX, NODE] {
        // Behind the NUL at the end of a scope comes nothing but what is of it.
        let mut past = after_scope.map_or_else(Vec::new, <[u8]>::to_vec);
        if let Some(nul) = past.last_mut() {
            *nul = 1;
        }
        let (start, mut end) = ([tag, &past].concat(), Vec::new());
        let range = (Bound::Included(start.as_slice()), prefix_range(tag, &mut end).1);
        snapshot.scan(Table::Tree, range, &mut |key, _| {
            let scope = match tag {
                NODE => NodeRecord::split(key).map(|(scope, _)| scope),
                _ => split_place(key).map(|(scope, _)| scope),
            };
            if let Some(scope) = scope.filter(|scope| first.as_deref().is_none_or(|f| *scope < f)) {
                first = Some(scope.to_vec());
            }
            ControlFlow::Break(())
        })?;
    }
    Ok(first)
}
