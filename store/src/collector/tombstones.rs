//! Trims tombstones at the cut that every site shares (law 6), and finds those that an earlier release
//! wrote.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{Line, Seq};

use crate::{
    engine::Table,
    errors::{KeepError, ReadError},
    records::{ObjectRecord, Record, TombstoneRecord, TombstonesFound},
    rules::floor,
    store::Store,
};

/// Objects looked at between two commits: bounds what is lost by a crash and held in memory.
const ROWS_PER_LOOK: usize = 1_024;

impl Store {
    /// Drops the tombstones that history has passed, here and below what other sites have logged.
    pub(super) async fn trim_tombstones(&self) -> Result<(), KeepError> {
        self.find_tombstones().await?;
        let floors = self.floors()?;
        for partition in self.identity().partitions.iter() {
            let written = self.written().borrow()[usize::from(partition.0)];
            let line = self.identity().line(partition);
            let from = floors.get(&line).copied().unwrap_or(Seq::NONE);
            if self.has_tombstones(line, (from, written.trimmed))? {
                let rule = self.shared.committer.run(move |section| {
                    floor::log_trimmed(section, partition).map_err(KeepError::from)
                });
                rule.await?;
            }
        }
        for (line, up_to) in self.floors()? {
            while self.has_tombstones(line, (Seq::NONE, up_to))? {
                let rule = self.shared.committer.run(move |section| {
                    floor::drop_tombstones(section, line, up_to).map_err(KeepError::from)
                });
                rule.await?;
            }
        }
        Ok(())
    }

    /// Whether a line has tombstones behind the first seq, up to the second.
    fn has_tombstones(&self, line: Line, (behind, up_to): (Seq, Seq)) -> Result<bool, ReadError> {
        if behind >= up_to {
            return Ok(false);
        }
        let start = TombstoneRecord::prefix(line.at(behind.next()));
        let end = TombstoneRecord::prefix(line.at(up_to.next()));
        let range = (Bound::Included(start.as_ref()), Bound::Excluded(end.as_ref()));
        let mut found = false;
        self.shared.engine.scan(Table::Queues, range, &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Notes the tombstones of a store that was written by a release which did not.
    async fn find_tombstones(&self) -> Result<(), KeepError> {
        loop {
            let held = self.shared.get::<TombstonesFound>(&TombstonesFound::key());
            let after = match held? {
                Some(TombstonesFound::All) => return Ok(()),
                Some(TombstonesFound::UpTo(row)) => row,
                None => Bytes::new(),
            };
            let (rows, found) = self.look_for_tombstones(&after)?;
            let rule = self
                .shared
                .committer
                .run(move |section| floor::found(section, rows, &found).map_err(KeepError::from));
            rule.await?;
        }
    }

    fn look_for_tombstones(
        &self,
        after: &Bytes,
    ) -> Result<(Vec<Bytes>, TombstonesFound), ReadError> {
        let (mut rows, mut seen, mut found) = (Vec::new(), 0, TombstonesFound::All);
        let range = (Bound::Excluded(after.as_ref()), Bound::Unbounded);
        self.shared.engine.scan(Table::Objects, range, &mut |row, value| {
            // What cannot be read is for deep verification to find.
            if ObjectRecord::decode(value).is_ok_and(|record| !record.stands()) {
                rows.push(row.clone());
            }
            seen += 1;
            if seen < ROWS_PER_LOOK {
                return ControlFlow::Continue(());
            }
            found = TombstonesFound::UpTo(row.clone());
            ControlFlow::Break(())
        })?;
        Ok((rows, found))
    }
}
