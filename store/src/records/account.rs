//! What stands in a bucket, counted (decision 0015). Keys, all in `meta`: `usage/` bucket 0 birth (of what
//! was put into one incarnation of the bucket; no row: nothing), `recount/` bucket (its rows are not
//! to be trusted), `counted` (how far what an earlier release stored is counted).

use bytes::Bytes;
use model::{
    Usage, Version,
    visibility::{self, BucketState},
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, join};
use crate::engine::Table;

/// What stands of one incarnation of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AccountRecord(pub(crate) Usage);

super::record!(AccountRecord, Table::Meta, "account", format 1);

impl AccountRecord {
    pub(crate) const PREFIX: &'static [u8] = b"usage/";

    /// Of all incarnations of a bucket, given as its scope: the name and a NUL.
    pub(crate) fn prefix(scope: &[u8]) -> Bytes {
        join(&[Self::PREFIX, scope])
    }

    pub(crate) fn key(scope: &[u8], birth: Version) -> Bytes {
        join(&[Self::PREFIX, scope, &birth.to_bytes()])
    }

    /// The scope and the birth inside a key of this record.
    pub(crate) fn split(row: &[u8]) -> Option<(&[u8], Version)> {
        let (scope, birth) = row.strip_prefix(Self::PREFIX)?.split_last_chunk::<24>()?;
        Some((scope, Version::from_bytes(birth)?))
    }

    /// What shows of a bucket in this state, given its rows.
    pub(crate) fn shown(
        state: &BucketState,
        rows: &[(Bytes, Bytes)],
    ) -> Result<Usage, RecordError> {
        let mut usage = Usage::NONE;
        for (row, value) in rows {
            let Self(some) = Self::decode(value)?;
            if Self::split(row).is_some_and(|(_, birth)| visibility::shows(state, birth)) {
                usage += some;
            }
        }
        Ok(usage)
    }
}

/// A record of the bucket could not be read and was taken out, so that nobody knows by how much its
/// counts are too high. Which of these times it was, so that a count tells whether there was another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RecountRecord(pub(crate) u64);

super::record!(RecountRecord, Table::Meta, "recount", format 1);

impl RecountRecord {
    pub(crate) const PREFIX: &'static [u8] = b"recount/";

    pub(crate) fn key(scope: &[u8]) -> Bytes {
        join(&[Self::PREFIX, scope])
    }

    /// The scope inside a key of this record.
    pub(crate) fn scope(row: &Bytes) -> Option<Bytes> {
        row.starts_with(Self::PREFIX).then(|| row.slice(Self::PREFIX.len()..))
    }
}

/// How far what a release without counts stored is counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum CountedRecord {
    /// Buckets up to this scope.
    UpTo(Vec<u8>),
    All,
}

super::record!(CountedRecord, Table::Meta, "counted", format 1);

impl CountedRecord {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"counted")
    }
}

#[cfg(test)]
mod tests {
    use model::{Hlc, SiteId};

    use super::*;

    #[test]
    fn a_row_splits_into_what_it_was_made_of_and_keeps_its_layout() {
        let birth = Version { hlc: Hlc(7), site: SiteId([0; 16]) };
        let row = AccountRecord::key(b"photos\0", birth);
        assert_eq!(AccountRecord::split(&row), Some((&b"photos\0"[..], birth)));
        assert!(row.starts_with(&AccountRecord::prefix(b"photos\0")));
        let usage = Usage { objects: 1, versions: 2, markers: 0, bytes: -300 };
        assert_eq!(hex::encode(AccountRecord(usage).encode()), "01020400d704");
        assert_eq!(AccountRecord::decode(&AccountRecord(usage).encode()).unwrap().0, usage);
        let again = RecountRecord::key(b"photos\0");
        assert_eq!(RecountRecord::scope(&again), Some(Bytes::from_static(b"photos\0")));
        assert_eq!(hex::encode(CountedRecord::UpTo(b"a\0".to_vec()).encode()), "0100026100");
        assert_eq!(hex::encode(CountedRecord::All.encode()), "0101");
    }
}
