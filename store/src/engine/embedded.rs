//! The embedded engine: fjall, an LSM tree with one journal for all tables.

use std::{collections::HashMap, path::Path, sync::Arc};

use bytes::Bytes;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable,
};

use super::{Batch, Engine, EngineError, KeyRange, Snapshot, Table, Visit};

/// Block cache: most reads are of what was just written, which the memtables hold.
const CACHE_BYTES: u64 = 16 << 20;
/// A dozen tables, five of which grow fast: small ones keep a site small, and cost no throughput
/// that could be measured against twice the size.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// Journals are rewritten into tables when they pass this.
const JOURNAL_BYTES: u64 = 256 << 20;
/// With two, one only flushes and spins on every compaction that it passes to the other; with
/// large values apart, compactions are short enough for one to do both.
const WORKERS: usize = 1;
/// Values from here on go into files of their own, written once, and are not merged again with
/// each compaction: bodies that are inline, in objects and in history.
const APART_BYTES: u32 = 1 << 10;

/// A directory with one fjall database. One process at a time.
pub struct Embedded {
    database: Database,
    tables: Arc<HashMap<Table, Keyspace>>,
}

/// The database at one instant.
struct Pinned {
    snapshot: fjall::Snapshot,
    tables: Arc<HashMap<Table, Keyspace>>,
}

impl Embedded {
    /// Opens or creates the database, replaying its journal.
    ///
    /// # Errors
    /// If another process holds it, the files are of another format, or the device fails.
    pub fn open(directory: &Path) -> Result<Self, EngineError> {
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .open()
            .map_err(engine_error)?;
        let open = |table: Table| Ok((table, database.keyspace(table.name(), || options(table))?));
        let tables = Table::ALL.into_iter().map(open);
        let tables = tables.collect::<Result<_, fjall::Error>>().map_err(engine_error)?;
        Ok(Self { database, tables: Arc::new(tables) })
    }

    fn table(&self, table: Table) -> &Keyspace {
        of(&self.tables, table)
    }
}

fn of(tables: &HashMap<Table, Keyspace>, table: Table) -> &Keyspace {
    tables.get(&table).expect("every table is opened at start")
}

fn options(table: Table) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    match table {
        Table::Objects | Table::Slots | Table::Versions | Table::History => {
            let apart = KvSeparationOptions::default().separation_threshold(APART_BYTES);
            options.with_kv_separation(Some(apart))
        }
        _ => options,
    }
}

impl Engine for Embedded {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.table(table).get(key).map_err(engine_error)?.map(Bytes::from))
    }

    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError> {
        visit_all(self.table(table).range::<&[u8], _>(range), visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut write = self.database.batch().durability(Some(PersistMode::SyncData));
        for ((table, key), value) in batch {
            let table = self.table(table);
            match value {
                Some(value) => write.insert(table, key, value),
                None => write.remove(table, key),
            }
        }
        write.commit().map_err(engine_error)
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        let snapshot = self.database.snapshot();
        Arc::new(Pinned { snapshot, tables: Arc::clone(&self.tables) })
    }
}

impl Snapshot for Pinned {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.snapshot.get(of(&self.tables, table), key);
        Ok(found.map_err(engine_error)?.map(Bytes::from))
    }

    fn scan(&self, table: Table, range: KeyRange<'_>, visit: Visit<'_>) -> Result<(), EngineError> {
        visit_all(self.snapshot.range::<&[u8], _>(of(&self.tables, table), range), visit)
    }
}

fn visit_all(rows: fjall::Iter, visit: Visit<'_>) -> Result<(), EngineError> {
    for row in rows {
        let (key, value) = row.into_inner().map_err(engine_error)?;
        if visit(&Bytes::from(key), &Bytes::from(value)).is_break() {
            break;
        }
    }
    Ok(())
}

fn engine_error(error: fjall::Error) -> EngineError {
    match error {
        fjall::Error::Locked => EngineError::Locked,
        fjall::Error::Poisoned => EngineError::Poisoned,
        fjall::Error::InvalidVersion(_) => EngineError::Format,
        other => EngineError::Io(Box::new(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms_and_keeps_rows_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        super::super::conformance::run(&Embedded::open(directory.path()).unwrap());
        let again = Embedded::open(directory.path()).unwrap();
        assert!(again.get(Table::Meta, b"kept").unwrap().is_some());
    }

    /// History as the site lives: always 16 MiB of it, trimmed at one end, written at the other.
    #[test]
    fn what_is_removed_gives_its_room_back() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Embedded::open(directory.path()).unwrap();
        let row = |n: u64| (Table::History, Bytes::copy_from_slice(&n.to_be_bytes()));
        let value = Bytes::from(vec![7; 4 << 10]);
        let (live, written) = (4 << 10, 96 << 10);
        for first in (0..written).step_by(512) {
            let new = (first..first + 512).map(|n| (row(n), Some(value.clone())));
            let old =
                (first..first + 512).filter_map(|n| Some((row(u64::checked_sub(n, live)?), None)));
            engine.commit(new.chain(old).collect()).unwrap();
        }
        // Compaction runs behind; without it all 384 MiB would stay.
        let began = tokio::time::Instant::now();
        while bytes(&directory.path().join("keyspaces")) > 192 << 20 {
            assert!(began.elapsed().as_secs() < 60, "room is not given back");
            std::thread::yield_now();
        }
    }

    /// Of all files below a folder. One that compaction has just removed has none.
    fn bytes(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let of = |entry: std::fs::DirEntry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
        entries.map(of).sum()
    }

    #[test]
    fn a_second_opener_is_told_that_the_store_is_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Embedded::open(directory.path()).unwrap();
        assert!(matches!(Embedded::open(directory.path()), Err(EngineError::Locked)));
    }
}
