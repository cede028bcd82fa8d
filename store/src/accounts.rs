//! Counting again what stands: in a store that a release without counts wrote, in a bucket of which a
//! record could not be read any more, and wherever somebody asks whether the counts are right.
//!
//! Others go on writing meanwhile. Counts change by as much as they were wrong in a snapshot: each
//! commit since has changed them and what stands alike, so that the difference is the same whenever it
//! is taken off.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use model::{Usage, Version};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    committer::Committer,
    engine::{Engine, Snapshot, Table, prefix_range},
    errors::{KeepError, ReadError, UsageError},
    open::rows,
    records::{AccountRecord, CountedRecord, ObjectRecord, Record, RecountRecord},
    section::{Section, SectionError},
    store::Store,
};

/// Rows that are read in one step.
const ROWS: usize = 1_024;
/// Between two sums over all buckets for the metrics at the least.
const INTERVAL: Duration = Duration::from_secs(10);
/// And so many times what the one before took.
const REST: u32 = 99;

/// How far what an earlier release stored is counted.
pub(crate) struct Counting {
    /// Held while a bucket is counted and set right: two at once would both take the difference off.
    one: tokio::sync::Mutex<()>,
    done: AtomicBool,
    /// Records that are counted, and about all.
    records: (AtomicU64, AtomicU64),
}

/// What verifying the counts came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountCounts {
    pub buckets: u64,
    /// Buckets whose counts are not what stands.
    pub wrong: u64,
    /// Of those, how many are right again.
    pub repaired: u64,
}

impl Counting {
    pub(crate) fn new(done: bool) -> Self {
        let (one, records) = Default::default();
        Self { one, done: AtomicBool::new(done), records }
    }

    /// # Errors
    /// How far it has come, if it is not done.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        if self.done.load(Ordering::SeqCst) {
            return Ok(());
        }
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (done, of) = (of(&self.records.0), of(&self.records.1));
        Err(UsageError::Counting { done, of: of.max(done) })
    }
}

/// Whether all that stands in a store is counted.
pub(crate) fn are_counted(engine: &dyn Engine) -> Result<bool, ReadError> {
    let state = engine.get(Table::Meta, &CountedRecord::key())?;
    let state = state.as_ref().map(CountedRecord::decode).transpose()?;
    Ok(state == Some(CountedRecord::All))
}

/// Counts what is to be counted, and tells the metrics what stands, until cancelled.
///
/// # Errors
/// If the store failed.
pub async fn count_forever(store: Store, cancelled: CancellationToken) -> Result<(), KeepError> {
    let mut marked = store.shared.committer.marked();
    loop {
        marked.mark_unchanged();
        let began = Instant::now();
        match cancelled.run_until_cancelled(store.count_on()).await {
            Some(done) => done?,
            None => return Ok(()),
        }
        let pause = INTERVAL.max(began.elapsed() * REST);
        if !Committer::marked_again(&mut marked, began + pause, &cancelled).await {
            return Ok(());
        }
    }
}

impl Store {
    async fn count_on(&self) -> Result<(), KeepError> {
        self.count_accounts().await?;
        self.count_marked().await?;
        let store = self.clone();
        let standing = ops::blocking(move || store.standing_in_all()).await?;
        self.shared.metrics.objects.set(standing.objects);
        self.shared.metrics.object_bytes.set(standing.bytes);
        Ok(())
    }

    /// Counts what a release without counts stored, resting half of the time; at once if there is
    /// nothing to count.
    pub(crate) async fn count_accounts(&self) -> Result<(), KeepError> {
        let counting = &self.shared.counting;
        if counting.check().is_ok() {
            return Ok(());
        }
        tracing::info!("counting what an earlier release stored");
        let began = Instant::now();
        counting.records.1.store(self.leaves_in_all()?, Ordering::SeqCst);
        let state = self.shared.get::<CountedRecord>(&CountedRecord::key())?;
        let mut after = match state {
            Some(CountedRecord::UpTo(scope)) => scope,
            Some(CountedRecord::All) | None => Vec::new(),
        };
        while let Some(scope) = self.next_scope(&after)? {
            self.count_again(scope.clone(), Some(CountedRecord::UpTo(scope.clone()))).await?;
            after = scope;
        }
        let all = |section: &mut Section<'_>| {
            section.put(CountedRecord::key(), &CountedRecord::All);
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(all).await?;
        counting.done.store(true, Ordering::SeqCst);
        let seconds = began.elapsed().as_secs();
        tracing::info!(seconds, "what an earlier release stored is counted");
        Ok(())
    }

