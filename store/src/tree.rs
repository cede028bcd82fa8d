//! The hash tree of a store (decision 0009): what two sites compare instead of everything (law 9).
//!
//! What must stay true, at every instant and after every crash:
//! * a leaf says what its entity's record says: both are written in one commit;
//! * every branch whose kept summary is not what its leaves say has a mark below it.
//!
//! So a reader who folds the marks over the nodes, in memory, knows the tree exactly. Nodes are
//! written by one folder at a time, bottom up: a node's row counts only if the branch above it says
//! that it is split, so what a crash leaves behind below is never read.

mod build;
mod fold;
mod folder;
pub(crate) mod leaves;
mod port;
mod rolling;
mod rows;
mod states;
mod verify;
mod view;

pub use folder::fold_forever;
pub use rolling::{TreeVerified, verify_forever};
pub use verify::{TreeCounts, TreeDifference, TreePlace, TreeReport, VerifyOptions, Why};
pub use view::TreeView;

pub(crate) use build::is_built;
pub(crate) use rows::numbers_of_marks;
pub(crate) use verify::Stage;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::tree::{Path, Scope};

/// Why the hash tree cannot be looked at.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeError {
    /// The store was written by a release that kept no tree.
    #[error(
        "the hash tree of this site is still being built out of what an earlier release stored, \
         {done} of {of} records; try again later"
    )]
    Building { done: u64, of: u64 },
    #[error("{marks} changes and more are not in the hash tree yet; fold them first")]
    Behind { marks: usize },
    /// A row is missing or says something impossible.
    #[error(
        "the hash tree of {scope} is damaged at branch `{path}`; stop the site and run \
         `towline store verify --repair`"
    )]
    Damaged { scope: Scope, path: Path },
}

/// What a store knows of its tree beside the rows.
pub(crate) struct Tree {
    /// Held by whoever writes nodes.
    folding: tokio::sync::Mutex<()>,
    built: AtomicBool,
    /// Records that have their leaves, and all, while it is built.
    records: (AtomicU64, AtomicU64),
    /// There are no marks before this number. To be read before a snapshot is taken.
    marks_since: AtomicU64,
}

impl Tree {
    pub(crate) fn new(built: bool, marks_since: u64) -> Self {
        let (built, marks_since) = (AtomicBool::new(built), AtomicU64::new(marks_since));
        let (folding, records) = (tokio::sync::Mutex::default(), <_>::default());
        Self { folding, built, records, marks_since }
    }

    fn is_built(&self) -> bool {
        self.built.load(Ordering::SeqCst)
    }

    fn marks_since(&self) -> u64 {
        self.marks_since.load(Ordering::SeqCst)
    }

    fn folded(&self, number: u64) {
        self.marks_since.store(number.saturating_add(1), Ordering::SeqCst);
    }

    /// How far building has come.
    fn building(&self) -> TreeError {
        let (done, of) =
            (self.records.0.load(Ordering::SeqCst), self.records.1.load(Ordering::SeqCst));
        // More are written while it is built.
        TreeError::Building { done, of: of.max(done) }
    }

    fn built(&self) {
        self.built.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
pub(crate) mod tests;
