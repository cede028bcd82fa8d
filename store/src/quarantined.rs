//! What was set aside: told, and discarded.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{BucketName, Version};

use crate::{
    engine::Table,
    errors::{KeepError, ReadError},
    records::{
        BucketRecord, QuarantineId, QuarantineReason, QuarantineRecord, Record, SlotRecord,
        UserRecord, split_object_key,
    },
    rules::quarantine,
    store::Store,
};

/// Most that are told at once: a person looks at them.
const TOLD: usize = 1_000;

/// A record that was set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantined {
    /// About when, in milliseconds, and which.
    pub id: QuarantineId,
    pub reason: QuarantineReason,
    pub what: QuarantinedEntity,
    /// `None`: it cannot be read.
    pub version: Option<Version>,
    /// Size of the record.
    pub bytes: u64,
}

/// Whose record it is. Names are as they stand in its key, which may be as rotten as the rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QuarantinedEntity {
    Object { bucket: String, key: String },
    Bucket(String),
    User(String),
}

impl Store {
    /// What was set aside, oldest first, at most 1,000.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>, ReadError> {
        let (mut told, mut failed) = (Vec::new(), None);
        let all = (Bound::Unbounded, Bound::Unbounded);
        self.shared.engine.scan(Table::Quarantine, all, &mut |key, value| {
            let Some((id, table, row)) = QuarantineRecord::split(key) else {
                return ControlFlow::Continue(());
            };
            match QuarantineRecord::decode(value) {
                Ok(QuarantineRecord { reason, row: record }) => {
                    // Of a later release: a version is not known of it either.
                    let version = quarantine::version(table, row, &record).ok().flatten();
                    let bytes = record.len() as u64;
                    told.push(Quarantined { id, reason, what: entity(table, row), version, bytes });
                }
                Err(error) => failed = Some(error),
            }
            let more = failed.is_none() && told.len() < TOLD;
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed.map_or(Ok(told), |error| Err(error.into()))
    }

    /// Forgets a record that was set aside; the blocks that nothing else names are freed. `false`:
    /// there is none of this id. Durable when this returns.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn discard_quarantined(&self, id: QuarantineId) -> Result<bool, KeepError> {
        let committer = &self.shared.committer;
        let rule =
            committer.run(move |section| quarantine::discard(section, id).map_err(KeepError::from));
        rule.await
    }
}

fn entity(table: Table, row: &[u8]) -> QuarantinedEntity {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if matches!(table, Table::Objects | Table::Slots) {
        let latest = SlotRecord::split(&Bytes::copy_from_slice(row)).map(|(latest, _)| latest);
        let row = latest.as_deref().unwrap_or(row);
        let bucket = row.split(|&byte| byte == 0).next().unwrap_or_default();
        let key = split_object_key(row).map_or_else(|| text(row), ToOwned::to_owned);
        return QuarantinedEntity::Object { bucket: text(bucket), key };
    }
    match UserRecord::id(row) {
        Some(user) => QuarantinedEntity::User(user.into()),
        None => {
            let name = BucketRecord::bucket(row).map(BucketName::into);
            QuarantinedEntity::Bucket(name.unwrap_or_else(|| text(row)))
        }
    }
}
