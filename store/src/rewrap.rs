//! Wrapping data keys again once another key of the site counts (decision 0014). No block is touched,
//! and no event is written: where a key rests is this site's own business.
//!
//! One pass over all rows is enough: whatever is written meanwhile, or moves, rests under the key that
//! counts already ([`crate::section::Section`]). How far it has come is a row, so that a site which is
//! stopped goes on from there, and one where all is done does nothing.

use std::{
    ops::{Bound, ControlFlow},
    time::Duration,
};

use bytes::Bytes;
use model::{SiteWrapped, WrappedKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{EngineError, Table, prefix_range},
    errors::{KeepError, ReadError},
    records::{MultipartRecord, ObjectRecord, Record, RewrapPlace, RewrappedRecord},
    section::{Rewrapped, Section, SectionError},
    store::Store,
};

/// Keys that are wrapped in one commit, and rows that are looked at for them: clients' commits between
/// wait little.
const PER_STEP: (usize, usize) = (256, 4_096);

/// Kinds of records with data keys. Their order is persisted ([`RewrapPlace`]).
const KINDS: [(Table, &[u8]); 4] = [
    (Table::Objects, b""),
    (Table::Slots, b""),
    (Table::Versions, b""),
    (Table::Multipart, MultipartRecord::PREFIX),
];

/// The data keys of a store that rest under keys of the site, and those that no key of it opens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DataKeys {
    pub checked: u64,
    pub unopened: u64,
    /// The first of them, up to a bound.
    pub first: Vec<UnopenedKey>,
}

/// A data key that no key of this site opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnopenedKey {
    /// Key of the record.
    pub row: Bytes,
    pub why: String,
}

/// Wraps every data key under the key that counts, if that is another than when this was last done.
/// Returns when all is done, or when cancelled.
///
/// # Errors
/// If the store failed.
pub async fn rewrap_forever(store: Store, cancelled: CancellationToken) -> Result<(), KeepError> {
    cancelled.run_until_cancelled(store.rewrap_all()).await.unwrap_or(Ok(()))
}

impl Store {
    async fn rewrap_all(&self) -> Result<(), KeepError> {
        let metrics = &self.shared.metrics;
        let held = self.rewrapped()?;
        if held.place.is_none() && held.unopened == 0 {
            metrics.data_keys_unopened.set(0);
            return Ok(());
        }
        if held.place.is_none() {
            // The key that was missing may be there now.
            let begin = RewrappedRecord::begin(held.under);
            self.keep_rewrapped(begin).await?;
        }
        metrics.data_keys_rewrapping.set(1);
        let mut step = Instant::now();
        while !self.rewrap_step(PER_STEP).await? {
            tokio::time::sleep(step.elapsed().min(Duration::from_secs(1))).await;
            step = Instant::now();
        }
        metrics.data_keys_rewrapping.set(0);
        self.tell_rewrapped()
    }

