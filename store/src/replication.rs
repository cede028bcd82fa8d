//! What the producer and the consumer do with a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, ControlFlow},
};

use bytes::Bytes;
use model::{
    BlockHash, BlockKind, Digest, Epoch, Line, Partition, Position, SealedEvent, Segment, Seq,
    SiteId, SiteName,
};
use object_store::PutPayload;
use tokio::sync::watch;

use crate::{
    engine::{Table, prefix_range},
    errors::{ApplyError, BlockError, KeepError, ReadError, UploadError},
    lines::LineProgress,
    open::rows,
    pins::Lease,
    records::{
        Acknowledged, BlockRecord, Evicted, FloorRecord, HistoryRecord, Peer, Record, WantRecord,
        Written,
    },
    rules::{
        apply::{self, Outcomes, Step},
        blocks::{self, Arrival, Wanted},
        site,
    },
    store::Store,
};

/// For the producer: history, peers, what the log has.
impl Store {
    /// Events of a partition after a seq, in order, of any epoch that is still kept: as many as
    /// fit into `bytes_max`, and at least one if there is one. Only durable events are seen.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn history(
        &self,
        epoch: Epoch,
        partition: Partition,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Vec<SealedEvent>, ReadError> {
        let trimmed = self.written().borrow().get(usize::from(partition.0)).map(|w| w.trimmed);
        if trimmed.is_some_and(|trimmed| trimmed <= after)
            && let Some(events) = self.shared.recent.after((epoch, partition), after, bytes_max)
        {
            return Ok(events);
        }
        let line = Line { site: self.identity().site, epoch, partition };
        let start = HistoryRecord::key(epoch, partition, after);
        let end = HistoryRecord::key(epoch, partition, Seq(u64::MAX));
        let range = (Bound::Excluded(start.as_ref()), Bound::Included(end.as_ref()));
        let mut rows = Vec::new();
        let mut bytes = 0;
        self.shared.engine.scan(Table::History, range, &mut |key, value| {
            bytes += value.len();
            if bytes > bytes_max && !rows.is_empty() {
                return ControlFlow::Break(());
            }
            rows.push((key.clone(), value.clone()));
            ControlFlow::Continue(())
        })?;
        let mut events = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let Some(seq) = HistoryRecord::seq(&key) else {
                continue;
            };
            events.push(HistoryRecord::decode(&value)?.sealed(line.at(seq)));
        }
        Ok(events)
    }

    /// How far a partition was written in an epoch, past ones included.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn written_in(&self, epoch: Epoch, partition: Partition) -> Result<Written, ReadError> {
        let written = self.shared.get::<Written>(&Written::key(epoch, partition))?;
        Ok(written.unwrap_or(Written::START))
    }

    /// Digest of an event of this site, if history still holds it or it is the last.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn digest_at(
        &self,
        epoch: Epoch,
        at: (Partition, Seq),
    ) -> Result<Option<Digest>, ReadError> {
        let (partition, seq) = at;
        if seq == Seq::NONE {
            return Ok(Some(Digest::ZERO));
        }
        let written = self.written_in(epoch, partition)?;
        if written.seq == seq {
            return Ok(Some(written.digest));
        }
        let key = HistoryRecord::key(epoch, partition, seq);
        let record = self.shared.get::<HistoryRecord>(&key)?;
        Ok(record.map(|record| Digest::of(&record.payload)))
    }

    /// Registers a site, and which kinds of changes it can read; durable when this returns. From
    /// then on it holds the fence (law 7).
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn register_peer(
        &self,
        site: SiteId,
        name: SiteName,
        reads: BTreeSet<String>,
    ) -> Result<Peer, KeepError> {
        let now = self.now();
        let rule = self.shared.committer.run(move |section| {
            site::register(section, site, (name, reads), now).map_err(KeepError::from)
        });
        rule.await
    }

    /// Takes note of what a site acknowledges. `false`: it is not registered and must do that
    /// first.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn acknowledge(
        &self,
        site: SiteId,
        acknowledged: Vec<Acknowledged>,
    ) -> Result<bool, KeepError> {
        self.shared
            .committer
            .run(move |section| {
                site::acknowledge(section, site, &acknowledged).map_err(KeepError::from)
            })
            .await
    }

    /// Forgets a site that is gone for good. `false`: it was not registered.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn remove_peer(&self, site: SiteId) -> Result<bool, KeepError> {
        self.shared
            .committer
            .run(move |section| site::remove(section, site).map_err(KeepError::from))
            .await
    }

    /// Forgets a site that passed `limit`, and keeps that it was so until it registers again.
    /// `false`: it was not registered.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn evict_peer(&self, peer: &Peer, limit: &str) -> Result<bool, KeepError> {
        let (site, name, at) = (peer.site, peer.name.clone(), self.now());
        let evicted = Evicted { site, name, at, limit: limit.to_owned() };
        self.shared
            .committer
            .run(move |section| site::evict(section, &evicted).map_err(KeepError::from))
            .await
    }

    /// Forgets that a site was evicted: it is gone for good. `false`: it was not.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn forget_evicted(&self, name: SiteName) -> Result<bool, KeepError> {
        self.shared
            .committer
            .run(move |section| site::forget_evicted(section, &name).map_err(KeepError::from))
            .await
    }

    /// Every site that was evicted and has not registered again, by name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn evicted(&self) -> Result<Vec<Evicted>, ReadError> {
        self.all(Evicted::PREFIX)
    }

    /// Every registered site.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn peers(&self) -> Result<Vec<Peer>, ReadError> {
        self.all(Peer::PREFIX)
    }

    /// Every record of one kind, of which there are few.
    fn all<R: Record>(&self, prefix: &[u8]) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        let mut end = Vec::new();
        let range = prefix_range(prefix, &mut end);
        self.shared.engine.scan(R::TABLE, range, &mut |_, value| {
            rows.push(value.clone());
            ControlFlow::Continue(())
        })?;
        rows.iter().map(|value| Ok(R::decode(value)?)).collect()
    }

    /// Says how far the log has this site's history, by partition: nothing above is trimmed.
    pub fn set_published(&self, published: Vec<Seq>) {
        let mut held =
            self.shared.published.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *held = Some(published);
    }
}

