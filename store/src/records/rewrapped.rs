//! Under which key of this site all data keys rest (decision 0014). Key: `rewrapped`.

use bytes::Bytes;
use model::Digest;
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// How far data keys have been wrapped anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RewrappedRecord {
    /// What stands for the key. Another than the site's: it all begins again.
    pub(crate) under: Digest,
    /// `None`: all are.
    pub(crate) place: Option<RewrapPlace>,
    pub(crate) rewrapped: u64,
    /// Those that no key of the site opened.
    pub(crate) unopened: u64,
}

/// What is looked at next.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RewrapPlace {
    /// Number of the kind of record: their order is persisted.
    pub(crate) kind: u8,
    /// Row of the last that was looked at.
    pub(crate) after: Vec<u8>,
}

super::record!(RewrappedRecord, Table::Meta, "rewrapped", format 1);

impl RewrappedRecord {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"rewrapped")
    }

    pub(crate) fn begin(under: Digest) -> Self {
        let place = Some(RewrapPlace::default());
        Self { under, place, rewrapped: 0, unopened: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;

    #[test]
    fn layout_of_format_1_stays() {
        let under = Digest([7; 32]);
        let place = Some(RewrapPlace { kind: 3, after: vec![9, 8] });
        let record = RewrappedRecord { under, place, rewrapped: 5, unopened: 1 };
        let bytes = record.encode();
        assert_eq!(bytes, [&[1][..], &[7; 32], &[1, 3, 2, 9, 8, 5, 1]].concat());
        assert_eq!(RewrappedRecord::decode(&bytes).unwrap(), record);
        let begun = RewrappedRecord::begin(under).encode();
        assert_eq!(begun, [&[1][..], &[7; 32], &[1, 0, 0, 0, 0]].concat());
    }
}
