//! The commit section: what a rule reads and writes while nobody else writes.
//!
//! A rule sees the last commit with the rows of the rules before it in the same batch laid over.
//! Its rows count only if it ends well; versions, seqs and the clock go back with them.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use bytes::Bytes;
use model::{
    Change, EntityHash, Event, Hlc, Hole, Line, Millis, Partition, Position, RequestId,
    SealedEvent, Seq, Version, progress::Handled,
};
use schemas::{Codec, CodecError};

use crate::{
    engine::{Batch, Engine, EngineError, KeyRange, Table, Visit, prefix_range},
    errors::{DiskFull, Refusal, WriteError},
    owners::Owners,
    records::{
        HandledRecord, HistoryRecord, HoleRecord, Identity, MarksRecord, Plain, Record,
        RecordError, Written,
    },
};

mod accounts;
mod data_keys;
mod entities;
mod objects;

pub(crate) use data_keys::Rewrapped;

/// Why a rule could not read or log.
#[derive(Debug, thiserror::Error)]
pub enum SectionError {
    #[error("read the store")]
    Engine(#[from] EngineError),
    #[error("read the store")]
    Record(#[from] RecordError),
    #[error("encode the event")]
    Codec(#[from] CodecError),
}

/// A change of what is known of a line, told to watchers once it is durable.
pub(crate) enum LineChange {
    Handled(Line, Handled),
    Opened(Line, Hole),
    Closed(Line, Seq),
    /// What full sync took over was handled in one step: who follows the line starts anew.
    Adopted(Line, Handled),
}

/// What carries over from one commit to the next.
pub(crate) struct Counters {
    pub(crate) hlc: Hlc,
    pub(crate) written: Vec<Written>,
    /// Of the next commit that marks the hash tree.
    pub(crate) marks: u64,
    /// For [`crate::Store::without_tree`].
    pub(crate) leafless: bool,
    /// Follows each rule that ended well.
    pub(crate) owners: Arc<Owners>,
}

/// What may be written now.
#[derive(Clone, Default)]
pub(crate) struct Limits {
    /// Clients may not write, and why.
    pub(crate) refusal: Option<Refusal>,
    /// Nobody may add anything, and why.
    pub(crate) full: Option<DiskFull>,
}

/// State of one batch while its rules run.
pub(crate) struct Section<'a> {
    pub(crate) identity: &'a Identity,
    engine: &'a dyn Engine,
    codec: &'a Codec,
    now: Millis,
    limits: Limits,
    accepted: Batch,
    counters: &'a mut Counters,
    line_changes: Vec<LineChange>,
    events: Vec<SealedEvent>,
    marks: MarksRecord,
    buckets: bool,
    staged: Staged,
}

/// What a batch comes to.
pub(crate) struct Finished {
    pub(crate) rows: Batch,
    /// What watchers are told once the rows are durable.
    pub(crate) line_changes: Vec<LineChange>,
    pub(crate) events: Vec<SealedEvent>,
    /// Number of its marks in the hash tree, if it has any.
    pub(crate) marks: Option<u64>,
    /// What is known of a bucket has changed.
    pub(crate) buckets: bool,
}

/// What the rule that runs now has done.
#[derive(Default)]
struct Staged {
    request: RequestId,
    rows: Batch,
    hlc: Option<Hlc>,
    written: BTreeMap<Partition, Written>,
    line_changes: Vec<LineChange>,
    events: Vec<SealedEvent>,
    marks: Vec<(Bytes, EntityHash)>,
    buckets: bool,
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        identity: &'a Identity,
        engine: &'a dyn Engine,
        codec: &'a Codec,
        (now, limits): (Millis, Limits),
        counters: &'a mut Counters,
    ) -> Self {
        Self {
            identity,
            engine,
            codec,
            now,
            limits,
            accepted: Batch::default(),
            counters,
            line_changes: Vec::new(),
            events: Vec::new(),
            marks: MarksRecord::default(),
            buckets: false,
            staged: Staged::default(),
        }
    }

    /// The site's clock when the batch began.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// Whether there is room to add anything.
    pub(crate) fn room(&self) -> Result<(), DiskFull> {
        self.limits.full.clone().map_or(Ok(()), Err)
    }

    /// Whether clients may change anything. What takes away needs no [`Section::room`]: the little
    /// that it writes, the reserve is there for.
    pub(crate) fn may_change(&self) -> Result<(), WriteError> {
        let refusal = self.limits.refusal.clone();
        refusal.map_or(Ok(()), |refusal| Err(WriteError::Refused(refusal)))
    }

    /// Runs one rule; keeps what it did only if it ends well.
    pub(crate) fn attempt<T, E>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = rule(self);
        let staged = std::mem::take(&mut self.staged);
        if outcome.is_ok() {
            self.accept(staged);
        }
        outcome
    }