    /// Counts buckets again of which a record could not be read.
    pub(crate) async fn count_marked(&self) -> Result<(), KeepError> {
        let marked = rows(&*self.shared.engine, Table::Meta, RecountRecord::PREFIX);
        for (row, _) in marked.map_err(SectionError::from)? {
            let Some(scope) = RecountRecord::scope(&row) else { continue };
            self.count_again(scope.to_vec(), None).await?;
            let bucket = scope.escape_ascii();
            tracing::info!(%bucket, "what stands was counted again: a record could not be read");
        }
        Ok(())
    }

    /// Compares the counts of every bucket with what stands in it.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn verify_accounts(&self, repair: bool) -> Result<AccountCounts, KeepError> {
        self.count_accounts().await?;
        let (mut counts, mut after) = (AccountCounts::default(), Vec::new());
        while let Some(scope) = self.next_scope(&after)? {
            let wrong = match repair {
                true => self.count_again(scope.clone(), None).await?,
                false => self.count_bucket(scope.clone()).await?.wrong()?.is_anything(),
            };
            counts.buckets += 1;
            counts.wrong += u64::from(wrong);
            counts.repaired += u64::from(wrong && repair);
            after = scope;
        }
        if counts.wrong > 0 {
            let AccountCounts { wrong, repaired, .. } = counts;
            tracing::info!(
                wrong,
                repaired,
                "buckets were counted otherwise than what stands in them"
            );
        }
        Ok(counts)
    }

    /// Counts a bucket and sets its counts right. Returns whether they were wrong.
    async fn count_again(
        &self,
        scope: Vec<u8>,
        state: Option<CountedRecord>,
    ) -> Result<bool, KeepError> {
        let _one = self.shared.counting.one.lock().await;
        let count = self.count_bucket(scope).await?;
        let wrong = count.wrong()?.is_anything();
        self.set_account_right(count, state).await?;
        Ok(wrong)
    }

    /// The first bucket behind another that has records or counts, as its scope.
    fn next_scope(&self, after: &[u8]) -> Result<Option<Vec<u8>>, KeepError> {
        let engine = &*self.shared.engine;
        // Behind the NUL at the end of a scope comes nothing but what is of it.
        let mut past = after.to_vec();
        if let Some(nul) = past.last_mut() {
            *nul = 1;
        }
        let mut first: Option<Vec<u8>> = None;
        let tables: [(Table, &[u8]); 3] =
            [(Table::Objects, b""), (Table::Slots, b""), (Table::Meta, AccountRecord::PREFIX)];
        for (table, prefix) in tables {
            let (start, mut end) = ([prefix, &past].concat(), Vec::new());
            let range = (Bound::Included(&start[..]), prefix_range(prefix, &mut end).1);
            let scanned = engine.scan(table, range, &mut |row, _| {
                let rest = &row[prefix.len()..];
                let nul = rest.iter().position(|&byte| byte == 0);
                let scope = nul.map(|nul| &rest[..=nul]);
                if let Some(scope) = scope.filter(|it| first.as_ref().is_none_or(|f| **it < f[..]))
                {
                    first = Some(scope.to_vec());
                }
                ControlFlow::Break(())
            });
            scanned.map_err(SectionError::from)?;
        }
        Ok(first)
    }

    /// Counts what stands in a bucket, resting half of the time.
    async fn count_bucket(&self, scope: Vec<u8>) -> Result<Count, KeepError> {
        let mut count = Count::begin(self.shared.engine.snapshot(), scope);
        while count.next.is_some() {
            let (began, before) = (Instant::now(), count.records);
            count = ops::blocking(move || count.step(ROWS)).await?;
            self.shared.counting.records.0.fetch_add(count.records - before, Ordering::SeqCst);
            // What is small is soon done.
            if count.next.as_ref().is_some_and(|(_, after)| !after.is_empty()) {
                tokio::time::sleep(began.elapsed()).await;
            }
        }
        Ok(count)
    }

    async fn set_account_right(
        &self,
        count: Count,
        state: Option<CountedRecord>,
    ) -> Result<(), KeepError> {
        let (Wrong { by, rotten }, times) = (count.wrong()?, count.times()?);
        let rule = move |section: &mut Section<'_>| {
            for row in rotten {
                if section.get::<AccountRecord>(&row).is_err() {
                    section.remove::<AccountRecord>(row);
                }
            }
            for (birth, by) in by {
                section.add_to_account(&count.scope, birth, by)?;
            }
            let row = RecountRecord::key(&count.scope);
            if times.is_some() && section.get::<RecountRecord>(&row)? == times {
                section.remove::<RecountRecord>(row);
            }
            if let Some(state) = state {
                section.put(CountedRecord::key(), &state);
            }
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(rule).await
    }
}