/// For the consumer: applying, blocks that are wanted, progress.
impl Store {
    /// Takes in a batch of steps, all or none; durable when this returns.
    ///
    /// # Errors
    /// `DiskFull`: nothing was taken, try again later. Others: stop and restart.
    pub async fn apply(&self, steps: Vec<Step>) -> Result<Outcomes, ApplyError> {
        self.shared.committer.run(|section| apply::apply(section, steps)).await
    }

    /// How far a line of another site has come here.
    #[must_use]
    pub fn line(&self, line: Line) -> LineProgress {
        self.shared.lines.get(line)
    }

    /// Reads something of every line that this site has handled events of, in order of lines.
    pub fn lines<T>(&self, read: impl FnMut(Line, &LineProgress) -> T) -> Vec<T> {
        self.shared.lines.read(read)
    }

    /// Counts the durable changes of [`Store::lines`].
    #[must_use]
    pub fn lines_changed(&self) -> watch::Receiver<u64> {
        self.shared.lines.changed()
    }

    /// Counts the adoptions ([`Step::Adopt`]): who follows a line must start anew after one.
    #[must_use]
    pub fn adoptions(&self) -> watch::Receiver<u64> {
        self.shared.lines.adopted()
    }

    /// Up to where each site's tombstones have been trimmed here, by partition (law 6).
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn floors(&self) -> Result<BTreeMap<Line, Seq>, ReadError> {
        let mut floors = BTreeMap::new();
        for (row, value) in rows(&*self.shared.engine, Table::Meta, FloorRecord::PREFIX)? {
            let floor = FloorRecord::decode(&value)?;
            floors.extend(floor.line(&row).map(|line| (line, floor.seq)));
        }
        Ok(floors)
    }

    /// Changes whenever there are new wants.
    #[must_use]
    pub fn wants_changed(&self) -> watch::Receiver<u64> {
        self.shared.committer.wanted()
    }

