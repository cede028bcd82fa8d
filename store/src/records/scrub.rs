//! Where a scrub under way has come. Key: `scrub`.

use bytes::Bytes;
use model::BlockHash;
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// There while a scrub is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ScrubRecord {
    /// Every block up to this one has been read back.
    pub(crate) up_to: BlockHash,
}

super::record!(ScrubRecord, Table::Meta, "scrub", format 1);

impl ScrubRecord {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"scrub")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;

    #[test]
    fn layout_of_format_1_stays() {
        let record = ScrubRecord { up_to: BlockHash(model::Digest([7; 32])) };
        let bytes = record.encode();
        assert_eq!(bytes, [&[1][..], &[7; 32]].concat());
        assert_eq!(ScrubRecord::decode(&bytes).unwrap(), record);
    }
}
