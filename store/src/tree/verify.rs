//! Whether the tree says what the records say: leaves are derived again from records, and nodes from
//! leaves, a step at a time, each from a snapshot of its own.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    EntityHash,
    tree::{Path, Scope},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    fold,
    folder::{SLICE, detached, joined},
    leaves,
    rows::{self, ScopeRows, readable},
    view,
};
use crate::{
    engine::{Snapshot, Table},
    errors::{KeepError, ReadError},
    records::{LeafRecord, Record, scope_of, split_place},
    section::{Section, SectionError},
    store::Store,
};

/// Rows that are compared in one step.
pub(super) const ROWS: usize = 1_024;

/// How to verify.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyOptions {
    /// Make the tree say what the records say. Without it, a record that does not match its leaf is
    /// left for who can tell which of the two is right.
    pub repair: bool,
    /// At most so many differences are kept by name; all are counted.
    pub differences_max: usize,
}

/// What was compared, and what differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TreeCounts {
    pub records: u64,
    pub leaves: u64,
    pub nodes: u64,
    /// Records without a leaf.
    pub without_leaf: u64,
    /// Leaves without a record.
    pub without_record: u64,
    /// Leaves that say something else than their records.
    pub mismatched: u64,
    /// Records that cannot be read.
    pub unreadable: u64,
    pub wrong_nodes: u64,
    /// Rows that a crash left behind and nobody reads: no difference.
    pub stray_nodes: u64,
    /// Of those that differ, how many do not any more.
    pub repaired: u64,
}

impl TreeCounts {
    /// All that differs, repaired or not.
    #[must_use]
    pub fn differ(&self) -> u64 {
        let Self { without_leaf, without_record, mismatched, unreadable, wrong_nodes, .. } = self;
        without_leaf + without_record + mismatched + unreadable + wrong_nodes
    }
}

/// Why an entity's record and its leaf are not one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    #[error("the record has no leaf")]
    WithoutLeaf,
    #[error("the leaf has no record")]
    WithoutRecord,
    #[error("the leaf says something else than the record")]
    Mismatched,
    #[error("{0}")]
    Unreadable(String),
}

/// An entity whose record and leaf are not one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeDifference {
    pub scope: Scope,
    pub entity: EntityHash,
    /// What names the entity: bucket, NUL and key of an object, and behind them NUL and 24 bytes of a
    /// version with a slot of its own; `b` and the name of a bucket, `u` and the id of a user.
    pub row: Bytes,
    pub why: Why,
}

/// What verifying came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TreeReport {
    pub counts: TreeCounts,
    /// By name, up to the bound.
    pub differences: Vec<TreeDifference>,
}

/// What is compared next. Each names what was compared last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Stage {
    Objects(Vec<u8>),
    Entities(Vec<u8>),
    Leaves(Vec<u8>),
    Nodes(Option<Vec<u8>>),
    /// Between objects and entities.
    Slots(Vec<u8>),
}

impl Stage {
    pub(super) const START: Self = Self::Objects(Vec::new());
}

/// Where verifying goes on; kept by who verifies over restarts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreePlace(Stage);

/// What one step found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) counts: TreeCounts,
    pub(super) differences: Vec<TreeDifference>,
    /// A scope whose nodes are wrong, or that has strays.
    regrow: Option<Vec<u8>>,
}

impl Store {
    /// Compares every record with its leaf and every node with its leaves, telling how far it has
    /// come. Others go on writing meanwhile.
    ///
    /// # Errors
    /// If the tree is not built yet, or the store failed.
    pub async fn verify_tree(
        &self,
        options: VerifyOptions,
        progress: &watch::Sender<TreeCounts>,
    ) -> Result<TreeReport, KeepError> {
        let (mut report, mut place) = (TreeReport::default(), None);
        loop {
            let (next, found) = self.verify_tree_from(place, options.repair).await?;
            report.counts.add(&found.counts);
            let room = options.differences_max.saturating_sub(report.differences.len());
            report.differences.extend(found.differences.into_iter().take(room));
            progress.send_replace(report.counts);
            if next.is_none() {
                return Ok(report);
            }
            place = next;
        }
    }