/// What is wrong with the counts of a bucket.
struct Wrong {
    /// By how much those of an incarnation are too low.
    by: Vec<(Version, Usage)>,
    /// Rows that cannot be read.
    rotten: Vec<Bytes>,
}

impl Wrong {
    fn is_anything(&self) -> bool {
        !self.by.is_empty() || !self.rotten.is_empty()
    }
}

/// What stands in a bucket, counted in a snapshot.
struct Count {
    snapshot: Arc<dyn Snapshot>,
    scope: Vec<u8>,
    sums: BTreeMap<Version, Usage>,
    records: u64,
    /// Where the next step goes on; `None`: all is counted.
    next: Option<(Table, Vec<u8>)>,
}

impl Count {
    fn begin(snapshot: Arc<dyn Snapshot>, scope: Vec<u8>) -> Self {
        let next = Some((Table::Objects, Vec::new()));
        Self { snapshot, scope, sums: BTreeMap::new(), records: 0, next }
    }

    fn step(mut self, limit: usize) -> Result<Self, ReadError> {
        let Some((table, after)) = self.next.take() else { return Ok(self) };
        let (mut last, mut end) = (None, Vec::new());
        let (start, bound) = prefix_range(&self.scope, &mut end);
        let start = if after.is_empty() { start } else { Bound::Excluded(&after[..]) };
        let (sums, mut read) = (&mut self.sums, 0);
        self.snapshot.scan(table, (start, bound), &mut |row, value| {
            // What cannot be read does not stand.
            if let Ok(record) = ObjectRecord::decode(value) {
                let latest = table == Table::Objects;
                let more = if latest { record.usage_as_latest() } else { Usage::NONE };
                *sums.entry(record.birth).or_default() += record.usage() + more;
            }
            read += 1;
            last = (read == limit).then(|| row.to_vec());
            if last.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.records += read as u64;
        self.next = match (table, last) {
            (table, Some(last)) => Some((table, last)),
            (Table::Objects, None) => Some((Table::Slots, Vec::new())),
            (_, None) => None,
        };
        Ok(self)
    }

    fn wrong(&self) -> Result<Wrong, ReadError> {
        let (mut wrong, mut rotten) = (self.sums.clone(), Vec::new());
        let (prefix, mut end) = (AccountRecord::prefix(&self.scope), Vec::new());
        self.snapshot.scan(Table::Meta, prefix_range(&prefix, &mut end), &mut |row, value| {
            match (AccountRecord::split(row), AccountRecord::decode(value)) {
                (Some((_, birth)), Ok(AccountRecord(held))) => {
                    *wrong.entry(birth).or_default() += -held;
                }
                _ => rotten.push(row.clone()),
            }
            ControlFlow::Continue(())
        })?;
        let by = wrong.into_iter().filter(|(_, by)| *by != Usage::NONE).collect();
        Ok(Wrong { by, rotten })
    }

    fn times(&self) -> Result<Option<RecountRecord>, ReadError> {
        let value: Option<Bytes> =
            self.snapshot.get(Table::Meta, &RecountRecord::key(&self.scope))?;
        Ok(value.as_ref().map(RecountRecord::decode).transpose()?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
