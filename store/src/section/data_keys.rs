//! What data keys rest under: the key of this site that counts now. Every write of an object's record
//! goes through [`Section::resting`], so that a pass over all rows finds each at least once, wherever it
//! moves meanwhile. What identity counts of a record stays the same (law 11), and so does its leaf.

use std::borrow::Cow;

use bytes::Bytes;
use model::WrappedKey;
use schemas::CodecError;

use super::{Section, SectionError};
use crate::{
    engine::Table,
    records::{MultipartRecord, ObjectRecord, ObjectState, Record},
};

/// What became of the data key of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rewrapped {
    /// It rests under the key that counts, or there is none.
    Already,
    Done,
    /// This site has no key that opens it: it stays as it is.
    Unopened,
}

impl Section<'_> {
    /// A record as it is to rest. One whose key does not open stays as it is.
    pub(super) fn resting<'r>(&self, record: &'r ObjectRecord) -> Cow<'r, ObjectRecord> {
        let key = record.manifest().and_then(|manifest| manifest.encryption.as_ref());
        match key.map(|encryption| self.rewrap(&encryption.key)) {
            Some(Ok(Some(key))) => {
                let mut record = record.clone();
                if let ObjectState::Put(manifest) = &mut record.state
                    && let Some(encryption) = &mut manifest.encryption
                {
                    encryption.key = key;
                }
                Cow::Owned(record)
            }
            _ => Cow::Borrowed(record),
        }
    }

    /// Wraps the data key of an object's record again, where it is.
    pub(crate) fn rewrap_object(
        &mut self,
        table: Table,
        row: &Bytes,
    ) -> Result<Rewrapped, SectionError> {
        let Some(value) = self.row(table, row)? else { return Ok(Rewrapped::Already) };
        // What cannot be read is for others to find.
        let Ok(record) = ObjectRecord::decode(&value) else { return Ok(Rewrapped::Already) };
        let key = record.manifest().and_then(|manifest| manifest.encryption.as_ref());
        let outcome = self.outcome(key.map(|encryption| &encryption.key));
        if outcome == Rewrapped::Done {
            let resting = self.resting(&record);
            debug_assert_eq!(resting.state(), record.state(), "BUG: a leaf would differ");
            self.staged.rows.insert((table, row.clone()), Some(resting.encode()));
        }
        Ok(outcome)
    }

    /// The same of an upload under way.
    pub(crate) fn rewrap_upload(&mut self, row: &Bytes) -> Result<Rewrapped, SectionError> {
        let Some(value) = self.row(Table::Multipart, row)? else { return Ok(Rewrapped::Already) };
        let Ok(mut record) = MultipartRecord::decode(&value) else { return Ok(Rewrapped::Already) };
        let outcome = self.outcome(record.sealed_under.as_ref());
        if let Some(Ok(Some(key))) = record.sealed_under.as_ref().map(|key| self.rewrap(key)) {
            record.sealed_under = Some(key);
            self.put(row.clone(), &record);
        }
        Ok(outcome)
    }

    fn outcome(&self, key: Option<&WrappedKey>) -> Rewrapped {
        match key.map(|key| self.rewrap(key)) {
            None | Some(Ok(None)) => Rewrapped::Already,
            Some(Ok(Some(_))) => Rewrapped::Done,
            Some(Err(_)) => Rewrapped::Unopened,
        }
    }

    fn rewrap(&self, key: &WrappedKey) -> Result<Option<WrappedKey>, CodecError> {
        match key {
            WrappedKey::Site(wrapped) => Ok(self.codec.rewrap(wrapped)?.map(WrappedKey::Site)),
            WrappedKey::Client(_) | WrappedKey::Named(_) => Ok(None),
        }
    }
}
