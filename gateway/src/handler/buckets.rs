//! Operations on buckets.

use bytes::Bytes;
use model::{BucketName, Millis, Versioning, attribute, lock::LockConfig};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
        DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
        HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Timestamp,
    },
    s3_error,
};

use store::WriteError;

use super::{Handler, acl, caller};
use crate::{
    documents::{Document, acl::Acl, ownership::Ownership},
    errors, names,
};

/// The region that S3 shows as none.
const REGION_WITHOUT_NAME: &str = "us-east-1";

/// Buckets of a page, unless the client asks for fewer.
const BUCKETS_MAX: usize = 10_000;

pub(super) async fn create_bucket(
    handler: &Handler,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let caller = caller(&request)?;
    let mut input = request.input;
    let ownership = input.object_ownership.as_ref().map(Ownership::named).transpose()?;
    let write = input.grant_write.take();
    let sent = acl::sent!(input, write: write, xml: None);
    let acl = acl::of_new_bucket(handler, (&caller.user, ownership), sent)?;
    let acl = acl.map(|acl| (Acl::NAME.to_owned(), acl.to_bytes()));
    let ownership = ownership.map(|kind| (Ownership::NAME.to_owned(), kind.to_bytes()));
    let lock = (input.object_lock_enabled_for_bucket == Some(true)).then(lock_of_new_bucket);
    let lock = lock.into_iter().flatten();
    let attributes = acl.into_iter().chain(ownership).chain(lock).collect();
    let constraint = input.create_bucket_configuration.and_then(|c| c.location_constraint);
    if let Some(asked) = constraint.filter(|asked| asked.as_str() != handler.region) {
        let (asked, region) = (asked.as_str(), &handler.region);
        return Err(s3_error!(
            InvalidLocationConstraint,
            "This site is in region `{region}`, not in `{asked}`"
        ));
    }
    let location = Some(format!("/{}", input.bucket));
    let name = names::new_bucket(input.bucket)?;
    match handler.store.create_bucket_with(name, attributes, caller).await {
        // In this region, S3 lets an owner create a bucket again.
        Err(WriteError::BucketExists { owned: true }) if handler.region == REGION_WITHOUT_NAME => {}
        created => _ = created.map_err(errors::write)?,
    }
    Ok(S3Response::new(CreateBucketOutput { location }))
}

/// A bucket with object lock keeps versions from the beginning.
fn lock_of_new_bucket() -> [(String, Bytes); 2] {
    let word = Versioning::Enabled.as_str().unwrap_or_default();
    [
        (attribute::VERSIONING.to_owned(), Bytes::from_static(word.as_bytes())),
        (LockConfig::NAME.to_owned(), LockConfig::default().to_bytes()),
    ]
}

pub(super) async fn delete_bucket(
    handler: &Handler,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let caller = caller(&request)?;
    let name = names::bucket(request.input.bucket)?;
    handler.store.delete_bucket(name, caller).await.map_err(errors::write)?;
    let status = http::StatusCode::NO_CONTENT;
    Ok(S3Response::with_status(DeleteBucketOutput::default(), status))
}

pub(super) async fn head_bucket(
    handler: &Handler,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    let caller = caller(&request)?;
    handler.bucket(&names::bucket(request.input.bucket)?, &caller)?;
    let bucket_region = Some(handler.region.clone());
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}

pub(super) async fn get_bucket_location(
    handler: &Handler,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let caller = caller(&request)?;
    handler.bucket(&names::bucket(request.input.bucket)?, &caller)?;
    let named = Some(&handler.region).filter(|region| *region != REGION_WITHOUT_NAME);
    let location_constraint = named.cloned().map(BucketLocationConstraint::from);
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
}

pub(super) async fn list_buckets(
    handler: &Handler,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let limit = match input.max_buckets.map(usize::try_from) {
        None => BUCKETS_MAX,
        Some(Ok(asked @ 1..=BUCKETS_MAX)) => asked,
        Some(_) => return Err(s3_error!(InvalidArgument, "max-buckets must be 1 to 10000")),
    };
    let mut held = handler.store.buckets().map_err(|error| errors::read(&error))?;
    if input.bucket_region.as_ref().is_some_and(|asked| asked.as_str() != handler.region) {
        held.clear();
    }
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().unwrap_or_default();
    let wanted = |name: &BucketName| name.as_str().starts_with(prefix) && name.as_str() > after;
    let mut wanted = held
        .into_iter()
        .filter(|(name, bucket)| wanted(name) && caller.user.may_use(bucket))
        .peekable();
    let mut buckets = Vec::new();
    while let Some((name, bucket)) = wanted.next_if(|_| buckets.len() < limit) {
        buckets.push(Bucket {
            name: Some(name.into()),
            creation_date: Some(timestamp(bucket.birth.hlc.millis())),
            bucket_region: input.max_buckets.map(|_| handler.region.clone()),
        });
    }
    let continuation_token = wanted.peek().and(buckets.last()).and_then(|last| last.name.clone());
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token,
        owner: Some(handler.owner(&caller.user)?),
        prefix: input.prefix,
    }))
}

/// A time as S3 shows it.
pub(crate) fn timestamp(time: Millis) -> Timestamp {
    let nanos = i128::from(time.0) * 1_000_000;
    // A clock beyond the year 9999 is shown as no time at all rather than as an error.
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .map_or_else(|_| Timestamp::default(), Timestamp::from)
}
