//! The slots of keys in their order, wherever their records are: `objects` and `slots` as one run.

use std::{
    collections::VecDeque,
    ops::{Bound, ControlFlow},
};

use bytes::Bytes;

use crate::{
    engine::{EngineError, Snapshot, Table, prefix_range},
    records::SlotRecord,
    tree::leaves,
};

/// Rows read at once, at first: most keys have one version.
const AHEAD: usize = 64;
/// And at most, of a scan that goes on.
const AHEAD_MAX: usize = 1_024;

/// What is in a slot.
pub(crate) struct InSlot {
    /// Of the slot; of one in `objects` that cannot be read, that of the null slot of its key.
    pub(crate) row: Bytes,
    pub(crate) value: Bytes,
    /// It is in `objects`: the latest of its key, if it stands.
    pub(crate) latest: bool,
}

/// A scan over the slots of the keys that begin with something.
pub(crate) struct SlotScan<'a> {
    objects: Ahead<'a>,
    slots: Ahead<'a>,
    /// Of the next in `objects`, so that it is worked out once.
    name: Option<Bytes>,
}

/// Rows of one table, some of which are read already.
struct Ahead<'a> {
    snapshot: &'a dyn Snapshot,
    table: Table,
    rows: VecDeque<(Bytes, Bytes)>,
    /// From where to read on.
    from: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// Rows to read at once; zero: there are no more.
    size: usize,
}

impl<'a> SlotScan<'a> {
    /// Over the rows that begin with a prefix.
    pub(crate) fn new(snapshot: &'a dyn Snapshot, prefix: &[u8]) -> Self {
        let ahead = |table| {
            let mut end = Vec::new();
            let (_, end) = prefix_range(prefix, &mut end);
            Ahead {
                snapshot,
                table,
                rows: VecDeque::new(),
                from: Bound::Included(prefix.to_vec()),
                end: end.map(<[u8]>::to_vec),
                size: AHEAD,
            }
        };
        Self { objects: ahead(Table::Objects), slots: ahead(Table::Slots), name: None }
    }

    /// Passes over the keys before a row of `objects`, and no other.
    pub(crate) fn skip_to(&mut self, row: &[u8]) {
        self.objects.skip_to(Bound::Included(row));
        self.slots.skip_to(Bound::Included(row));
        self.name = None;
    }

    /// Passes over what stands before a slot, and over the slot, but not over the latest of its key.
    pub(crate) fn skip_past_slot(&mut self, latest: &[u8], row: &[u8]) {
        self.skip_to(latest);
        self.slots.skip_to(Bound::Excluded(row));
    }

    /// The next slot.
    pub(crate) fn next(&mut self) -> Result<Option<InSlot>, EngineError> {
        if self.name.is_none() {
            let object = self.objects.peek()?;
            self.name = object.map(|(row, value)| leaves::name((Table::Objects, row), value));
        }
        let slot = self.slots.peek()?.map(|(row, _)| row);
        let latest = match (&self.name, slot) {
            (Some(name), Some(slot)) => name <= slot,
            (name, _) => name.is_some(),
        };
        if latest {
            let (object, name) = (self.objects.rows.pop_front(), self.name.take());
            return Ok(name.zip(object).map(|(row, (_, value))| InSlot { row, value, latest }));
        }
        let slot = self.slots.rows.pop_front();
        Ok(slot.map(|(row, value)| InSlot { row, value, latest }))
    }
}

impl Ahead<'_> {
    fn peek(&mut self) -> Result<Option<&(Bytes, Bytes)>, EngineError> {
        if self.rows.is_empty() && self.size > 0 {
            self.read()?;
        }
        Ok(self.rows.front())
    }

    fn read(&mut self) -> Result<(), EngineError> {
        let range = (as_slice(&self.from), as_slice(&self.end));
        let (rows, size) = (&mut self.rows, self.size);
        if !is_empty(range) {
            self.snapshot.scan(self.table, range, &mut |key, value| {
                rows.push_back((key.clone(), value.clone()));
                if rows.len() < size { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        self.size = if rows.len() < size { 0 } else { (2 * size).min(AHEAD_MAX) };
        if let Some((last, _)) = self.rows.back() {
            self.from = Bound::Excluded(last.to_vec());
        }
        Ok(())
    }

    fn skip_to(&mut self, start: Bound<&[u8]>) {
        let before = |row: &[u8]| match start {
            Bound::Included(start) => row < start,
            Bound::Excluded(start) => row <= start,
            Bound::Unbounded => false,
        };
        let kept = self.rows.partition_point(|(row, _)| before(&row[..]));
        self.rows.drain(..kept);
        // What was read ends before it: read on from there.
        if self.rows.is_empty() && self.size > 0 {
            let from = match &self.from {
                Bound::Included(from) | Bound::Excluded(from) => from.as_slice(),
                Bound::Unbounded => &[],
            };
            if before(from) {
                self.from = start.map(<[u8]>::to_vec);
            }
        }
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// A range that would end before it begins, which an engine may refuse.
fn is_empty((from, end): (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match (from, end) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(end)) => from >= end,
        _ => false,
    }
}

/// The row of a key in `objects`, and its text, out of the row of a slot.
pub(crate) fn key_of(row: &Bytes) -> Option<(Bytes, model::Slot, &str)> {
    let (latest, slot) = SlotRecord::split(row)?;
    let nul = row.iter().position(|&byte| byte == 0)?;
    let key = std::str::from_utf8(&row[nul + 1..latest.len()]).ok()?;
    Some((latest, slot, key))
}