    /// Up to `limit` blocks that are wanted, by hash, after one of them; those that `skip` names
    /// are passed over.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn wants(
        &self,
        after: Option<BlockHash>,
        limit: usize,
        skip: impl Fn(BlockHash) -> bool,
    ) -> Result<Vec<Wanted>, ReadError> {
        let mut hashes: Vec<BlockHash> = Vec::new();
        let start = after.map(|hash| [hash.0.0.as_slice(), &[u8::MAX]].concat());
        let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.shared.engine.scan(Table::Wants, (start, Bound::Unbounded), &mut |key, _| {
            if let Some((hash, _)) = WantRecord::split(key)
                && hashes.last() != Some(&hash)
                && !skip(hash)
            {
                if hashes.len() == limit {
                    return ControlFlow::Break(());
                }
                hashes.push(hash);
            }
            ControlFlow::Continue(())
        })?;
        let mut wants = Vec::with_capacity(hashes.len());
        for hash in hashes {
            // A segment that is here and waits for its own blocks is not to be pulled.
            if let Some(record) = self.shared.block_record(hash)?.filter(|record| !record.here) {
                let (block, kind, origin) = (record.block(hash), record.kind, record.origin);
                wants.push(Wanted { block, kind, origin });
            }
        }
        Ok(wants)
    }

    /// Keeps a block that came from another site: verified, written, noted. Durable when this
    /// returns. One that is here already, or that nothing wants any more, is fine.
    ///
    /// # Errors
    /// `BlockError::Damaged` if the bytes are not what the name says; `DiskFull`; a failed disk.
    pub async fn keep_block(
        &self,
        hash: BlockHash,
        kind: BlockKind,
        bytes: Bytes,
    ) -> Result<(), KeepBlockError> {
        if BlockHash::of(&bytes) != hash {
            return Err(BlockError::Damaged(hash).into());
        }
        let segment = match kind {
            BlockKind::Block => None,
            BlockKind::Segment => {
                let segment = Segment::from_bytes(&bytes);
                Some(segment.map_err(|_| BlockError::Damaged(hash))?.0)
            }
        };
        self.shared.gate.room().map_err(UploadError::from)?;
        let mut lease = Lease::new(&self.shared.pins);
        lease.add(hash).await;
        let record = self.shared.block_record(hash).map_err(BlockError::from)?;
        if record.is_some_and(|record| record.here && record.refs > 0) {
            return Ok(());
        }
        self.shared.blocks.put(hash, PutPayload::from(bytes)).await?;
        ops::crash::point(ops::crash::BLOCK_KEPT);
        // The rule owns the lease, so that the file is safe until the commit is durable.
        let rule = self.shared.committer.run(move |section| {
            let arrival = vec![Arrival { hash, segment }];
            blocks::arrivals(section, arrival).map(|()| lease).map_err(KeepError::from)
        });
        drop(rule.await?);
        Ok(())
    }

    /// The bytes of a block as they are on disk, for a peer: it verifies them before it keeps or
    /// serves them, and doing so here too would cost as much again. `None`: not at this site.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn block_for_peer(&self, hash: BlockHash) -> Result<Option<Bytes>, BlockError> {
        self.shared.blocks.get_once(hash).await
    }

    /// Whether some manifest or segment at this site names a block, and whether it is here.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn block_state(&self, hash: BlockHash) -> Result<BlockState, ReadError> {
        let record = self.shared.block_record(hash)?;
        Ok(match record {
            Some(BlockRecord { refs: 1.., here: true, .. }) => BlockState::Here,
            Some(BlockRecord { refs: 1.., .. }) => BlockState::Wanted,
            Some(_) => BlockState::Freed,
            None => BlockState::Unknown,
        })
    }

    /// The event of this site's own history at a position, for the change feed's refills.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn event_at(&self, position: Position) -> Result<Option<SealedEvent>, ReadError> {
        let events = self.history(position.epoch, position.partition, position.seq.before(), 1)?;
        Ok(events.into_iter().find(|event| event.position == position))
    }
}

/// What a site knows of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockState {
    /// On disk and named.
    Here,
    /// Named, not on disk yet.
    Wanted,
    /// Nothing names it any more; it is about to be deleted.
    Freed,
    /// Never heard of, or deleted.
    Unknown,
}

/// Why a pulled block was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepBlockError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Room(#[from] UploadError),
    #[error(transparent)]
    Note(#[from] KeepError),
}
