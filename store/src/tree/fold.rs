//! Folding: from the leaves and the marks of one scope to the nodes that change. Pure: it reads
//! through one port and tells what it found through another.
//!
//! Nodes are told bottom up, each before the branch above it. Whoever keeps them in that order, and
//! the marks until the last, may be cut off anywhere.

use std::collections::VecDeque;

use model::{
    EntityHash,
    tree::{LEAVES_MAX, Leaf, Path, Summary},
};

use crate::{errors::ReadError, records::Branches};

/// One scope as it is kept.
pub(super) trait Reader {
    /// The row of a branch that is split.
    fn node(&self, path: Path) -> Result<Option<Box<Branches>>, ReadError>;

    /// Leaves below a path from a place on, in order, at most `limit`.
    fn leaves(&self, path: Path, from: EntityHash, limit: usize) -> Result<Vec<Leaf>, ReadError>;
}

/// Takes the nodes that changed: `None` for a branch that is not split any more. An error ends the
/// fold.
pub(super) type Told<'a> = &'a mut dyn FnMut(Path, Option<&Branches>) -> Result<(), ReadError>;

/// Leaves that are read at once while a branch is built: some 100 KiB.
const AHEAD: usize = 1_024;

/// Folds marks, which are in order, from the root down. What is said of branches without marks is
/// left as it is kept; a summary of a branch with marks that were not given may still be wrong.
pub(super) fn fold(
    reader: &dyn Reader,
    marks: &[EntityHash],
    told: Told<'_>,
) -> Result<Summary, ReadError> {
    let held = reader.node(Path::ROOT)?;
    branch(reader, (Path::ROOT, held), marks, told)
}

/// The nodes of a branch from its leaves alone.
pub(super) fn grow(reader: &dyn Reader, path: Path, told: Told<'_>) -> Result<Summary, ReadError> {
    let mut leaves = Ahead { reader, path, next: Some(path.first()), held: VecDeque::new() };
    build(&mut leaves, path, told)
}

fn branch(
    reader: &dyn Reader,
    (path, held): (Path, Option<Box<Branches>>),
    marks: &[EntityHash],
    told: Told<'_>,
) -> Result<Summary, ReadError> {
    let Some(held) = held else {
        return grow(reader, path, told);
    };
    let (mut branches, mut rest) = (held.clone(), marks);
    for (nibble, summary) in (0..).zip(branches.iter_mut()) {
        let Some(below) = path.branch(nibble).filter(|_| !rest.is_empty()) else { break };
        let last = below.last();
        let (marked, after) = rest.split_at(rest.partition_point(|mark| *mark <= last));
        rest = after;
        if marked.is_empty() {
            continue;
        }
        // A row below a branch that is not split was left behind, and counts for nothing.
        let held = if summary.is_split() { reader.node(below)? } else { None };
        *summary = branch(reader, (below, held), marked, told)?;
    }
    let leaves: u64 = branches.iter().map(|branch| branch.leaves).sum();
    if leaves <= LEAVES_MAX as u64 {
        told(path, None)?;
        return grow(reader, path, told);
    }
    if branches != held {
        told(path, Some(&branches))?;
    }
    Ok(Summary::of_branches(&branches))
}

fn build(leaves: &mut Ahead<'_>, path: Path, told: Told<'_>) -> Result<Summary, ReadError> {
    let last = path.last();
    if leaves.reach(LEAVES_MAX)?.is_none_or(|leaf| leaf.entity > last) {
        let below = leaves.held.partition_point(|leaf| leaf.entity <= last);
        return Ok(Summary::of_leaves(&leaves.held.drain(..below).collect::<Vec<_>>()));
    }
    let mut branches = [Summary::EMPTY; model::tree::FANOUT];
    for (nibble, summary) in (0..).zip(&mut branches) {
        let Some(below) = path.branch(nibble) else { break };
        *summary = build(leaves, below, told)?;
    }
    told(path, Some(&branches))?;
    Ok(Summary::of_branches(&branches))
}

/// Leaves in order, read some at a time, with a view of those to come.
struct Ahead<'a> {
    reader: &'a dyn Reader,
    path: Path,
    next: Option<EntityHash>,
    held: VecDeque<Leaf>,
}

impl Ahead<'_> {
    /// The leaf that comes after so many others, if there is one.
    fn reach(&mut self, place: usize) -> Result<Option<&Leaf>, ReadError> {
        while self.held.len() <= place
            && let Some(next) = self.next
        {
            // Most branches that are looked at are small, and need no more than this.
            let first = next == self.path.first();
            let limit = if first { LEAVES_MAX + 1 } else { AHEAD };
            let leaves = self.reader.leaves(self.path, next, limit)?;
            let end = leaves.len() < limit;
            self.next = leaves.last().filter(|_| !end).and_then(|leaf| after(leaf.entity));
            self.held.extend(leaves);
        }
        Ok(self.held.get(place))
    }
}

/// The next place.
fn after(entity: EntityHash) -> Option<EntityHash> {
    let mut place = entity.0;
    for byte in place.0.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(EntityHash(place));
        }
    }
    None
}

#[cfg(test)]
mod tests;