    /// The next step of [`Store::verify_tree`], which goes on from where the one before it came to,
    /// or begins. Returns where the next one goes on, unless it was the last.
    ///
    /// # Errors
    /// As [`Store::verify_tree`].
    pub async fn verify_tree_from(
        &self,
        place: Option<TreePlace>,
        repair: bool,
    ) -> Result<(Option<TreePlace>, TreeReport), KeepError> {
        let TreePlace(stage) = place.unwrap_or(TreePlace(Stage::START));
        let (next, mut found) = self.verify_step(stage, ROWS).await?;
        if repair {
            found.counts.repaired = self.repair(&found).await?;
        }
        let report = TreeReport { counts: found.counts, differences: found.differences };
        Ok((next.map(TreePlace), report))
    }

    pub(super) async fn verify_step(
        &self,
        stage: Stage,
        limit: usize,
    ) -> Result<(Option<Stage>, Found), KeepError> {
        if !self.shared.tree.is_built() {
            return Err(self.shared.tree.building().into());
        }
        if matches!(stage, Stage::Nodes(_)) {
            self.fold_tree().await?;
        }
        let since = self.shared.tree.marks_since();
        let snapshot = self.shared.engine.snapshot();
        let work = move || step((&snapshot, since), stage, limit);
        joined(tokio::task::spawn_blocking(work).await)
    }

    async fn repair(&self, found: &Found) -> Result<u64, KeepError> {
        let differences = found.differences.clone();
        let rule = move |section: &mut Section<'_>| {
            let mut repaired = 0;
            for difference in &differences {
                repaired += u64::from(repair(section, difference)?);
            }
            Ok::<_, KeepError>(repaired)
        };
        let repaired: u64 = self.shared.committer.run(rule).await?;
        let Some(scope) = found.regrow.clone() else { return Ok(repaired) };
        let store = self.clone();
        detached(async move {
            let _folding = store.shared.tree.folding.lock().await;
            store.regrow(scope, SLICE).await
        })
        .await?;
        Ok(repaired + found.counts.wrong_nodes)
    }
}

impl TreeCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.leaves += other.leaves;
        self.nodes += other.nodes;
        self.without_leaf += other.without_leaf;
        self.without_record += other.without_record;
        self.mismatched += other.mismatched;
        self.unreadable += other.unreadable;
        self.wrong_nodes += other.wrong_nodes;
        self.stray_nodes += other.stray_nodes;
        self.repaired += other.repaired;
    }
}

fn repair(section: &mut Section<'_>, found: &TreeDifference) -> Result<bool, SectionError> {
    let table = match found.scope {
        Scope::Entities => Table::Entities,
        Scope::Bucket(_) => Table::Objects,
    };
    let scope = crate::records::scope_bytes(&found.scope);
    match &found.why {
        Why::Unreadable(_) => Ok(false),
        // Its name may lead nowhere, or to another entity.
        Why::WithoutRecord if leaves::place(table, &found.row) != Some((&scope, found.entity)) => {
            section.remove_leaf(&scope, found.entity);
            Ok(true)
        }
        _ => section.rederive(table, &found.row, true),
    }
}

fn step(
    (snapshot, marks_since): (&Arc<dyn Snapshot>, u64),
    stage: Stage,
    limit: usize,
) -> Result<(Option<Stage>, Found), ReadError> {
    let mut found = Found::default();
    let next = match stage {
        Stage::Objects(after) => {
            let last = records(&**snapshot, (Table::Objects, &after), limit, &mut found)?;
            last.map_or(Stage::Slots(Vec::new()), Stage::Objects)
        }
        Stage::Slots(after) => {
            let last = records(&**snapshot, (Table::Slots, &after), limit, &mut found)?;
            last.map_or(Stage::Entities(Vec::new()), Stage::Slots)
        }
        Stage::Entities(after) => {
            let last = records(&**snapshot, (Table::Entities, &after), limit, &mut found)?;
            last.map_or(Stage::Leaves(Vec::new()), Stage::Entities)
        }
        Stage::Leaves(after) => {
            let last = strangers(&**snapshot, &after, limit, &mut found)?;
            last.map_or(Stage::Nodes(None), Stage::Leaves)
        }
        Stage::Nodes(after) => {
            let Some(scope) = rows::next_scope(&**snapshot, after.as_deref())? else {
                return Ok((None, found));
            };
            nodes((snapshot, marks_since), scope.clone(), &mut found)?;
            Stage::Nodes(Some(scope))
        }
    };
    Ok((Some(next), found))
}

