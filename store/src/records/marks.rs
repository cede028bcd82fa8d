//! What one commit changed: the branches of the hash tree above these places are not folded yet. Key
//! in `tree`: `m` number (8, big-endian), counting commits.
//!
//! One row a commit, written once: a place that changes again is in a later row too, so a fold takes
//! away what it has read and no more. Numbers only go up: who looks for marks begins behind the last
//! that was folded, and not among the many that were removed, which the engine passes over one by
//! one until it has compacted them.
//!
//! Layout after the format byte, for each scope: its bytes with the NUL, how many places (4,
//! big-endian), the places (32 each).

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes};
use model::{Digest, EntityHash};

use super::{Plain, Record, join};
use crate::engine::Table;

const MARKS: &[u8] = b"m";

/// Places by scope, each once, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MarksRecord(pub(crate) BTreeMap<Bytes, BTreeSet<EntityHash>>);

impl MarksRecord {
    pub(crate) const PREFIX: &'static [u8] = MARKS;

    pub(crate) fn key(number: u64) -> Bytes {
        join(&[MARKS, &number.to_be_bytes()])
    }

    /// Inverse of [`Self::key`].
    pub(crate) fn number(key: &[u8]) -> Option<u64> {
        Some(u64::from_be_bytes(key.strip_prefix(MARKS)?.try_into().ok()?))
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The places of a scope.
    pub(crate) fn of(&self, scope: &[u8]) -> Vec<EntityHash> {
        self.0.get(scope).into_iter().flatten().copied().collect()
    }
}

impl Extend<(Bytes, EntityHash)> for MarksRecord {
    fn extend<T: IntoIterator<Item = (Bytes, EntityHash)>>(&mut self, marks: T) {
        for (scope, place) in marks {
            self.0.entry(scope).or_default().insert(place);
        }
    }
}

impl IntoIterator for MarksRecord {
    type Item = (Bytes, EntityHash);
    type IntoIter = Box<dyn Iterator<Item = Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        let of = |(scope, places): (Bytes, BTreeSet<EntityHash>)| {
            places.into_iter().map(move |place| (scope.clone(), place))
        };
        Box::new(self.0.into_iter().flat_map(of))
    }
}

impl Record for MarksRecord {
    const TABLE: Table = Table::Tree;
    const NAME: &'static str = "marks";
    const FORMAT: u8 = 1;

    fn encode_body(&self, body: &mut Vec<u8>) {
        for (scope, places) in &self.0 {
            body.extend_from_slice(scope);
            body.put_u32(u32::try_from(places.len()).expect("a commit is smaller"));
            for place in places {
                body.extend_from_slice(&place.0.0);
            }
        }
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        let (mut marks, mut rest) = (Self::default(), body.as_ref());
        while !rest.is_empty() {
            let nul = rest.iter().position(|&byte| byte == 0)?;
            let (scope, counted) = rest.split_at(nul + 1);
            let (count, places) = counted.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*count)).ok()?.checked_mul(32)?;
            let (places, after) = places.split_at_checked(length)?;
            let places = places.as_chunks::<32>().0.iter();
            let places = places.map(|place| EntityHash(Digest(*place))).collect();
            marks.0.insert(Bytes::copy_from_slice(scope), places);
            rest = after;
        }
        Some(marks)
    }
}

impl Plain for MarksRecord {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_their_layout() {
        let place = |n: u8| EntityHash(Digest([n; 32]));
        let scope = |name: &'static [u8]| Bytes::from_static(name);
        let marks =
            [(scope(b"b\0"), place(2)), (scope(b"\0"), place(3)), (scope(b"b\0"), place(1))];
        let mut record = MarksRecord::default();
        record.extend(marks.iter().cloned().chain(marks.clone()));
        assert_eq!(record.len(), 3);
        assert_eq!(record.of(b"b\0"), [place(1), place(2)]);
        let row = record.encode();
        let golden = [
            "01",
            "00",
            "00000001",
            &"03".repeat(32),
            "6200",
            "00000002",
            &"01".repeat(32),
            &"02".repeat(32),
        ]
        .concat();
        assert_eq!(hex::encode(&row), golden);
        assert_eq!(MarksRecord::decode(&row).unwrap(), record);
        assert!(MarksRecord::decode(&row.slice(..row.len() - 1)).is_err());
        assert!(MarksRecord::decode(&row.slice(..4)).is_err());
    }

    #[test]
    fn later_marks_sort_behind() {
        assert_eq!(MarksRecord::number(&MarksRecord::key(0x01ff)), Some(0x01ff));
        assert!(MarksRecord::key(0x01ff) < MarksRecord::key(0x0200));
        assert_eq!(MarksRecord::number(b"m1234"), None);
    }
}
