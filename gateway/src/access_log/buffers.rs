//! Records that wait to be delivered into buckets: gathered by where they come from, within one budget.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use model::{BucketName, Millis};

use super::key::{Source, day};
use crate::documents::logging::{DateSource, KeyFormat, Logging};

/// Bytes of records that wait, those under way and those that failed included.
const BYTES_MAX: usize = 64 << 20;

/// Records of one bucket that go into one object.
pub(super) struct Parcel {
    pub(super) source: Source,
    pub(super) logging: Logging,
    /// When the first of them came.
    pub(super) time: Millis,
    pub(super) lines: Vec<u8>,
    pub(super) records: u64,
    pub(super) tries: u32,
    held: Held,
}

/// Bytes of the budget that are taken until this is dropped.
struct Held {
    budget: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

#[derive(Default)]
pub(super) struct Buffers {
    /// By bucket, and where days go apart by day.
    open: BTreeMap<(BucketName, u64), Parcel>,
    budget: Arc<AtomicUsize>,
}

impl Buffers {
    /// Adds a record; gives out what is to be delivered now, because it has `size` bytes, or because the
    /// bucket's setting has changed.
    pub(super) fn add(
        &mut self,
        (source, logging): (&Source, &Logging),
        (time, line): (Millis, &[u8]),
        size: usize,
    ) -> Result<Vec<Parcel>, Full> {
        if self.budget.load(Ordering::Relaxed) + line.len() > BYTES_MAX {
            return Err(Full);
        }
        let apart = logging.format == KeyFormat::Partitioned(DateSource::EventTime);
        let key = (source.bucket.clone(), if apart { day(time) } else { 0 });
        let other = |open: &Parcel| open.logging != *logging || open.source != *source;
        let changed = self.open.get(&key).is_some_and(other);
        let mut due: Vec<Parcel> =
            changed.then(|| self.open.remove(&key)).flatten().into_iter().collect();
        let parcel = self.open.entry(key.clone()).or_insert_with(|| Parcel {
            source: source.clone(),
            logging: logging.clone(),
            time,
            lines: Vec::new(),
            records: 0,
            tries: 0,
            held: Held { budget: Arc::clone(&self.budget), bytes: 0 },
        });
        self.budget.fetch_add(line.len(), Ordering::Relaxed);
        parcel.held.bytes += line.len();
        parcel.lines.extend(line);
        parcel.records += 1;
        if parcel.lines.len() >= size {
            due.extend(self.open.remove(&key));
        }
        Ok(due)
    }

    /// All that waits.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Parcel> {
        std::mem::take(&mut self.open).into_values()
    }
}

#[cfg(test)]
mod tests {
    use model::UserId;

    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    fn source(bucket: &str) -> Source {
        let owner = UserId::try_from("main".to_owned()).unwrap();
        Source { bucket: BucketName::try_from(bucket.to_owned()).unwrap(), owner }
    }

    fn lines(parcels: impl IntoIterator<Item = Parcel>) -> Vec<String> {
        let text = |parcel: Parcel| String::from_utf8(parcel.lines.clone()).unwrap();
        parcels.into_iter().map(text).collect()
    }

    #[test]
    fn records_are_gathered_by_bucket_until_there_are_enough() {
        let (mut buffers, logging) = (Buffers::default(), Logging::new("logs", ""));
        let (a, b) = (source("aaa"), source("bbb"));
        let mut add = |source: &Source, time, line: &str| {
            lines(buffers.add((source, &logging), (Millis(time), line.as_bytes()), 6).unwrap())
        };
        assert_eq!(add(&a, 0, "1\n"), [""; 0]);
        assert_eq!(add(&b, 0, "2\n"), [""; 0]);
        assert_eq!(add(&a, DAY, "3\n"), [""; 0], "days go together");
        assert_eq!(add(&a, 0, "4\n"), ["1\n3\n4\n"]);
        assert_eq!(add(&a, 0, "5\n"), [""; 0]);
        assert_eq!(lines(buffers.take()), ["5\n", "2\n"]);
        assert_eq!(buffers.budget.load(Ordering::Relaxed), 0, "the budget is free again");
    }

    #[test]
    fn another_setting_or_another_day_is_another_object() {
        let (mut buffers, simple) = (Buffers::default(), Logging::new("logs", ""));
        let format = KeyFormat::Partitioned(DateSource::EventTime);
        let by_day = Logging { format, ..simple.clone() };
        let from = source("aaa");
        let mut add = |logging, time, line: &str| {
            lines(buffers.add((&from, logging), (Millis(time), line.as_bytes()), 99).unwrap())
        };
        assert_eq!(add(&simple, 0, "1\n"), [""; 0]);
        assert_eq!(add(&by_day, 0, "2\n"), ["1\n"]);
        assert_eq!(add(&by_day, DAY, "3\n"), [""; 0]);
        assert_eq!(lines(buffers.take()), ["2\n", "3\n"]);
    }

    #[test]
    fn what_waits_has_a_budget() {
        let (mut buffers, logging) = (Buffers::default(), Logging::new("logs", ""));
        let (from, line) = (source("aaa"), vec![b'x'; BYTES_MAX / 2]);
        let mut add = || buffers.add((&from, &logging), (Millis(0), &line), 1);
        let first = add().unwrap();
        let second = add().unwrap();
        assert_eq!(add().err(), Some(Full), "those under way count");
        drop((first, second));
        assert_eq!(add().unwrap().len(), 1);
    }
}
