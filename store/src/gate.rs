//! Whether anything may be written now: the role of the site, a dispute over its past, and the
//! room on its disk.

use std::{
    path::PathBuf,
    sync::{PoisonError, RwLock},
};

use crate::{
    errors::{DiskFull, Refusal},
    section::Limits,
};

/// Looked at once a batch by the committer and once a block by uploads.
pub(crate) struct Gate {
    directory: PathBuf,
    reserve: u64,
    refusal: RwLock<Option<Refusal>>,
}

impl Gate {
    pub(crate) fn new(directory: PathBuf, reserve: u64) -> Self {
        Self { directory, reserve, refusal: RwLock::new(None) }
    }

    /// Refuses clients' writes from the next batch on. A dispute is never lifted while the
    /// process runs: it takes a new epoch.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut held = self.refusal.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*held, Some(Refusal::Disputed { .. })) {
            *held = Some(refusal);
        }
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the disk has room above the reserve. A disk that cannot be asked is not full: the
    /// write will tell.
    pub(crate) fn room(&self) -> Result<(), DiskFull> {
        let Ok(disk) = rustix::fs::statvfs(&self.directory) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= self.reserve { Ok(()) } else { Err(DiskFull { free, reserve: self.reserve }) }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { refusal: self.refusal(), full: self.room().err() }
    }
}