/// Compares records with their leaves.
fn records(
    snapshot: &dyn Snapshot,
    (table, after): (Table, &[u8]),
    limit: usize,
    found: &mut Found,
) -> Result<Option<Vec<u8>>, ReadError> {
    let rows = rows::after(snapshot, (table, b""), after, limit)?;
    for (key, value) in &rows {
        let row = &leaves::name((table, key), value);
        let Some((scope, entity)) = leaves::place(table, row) else { continue };
        found.counts.records += 1;
        let held = readable(rows::get::<LeafRecord>(snapshot, &LeafRecord::key(scope, entity)))?;
        let leaf = held.as_ref().ok().and_then(Option::as_ref);
        let get = |table, key: &Bytes| Ok::<_, ReadError>(snapshot.get(table, key)?);
        let derived = readable(leaves::derive((table, row), value, leaf, get))?;
        let (why, count) = match (&held, &derived) {
            (_, Err(error)) => (Why::Unreadable(error.to_string()), &mut found.counts.unreadable),
            (Ok(None), Ok(_)) => (Why::WithoutLeaf, &mut found.counts.without_leaf),
            (Ok(Some(held)), Ok(derived)) if held == derived => continue,
            _ => (Why::Mismatched, &mut found.counts.mismatched),
        };
        *count += 1;
        found.differ(scope, entity, row.clone(), why);
    }
    Ok(last(&rows, limit))
}

/// Finds leaves without a record.
fn strangers(
    snapshot: &dyn Snapshot,
    after: &[u8],
    limit: usize,
    found: &mut Found,
) -> Result<Option<Vec<u8>>, ReadError> {
    let rows = rows::after(snapshot, (Table::Tree, LeafRecord::PREFIX), after, limit)?;
    for (key, value) in &rows {
        let Some((scope, entity)) = split_place(key) else { continue };
        found.counts.leaves += 1;
        // A leaf that cannot be read was compared with its record, if there is one, by its place.
        let Ok(leaf) = LeafRecord::decode(value) else { continue };
        let (table, row) = leaf.row(scope);
        let get = |table, key: &Bytes| snapshot.get(table, key);
        let there = leaves::place(table, &row) == Some((scope, entity))
            && leaves::find((table, &row), get)?.is_some();
        if !there {
            found.counts.without_record += 1;
            found.differ(scope, entity, row, Why::WithoutRecord);
        }
    }
    Ok(last(&rows, limit))
}

fn last(rows: &[(Bytes, Bytes)], limit: usize) -> Option<Vec<u8>> {
    rows.last().filter(|_| rows.len() == limit).map(|(key, _)| key.to_vec())
}

/// Compares the nodes of a scope with what its leaves make of them, as many as there are.
fn nodes(
    (snapshot, marks_since): (&Arc<dyn Snapshot>, u64),
    scope: Vec<u8>,
    found: &mut Found,
) -> Result<(), ReadError> {
    let rows = ScopeRows { snapshot: Arc::clone(snapshot), scope };
    let marks = rows::marked(&**snapshot, marks_since, usize::MAX)?.marks;
    let overlay = view::overlay(&rows, &marks.of(&rows.scope))?;
    let (mut nodes, mut wrong) = (0, 0);
    let root = fold::grow(&rows, Path::ROOT, &mut |path, branches| {
        nodes += 1;
        wrong += u64::from(view::node(&rows, &overlay, path)?.as_deref() != branches);
        Ok(())
    })?;
    if !root.is_split() && view::node(&rows, &overlay, Path::ROOT)?.is_some() {
        wrong += 1;
    }
    let strays = rows.strays()?.len() as u64;
    found.counts.nodes += nodes;
    found.counts.wrong_nodes += wrong;
    found.counts.stray_nodes += strays;
    if wrong + strays > 0 {
        found.regrow = Some(rows.scope);
    }
    Ok(())
}

impl Found {
    fn differ(&mut self, scope: &[u8], entity: EntityHash, row: Bytes, why: Why) {
        let Some(scope) = scope_of(scope) else { return };
        self.differences.push(TreeDifference { scope, entity, row, why });
    }
}
