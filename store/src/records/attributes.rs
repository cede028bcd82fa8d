//! Attributes of one object version (key: bucket 0 key 0 version), and of one incarnation of a bucket
//! (key: bucket 0 0 birth, where no object's key is empty).
//!
//! Apart from the object's record, so that attributes which come before their object (a hole is
//! being refilled) wait for it here. So do those of a bucket.

use bytes::Bytes;
use model::{Attributes, BucketName, ObjectKey, Version};
use serde::{Deserialize, Serialize};

use super::ObjectRecord;
use crate::engine::Table;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AttributesRecord(pub(crate) Attributes);

super::record!(entity AttributesRecord, Table::Attributes, "attributes", format 1);

impl AttributesRecord {
    pub(crate) fn key(bucket: &BucketName, key: &ObjectKey, of: Version) -> Bytes {
        ObjectRecord::version_key(&ObjectRecord::key(bucket, key), of)
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
    use model::{Hlc, SiteId};

    use super::*;

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