    fn accept(&mut self, staged: Staged) {
        let kept = self.counters.owners.are_kept();
        let touched = if kept { accounts::touched(&staged.rows) } else { Vec::new() };
        let before = self.standing_in(&touched);
        self.accepted.extend(staged.rows);
        match before.and_then(|before| Ok((before, self.standing_in(&touched)?))) {
            Ok((before, after)) if kept => self.counters.owners.turn(before, after),
            Ok(_) => {}
            Err(_) => self.counters.owners.forget(),
        }
        self.line_changes.extend(staged.line_changes);
        self.events.extend(staged.events);
        self.marks.extend(staged.marks);
        self.buckets |= staged.buckets;
        self.counters.hlc = staged.hlc.unwrap_or(self.counters.hlc);
        for (partition, written) in staged.written {
            self.counters.written[usize::from(partition.0)] = written;
        }
    }

    /// What every rule that ended well did.
    pub(crate) fn finish(self) -> Finished {
        let Self { accepted: mut rows, line_changes, events, marks, buckets, counters, .. } = self;
        let number = (!marks.0.is_empty()).then_some(counters.marks);
        if let Some(number) = number {
            counters.marks += 1;
            rows.insert((Table::Tree, MarksRecord::key(number)), Some(marks.encode()));
        }
        Finished { rows, line_changes, events, marks: number, buckets }
    }

    pub(crate) fn get<R: Record>(&self, key: &Bytes) -> Result<Option<R>, SectionError> {
        let row = (R::TABLE, key.clone());
        let value = match self.staged.rows.get(&row).or_else(|| self.accepted.get(&row)) {
            Some(value) => value.clone(),
            None => self.engine.get(R::TABLE, key)?,
        };
        Ok(value.as_ref().map(R::decode).transpose()?)
    }

    /// Writes a record that is of no entity; those that are have functions of their own, which
    /// keep the hash tree with them ([`Section::put_object`] and its like).
    pub(crate) fn put<R: Plain>(&mut self, key: Bytes, record: &R) {
        self.write(key, record);
    }

    pub(crate) fn remove<R: Plain>(&mut self, key: Bytes) {
        self.staged.rows.insert((R::TABLE, key), None);
    }

    fn write<R: Record>(&mut self, key: Bytes, record: &R) {
        self.staged.rows.insert((R::TABLE, key), Some(record.encode()));
    }

    /// Takes a row out of a table that its record does not name by itself (`versions`).
    pub(crate) fn move_row(&mut self, table: Table, key: Bytes, value: Option<Bytes>) {
        let of_entities =
            matches!(table, Table::Objects | Table::Slots | Table::Entities | Table::Attributes);
        assert!(!of_entities, "BUG: an entity's row is moved past the hash tree");
        self.staged.rows.insert((table, key), value);
    }

