//! An engine in memory, for tests and the simulation.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;

use super::{Batch, Engine, EngineError, KeyRange, Snapshot, Table, Visit};

type Rows = BTreeMap<(Table, Bytes), Bytes>;

/// Rows in a map. [`Memory::fail`] makes the next commit fail as a broken disk does.
#[derive(Default)]
pub struct Memory {
    /// Copied by a commit only while somebody reads what was before it.
    rows: Mutex<Arc<Rows>>,
    failing: AtomicBool,
}

impl Memory {
    /// From now on every commit fails.
    pub fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }

    fn pinned(&self) -> Arc<Rows> {
        Arc::clone(&self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Snapshot::get(&*self.pinned(), table, key)
    }

    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError> {
        Snapshot::scan(&*self.pinned(), table, range, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(EngineError::Poisoned);
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = Arc::make_mut(&mut rows);
        for (key, value) in batch {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.pinned()
    }
}

impl Snapshot for Rows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(Self::get(self, &(table, Bytes::copy_from_slice(key))).cloned())
    }

    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError> {
        let owned = |bound: Bound<&[u8]>| bound.map(|key| (table, Bytes::copy_from_slice(key)));
        let start = match owned(range.0) {
            Bound::Unbounded => Bound::Included((table, Bytes::new())),
            bound => bound,
        };
        let rows = self.range((start, owned(range.1))).take_while(|((t, _), _)| *t == table);
        for ((_, key), value) in rows {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        super::super::conformance::run(&Memory::default());
    }
}
