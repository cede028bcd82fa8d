//! Removals that a lock made void, in `queues`: key `v` slot-row. A lock that comes to say less, once
//! all of its past is here, may let one of them be after all.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ObjectRecord;
use crate::engine::Table;

/// The tombstone that the newest of them would have left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct VoidedRecord(pub(crate) ObjectRecord);

super::record!(VoidedRecord, Table::Queues, "voided removal", format 1);

impl VoidedRecord {
    /// Of the slot with this row.
    pub(crate) fn key(slot: &[u8]) -> Bytes {
        super::join(&[b"v", slot])
    }
}
