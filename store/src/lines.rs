//! What this site has handled of others, line by line, in memory as it is on disk.
//!
//! Changed only by the committer after a durable commit, so a reader never learns of progress
//! that a crash could take back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use model::{
    Hole, Line, Seq,
    progress::{self, Handled},
};
use tokio::sync::watch;

use crate::section::LineChange;

/// How far one line has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineProgress {
    pub handled: Handled,
    /// By first seq.
    pub holes: BTreeMap<Seq, Hole>,
}

impl LineProgress {
    /// Nothing handled.
    pub const START: Self = Self { handled: Handled::START, holes: BTreeMap::new() };

    /// Last seq up to which everything is applied.
    #[must_use]
    pub fn applied(&self) -> Seq {
        progress::applied(self.handled.seq, self.holes.values())
    }

    /// Last seq up to which everything is applied and all blocks are here.
    #[must_use]
    pub fn complete(&self) -> Seq {
        progress::complete(self.handled.seq, self.holes.values())
    }
}

/// All lines, and a signal that counts their changes.
pub(crate) struct Lines {
    lines: Mutex<BTreeMap<Line, LineProgress>>,
    changed: watch::Sender<u64>,
    adopted: watch::Sender<u64>,
}

impl Lines {
    pub(crate) fn new(lines: BTreeMap<Line, LineProgress>) -> Self {
        Self {
            lines: Mutex::new(lines),
            changed: watch::channel(0).0,
            adopted: watch::channel(0).0,
        }
    }

    pub(crate) fn change(&self, changes: Vec<LineChange>) {
        if changes.is_empty() {
            return;
        }
        let mut adopted = false;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            let line = match &change {
                LineChange::Handled(line, _)
                | LineChange::Opened(line, _)
                | LineChange::Closed(line, _)
                | LineChange::Adopted(line, _) => *line,
            };
            let progress = lines.entry(line).or_insert(LineProgress::START);
            match change {
                LineChange::Handled(_, handled) => progress.handled = handled,
                LineChange::Adopted(_, handled) => {
                    progress.handled = handled;
                    adopted = true;
                }
                LineChange::Opened(_, hole) => {
                    progress.holes.insert(hole.first, hole);
                }
                LineChange::Closed(_, first) => {
                    progress.holes.remove(&first);
                }
            }
        }
        drop(lines);
        self.changed.send_modify(|count| *count += 1);
        if adopted {
            self.adopted.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn get(&self, line: Line) -> LineProgress {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(&line).cloned().unwrap_or(LineProgress::START)
    }

    /// Runs `read` over every line, in order.
    pub(crate) fn read<T>(&self, mut read: impl FnMut(Line, &LineProgress) -> T) -> Vec<T> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(line, progress)| read(*line, progress)).collect()
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn adopted(&self) -> watch::Receiver<u64> {
        self.adopted.subscribe()
    }
}
