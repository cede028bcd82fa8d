//! What an event says happened.

use serde::{Deserialize, Serialize};

use crate::{
    Attributes, BucketName, Entity, Manifest, ObjectKey, Partition, PartitionCount, Seq, Slot,
    User, UserId, Version,
};

/// A bucket as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// Version of the event that created this incarnation (law 14).
    pub birth: Version,
    pub owner: UserId,
}

/// One change of one entity, whole: applying it needs nothing but what the store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    ObjectPut {
        bucket: BucketName,
        key: ObjectKey,
        /// A slot of its own is named after the version of the event.
        slot: Slot,
        birth: Version,
        manifest: Box<Manifest>,
    },
    /// What is in the null slot is gone, and leaves a tombstone.
    ObjectDeleted {
        bucket: BucketName,
        key: ObjectKey,
        birth: Version,
    },
    /// A delete marker: a version like any other, that says there is no object.
    MarkerPut {
        bucket: BucketName,
        key: ObjectKey,
        slot: Slot,
        birth: Version,
    },
    /// The one version `of`, which has a slot of its own, is gone, and leaves a tombstone.
    VersionRemoved {
        bucket: BucketName,
        key: ObjectKey,
        of: Version,
        birth: Version,
    },
    BucketPut {
        bucket: BucketName,
        state: Bucket,
    },
    BucketDeleted {
        bucket: BucketName,
    },
    /// Whole state of the attributes of the object version `of`.
    Attributes {
        bucket: BucketName,
        key: ObjectKey,
        of: Version,
        attributes: Attributes,
    },
    /// Whole state of the attributes of the bucket's incarnation `birth`.
    BucketAttributes {
        bucket: BucketName,
        birth: Version,
        attributes: Attributes,
    },
    UserPut {
        user: UserId,
        state: User,
    },
    UserDeleted {
        user: UserId,
    },
    /// The origin's tombstones of objects in this partition of this epoch are gone up to here, at
    /// each site that applies this (law 6).
    Trimmed {
        partition: Partition,
        partitions: PartitionCount,
        up_to: Seq,
    },
}

impl Change {
    /// Whom it changes.
    #[must_use]
    pub fn entity(&self) -> Entity {
        match self {
            Self::ObjectPut { bucket, key, slot, .. }
            | Self::MarkerPut { bucket, key, slot, .. } => slot.entity(bucket.clone(), key.clone()),
            Self::VersionRemoved { bucket, key, of, .. } => {
                Slot::Own(*of).entity(bucket.clone(), key.clone())
            }
            Self::ObjectDeleted { bucket, key, .. } | Self::Attributes { bucket, key, .. } => {
                Entity::Object(bucket.clone(), key.clone())
            }
            Self::BucketPut { bucket, .. }
            | Self::BucketDeleted { bucket }
            | Self::BucketAttributes { bucket, .. } => Entity::Bucket(bucket.clone()),
            Self::UserPut { user, .. } | Self::UserDeleted { user } => Entity::User(user.clone()),
            Self::Trimmed { partition, partitions, .. } => {
                Entity::Partition(*partition, *partitions)
            }
        }
    }

    /// Whether an event of this version may say it: a slot of its own is named after the version
    /// that was put into it, and is removed by a later one.
    #[must_use]
    pub fn may_be(&self, version: Version) -> bool {
        match self {
            Self::ObjectPut { slot: Slot::Own(own), .. }
            | Self::MarkerPut { slot: Slot::Own(own), .. } => *own == version,
            Self::VersionRemoved { of, .. } => *of < version,
            _ => true,
        }
    }

    /// Bytes of client content that it carries or names: the unit of lag in bytes.
    #[must_use]
    pub fn volume(&self) -> u64 {
        match self {
            Self::ObjectPut { manifest, .. } => manifest.size,
            _ => 0,
        }
    }
}
