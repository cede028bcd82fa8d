//! One branch, seen from both sides: which branches below it to go to, or what differs in it.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use model::{
    Partition, Seq,
    tree::{Cut, Leaf, Node, Path, Scope, Summary, Verdict, verdict},
};

use super::{Branch, Found, Side, Walker};

/// What is known of a branch: its summary, and its leaves if they are in hand.
type Known = (Summary, Option<Vec<Leaf>>);

impl Walker {
    /// Goes down to a branch if its sides differ. A side without leaves needs no reading.
    pub(super) fn descend(&mut self, scope: &Arc<Scope>, path: Path, source: Known, here: Known) {
        if source.0 == here.0 {
            self.compared += source.0.leaves;
            return;
        }
        match (side(source), side(here)) {
            (Side::Known(source), Side::Known(here)) => self.leaves(scope, &source, &here),
            (source, here) => {
                let branch = Branch { scope: Arc::clone(scope), path, source, here };
                self.branches.entry(path.depth()).or_default().push_back(branch);
            }
        }
    }

    /// Compares a branch whose sides were read.
    pub(super) fn compare(&mut self, scope: &Arc<Scope>, path: Path, source: Node, here: Node) {
        if let (Node::Leaves(source), Node::Leaves(here)) = (&source, &here) {
            return self.leaves(scope, source, here);
        }
        for nibble in 0..16 {
            // A single place has one leaf, and no branch that has is split.
            let Some(below) = path.branch(nibble) else { return };
            self.descend(scope, below, part(&source, below, nibble), part(&here, below, nibble));
        }
    }

    fn leaves(&mut self, scope: &Arc<Scope>, source: &[Leaf], here: &[Leaf]) {
        let at = (&self.cut, &self.trimmed_here);
        let (compared, found) = differences(at, scope, source, here);
        self.compared += compared;
        self.differ += found.len() as u64;
        self.found.extend(found);
    }
}

/// Compares leaves, both in the order of their entities; says how many entities these are, and
/// which differ.
pub(crate) fn differences(
    (cut, trimmed_here): (&Cut, &BTreeMap<Partition, Seq>),
    scope: &Arc<Scope>,
    source: &[Leaf],
    here: &[Leaf],
) -> (u64, Vec<Found>) {
    // Buckets and users keep their tombstones: one that is not here was never trimmed, it is missing.
    let nothing = BTreeMap::new();
    let trimmed_here = if **scope == Scope::Entities { &nothing } else { trimmed_here };
    let (mut source, mut here) = (source.iter().peekable(), here.iter().peekable());
    let (mut compared, mut found) = (0, Vec::new());
    loop {
        let order = match (source.peek(), here.peek()) {
            (None, None) => return (compared, found),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(source), Some(here)) => source.entity.cmp(&here.entity),
        };
        let theirs = if order.is_le() { source.next().copied() } else { None };
        let ours = if order.is_ge() { here.next().copied() } else { None };
        compared += 1;
        let verdict = verdict(cut, trimmed_here, theirs.as_ref(), ours.as_ref());
        if !matches!(verdict, Verdict::Same | Verdict::Ahead) {
            let scope = Arc::clone(scope);
            found.push(Found { scope, verdict, source: theirs, here: ours });
        }
    }
}

fn side((summary, leaves): Known) -> Side {
    match leaves {
        Some(leaves) => Side::Known(leaves),
        None if summary.leaves == 0 => Side::Known(Vec::new()),
        None => Side::Ask(summary),
    }
}

/// What a node says of the branch below it that a nibble leads to.
fn part(node: &Node, below: Path, nibble: u8) -> Known {
    match node {
        Node::Split(branches) => (branches[usize::from(nibble)], None),
        Node::Leaves(leaves) => {
            let leaves: Vec<_> =
                leaves.iter().filter(|leaf| below.holds(leaf.entity)).copied().collect();
            (Summary::of_leaves(&leaves), Some(leaves))
        }
    }
}
