//! Tags of objects and buckets.

use http::StatusCode;
use model::{Slot, attribute};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput,
        DeleteObjectTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
        GetObjectTaggingInput, GetObjectTaggingOutput, PutBucketTaggingInput,
        PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
    },
    s3_error,
};
use store::VersionName;

use super::{Handler, caller, versions};
use crate::{
    access::Reader,
    documents::{
        Document,
        tags::{OF_BUCKET_MAX, OF_OBJECT_MAX, Tags},
    },
    errors, names,
};

pub(super) async fn get_object_tagging(
    handler: &Handler,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let reader = Reader::of(&request)?;
    let input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let (object, attributes) = handler.object(&reader, (&bucket, &key), slot).await?;
    let tags = Tags::of(&attributes).map_err(|error| errors::internal(&error))?;
    let tag_set = tags.unwrap_or_default().to_set();
    let version_id = versions::shown_id(handler, &bucket, object.slot)?;
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id }))
}

pub(super) async fn put_object_tagging(
    handler: &Handler,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let reader = Reader::of(&request)?;
    let input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let tags = Tags::from_set(input.tagging.tag_set, OF_OBJECT_MAX)?;
    let object = (input.bucket, input.key, slot);
    let version_id = set(handler, &reader, object, Some(&tags)).await?;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
}

pub(super) async fn delete_object_tagging(
    handler: &Handler,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let reader = Reader::of(&request)?;
    let input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let version_id = set(handler, &reader, (input.bucket, input.key, slot), None).await?;
    let output = DeleteObjectTaggingOutput { version_id };
    Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
}

async fn set(
    handler: &Handler,
    reader: &Reader,
    (bucket, key, slot): (String, String, Option<Slot>),
    tags: Option<&Tags>,
) -> S3Result<Option<String>> {
    let (bucket, key) = (names::bucket(bucket)?, names::key(key)?);
    handler.writable()?;
    let (object, _) = handler.object(reader, (&bucket, &key), slot).await?;
    let (of, id) = (Some(object.version), versions::shown_id(handler, &bucket, object.slot)?);
    let value = tags.filter(|tags| !tags.0.is_empty()).map(Document::to_bytes);
    let (name, caller) = (VersionName { bucket, key, of }, reader.let_in());
    let set = handler.store.set_object_attribute(name, attribute::TAGS, value, caller).await;
    set.map(|_| id).map_err(errors::write)
}

pub(super) async fn get_bucket_tagging(
    handler: &Handler,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let tags = handler.document::<Tags, _>(&request, &request.input.bucket)?;
    let tags = tags.ok_or_else(|| s3_error!(NoSuchTagSet, "The bucket has no tags"))?;
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags.to_set() }))
}

pub(super) async fn put_bucket_tagging(
    handler: &Handler,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    let caller = caller(&request)?;
    let tags = Tags::from_set(request.input.tagging.tag_set, OF_BUCKET_MAX)?;
    let tags = Some(&tags).filter(|tags| !tags.0.is_empty());
    handler.set_document(caller, request.input.bucket, tags).await?;
    Ok(S3Response::new(PutBucketTaggingOutput::default()))
}

pub(super) async fn delete_bucket_tagging(
    handler: &Handler,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    let caller = caller(&request)?;
    handler.set_document::<Tags>(caller, request.input.bucket, None).await?;
    let output = DeleteBucketTaggingOutput::default();
    Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
}
