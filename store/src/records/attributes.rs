//! Attributes of one object version. Key: bucket 0 key 0 version.
//!
//! Apart from the object's record, so that attributes which come before their object (a hole is
//! being refilled) wait for it here.

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
}
