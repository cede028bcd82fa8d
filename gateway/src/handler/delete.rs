//! `DeleteObject` and `DeleteObjects`.

use futures::StreamExt;
use model::BucketName;
use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETagCondition, Error, ObjectIdentifier,
    },
    s3_error,
};
use store::Caller;

use super::{Handler, caller, put::condition};
use crate::{
    access::{Asker, Reader},
    errors, names,
    settings::Settings,
    unsupported,
};

/// Keys of one request; the limit of S3.
const KEYS_MAX: usize = 1_000;

/// Deletes of one request that wait for the same commit.
const DELETES_AT_ONCE: usize = 128;

pub(super) async fn delete_object(
    handler: &Handler,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    unsupported::delete_object(&input)?;
    names::only_version(input.version_id.as_deref())?;
    let condition = condition(input.if_match, None)?;
    let object = (names::bucket(input.bucket)?, names::key(input.key)?);
    handler.store.delete_object(object, caller, condition).await.map_err(errors::write)?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) async fn delete_objects(
    handler: &Handler,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let (caller, reader, asker) =
        (&caller(&request)?, Reader::of(&request)?, &Asker::of(&request)?);
    let DeleteObjectsInput { bucket, delete, .. } = request.input;
    if !(1..=KEYS_MAX).contains(&delete.objects.len()) {
        return Err(s3_error!(MalformedXML, "A request may delete 1 to {KEYS_MAX} keys"));
    }
    let bucket = &names::bucket(bucket)?;
    handler.writable()?;
    handler.bucket(bucket, caller)?;
    let settings: &Settings = reader.settings()?;
    let deletes = delete.objects.into_iter().map(|object| async move {
        let key = object.key.clone();
        (key, delete_one(handler, (asker, settings), (bucket, caller), object).await)
    });
    let outcomes: Vec<_> = futures::stream::iter(deletes).buffered(DELETES_AT_ONCE).collect().await;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (key, outcome) in outcomes {
        match outcome {
            Ok(()) if delete.quiet == Some(true) => {}
            Ok(()) => {
                deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() });
            }
            Err(error) => errors.push(refusal(key, &error)),
        }
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(errors),
        request_charged: None,
    }))
}

async fn delete_one(
    handler: &Handler,
    (asker, settings): (&Asker, &Settings),
    (bucket, caller): (&BucketName, &Caller),
    object: ObjectIdentifier,
) -> S3Result<()> {
    unsupported::delete_of_many(&object)?;
    names::only_version(object.version_id.as_deref())?;
    let condition = condition(object.e_tag.map(ETagCondition::ETag), None)?;
    let (key, versioned) = (names::key(object.key)?, object.version_id.is_some());
    if !asker.may_delete(settings, (bucket, &key), versioned) {
        return Err(errors::denied());
    }
    let object = (bucket.clone(), key);
    let deleted = handler.store.delete_object(object, caller.clone(), condition).await;
    deleted.map(|_| ()).map_err(errors::write)
}

fn refusal(key: String, error: &S3Error) -> Error {
    Error {
        key: Some(key),
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
