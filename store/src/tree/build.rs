//! Building the tree of a store that an earlier release wrote, in the background.
//!
//! First every record gets its leaf, a few rows a commit, while changes write theirs with marks as
//! always. Then the nodes are grown out of the leaves, scope by scope. How far it has come is a row,
//! so that a site which is stopped goes on from there.

use std::{
    ops::{Bound, ControlFlow},
    sync::atomic::Ordering,
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

use super::{
    folder::{SLICE, Slice, detached, regrow},
    leaves,
    rows::{self, ScopeRows},
};
use crate::{
    engine::{Engine, EngineError, Snapshot, Table},
    errors::{KeepError, ReadError},
    records::{Record, TreeStateRecord},
    section::{Section, SectionError},
    store::Store,
};

/// Records that get their leaves in one commit: clients' commits between wait little.
const RECORDS: usize = 256;

/// Whether the tree of a store is whole.
pub(crate) fn is_built(engine: &dyn Engine) -> Result<bool, ReadError> {
    let state = engine.get(Table::Tree, &TreeStateRecord::key())?;
    let state = state.as_ref().map(TreeStateRecord::decode).transpose()?;
    Ok(state == Some(TreeStateRecord::Built))
}

impl Store {
    /// Builds the tree if it is not built, resting half of the time.
    pub(crate) async fn build_tree(&self) -> Result<(), KeepError> {
        if self.shared.tree.is_built() {
            return Ok(());
        }
        tracing::info!("building the hash tree of what an earlier release stored");
        let began = Instant::now();
        self.count_records().await?;
        let mut step = began;
        while !self.build_step(RECORDS, SLICE).await? {
            let took = step.elapsed();
            tokio::time::sleep(took.min(Duration::from_secs(1))).await;
            step = Instant::now();
        }
        let seconds = began.elapsed().as_secs();
        tracing::info!(seconds, "the hash tree is built");
        Ok(())
    }

    /// Counts what is to be done and what has been, so that who waits for it knows how far it is.
    pub(super) async fn count_records(&self) -> Result<(), KeepError> {
        let state = self.shared.get::<TreeStateRecord>(&TreeStateRecord::key())?;
        let snapshot = self.shared.engine.snapshot();
        let count = move || count(&*snapshot, state.as_ref());
        let (done, of) = ops::blocking(count).await.map_err(SectionError::from)?;
        self.shared.tree.records.0.store(done, Ordering::SeqCst);
        self.shared.tree.records.1.store(of, Ordering::SeqCst);
        Ok(())
    }

    /// One commit of leaves, or all nodes. Returns whether the tree is built.
    pub(super) async fn build_step(&self, limit: usize, slice: Slice) -> Result<bool, KeepError> {
        let state = self.shared.get::<TreeStateRecord>(&TreeStateRecord::key())?;
        match state.unwrap_or(TreeStateRecord::Objects(Vec::new())) {
            TreeStateRecord::Objects(after) => {
                self.build_leaves(Table::Objects, after, limit).await?;
            }
            TreeStateRecord::Slots(after) => {
                self.build_leaves(Table::Slots, after, limit).await?;
            }
            TreeStateRecord::Entities(after) => {
                self.build_leaves(Table::Entities, after, limit).await?;
            }
            TreeStateRecord::Leaves => self.build_nodes(slice).await?,
            TreeStateRecord::Built => return Ok(true),
        }
        Ok(false)
    }

    async fn build_leaves(
        &self,
        table: Table,
        after: Vec<u8>,
        limit: usize,
    ) -> Result<(), KeepError> {
        let rows = rows::after(&*self.shared.engine.snapshot(), (table, b""), &after, limit);
        let rows = rows.map_err(SectionError::from)?;
        let last = rows.last().filter(|_| rows.len() == limit).map(|(row, _)| row.to_vec());
        let next = match (table, last) {
            (Table::Objects, Some(last)) => TreeStateRecord::Objects(last),
            (Table::Objects, None) => TreeStateRecord::Slots(Vec::new()),
            (Table::Slots, Some(last)) => TreeStateRecord::Slots(last),
            (Table::Slots, None) => TreeStateRecord::Entities(Vec::new()),
            (_, Some(last)) => TreeStateRecord::Entities(last),
            (_, None) => TreeStateRecord::Leaves,
        };
        let names: Vec<Bytes> =
            rows.iter().map(|(row, value)| leaves::name((table, row), value)).collect();
        let (metrics, count) = (self.shared.metrics.clone(), rows.len() as u64);
        let rule = move |section: &mut Section<'_>| {
            for row in names {
                match section.rederive(table, &row, false) {
                    Err(SectionError::Record(error)) => {
                        let row = row.escape_ascii();
                        tracing::error!(error = %ops::chain(&error), %row, "a record has no leaf in the hash tree");
                        metrics.alarm("unreadable_record");
                    }
                    outcome => {
                        outcome?;
                    }
                }
            }
            section.put(TreeStateRecord::key(), &next);
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(rule).await?;
        self.shared.tree.records.0.fetch_add(count, Ordering::SeqCst);
        Ok(())
    }

    async fn build_nodes(&self, slice: Slice) -> Result<(), KeepError> {
        let store = self.clone();
        detached(async move {
            let _folding = store.shared.tree.folding.lock().await;
            let mut scope = None;
            loop {
                let next = rows::next_scope(&*store.shared.engine.snapshot(), scope.as_deref());
                let Some(next) = next.map_err(SectionError::from)? else { break };
                store.regrow(next.clone(), slice).await?;
                scope = Some(next);
            }
            let built = |section: &mut Section<'_>| {
                section.put(TreeStateRecord::key(), &TreeStateRecord::Built);
                Ok::<_, KeepError>(())
            };
            store.shared.committer.run(built).await?;
            store.shared.tree.built();
            Ok(())
        })
        .await
    }

    /// Writes the nodes of a scope anew. Only for who holds the lock of the folder: changes since
    /// its snapshot have marks, which stay.
    pub(super) async fn regrow(&self, scope: Vec<u8>, slice: Slice) -> Result<(), KeepError> {
        let rows = ScopeRows { snapshot: self.shared.engine.snapshot(), scope };
        let work = move |told: &mpsc::Sender<_>| regrow(&rows, slice, told);
        let mut commits = usize::MAX;
        self.commit_folded(work, &mut commits).await
    }
}

/// Records whose leaves are there, and all.
fn count(
    snapshot: &dyn Snapshot,
    state: Option<&TreeStateRecord>,
) -> Result<(u64, u64), EngineError> {
    let (mut done, mut of) = (0, 0);
    // The table that is being worked on, and how far; those before it are done.
    let (at, last): (usize, &[u8]) = match state {
        None => (0, &[]),
        Some(TreeStateRecord::Objects(last)) => (0, last),
        Some(TreeStateRecord::Slots(last)) => (1, last),
        Some(TreeStateRecord::Entities(last)) => (2, last),
        Some(TreeStateRecord::Leaves | TreeStateRecord::Built) => (3, &[]),
    };
    for (number, table) in [Table::Objects, Table::Slots, Table::Entities].into_iter().enumerate() {
        let has_leaf = |row: &Bytes| number < at || number == at && row[..] <= *last;
        snapshot.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |row, _| {
            done += u64::from(has_leaf(row));
            of += 1;
            ControlFlow::Continue(())
        })?;
    }
    Ok((done, of))
}
