//! `DeleteObject` and `DeleteObjects`.

use futures::StreamExt;
use http::StatusCode;
use model::{BucketName, ObjectKey, Slot};
use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETag, ETagCondition, Error, ObjectIdentifier, Timestamp,
    },
    s3_error,
};
use store::{Caller, Condition, Deleted, Seen};

use super::{Handler, caller, get::seconds};
use crate::{
    access::{Asker, Reader},
    access_log::{DeletedKey, Noted},
    errors, names,
    settings::Settings,
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
    let slot = names::version(input.version_id.as_deref())?;
    let condition = seen(input.if_match, input.if_match_last_modified_time, input.if_match_size)?;
    let object = (names::bucket(input.bucket)?, names::key(input.key)?);
    let deleted = delete(handler, (object, slot), caller, condition).await?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.filter(|deleted| deleted.marker).map(|_| true),
        // Of a version that is gone already, that it is gone is said all the same.
        version_id: deleted.and_then(|deleted| deleted.id).or(slot).map(|id| id.to_string()),
        request_charged: None,
    }))
}

async fn delete(
    handler: &Handler,
    (object, slot): ((BucketName, ObjectKey), Option<Slot>),
    caller: Caller,
    condition: Condition,
) -> S3Result<Option<Deleted>> {
    let deleted = match slot {
        None => handler.store.delete_object(object, caller, condition).await,
        Some(slot) => handler.store.remove_version(object, slot, caller, condition).await,
    };
    deleted.map_err(errors::write)
}

pub(super) async fn delete_objects(
    handler: &Handler,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let (caller, reader, asker) =
        (&caller(&request)?, Reader::of(&request)?, &Asker::of(&request)?);
    let noted = Noted::of(&request.extensions);
    let DeleteObjectsInput { bucket, delete, .. } = request.input;
    if !(1..=KEYS_MAX).contains(&delete.objects.len()) {
        return Err(s3_error!(MalformedXML, "A request may delete 1 to {KEYS_MAX} keys"));
    }
    let bucket = &names::bucket(bucket)?;
    handler.writable()?;
    handler.bucket(bucket, caller)?;
    let settings: &Settings = reader.settings()?;
    let deletes = delete.objects.into_iter().map(|object| async move {
        let named = (object.key.clone(), object.version_id.clone());
        (named, delete_one(handler, (asker, settings), (bucket, caller), object).await)
    });
    let outcomes: Vec<_> = futures::stream::iter(deletes).buffered(DELETES_AT_ONCE).collect().await;
    if let Some(noted) = noted {
        noted.deleted(outcomes.iter().map(|(named, outcome)| recorded(named, outcome)).collect());
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (named, outcome) in outcomes {
        match outcome {
            Ok(_) if delete.quiet == Some(true) => {}
            Ok(done) => deleted.push(told(named, done)),
            Err(error) => errors.push(refusal(named, &error)),
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
) -> S3Result<Option<Deleted>> {
    let slot = names::version(object.version_id.as_deref())?;
    let etag = object.e_tag.map(tag);
    let condition = seen(etag, object.last_modified_time, object.size)?;
    let key = names::key(object.key)?;
    if !asker.may_delete(settings, (bucket, &key), slot) {
        return Err(errors::denied());
    }
    let bypass = asker.bypasses(settings, (bucket, &key), slot);
    let caller = Caller { bypass, ..caller.clone() };
    delete(handler, ((bucket.clone(), key), slot), caller, condition).await
}

/// An entity tag as the XML of many deletes names it.
fn tag(etag: ETag) -> ETagCondition {
    if etag.value() == "*" { ETagCondition::Any } else { ETagCondition::ETag(etag) }
}

/// What must hold of what is deleted. A key without an object is as good as deleted, unless the
/// client says that there is one, by any entity tag.
fn seen(
    etag: Option<ETagCondition>,
    modified: Option<Timestamp>,
    size: Option<i64>,
) -> S3Result<Condition> {
    let size = size.map(u64::try_from).transpose();
    let seen = Seen {
        there: etag.is_some(),
        etag: etag.and_then(ETagCondition::into_etag).map(|etag| model::ETag(etag.into_value())),
        modified: modified.map(seconds),
        size: size.map_err(|_| s3_error!(InvalidArgument, "No object has such a size"))?,
    };
    Ok(if seen == Seen::default() { Condition::None } else { Condition::Seen(seen) })
}

fn told((key, version_id): (String, Option<String>), deleted: Option<Deleted>) -> DeletedObject {
    let marker = deleted.filter(|deleted| deleted.marker);
    DeletedObject {
        key: Some(key),
        version_id,
        delete_marker: marker.map(|_| true),
        delete_marker_version_id: marker.and_then(|deleted| deleted.id).map(|id| id.to_string()),
    }
}

fn recorded<T>((key, version): &(String, Option<String>), outcome: &S3Result<T>) -> DeletedKey {
    let error = outcome.as_ref().err().map(|error| {
        let status = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status.as_u16(), error.code().as_str().to_owned())
    });
    DeletedKey { key: key.clone(), version: version.clone(), error }
}

fn refusal((key, version_id): (String, Option<String>), error: &S3Error) -> Error {
    Error {
        key: Some(key),
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        version_id,
    }
}