    /// One commit. Returns whether all is done.
    pub(crate) async fn rewrap_step(
        &self,
        (keys_max, rows_max): (usize, usize),
    ) -> Result<bool, KeepError> {
        let mut record = self.rewrapped()?;
        let Some(RewrapPlace { kind, after }) = record.place.clone() else { return Ok(true) };
        let Some(&(table, _)) = KINDS.get(usize::from(kind)) else {
            record.place = None;
            self.keep_rewrapped(record).await?;
            return Ok(true);
        };
        let store = self.clone();
        let found = ops::blocking(move || store.elsewhere(kind, &after, (keys_max, rows_max)));
        let (rows, last) = found.await.map_err(SectionError::from)?;
        record.place = Some(match last {
            Some(after) => RewrapPlace { kind, after },
            None => RewrapPlace { kind: kind + 1, after: Vec::new() },
        });
        let rule = move |section: &mut Section<'_>| {
            let mut done = 0;
            for row in &rows {
                let outcome = match table {
                    Table::Multipart => section.rewrap_upload(row)?,
                    table => section.rewrap_object(table, row)?,
                };
                done += u64::from(outcome == Rewrapped::Done);
                record.unopened += u64::from(outcome == Rewrapped::Unopened);
            }
            record.rewrapped += done;
            section.put(RewrappedRecord::key(), &record);
            Ok::<_, KeepError>(done)
        };
        let done = self.shared.committer.run(rule).await?;
        self.shared.metrics.data_keys_rewrapped.inc_by(done);
        Ok(false)
    }

    /// The next rows of a kind whose data key rests under another key than counts, and the last that
    /// was looked at, unless that was the last of all.
    fn elsewhere(
        &self,
        kind: u8,
        after: &[u8],
        (keys_max, rows_max): (usize, usize),
    ) -> Result<(Vec<Bytes>, Option<Vec<u8>>), EngineError> {
        let (table, prefix) = KINDS[usize::from(kind)];
        let active = self.shared.codec.rests_under().0;
        let (mut found, mut seen, mut last, mut end) = (Vec::new(), 0, None, Vec::new());
        let (first, end) = prefix_range(prefix, &mut end);
        let first = if after.is_empty() { first } else { Bound::Excluded(after) };
        self.shared.engine.scan(table, (first, end), &mut |row, value| {
            if site_wrapped(table, value).is_some_and(|wrapped| wrapped.key_id != active) {
                found.push(row.clone());
            }
            seen += 1;
            if found.len() < keys_max && seen < rows_max {
                return ControlFlow::Continue(());
            }
            last = Some(row.to_vec());
            ControlFlow::Break(())
        })?;
        Ok((found, last))
    }

    fn rewrapped(&self) -> Result<RewrappedRecord, ReadError> {
        let (_, under) = self.shared.codec.rests_under();
        let held = self.shared.get::<RewrappedRecord>(&RewrappedRecord::key())?;
        let held = held.filter(|held| held.under == under);
        Ok(held.unwrap_or_else(|| RewrappedRecord::begin(under)))
    }

    async fn keep_rewrapped(&self, record: RewrappedRecord) -> Result<(), KeepError> {
        let rule = move |section: &mut Section<'_>| {
            section.put(RewrappedRecord::key(), &record);
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(rule).await
    }

    fn tell_rewrapped(&self) -> Result<(), KeepError> {
        let RewrappedRecord { rewrapped, unopened, .. } = self.rewrapped()?;
        let codec = &self.shared.codec;
        let (under, others) = (codec.rests_under().0, codec.other_site_keys().join(", "));
        self.shared.metrics.data_keys_unopened.set(i64::try_from(unopened).unwrap_or(i64::MAX));
        if unopened > 0 {
            tracing::warn!(
                unopened,
                rewrapped,
                "no key of this site opens some data keys, and their objects cannot be read; \
                 `towline store verify` names them and the keys that are missing"
            );
        } else if rewrapped > 0 || !others.is_empty() {
            let no_longer_needed = others;
            tracing::info!(
                rewrapped,
                under,
                no_longer_needed,
                "all data keys rest under the first key"
            );
        }
        Ok(())
    }

    /// Tries every data key that rests under a key of this site.
    pub(crate) async fn check_data_keys(&self, shown: usize) -> Result<DataKeys, ReadError> {
        let store = self.clone();
        ops::blocking(move || {
            let mut keys = DataKeys::default();
            for (table, prefix) in KINDS {
                let mut end = Vec::new();
                let range = prefix_range(prefix, &mut end);
                store.shared.engine.scan(table, range, &mut |row, value| {
                    if let Some(wrapped) = site_wrapped(table, value) {
                        keys.add(row, store.shared.codec.unwrap_data_key(&wrapped).err(), shown);
                    }
                    ControlFlow::Continue(())
                })?;
            }
            Ok::<_, ReadError>(keys)
        })
        .await
    }
}

impl DataKeys {
    fn add(&mut self, row: &Bytes, error: Option<schemas::CodecError>, shown: usize) {
        self.checked += 1;
        let Some(error) = error else { return };
        self.unopened += 1;
        if self.first.len() < shown {
            self.first.push(UnopenedKey { row: row.clone(), why: error.to_string() });
        }
    }
}

/// The data key of a record, if it rests under a key of this site. What cannot be read is for others
/// to find.
fn site_wrapped(table: Table, value: &Bytes) -> Option<SiteWrapped> {
    let key = match table {
        Table::Multipart => MultipartRecord::decode(value).ok()?.sealed_under,
        _ => ObjectRecord::decode(value).ok()?.manifest()?.encryption.clone().map(|held| held.key),
    };
    match key? {
        WrappedKey::Site(wrapped) => Some(wrapped),
        WrappedKey::Client(_) | WrappedKey::Named(_) => None,
    }
}

#[cfg(test)]
mod tests;
