//! An engine in memory, for tests and the simulation.

use std::{
    ops::Bound,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;

use super::{Batch, Engine, EngineError, KeyRange, Table, Visit};

/// Rows in a map. [`Memory::fail`] makes the next commit fail as a broken disk does.
#[derive(Default)]
pub struct Memory {
    rows: Mutex<std::collections::BTreeMap<(Table, Bytes), Bytes>>,
    failing: AtomicBool,
}

impl Memory {
    /// From now on every commit fails.
    pub fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }
}

impl Engine for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(&(table, Bytes::copy_from_slice(key))).cloned())
    }

    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError> {
        let owned = |bound: Bound<&[u8]>| bound.map(|key| (table, Bytes::copy_from_slice(key)));
        let start = match owned(range.0) {
            Bound::Unbounded => Bound::Included((table, Bytes::new())),
            bound => bound,
        };
        // A snapshot, so that the visitor may call the engine again.
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = rows.range((start, owned(range.1))).take_while(|((t, _), _)| *t == table);
        for ((_, key), value) in rows {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(EngineError::Poisoned);
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
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
