//! Frees what the fence has passed: history, tombstones, superseded versions, blocks that nothing names.
//!
//! Everything is decided again in the commit section; a pass that is cut short anywhere leaves
//! only work for the next.

mod tombstones;

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use bytes::Bytes;
use model::{BlockHash, Line, Millis, Partition, Segment, Seq, progress};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Table, prefix_range},
    errors::{BlockError, KeepError, ReadError},
    open::rows,
    records::{
        CompletedRecord, DeletedBucketRecord, EndedRecord, GarbageRecord, HistoryRecord, Record,
        SupersededRecord, Written,
    },
    rules::{collect, multipart},
    section::SectionError,
    store::Store,
};

/// Rows taken in one commit: small, so that clients' commits between wait little.
const ROWS_PER_COMMIT: usize = 256;

/// Parts dropped in one commit: each names up to 1,024 blocks, whose rows change with it.
const PARTS_PER_COMMIT: usize = 8;

/// How long the answer of a completed upload is kept for who asks again.
const COMPLETED_KEPT: Duration = Duration::from_hours(24);

/// How the collector works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CollectorOptions {
    /// Events are kept at least this long.
    pub history_window: Duration,
    /// Time between two passes.
    pub interval: Duration,
}

/// Collects again and again until cancelled.
///
/// # Errors
/// If the store failed; what stands in the way of one block alone is logged and tried again.
pub async fn collect_forever(
    store: Store,
    options: CollectorOptions,
    cancelled: CancellationToken,
) -> Result<(), KeepError> {
    let mut passes = tokio::time::interval(options.interval);
    passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            _ = passes.tick() => store.collect(options.history_window).await?,
        }
    }
}

