//! What else is in the slots of a key than the latest. Key in `slots`: bucket 0 key for the null
//! slot; for a version's own, behind that 0 and the version with all its bits turned, so that the
//! newest comes first. Such a row names the slot also where its record is in `objects`.

use bytes::Bytes;
use model::{Slot, Version};

use super::{ObjectRecord, Record, join};
use crate::engine::Table;

/// An [`ObjectRecord`] that is not in `objects`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SlotRecord(pub(crate) ObjectRecord);

impl Record for SlotRecord {
    const TABLE: Table = Table::Slots;
    const NAME: &'static str = "slot";
    const FORMAT: u8 = ObjectRecord::FORMAT;

    fn encode_body(&self, body: &mut Vec<u8>) {
        self.0.encode_body(body);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        ObjectRecord::decode_body(body).map(Self)
    }

    fn decode_before(format: u8, body: &Bytes) -> Option<Self> {
        ObjectRecord::decode_before(format, body).map(Self)
    }
}

impl SlotRecord {
    /// Of a slot of the key with this row in `objects`.
    pub(crate) fn key(latest: &Bytes, slot: Slot) -> Bytes {
        match slot {
            Slot::Null => latest.clone(),
            Slot::Own(version) => join(&[latest, &[0], &turned(version.to_bytes())]),
        }
    }

    /// What the rows of versions that have slots of their own begin with.
    pub(crate) fn own(latest: &[u8]) -> Bytes {
        join(&[latest, &[0]])
    }

    /// The key's row in `objects`, and the slot.
    pub(crate) fn split(row: &Bytes) -> Option<(Bytes, Slot)> {
        let mut nuls = row.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
        let (_, second) = (nuls.next()?, nuls.next());
        let Some(end) = second else { return Some((row.clone(), Slot::Null)) };
        let version = Version::from_bytes(&turned(row[end + 1..].try_into().ok()?))?;
        Some((row.slice(..end), Slot::Own(version)))
    }
}

fn turned(bytes: [u8; Version::LEN]) -> [u8; Version::LEN] {
    bytes.map(|byte| !byte)
}

#[cfg(test)]
mod tests {
    use model::{Hlc, SiteId};

    use super::*;

    #[test]
    fn a_row_splits_into_what_it_was_made_of_and_the_newest_comes_first() {
        let latest = Bytes::from_static(b"bucket\0a/key");
        let own = |hlc, site| Slot::Own(Version { hlc: Hlc(hlc), site: SiteId([site; 16]) });
        let slots = [Slot::Null, own(u64::MAX, 0), own(9, 255), own(9, 0), own(0, 0)];
        let rows = slots.map(|slot| SlotRecord::key(&latest, slot));
        assert!(rows.is_sorted() && slots.is_sorted());
        for (row, slot) in rows.iter().zip(slots) {
            assert_eq!(SlotRecord::split(row), Some((latest.clone(), slot)));
        }
        let next = SlotRecord::key(&Bytes::from_static(b"bucket\0a/key\x01"), Slot::Null);
        assert!(rows[4] < next, "all slots of a key stand together");
        for bad in [&b"bucket"[..], b"bucket\0key\0short"] {
            assert_eq!(SlotRecord::split(&Bytes::copy_from_slice(bad)), None);
        }
    }
}