    pub(crate) fn row(&self, table: Table, key: &Bytes) -> Result<Option<Bytes>, SectionError> {
        let row = (table, key.clone());
        match self.staged.rows.get(&row).or_else(|| self.accepted.get(&row)) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.engine.get(table, key)?),
        }
    }

    /// Keys with a prefix, at most `limit`, in order.
    pub(crate) fn keys(
        &self,
        table: Table,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Bytes>, SectionError> {
        let mut keys = Vec::new();
        let mut end = Vec::new();
        let range = prefix_range(prefix, &mut end);
        self.scan(table, range, &mut |key, _| {
            keys.push(key.clone());
            if keys.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(keys)
    }

    /// Visits a range as this rule sees it: the engine's rows under those of the batch.
    pub(crate) fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        visit: Visit<'_>,
    ) -> Result<(), SectionError> {
        let mut laid_over = self.laid_over(table, range).into_iter().peekable();
        let mut stopped = false;
        self.engine.scan(table, range, &mut |key, value| {
            while let Some((over, row)) = laid_over.next_if(|(over, _)| over < key) {
                if row.is_some_and(|row| visit(&over, &row).is_break()) {
                    stopped = true;
                    return ControlFlow::Break(());
                }
            }
            let flow = match laid_over.next_if(|(over, _)| over == key) {
                Some((_, None)) => ControlFlow::Continue(()),
                Some((_, Some(row))) => visit(key, &row),
                None => visit(key, value),
            };
            stopped = flow.is_break();
            flow
        })?;
        for (over, row) in laid_over {
            if stopped || row.is_some_and(|row| visit(&over, &row).is_break()) {
                break;
            }
        }
        Ok(())
    }

    fn laid_over(&self, table: Table, range: KeyRange<'_>) -> BTreeMap<Bytes, Option<Bytes>> {
        let owned = |bound: Bound<&[u8]>| bound.map(|key| (table, Bytes::copy_from_slice(key)));
        let start = match owned(range.0) {
            Bound::Unbounded => Bound::Included((table, Bytes::new())),
            bound => bound,
        };
        let end = owned(range.1);
        let mut rows = BTreeMap::new();
        for batch in [&self.accepted, &self.staged.rows] {
            let range = batch.range((start.clone(), end.clone()));
            let range = range.take_while(|((t, _), _)| *t == table);
            rows.extend(range.map(|((_, key), value)| (key.clone(), value.clone())));
        }
        rows
    }

    /// Moves the clock past a version from elsewhere.
    pub(crate) fn observe(&mut self, version: Version) {
        let hlc = self.staged.hlc.unwrap_or(self.counters.hlc);
        self.staged.hlc = Some(hlc.max(version.hlc));
    }

    /// What the rule logs from here on was caused by this request.
    pub(crate) fn caused_by(&mut self, request: RequestId) {
        self.staged.request = request;
    }

    /// Assigns version and seq to a change and writes its event into history, in the partition of an
    /// entity that is the change's, or is in the same partition.
    pub(crate) fn log(
        &mut self,
        entity: EntityHash,
        change: impl FnOnce(Version) -> Change,
    ) -> Result<Event, SectionError> {
        let partition = entity.partition(self.identity.partitions);
        let hlc = self.staged.hlc.unwrap_or(self.counters.hlc).tick(self.now);
        let version = Version { hlc, site: self.identity.site };
        let before = self.written(partition);
        let change = change(version);
        let position = self.identity.line(partition).at(before.seq.next());
        let volume = before.volume + change.volume();
        let (prev, request) = (before.digest, self.staged.request);
        let event = Event { position, version, prev, volume, request, change };
        let sealed = self.codec.seal(&event)?;
        tracing::debug!(%request, %position, %version, "an event is being written");
        let digest = sealed.digest();
        let written = Written { seq: position.seq, digest, volume, hlc, trimmed: before.trimmed };
        self.set_written(partition, written);
        let (entity, payload) = (sealed.entity, sealed.payload.clone());
        let history = HistoryRecord { version, entity, payload };
        let key = HistoryRecord::key(self.identity.epoch, partition, position.seq);
        self.put(key, &history);
        self.staged.events.push(sealed);
        self.staged.hlc = Some(hlc);
        Ok(event)
    }

    pub(crate) fn written(&self, partition: Partition) -> Written {
        let staged = self.staged.written.get(&partition);
        *staged.unwrap_or(&self.counters.written[usize::from(partition.0)])
    }

    pub(crate) fn set_written(&mut self, partition: Partition, written: Written) {
        self.put(Written::key(self.identity.epoch, partition), &written);
        self.staged.written.insert(partition, written);
    }

    pub(crate) fn set_handled(&mut self, line: Line, handled: Handled) {
        self.put(HandledRecord::key(line), &HandledRecord(handled));
        self.staged.line_changes.push(LineChange::Handled(line, handled));
    }

    /// The line begins with what full sync brings.
    pub(crate) fn adopt_handled(&mut self, line: Line, handled: Handled) {
        self.put(HandledRecord::key(line), &HandledRecord(handled));
        self.staged.line_changes.push(LineChange::Adopted(line, handled));
    }

    /// What was handled of a line.
    pub(crate) fn handled(&self, line: Line) -> Result<Handled, SectionError> {
        let held = self.get::<HandledRecord>(&HandledRecord::key(line))?;
        Ok(held.map_or(Handled::START, |HandledRecord(handled)| handled))
    }

    pub(crate) fn open_hole(&mut self, line: Line, hole: Hole) {
        self.put(HoleRecord::key(line, hole.first), &HoleRecord(hole.clone()));
        self.staged.line_changes.push(LineChange::Opened(line, hole));
    }

    pub(crate) fn close_hole(&mut self, line: Line, first: Seq) {
        self.remove::<HoleRecord>(HoleRecord::key(line, first));
        self.staged.line_changes.push(LineChange::Closed(line, first));
    }

    pub(crate) fn hole(&self, position: Position) -> Result<Option<Hole>, SectionError> {
        let key = HoleRecord::key(position.line(), position.seq);
        Ok(self.get::<HoleRecord>(&key)?.map(|record| record.0))
    }
}
