//! What stands in each bucket, counted in the commit of what changes it (decision 0015).
//!
//! What must stay true: the rows of a bucket are the sum over what is in its slots, each under the
//! birth of the bucket that it was put into. So they follow from what replicates, and are the same at
//! every site that holds the same; what shows of them, the bucket's state says (law 14).

use std::{collections::BTreeSet, ops::ControlFlow};

use bytes::Bytes;
use model::{Bucket, BucketName, Usage, UserId, Version};

use super::{Section, SectionError};
use crate::{
    engine::{Batch, Table, prefix_range},
    owners::Owned,
    records::{AccountRecord, BucketRecord, ObjectRecord, ObjectState, RecordError, RecountRecord},
};

/// What there was in a place, and what there is now.
pub(super) type Turn<'a> = (Option<&'a ObjectRecord>, Option<&'a ObjectRecord>);

impl ObjectRecord {
    /// What it is of what stands.
    pub(crate) fn usage(&self) -> Usage {
        match &self.state {
            ObjectState::Put(manifest) => Usage::of_version(manifest.size),
            ObjectState::Marker => Usage { markers: 1, ..Usage::NONE },
            ObjectState::Deleted => Usage::NONE,
        }
    }

    /// What it is beside that as the latest of its key.
    pub(crate) fn usage_as_latest(&self) -> Usage {
        Usage { objects: i64::from(self.manifest().is_some()), ..Usage::NONE }
    }
}

impl Section<'_> {
    /// Counts what became of a slot of a key, and of the place of its latest.
    pub(super) fn account(
        &mut self,
        latest: &Bytes,
        slot: Turn<'_>,
        of_latest: Turn<'_>,
    ) -> Result<(), SectionError> {
        let turns = [
            slot.0.map(|record| (record.birth, -record.usage())),
            of_latest.0.map(|record| (record.birth, -record.usage_as_latest())),
            of_latest.1.map(|record| (record.birth, record.usage_as_latest())),
            slot.1.map(|record| (record.birth, record.usage())),
        ];
        // Mostly they are of one birth, and one row.
        let mut pending = None;
        for (birth, usage) in turns.into_iter().flatten() {
            match &mut pending {
                Some((of, sum)) if *of == birth => *sum += usage,
                _ => {
                    if let Some((birth, sum)) = pending.replace((birth, usage)) {
                        self.add_to_account(scope(latest), birth, sum)?;
                    }
                }
            }
        }
        pending.map_or(Ok(()), |(birth, sum)| self.add_to_account(scope(latest), birth, sum))
    }

    /// Changes the counts of an incarnation of a bucket.
    pub(crate) fn add_to_account(
        &mut self,
        scope: &[u8],
        birth: Version,
        change: Usage,
    ) -> Result<(), SectionError> {
        if change == Usage::NONE {
            return Ok(());
        }
        let row = AccountRecord::key(scope, birth);
        let held = match self.get::<AccountRecord>(&row) {
            Err(SectionError::Record(RecordError::Damaged { .. })) => {
                self.count_again(scope)?;
                None
            }
            held => held?,
        };
        let AccountRecord(held) = held.unwrap_or_default();
        match held + change {
            Usage::NONE => self.remove::<AccountRecord>(row),
            sum => self.put(row, &AccountRecord(sum)),
        }
        Ok(())
    }

    /// What a record was that cannot be read, nobody knows: its bucket is to be counted again.
    pub(super) fn recount_bucket_of(&mut self, latest: &Bytes) -> Result<(), SectionError> {
        self.count_again(scope(latest))
    }

    fn count_again(&mut self, scope: &[u8]) -> Result<(), SectionError> {
        let row = RecountRecord::key(scope);
        let RecountRecord(times) = self.get(&row)?.unwrap_or_default();
        self.put(row, &RecountRecord(times + 1));
        Ok(())
    }

    /// What stands in a bucket, and whose that is.
    pub(crate) fn standing(
        &self,
        name: &BucketName,
    ) -> Result<Option<(UserId, Usage)>, SectionError> {
        let record = self.get::<BucketRecord>(&BucketRecord::key(name))?;
        let Some(record) = record.filter(|record| record.live.is_some()) else { return Ok(None) };
        let state = record.state();
        let (prefix, mut end) = (AccountRecord::prefix(&ObjectRecord::prefix(name)), Vec::new());
        let mut rows = Vec::new();
        self.scan(Table::Meta, prefix_range(&prefix, &mut end), &mut |row, value| {
            rows.push((row.clone(), value.clone()));
            ControlFlow::Continue(())
        })?;
        let usage = AccountRecord::shown(&state, &rows)?;
        Ok(state.live.map(|Bucket { owner, .. }| (owner, usage)))
    }

    /// What stands in all buckets of a user together. The first who asks has all of them counted;
    /// from then on each rule's part is added. To be asked before the rule changes anything.
    pub(crate) fn standing_of(&mut self, user: &UserId) -> Result<Usage, SectionError> {
        if let Some(usage) = self.counters.owners.usage(user) {
            return Ok(usage);
        }
        let rows = self.keys(Table::Entities, BucketRecord::PREFIX, usize::MAX)?;
        let names: Vec<_> = rows.iter().filter_map(|row| BucketRecord::bucket(row)).collect();
        self.counters.owners.keep(self.standing_in(&names)?);
        Ok(self.counters.owners.usage(user).unwrap_or_default())
    }

    /// What stands in each of some buckets, and whose it is.
    pub(super) fn standing_in(&self, buckets: &[BucketName]) -> Result<Owned, SectionError> {
        let standing = buckets.iter().map(|bucket| self.standing(bucket));
        standing.filter_map(Result::transpose).collect()
    }
}

/// The buckets whose counts, or owners, some rows are of.
pub(super) fn touched(rows: &Batch) -> Vec<BucketName> {
    let of = |table: Table, prefix: &'static [u8]| {
        let from = rows.range((table, Bytes::from_static(prefix))..);
        let rows = from.map(|((of, row), _)| (of, row));
        rows.take_while(move |(of, row)| **of == table && row.starts_with(prefix))
    };
    let changed = of(Table::Entities, BucketRecord::PREFIX);
    let changed = changed.filter_map(|(_, row)| BucketRecord::bucket(row));
    let counted = of(Table::Meta, AccountRecord::PREFIX);
    let counted = counted.filter_map(|(_, row)| {
        let (scope, _) = AccountRecord::split(row)?;
        let name = std::str::from_utf8(scope.strip_suffix(&[0])?).ok()?;
        BucketName::try_from(name.to_owned()).ok()
    });
    changed.chain(counted).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The bucket of a key with this row in `objects`: its name and the NUL.
fn scope(latest: &[u8]) -> &[u8] {
    let nul = latest.iter().position(|&byte| byte == 0);
    nul.map_or(latest, |nul| &latest[..=nul])
}