impl Store {
    /// One pass: all that may be freed now.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn collect(&self, history_window: Duration) -> Result<(), KeepError> {
        let fence = self.fence()?;
        self.trim_history(&fence, history_window).await?;
        self.trim_tombstones().await?;
        self.free_versions(&fence).await?;
        self.end_uploads_with_their_buckets().await?;
        self.drop_ended_uploads().await?;
        self.forget_completed_uploads().await?;
        self.free_blocks().await
    }

    /// The fence of each partition of this site.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn fence(&self) -> Result<BTreeMap<Partition, Seq>, ReadError> {
        let peers = self.peers()?;
        let epoch = self.identity().epoch;
        let written = self.shared.committer.written().borrow().clone();
        let fence = self.identity().partitions.iter().zip(written.iter()).map(|(partition, w)| {
            let acknowledged = peers.iter().map(|peer| peer.complete(epoch, partition));
            (partition, progress::fenced(w.seq, acknowledged))
        });
        Ok(fence.collect())
    }

    async fn trim_history(
        &self,
        fence: &BTreeMap<Partition, Seq>,
        window: Duration,
    ) -> Result<(), KeepError> {
        let published = self.shared.published.lock();
        let published = published.unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let oldest = Millis(self.now().0.saturating_sub(crate::open::millis(window)));
        for (&partition, &fenced) in fence {
            let published = published.as_ref().map_or(fenced, |all| all[usize::from(partition.0)]);
            loop {
                let until = self.past_window(partition, fenced.min(published), oldest);
                let until = until?;
                let trimmed = self.shared.committer.run(move |section| {
                    let limit = ROWS_PER_COMMIT as u64;
                    collect::trim_history(section, partition, until, limit).map_err(KeepError::from)
                });
                if until == Seq::NONE || trimmed.await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Last of the next events, up to `until`, that is older than the window; none: zero.
    fn past_window(
        &self,
        partition: Partition,
        until: Seq,
        oldest: Millis,
    ) -> Result<Seq, ReadError> {
        let epoch = self.identity().epoch;
        let trimmed: Written = self.written_in(epoch, partition)?;
        if trimmed.trimmed >= until {
            return Ok(Seq::NONE);
        }
        let start = HistoryRecord::key(epoch, partition, trimmed.trimmed);
        let end = HistoryRecord::key(epoch, partition, until);
        let range = (Bound::Excluded(start.as_ref()), Bound::Included(end.as_ref()));
        let (mut last, mut rows, mut failed) = (Seq::NONE, 0, None);
        self.shared.engine.scan(Table::History, range, &mut |key, value| {
            match HistoryRecord::decode(value) {
                Ok(event) if event.version.hlc.millis() < oldest && rows < ROWS_PER_COMMIT => {
                    last = HistoryRecord::seq(key).unwrap_or(last);
                    rows += 1;
                    std::ops::ControlFlow::Continue(())
                }
                Ok(_) => std::ops::ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    std::ops::ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(last), |error| Err(error.into()))
    }

    async fn free_versions(&self, fence: &BTreeMap<Partition, Seq>) -> Result<(), KeepError> {
        loop {
            let rows = self.passed_versions(fence)?;
            if rows.is_empty() {
                return Ok(());
            }
            let rule = self
                .shared
                .committer
                .run(move |section| collect::free_versions(section, rows).map_err(KeepError::from));
            rule.await?;
        }
    }

    /// Rows of superseded versions whose successor is complete: here, and for this site's own at
    /// every registered site. A line's rows are in order, so the first that is not ends the line.
    fn passed_versions(&self, fence: &BTreeMap<Partition, Seq>) -> Result<Vec<Bytes>, ReadError> {
        let mut passed = Vec::new();
        let mut end = Vec::new();
        let (mut start, last) = prefix_range(SupersededRecord::PREFIX, &mut end);
        let mut next_line: Vec<u8>;
        loop {
            let mut stuck = None;
            self.shared.engine.scan(Table::Queues, (start, last), &mut |key, _| {
                match SupersededRecord::split(key) {
                    Some((at, _)) if at.seq <= self.freed_up_to(at.line(), fence) => {
                        passed.push(key.clone());
                    }
                    Some((at, _)) => stuck = Some(at.line()),
                    None => {}
                }
                let enough = stuck.is_some() || passed.len() == ROWS_PER_COMMIT;
                if enough {
                    std::ops::ControlFlow::Break(())
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            })?;
            let Some(line) = stuck else { return Ok(passed) };
            if passed.len() >= ROWS_PER_COMMIT {
                return Ok(passed);
            }
            next_line = SupersededRecord::prefix(line.at(Seq(u64::MAX))).to_vec();
            start = Bound::Excluded(&next_line);
        }
    }

    fn freed_up_to(&self, line: Line, fence: &BTreeMap<Partition, Seq>) -> Seq {
        let identity = self.identity();
        if line.site != identity.site {
            return self.line(line).complete();
        }
        // Nobody replicates from a past epoch: its sites have moved on to the current one.
        if line.epoch != identity.epoch {
            return Seq(u64::MAX);
        }
        fence.get(&line.partition).copied().unwrap_or(Seq::NONE)
    }

    async fn end_uploads_with_their_buckets(&self) -> Result<(), KeepError> {
        let deleted = rows(&*self.shared.engine, Table::Multipart, DeletedBucketRecord::PREFIX);
        for (row, _) in deleted.map_err(SectionError::from)? {
            let Some(bucket) = DeletedBucketRecord::bucket(&row) else { continue };
            let mut after = None;
            loop {
                let (bucket, from) = (bucket.clone(), after.take());
                let ended = self.shared.committer.run(move |section| {
                    multipart::end_orphaned(section, &bucket, from, ROWS_PER_COMMIT)
                        .map_err(KeepError::from)
                });
                match ended.await? {
                    None => break,
                    next => after = next,
                }
            }
        }
        Ok(())
    }

    /// Drops what ended uploads still name.
    async fn drop_ended_uploads(&self) -> Result<(), KeepError> {
        let ended = rows(&*self.shared.engine, Table::Multipart, EndedRecord::PREFIX);
        for (row, _) in ended.map_err(SectionError::from)? {
            let Some(id) = EndedRecord::id(&row) else { continue };
            let mut more = true;
            while more {
                let dropped = self.shared.committer.run(move |section| {
                    collect::drop_parts(section, id, PARTS_PER_COMMIT).map_err(KeepError::from)
                });
                more = dropped.await?;
            }
        }
        Ok(())
    }

    /// Forgets the answers of completed uploads that nobody asks for any more.
    async fn forget_completed_uploads(&self) -> Result<(), KeepError> {
        let forget = Millis(self.now().0.saturating_sub(crate::open::millis(COMPLETED_KEPT)));
        // One that was begun later was also completed later.
        let end = CompletedRecord::begun_at(forget);
        let range = (Bound::Included(CompletedRecord::PREFIX), Bound::Excluded(end.as_ref()));
        let (mut old, mut failed) = (Vec::new(), None);
        let scan = self.shared.engine.scan(Table::Multipart, range, &mut |row, value| {
            match CompletedRecord::decode(value) {
                Ok(record) if record.at < forget => old.push(row.clone()),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
            if failed.is_none() && old.len() < ROWS_PER_COMMIT {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        });
        scan.map_err(SectionError::from)?;
        if let Some(error) = failed {
            return Err(SectionError::from(error).into());
        }
        if old.is_empty() {
            return Ok(());
        }
        let rule = self.shared.committer.run(move |section| {
            old.into_iter().for_each(|row| section.remove::<CompletedRecord>(row));
            Ok::<_, KeepError>(())
        });
        rule.await
    }

    async fn free_blocks(&self) -> Result<(), KeepError> {
        // What is being counted again stays as it is; the next pass frees it.
        let Ok(_freeing) = self.shared.pins.counting.try_lock() else { return Ok(()) };
        let mut candidates = self.shared.take_orphans();
        let mut end = Vec::new();
        let range = prefix_range(GarbageRecord::PREFIX, &mut end);
        let scan = self.shared.engine.scan(Table::Queues, range, &mut |key, _| {
            candidates.extend(GarbageRecord::hash(key));
            if candidates.len() < 16 * ROWS_PER_COMMIT {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        });
        scan.map_err(SectionError::from)?;
        let mut leased = Vec::new();
        for hash in candidates {
            if !self.free_block(hash).await? {
                leased.push(hash);
            }
        }
        // A file that no record names is found again by nothing else.
        self.shared.orphaned(leased);
        Ok(())
    }

    /// Frees one block that nothing names. `false`: somebody counts on it just now.
    async fn free_block(&self, hash: BlockHash) -> Result<bool, KeepError> {
        let Some(_collecting) = self.shared.pins.collect(hash) else {
            return Ok(false);
        };
        let segment = self.segment_of(hash).await?;
        let rule = self.shared.committer.run(move |section| {
            collect::forget_block(section, hash, &segment).map_err(KeepError::from)
        });
        if rule.await? {
            ops::crash::point(ops::crash::COLLECT);
            let deleted = self.shared.blocks.delete(hash).await;
            if let Err(error) = deleted {
                let error = ops::chain(&error);
                tracing::warn!(
                    error,
                    "a block that nothing names was not deleted; next start will"
                );
            }
        }
        Ok(true)
    }

    /// The blocks that a segment names; none for a block, or a segment that never came.
    async fn segment_of(&self, hash: BlockHash) -> Result<Vec<model::BlockRef>, KeepError> {
        let record = self.shared.block_record(hash)?;
        let is_segment = |kind| kind == model::BlockKind::Segment;
        if !record.is_some_and(|record| is_segment(record.kind) && record.here) {
            return Ok(Vec::new());
        }
        let bytes = self.shared.blocks.get(hash).await;
        let bytes = bytes.map_err(|cause: BlockError| KeepError::Delete(hash, Box::new(cause)))?;
        let segment = bytes.and_then(|bytes| Segment::from_bytes(&bytes).ok());
        Ok(segment.map(|segment| segment.0).unwrap_or_default())
    }
}
