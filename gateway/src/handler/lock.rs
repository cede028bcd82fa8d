//! Object lock: of a bucket, and retention and legal hold of object versions.

use model::{
    Attributes, Slot, Version,
    lock::{Lock, LockConfig},
};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
        GetObjectLockConfigurationOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
        ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
        ObjectLockRetentionMode, PutObjectLegalHoldInput, PutObjectLegalHoldOutput,
        PutObjectLockConfigurationInput, PutObjectLockConfigurationOutput, PutObjectRetentionInput,
        PutObjectRetentionOutput, Timestamp,
    },
    s3_error,
};
use store::VersionName;

use super::{Handler, buckets::timestamp, caller};
use crate::{access::Reader, documents::object_lock, errors, names};

/// A version's lock as the answers to reads show it.
pub(super) struct ShownLock {
    pub(super) mode: Option<ObjectLockMode>,
    pub(super) until: Option<Timestamp>,
    pub(super) hold: Option<ObjectLockLegalHoldStatus>,
}

/// What is shown of the lock that is among what is set of a version.
pub(super) fn shown(handler: &Handler, attributes: &Attributes) -> ShownLock {
    let lock = Lock::of(attributes);
    let retention = lock.retention(handler.store.now());
    ShownLock {
        mode: retention.map(|it| ObjectLockMode::from_static(it.mode.as_str())),
        until: retention.map(|it| timestamp(it.until)),
        hold: lock.hold().map(object_lock::shown_hold),
    }
}

pub(super) async fn get_object_lock_configuration(
    handler: &Handler,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
    let config = handler.document::<LockConfig, _>(&request, &request.input.bucket)?;
    let none = || {
        s3_error!(
            ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket"
        )
    };
    let shown = object_lock::shown_config(config.ok_or_else(none)?);
    let object_lock_configuration = Some(shown);
    Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
}

pub(super) async fn put_object_lock_configuration(
    handler: &Handler,
    request: S3Request<PutObjectLockConfigurationInput>,
) -> S3Result<S3Response<PutObjectLockConfigurationOutput>> {
    let caller = caller(&request)?;
    let config = object_lock::config(request.input.object_lock_configuration)?;
    handler.set_document(caller, request.input.bucket, Some(&config)).await?;
    Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
}

pub(super) async fn get_object_retention(
    handler: &Handler,
    request: S3Request<GetObjectRetentionInput>,
) -> S3Result<S3Response<GetObjectRetentionOutput>> {
    let reader = Reader::of(&request)?;
    let S3Request { input, .. } = request;
    let (_, attributes) =
        find(handler, &reader, (input.bucket, input.key, input.version_id)).await?;
    let retention = Lock::of(&attributes).retention(handler.store.now());
    let retention = retention.ok_or_else(errors::no_lock_of_object)?;
    let mode = Some(ObjectLockRetentionMode::from_static(retention.mode.as_str()));
    let retain_until_date = Some(timestamp(retention.until));
    let retention = Some(ObjectLockRetention { mode, retain_until_date });
    Ok(S3Response::new(GetObjectRetentionOutput { retention }))
}

pub(super) async fn put_object_retention(
    handler: &Handler,
    request: S3Request<PutObjectRetentionInput>,
) -> S3Result<S3Response<PutObjectRetentionOutput>> {
    let reader = Reader::of(&request)?;
    let S3Request { input, .. } = request;
    let asked = object_lock::retention(input.retention, handler.store.now())?;
    handler.writable()?;
    let (object, _) = find(handler, &reader, (input.bucket, input.key, input.version_id)).await?;
    let set = handler.store.set_retention(object, asked, reader.let_in()).await;
    set.map_err(errors::write)?;
    Ok(S3Response::new(PutObjectRetentionOutput::default()))
}

pub(super) async fn get_object_legal_hold(
    handler: &Handler,
    request: S3Request<GetObjectLegalHoldInput>,
) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
    let reader = Reader::of(&request)?;
    let S3Request { input, .. } = request;
    let (_, attributes) =
        find(handler, &reader, (input.bucket, input.key, input.version_id)).await?;
    let on = Lock::of(&attributes).hold().ok_or_else(errors::no_lock_of_object)?;
    let legal_hold = Some(ObjectLockLegalHold { status: Some(object_lock::shown_hold(on)) });
    Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold }))
}

pub(super) async fn put_object_legal_hold(
    handler: &Handler,
    request: S3Request<PutObjectLegalHoldInput>,
) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
    let reader = Reader::of(&request)?;
    let S3Request { input, .. } = request;
    let status = input.legal_hold.and_then(|hold| hold.status);
    let on = status.as_ref().and_then(object_lock::hold).ok_or_else(errors::malformed_xml)?;
    handler.writable()?;
    let (object, _) = find(handler, &reader, (input.bucket, input.key, input.version_id)).await?;
    let set = handler.store.set_legal_hold(object, on, reader.let_in()).await;
    set.map_err(errors::write)?;
    Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
}

/// A version in a bucket that has object lock, and what is set of it.
async fn find(
    handler: &Handler,
    reader: &Reader,
    (bucket, key, id): (String, String, Option<String>),
) -> S3Result<(VersionName, Attributes)> {
    let slot: Option<Slot> = names::version(id.as_deref())?;
    let (bucket, key) = (names::bucket(bucket)?, names::key(key)?);
    let (object, attributes) = handler.object(reader, (&bucket, &key), slot).await?;
    if reader.settings()?.document::<LockConfig>()?.is_none() {
        return Err(errors::no_object_lock());
    }
    let of: Option<Version> = Some(object.version);
    Ok((VersionName { bucket, key, of }, attributes))
}
