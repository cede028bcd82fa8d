//! How a branch is told with few bytes to a site that has most of it.
//!
//! The asker sketches its own branch of that path: of each leaf, or of each of the sixteen branches
//! below, the first bytes of the digest. It is answered with the rest, which is what it does not
//! have; it puts the branch together, and looks whether that is the one which the level above named,
//! by the whole digest. So a sketch is short and yet nothing is less certain: what is alike in it by
//! chance, or because somebody made it so, does not add up, and is asked for whole.

use super::{FANOUT, LEAVES_MAX, Leaf, Node, Summary};
use crate::Digest;

/// The first bytes of a digest. Two that differ are alike in these once in 2^32.
pub type Stub = [u8; 4];

/// What the asker has of a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sketch {
    Split([Stub; FANOUT]),
    /// In the order of entities.
    Leaves(Vec<Stub>),
}

impl Sketch {
    /// Of who has nothing there, or asks for the whole.
    pub const NOTHING: Self = Self::Leaves(Vec::new());

    /// Of the asker's own branch.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        match node {
            Node::Split(branches) => Self::Split(branches.each_ref().map(|it| stub(it.digest))),
            Node::Leaves(leaves) => Self::Leaves(stubs(leaves)),
        }
    }
}

/// What the asker lacks of a branch. `same`: what it has and the branch has too, a bit for each
/// place in the sketch, the lowest for the first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing is the same.
    Whole(Node),
    /// The others of the sixteen, in their order.
    Split { same: u32, others: Vec<Summary> },
    /// The other leaves, in the order of their entities.
    Leaves { same: u32, others: Vec<Leaf> },
}

const _: () = assert!(LEAVES_MAX <= 32 && FANOUT <= 32, "each has a bit");

impl Rest {
    /// Of a branch, for who sent the sketch.
    #[must_use]
    pub fn of(node: Node, sketch: &Sketch) -> Self {
        match (&node, sketch) {
            (Node::Split(branches), Sketch::Split(theirs)) => {
                let alike = |at: &usize| stub(branches[*at].digest) == theirs[*at];
                let same = bits((0..FANOUT).map(|at| alike(&at)));
                let others = (0..FANOUT).filter(|at| !alike(at)).map(|at| branches[at]).collect();
                if same == 0 { Self::Whole(node) } else { Self::Split { same, others } }
            }
            (Node::Leaves(leaves), Sketch::Leaves(theirs)) => {
                let ours = stubs(leaves);
                let same = bits(theirs.iter().map(|stub| ours.contains(stub)));
                let others = leaves.iter().zip(&ours).filter(|(_, stub)| !theirs.contains(stub));
                let others = others.map(|(leaf, _)| *leaf).collect();
                if same == 0 { Self::Whole(node) } else { Self::Leaves { same, others } }
            }
            _ => Self::Whole(node),
        }
    }

    /// The branch, if all of it came. It is taken as it comes: one that does not hold what the level
    /// above says of it is to be compared too.
    #[must_use]
    pub fn whole(self) -> Option<Node> {
        match self {
            Self::Whole(node) => Some(node),
            Self::Split { .. } | Self::Leaves { .. } => None,
        }
    }

    /// The branch, put together with what is here, of which the sketch was; `None` if that is not
    /// the one of which the level above has told.
    #[must_use]
    pub fn onto(self, here: &Node, told: &Summary) -> Option<Node> {
        let is_same = |same: u32, at: u32| same >> at & 1 == 1;
        let node = match (self, here) {
            (Self::Split { same, others }, Node::Split(here)) => {
                let (mut branches, mut others) = (here.clone(), others.into_iter());
                for (at, branch) in (0..).zip(branches.iter_mut()) {
                    if !is_same(same, at) {
                        *branch = others.next()?;
                    }
                }
                Node::Split(branches)
            }
            (Self::Leaves { same, others }, Node::Leaves(here)) => {
                let kept = (0..u32::BITS).zip(here).filter(|(at, _)| is_same(same, *at));
                let mut leaves: Vec<_> = kept.map(|(_, leaf)| *leaf).chain(others).collect();
                leaves.sort_by_key(|leaf| leaf.entity);
                Node::Leaves(leaves)
            }
            (rest, _) => return rest.whole(),
        };
        (node.summary() == *told).then_some(node)
    }
}

fn stub(digest: Digest) -> Stub {
    let [a, b, c, d, ..] = digest.0;
    [a, b, c, d]
}

fn stubs(leaves: &[Leaf]) -> Vec<Stub> {
    leaves.iter().map(|leaf| stub(leaf.digest())).collect()
}

fn bits(set: impl Iterator<Item = bool>) -> u32 {
    (0..u32::BITS).zip(set).fold(0, |bits, (at, set)| bits | u32::from(set) << at)
}

#[cfg(test)]
mod tests;
