//! What was set aside: told, and discarded.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

use bytes::Bytes;
use model::{BucketName, Version};

use crate::{
    engine::Table,
    errors::{KeepError, ReadError},
    records::{
        BucketRecord, QuarantineId, QuarantineReason, QuarantineRecord, Record, SlotRecord,
        UserRecord, split_object_key,
    },
    rules::{locate, quarantine},
    store::Store,
};

/// Most that are told at once: a person looks at them.
const TOLD: usize = 1_000;
/// Forgotten in one commit: each may name a thousand blocks, whose rows change with it.
const DISCARDED: usize = 64;

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
        let mut told = Vec::new();
        self.each_quarantined(|(id, table, row), value| {
            let QuarantineRecord { reason, row: record } = QuarantineRecord::decode(value)?;
            // Of a later release: a version is not known of it either.
            let version = locate::version(table, row, &record).ok().flatten();
            let bytes = record.len() as u64;
            told.push(Quarantined { id, reason, what: entity(table, row), version, bytes });
            Ok(told.len() < TOLD)
        })?;
        Ok(told)
    }

    /// How many records are set aside, by reason.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn quarantined_counts(&self) -> Result<BTreeMap<&'static str, u64>, ReadError> {
        let reasons = [QuarantineReason::Foreign, QuarantineReason::Rotten];
        let mut counts = BTreeMap::from(reasons.map(|reason| (reason.label(), 0)));
        self.each_quarantined(|_, value| {
            *counts.entry(QuarantineRecord::decode(value)?.reason.label()).or_default() += 1;
            Ok(true)
        })?;
        Ok(counts)
    }

    /// Forgets the records that were set aside and are of whom `which` says; the blocks that nothing
    /// else names are freed. Returns how many these were. Durable when this returns.
    ///
    /// # Errors
    /// If the store failed; some may be forgotten by then.
    pub async fn discard_quarantined(
        &self,
        which: impl Fn(QuarantineId, &QuarantinedEntity) -> bool,
    ) -> Result<u64, KeepError> {
        let mut ids = Vec::new();
        self.each_quarantined(|(id, table, row), _| {
            ids.extend(which(id, &entity(table, row)).then_some(id));
            Ok(true)
        })?;
        let mut discarded = 0;
        for ids in ids.chunks(DISCARDED) {
            let ids = ids.to_vec();
            let rule = self.shared.committer.run(move |section| {
                let mut discarded = 0;
                for id in ids {
                    discarded += u64::from(quarantine::discard(section, id)?);
                }
                Ok::<u64, KeepError>(discarded)
            });
            discarded += rule.await?;
        }
        Ok(discarded)
    }

    /// Visits what is set aside, oldest first, as long as `visit` says so: id, and table and key that
    /// it was under.
    fn each_quarantined(
        &self,
        mut visit: impl FnMut((QuarantineId, Table, &[u8]), &Bytes) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut outcome = Ok(true);
        let all = (Bound::Unbounded, Bound::Unbounded);
        self.shared.engine.scan(Table::Quarantine, all, &mut |key, value| {
            if let Some(what) = QuarantineRecord::split(key) {
                outcome = visit(what, value);
            }
            if matches!(outcome, Ok(true)) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        outcome.map(|_| ())
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
