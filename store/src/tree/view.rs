//! The tree as it is at one instant, exactly.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::{
    EntityHash, Event, Line,
    tree::{LEAVES_MAX, Leaf, Node, Path, Scope, Summary},
};

use super::{
    TreeError,
    fold::{self, Reader},
    rows::{self, ScopeRows},
    states,
};
use crate::{
    committer::WrittenAll,
    engine::{Snapshot, Table, prefix_range},
    errors::ReadError,
    lines::LineProgress,
    records::{
        Branches, HandledRecord, HoleRecord, Identity, MarksRecord, Record, Written, scope_bytes,
        scope_of,
    },
    store::Store,
};

/// Marks that a view folds in memory at most: a node or so each.
const MARKS_MAX: usize = 64 * 1_024;

impl Store {
    /// The tree as of now. What is not folded yet is folded in memory, so ask for a fold first
    /// ([`Store::fold_tree`]). Rows that are replaced later stay on disk for as long as it lives.
    ///
    /// # Errors
    /// [`TreeError::Building`] or [`TreeError::Behind`], or that the store cannot be read.
    pub fn tree_view(&self) -> Result<TreeView, ReadError> {
        self.tree_view_within(MARKS_MAX)
    }

    pub(super) fn tree_view_within(&self, marks_max: usize) -> Result<TreeView, ReadError> {
        if !self.shared.tree.is_built() {
            return Err(self.shared.tree.building().into());
        }
        let since = self.shared.tree.marks_since();
        let snapshot = self.shared.engine.snapshot();
        let marked = rows::marked(&*snapshot, since, marks_max)?;
        if marked.more {
            return Err(TreeError::Behind { marks: marks_max }.into());
        }
        Ok(TreeView(Arc::new(Pinned {
            written: written(&*snapshot, &self.shared.identity)?,
            snapshot,
            marks: marked.marks,
            folded: Mutex::default(),
        })))
    }
}

/// The tree of a store, its records and its positions at one instant. Clones are the same.
#[derive(Clone)]
pub struct TreeView(Arc<Pinned>);

struct Pinned {
    snapshot: Arc<dyn Snapshot>,
    written: WrittenAll,
    marks: MarksRecord,
    folded: Mutex<BTreeMap<Scope, Arc<Overlay>>>,
}

/// Nodes that differ from their rows: those above marks.
pub(super) type Overlay = BTreeMap<Path, Option<Box<Branches>>>;

impl TreeView {
    /// Every scope that holds anything, and what.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn roots(&self) -> Result<BTreeMap<Scope, Summary>, ReadError> {
        let (mut roots, mut after) = (BTreeMap::new(), None);
        while let Some(next) = rows::next_scope(&*self.0.snapshot, after.as_deref())? {
            if let Some(scope) = scope_of(&next) {
                let root = self.node(&scope, Path::ROOT)?.summary();
                if root != Summary::EMPTY {
                    roots.insert(scope, root);
                }
            }
            after = Some(next);
        }
        Ok(roots)
    }

    /// The node at a path. Where there is nothing it has no leaves.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn node(&self, scope: &Scope, path: Path) -> Result<Node, ReadError> {
        let rows = self.rows(scope);
        let leaves = rows.leaves(path, path.first(), LEAVES_MAX + 1)?;
        if leaves.len() <= LEAVES_MAX {
            return Ok(Node::Leaves(leaves));
        }
        let branches = node(&rows, &*self.overlay(scope, &rows)?, path)?;
        let damaged = || TreeError::Damaged { scope: scope.clone(), path };
        Ok(Node::Split(branches.ok_or_else(damaged)?))
    }

    /// One leaf.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, ReadError> {
        Ok(self.rows(scope).leaf(entity)?.map(|record| record.leaf(entity)))
    }

    /// What each partition of this site was written up to.
    #[must_use]
    pub fn written(&self) -> &WrittenAll {
        &self.0.written
    }

    /// How far a line of another site had come here.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn line(&self, line: Line) -> Result<LineProgress, ReadError> {
        let mut progress = LineProgress::START;
        if let Some(HandledRecord(handled)) = self.get(&HandledRecord::key(line))? {
            progress.handled = handled;
        }
        let (prefix, mut end) = (HoleRecord::prefix(line), Vec::new());
        let range = (Table::Queues, prefix_range(&prefix, &mut end));
        rows::each(&*self.0.snapshot, range, usize::MAX, |_, value| {
            let HoleRecord(hole) = HoleRecord::decode(value)?;
            progress.holes.insert(hole.first, hole);
            Ok(())
        })?;
        Ok(progress)
    }

    /// The state of an entity as the events that bring it about elsewhere, in order: its position is
    /// that of its leaf, and they follow no other event. None if there is no such entity.
    ///
    /// # Errors
    /// If the store cannot be read, or the record of a leaf is gone or damaged.
    pub fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, ReadError> {
        let rows = self.rows(scope);
        match rows.leaf(entity)? {
            Some(leaf) => states::events(&*self.0.snapshot, &rows.scope, &leaf),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn snapshot(&self) -> &dyn Snapshot {
        &*self.0.snapshot
    }

    fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, ReadError> {
        rows::get(&*self.0.snapshot, key)
    }

    fn rows(&self, scope: &Scope) -> ScopeRows {
        ScopeRows { snapshot: Arc::clone(&self.0.snapshot), scope: scope_bytes(scope) }
    }

    fn overlay(&self, scope: &Scope, rows: &ScopeRows) -> Result<Arc<Overlay>, ReadError> {
        let mut folded = self.0.folded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(overlay) = folded.get(scope) {
            return Ok(Arc::clone(overlay));
        }
        let overlay = Arc::new(overlay(rows, &self.0.marks.of(&rows.scope))?);
        folded.insert(scope.clone(), Arc::clone(&overlay));
        Ok(overlay)
    }
}

/// Folds what marks there are in memory.
pub(super) fn overlay(rows: &ScopeRows, marks: &[EntityHash]) -> Result<Overlay, ReadError> {
    let mut overlay = Overlay::new();
    if !marks.is_empty() {
        fold::fold(rows, marks, &mut |path, branches| {
            overlay.insert(path, branches.map(|branches| Box::new(*branches)));
            Ok(())
        })?;
    }
    Ok(overlay)
}

/// A branch that is split, as rows and what lies over them say.
pub(super) fn node(
    rows: &ScopeRows,
    overlay: &Overlay,
    path: Path,
) -> Result<Option<Box<Branches>>, ReadError> {
    match overlay.get(&path) {
        Some(branches) => Ok(branches.clone()),
        None => rows.node(path),
    }
}

fn written(snapshot: &dyn Snapshot, identity: &Identity) -> Result<WrittenAll, ReadError> {
    let of = |partition| {
        let written = rows::get::<Written>(snapshot, &Written::key(identity.epoch, partition))?;
        Ok(written.unwrap_or(Written::START))
    };
    identity.partitions.iter().map(of).collect()
}
