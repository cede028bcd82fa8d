//! Which operation a request turned out to be: the label of its metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation that the gateway knows, or none of them.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Operation {
            /// The request was refused before it was understood.
            None,
            /// An operation of S3 that the gateway does not have.
            Other,
            $($name),+
        }

        impl Operation {
            const ALL: &[Self] = &[Self::None, Self::Other, $(Self::$name),+];

            /// Its name in S3.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    Self::None => "none",
                    Self::Other => "other",
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// All that can be asked for.
            #[cfg(test)]
            pub(crate) fn there() -> impl Iterator<Item = Self> {
                let named = |operation: &Self| !matches!(operation, Self::None | Self::Other);
                Self::ALL.iter().copied().filter(named)
            }

            /// The operation with this name in S3.
            pub(crate) fn named(name: &str) -> Self {
                match name {
                    $(stringify!($name) => Self::$name,)+
                    _ => Self::Other,
                }
            }
        }
    };
}

operations! {
    AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateBucket, CreateMultipartUpload,
    DeleteBucket, DeleteBucketCors, DeleteBucketEncryption, DeleteBucketLifecycle, DeleteBucketOwnershipControls,
    DeleteBucketPolicy, DeleteBucketTagging, DeleteObject, DeleteObjectTagging, DeleteObjects,
    DeletePublicAccessBlock, GetBucketAcl, GetBucketCors, GetBucketEncryption, GetBucketLifecycleConfiguration,
    GetBucketLocation, GetBucketLogging, GetBucketOwnershipControls, GetBucketPolicy, GetBucketPolicyStatus,
    GetBucketTagging, GetBucketVersioning, GetObject, GetObjectAcl, GetObjectAttributes,
    GetObjectLegalHold, GetObjectLockConfiguration, GetObjectRetention, GetObjectTagging,
    GetPublicAccessBlock, HeadBucket, HeadObject, ListBuckets,
    ListMultipartUploads, ListObjects, ListObjectsV2, ListObjectVersions, ListParts, PostObject,
    PutBucketAcl, PutBucketCors, PutBucketEncryption, PutBucketLifecycleConfiguration, PutBucketLogging, PutBucketOwnershipControls,
    PutBucketPolicy, PutBucketTagging, PutBucketVersioning, PutObject, PutObjectAcl,
    PutObjectLegalHold, PutObjectLockConfiguration, PutObjectRetention, PutObjectTagging, PutPublicAccessBlock, UploadPart, UploadPartCopy,
}

/// Where the router leaves the operation of a request. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationSlot(Arc<AtomicU8>);

impl OperationSlot {
    pub(crate) fn set(&self, operation: Operation) {
        self.0.store(operation as u8, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Operation {
        let place = usize::from(self.0.load(Ordering::Relaxed));
        Operation::ALL.get(place).copied().unwrap_or(Operation::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_its_slot_and_its_name() {
        for &operation in Operation::ALL {
            let slot = OperationSlot::default();
            assert_eq!(slot.get(), Operation::None);
            slot.clone().set(operation);
            assert_eq!(slot.get(), operation);
            if operation != Operation::None {
                assert_eq!(Operation::named(operation.name()), operation);
            }
        }
        assert_eq!(Operation::named("GetObjectTorrent"), Operation::Other);
    }
}
