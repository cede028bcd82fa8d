//! Attributes of one object version (key: bucket 0 key 0 version), and of one incarnation of a bucket
//! (key: bucket 0 0 birth, where no object's key is empty). Format 2 added `position`.
//!
//! Apart from the object's record, so that attributes which come before their object (a hole is
//! being refilled) wait for it here. So do those of a bucket.

use bytes::Bytes;
use model::{Attributes, BucketName, ObjectKey, Position, Version};
use serde::{Deserialize, Serialize};

use super::ObjectRecord;
use crate::{engine::Table, tree::leaves};

/// What is set of an object version, and by which event last.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AttributesRecord {
    pub(crate) attributes: Attributes,
    /// Where the event of the newest register stands. `None`: nothing was ever set.
    pub(crate) position: Option<Position>,
}

super::record!(
    entity AttributesRecord, Table::Attributes, "attributes", format 2, before AttributesRecord::before
);

impl AttributesRecord {
    /// Format 1 did not say where they were set.
    fn before(_format: u8, body: &Bytes) -> Option<Self> {
        let attributes: Attributes = super::decode_postcard(body)?;
        let position = attributes.newest().map(leaves::unknown);
        Some(Self { attributes, position })
    }

    pub(crate) fn key(bucket: &BucketName, key: &ObjectKey, of: Version) -> Bytes {
        ObjectRecord::version_key(&ObjectRecord::key(bucket, key), of)
    }

    /// Merges what the event at a position says (law 3): the higher one of each register stays, and of
    /// two positions that of the newer change.
    pub(crate) fn merge(&mut self, incoming: &Attributes, position: Position) {
        let held = self.attributes.newest().zip(self.position);
        let newest = held.max(incoming.newest().map(|version| (version, position)));
        self.attributes.merge(incoming);
        self.position = newest.map(|(_, position)| position);
    }

    pub(crate) fn key_of_bucket(bucket: &BucketName, birth: Version) -> Bytes {
        super::join(&[&Self::prefix_of(bucket), &birth.to_bytes()])
    }

    /// What the rows of a bucket itself begin with, one an incarnation.
    pub(crate) fn prefix_of(bucket: &BucketName) -> Bytes {
        super::join(&[bucket.as_str().as_bytes(), &[0, 0]])
    }

    /// The incarnation in a key of a bucket.
    pub(crate) fn birth(row: &[u8]) -> Option<Version> {
        Version::from_bytes(row.last_chunk::<{ Version::LEN }>()?)
    }
}

#[cfg(test)]
mod tests {
    use model::{Hlc, Line, Register, Seq, SiteId};

    use super::*;
    use crate::records::Record;

    #[test]
    fn attributes_that_an_earlier_release_wrote_do_not_say_where() {
        let version = Version { hlc: Hlc(3), site: SiteId([4; 16]) };
        let register = Register { version, value: Bytes::from_static(b"v") };
        let attributes = Attributes([("tags".to_owned(), register)].into());
        let body = format!("01{}03{}0176", hex::encode(b"\x04tags"), "04".repeat(16));
        let read = |hex: &str| AttributesRecord::decode(&hex::decode(hex).unwrap().into()).unwrap();
        let position = Some(leaves::unknown(version));
        let mut record = AttributesRecord { attributes, position };
        assert_eq!(read(&format!("01{body}")), record);
        let line =
            Line { site: SiteId([4; 16]), epoch: model::Epoch(5), partition: model::Partition(6) };
        record.merge(&record.attributes.clone(), line.at(Seq(7)));
        let golden = format!("02{body}01{}050607", "04".repeat(16));
        assert_eq!(hex::encode(record.encode()), golden);
        assert_eq!(read(&golden), record);
        let nothing = AttributesRecord::default();
        assert_eq!(AttributesRecord::decode(&nothing.encode()).unwrap(), nothing);
    }

    #[test]
    fn rows_of_a_bucket_are_told_from_those_of_its_objects() {
        let bucket = BucketName::try_from("photos".to_owned()).unwrap();
        let birth = Version { hlc: Hlc(7), site: SiteId([0; 16]) };
        let row = AttributesRecord::key_of_bucket(&bucket, birth);
        assert_eq!(AttributesRecord::birth(&row), Some(birth));
        for key in ["\u{1}", "a"] {
            let key = ObjectKey::try_from(key.to_owned()).unwrap();
            let of_object = AttributesRecord::key(&bucket, &key, birth);
            assert!(!of_object.starts_with(&AttributesRecord::prefix_of(&bucket)));
        }
    }
}
