//! The operations of S3, each in a module of its own; what is not here is `NotImplemented`.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Bucket, BucketName, ObjectKey};
use s3s::{S3, S3Request, S3Response, S3Result, dto};
use store::{Caller, ReadError, Store};
use tokio::sync::Semaphore;

use crate::{
    access::Reader, blocks::Blocks, documents::lifecycle::Day, errors, meter::Meter,
    settings::AllSettings,
};

mod acl;
pub(crate) mod buckets;
mod complete;
mod copy;
mod delete;
mod documents;
pub(crate) mod get;
mod list;
mod lock;
mod logging;
mod multipart;
pub(crate) mod object_attributes;
mod parts;
pub(crate) mod put;
mod reading;
mod source;
mod tags;
mod versions;

/// What every operation works with. Clones are the same.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) store: Store,
    pub(crate) settings: AllSettings,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) meter: Meter,
    pub(crate) region: String,
    /// Places for bodies that are too large to be kept in memory whole.
    pub(crate) uploads: Arc<Semaphore>,
    /// How long one of a lifecycle's is.
    pub(crate) day: Day,
}

impl Handler {
    /// A bucket that exists, and that the caller may use.
    fn bucket(&self, name: &BucketName, caller: &Caller) -> S3Result<Bucket> {
        let state = self.store.bucket(name).map_err(|error| errors::read(&error))?;
        let bucket = state.live.ok_or_else(errors::no_such_bucket)?;
        let granted = caller.granted == Some(bucket.birth);
        if granted || caller.user.may_use(&bucket) { Ok(bucket) } else { Err(errors::denied()) }
    }

    /// Reads something of the store that may look at many rows, which would hold up the requests
    /// beside this one.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> S3Result<T> {
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || work(&store)).await;
        read.map_err(|error| errors::internal(&error))?.map_err(|error| errors::read(&error))
    }

    /// Refuses early what the commit would refuse too, before a body is taken in for nothing.
    fn writable(&self) -> S3Result<()> {
        self.store.refusal().map_or(Ok(()), |refusal| Err(errors::refused(&refusal)))
    }

    /// The same of what would exceed a quota.
    fn fits(&self, bucket: &BucketName, key: &ObjectKey, size: u64) -> S3Result<()> {
        self.store.fits(bucket, key, size).map_err(errors::fit)
    }
}

/// Who sent a request: [`crate::access::Guard`] has left it there.
fn caller<I>(request: &S3Request<I>) -> S3Result<Caller> {
    Ok(Reader::of(request)?.caller)
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)+) => {
        #[async_trait]
        impl S3 for Handler {
            $(
                async fn $name(
                    &self,
                    request: S3Request<dto::$input>,
                ) -> S3Result<S3Response<dto::$output>> {
                    $module::$name(self, request).await
                }
            )+
        }
    };
}

operations! {
    acl::get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput;
    acl::get_object_acl(GetObjectAclInput) -> GetObjectAclOutput;
    acl::put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput;
    acl::put_object_acl(PutObjectAclInput) -> PutObjectAclOutput;
    documents::delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
    documents::delete_bucket_encryption(DeleteBucketEncryptionInput)
        -> DeleteBucketEncryptionOutput;
    documents::delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
    documents::delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput;
    documents::delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput;
    documents::delete_public_access_block(DeletePublicAccessBlockInput)
        -> DeletePublicAccessBlockOutput;
    documents::get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
    documents::get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
    documents::get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput;
    documents::get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput;
    documents::get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput;
    documents::get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput;
    documents::get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput;
    documents::put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
    documents::put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput;
    documents::put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput;
    documents::put_bucket_ownership_controls(PutBucketOwnershipControlsInput)
        -> PutBucketOwnershipControlsOutput;
    documents::put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput;
    documents::put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput;
    complete::complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput;
    copy::copy_object(CopyObjectInput) -> CopyObjectOutput;
    multipart::abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    multipart::create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    multipart::list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    parts::list_parts(ListPartsInput) -> ListPartsOutput;
    parts::upload_part(UploadPartInput) -> UploadPartOutput;
    parts::upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    buckets::create_bucket(CreateBucketInput) -> CreateBucketOutput;
    buckets::delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    buckets::get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    buckets::head_bucket(HeadBucketInput) -> HeadBucketOutput;
    buckets::list_buckets(ListBucketsInput) -> ListBucketsOutput;
    delete::delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    delete::delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    object_attributes::get_object_attributes(GetObjectAttributesInput)
        -> GetObjectAttributesOutput;
    get::get_object(GetObjectInput) -> GetObjectOutput;
    get::head_object(HeadObjectInput) -> HeadObjectOutput;
    list::list_objects(ListObjectsInput) -> ListObjectsOutput;
    list::list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    logging::get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput;
    logging::put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput;
    lock::get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput;
    lock::get_object_lock_configuration(GetObjectLockConfigurationInput)
        -> GetObjectLockConfigurationOutput;
    lock::get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput;
    lock::put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput;
    lock::put_object_lock_configuration(PutObjectLockConfigurationInput)
        -> PutObjectLockConfigurationOutput;
    lock::put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput;
    versions::get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    versions::put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
    versions::list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
    tags::delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
    tags::delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
    tags::get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
    tags::get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
    tags::put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
    tags::put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
    put::put_object(PutObjectInput) -> PutObjectOutput;
}
