//! The one table from what went wrong to what S3 calls it.
//!
//! Whoever answers consumes the error: what a person must look at is logged here, and nowhere
//! else.

use std::error::Error;

use http::StatusCode;
use model::{OBJECT_BYTES_MAX, QuotaExceeded};
use s3s::{S3Error, S3ErrorCode, s3_error};
use store::{BlockError, FitError, ReadError, Refusal, UploadError, WriteError};

use crate::{
    MissError,
    blocks::FetchError,
    chunk_limit::{CHUNK_BYTES_MAX, CHUNK_TOO_LARGE},
    messages::plain,
    receive::ReceiveError,
};

/// Of a write. `InternalError` means that its outcome is unknown.
pub(crate) fn write(error: WriteError) -> S3Error {
    match error {
        WriteError::NoSuchBucket => no_such_bucket(),
        WriteError::BucketExists { owned: true } => plain(S3ErrorCode::BucketAlreadyOwnedByYou),
        WriteError::BucketExists { owned: false } => plain(S3ErrorCode::BucketAlreadyExists),
        WriteError::Denied => denied(),
        WriteError::NoSuchUpload => no_such_upload(),
        WriteError::UploadChanged => {
            s3_error!(
                OperationAborted,
                "A part came while the upload was being completed; try again"
            )
        }
        WriteError::SourceIncomplete => s3_error!(
            ServiceUnavailable,
            "The source of the copy has not come to this site whole yet; try again later"
        ),
        WriteError::Assemble(UploadError::DiskFull(full)) => storage_full(full.to_string()),
        WriteError::BucketNotEmpty => plain(S3ErrorCode::BucketNotEmpty),
        WriteError::NoSuchKey => no_such_key(),
        WriteError::PreconditionFailed => precondition_failed(),
        WriteError::Locked(_) => {
            s3_error!(AccessDenied, "Access Denied because object protected by object lock.")
        }
        WriteError::NoObjectLock => no_object_lock(),
        WriteError::LockNeedsVersioning => s3_error!(
            InvalidBucketState,
            "Object Lock needs versioning, and keeps it enabled on the bucket"
        ),
        WriteError::QuotaExceeded(exceeded) => quota_exceeded(&exceeded),
        WriteError::Refused(refusal) => refused(&refusal),
        WriteError::DiskFull(full) => storage_full(full.to_string()),
        WriteError::TooLarge(_) => {
            s3_error!(EntityTooLarge, "The object's metadata is too large to be recorded")
        }
        error @ (WriteError::Read(_)
        | WriteError::Failed(_)
        | WriteError::Assemble(_)
        | WriteError::UnknownLock(_)
        | WriteError::UnknownQuota(_)) => internal(&error),
    }
}

/// Of a write that this site does not take.
pub(crate) fn refused(refusal: &Refusal) -> S3Error {
    let code = match refusal {
        Refusal::Secondary { .. } => S3ErrorCode::AccessDenied,
        Refusal::Disputed { .. } => S3ErrorCode::ServiceUnavailable,
    };
    S3Error::with_message(code, refusal.to_string())
}

/// Of what would not fit, before anything of it has come.
pub(crate) fn fit(error: FitError) -> S3Error {
    match error {
        FitError::Exceeded(exceeded) => quota_exceeded(&exceeded),
        error @ (FitError::Unknown(_) | FitError::Read(_)) => internal(&error),
    }
}

/// Of a look at the store.
pub(crate) fn read(error: &ReadError) -> S3Error {
    internal(error)
}

/// Of the bytes of an object before the answer began.
pub(crate) fn fetch(error: FetchError) -> S3Error {
    match error {
        FetchError::Miss(miss @ (MissError::OriginAway { .. } | MissError::Gone { .. })) => {
            S3Error::with_message(S3ErrorCode::ServiceUnavailable, miss.to_string())
        }
        FetchError::Miss(miss @ MissError::Busy) => {
            S3Error::with_message(S3ErrorCode::SlowDown, miss.to_string())
        }
        error => internal(&error),
    }
}

/// Of a body that is coming in.
pub(crate) fn receive(error: ReceiveError) -> S3Error {
    match error {
        ReceiveError::Client(cause) => stream(cause),
        error @ ReceiveError::Length { .. } => {
            S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string())
        }
        error @ ReceiveError::TooLarge { .. } => {
            S3Error::with_message(S3ErrorCode::EntityTooLarge, error.to_string())
        }
        error @ ReceiveError::TooSmall { .. } => {
            S3Error::with_message(S3ErrorCode::EntityTooSmall, error.to_string())
        }
        error @ ReceiveError::Silent => {
            S3Error::with_message(S3ErrorCode::RequestTimeout, error.to_string())
        }
        ReceiveError::Upload(UploadError::DiskFull(full)) => storage_full(full.to_string()),
        ReceiveError::Upload(UploadError::Block(BlockError::Read(error))) => read(&error),
        error @ (ReceiveError::Upload(_) | ReceiveError::Digest(_)) => internal(&error),
    }
}

/// Of a body that broke off: a client's, or the source of a copy.
pub(crate) fn stream(cause: s3s::StdError) -> S3Error {
    match cause.downcast::<FetchError>() {
        Ok(error) => fetch(*error),
        Err(cause) => client(&*cause),
    }
}

/// What the client's stream says of itself. The types of the decoder's errors are not public,
/// only their texts are; tests hold them fast.
fn client(cause: &dyn Error) -> S3Error {
    let text = cause.to_string();
    if text.contains("Sha256Mismatch") {
        let message = "The body does not have the x-amz-content-sha256 you sent";
        return custom("XAmzContentSHA256Mismatch", StatusCode::BAD_REQUEST, message);
    }
    if text.contains("SignatureMismatch") {
        return plain(S3ErrorCode::SignatureDoesNotMatch);
    }
    if text.contains(CHUNK_TOO_LARGE) {
        return s3_error!(InvalidRequest, "A chunk {CHUNK_TOO_LARGE} {CHUNK_BYTES_MAX} bytes");
    }
    s3_error!(IncompleteBody, "The body broke off, or is not encoded as its headers say")
}

pub(crate) fn denied() -> S3Error {
    plain(S3ErrorCode::AccessDenied)
}

pub(crate) fn no_such_access_key() -> S3Error {
    plain(S3ErrorCode::InvalidAccessKeyId)
}

pub(crate) fn no_such_bucket() -> S3Error {
    plain(S3ErrorCode::NoSuchBucket)
}

pub(crate) fn no_such_upload() -> S3Error {
    plain(S3ErrorCode::NoSuchUpload)
}

pub(crate) fn no_such_version() -> S3Error {
    s3_error!(NoSuchVersion, "The version does not exist")
}

pub(crate) fn no_object_lock() -> S3Error {
    s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

pub(crate) fn no_lock_of_object() -> S3Error {
    s3_error!(
        NoSuchObjectLockConfiguration,
        "The specified object does not have a ObjectLock configuration"
    )
}

pub(crate) fn no_such_hold() -> S3Error {
    s3_error!(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'")
}

pub(crate) fn no_such_key() -> S3Error {
    plain(S3ErrorCode::NoSuchKey)
}

pub(crate) fn malformed_form() -> S3Error {
    plain(S3ErrorCode::MalformedPOSTRequest)
}

pub(crate) fn malformed_xml() -> S3Error {
    plain(S3ErrorCode::MalformedXML)
}

/// S3's own code for it is not among those of s3s.
pub(crate) fn no_such_part() -> S3Error {
    custom("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, "There is no such part")
}

/// Of an object that its site cannot keep, or S3 does not know.
pub(crate) fn object_too_large(size: u64, max: u64) -> S3Error {
    let why = if max < OBJECT_BYTES_MAX { "; a larger `s3.block_size` allows more" } else { "" };
    s3_error!(EntityTooLarge, "{size} bytes: one object may have {max} at this site{why}")
}

pub(crate) fn invalid_part(number: u16) -> S3Error {
    s3_error!(InvalidPart, "Part {number} is not there, or has another ETag or checksum")
}

/// S3's own code for it is not among those of s3s.
pub(crate) fn no_public_access_block() -> S3Error {
    let message = "The public access block configuration was not found";
    custom("NoSuchPublicAccessBlockConfiguration", StatusCode::NOT_FOUND, message)
}

/// s3s knows the code, and not its status.
pub(crate) fn no_encryption_of_bucket() -> S3Error {
    let message = "The server side encryption configuration was not found";
    custom("ServerSideEncryptionConfigurationNotFoundError", StatusCode::NOT_FOUND, message)
}

/// S3's own code for it is not among those of s3s.
pub(crate) fn no_named_key(name: &str) -> S3Error {
    let message = match name {
        "" => "The key does not exist".to_owned(),
        name => format!("Key '{name}' does not exist"),
    };
    custom("KMS.NotFoundException", StatusCode::BAD_REQUEST, message)
}

/// Of a preflight that does not say enough.
pub(crate) fn insufficient(what: &str) -> S3Error {
    let message = format!("Insufficient information. {what} needed");
    custom("BadRequest", StatusCode::BAD_REQUEST, message)
}

/// Of a preflight that is not allowed. S3's own code for it is not among those of s3s.
pub(crate) fn forbidden(message: &'static str) -> S3Error {
    custom("AccessForbidden", StatusCode::FORBIDDEN, message)
}

pub(crate) fn acls_disabled() -> S3Error {
    s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs")
}

pub(crate) fn acl_with_ownership() -> S3Error {
    s3_error!(
        InvalidBucketAclWithObjectOwnership,
        "A bucket whose owner owns every object cannot have an ACL that gives others anything"
    )
}

pub(crate) fn precondition_failed() -> S3Error {
    plain(S3ErrorCode::PreconditionFailed)
}

/// S3's own code for it is not among those of s3s.
pub(crate) fn head_too_large(is: usize, max: usize) -> S3Error {
    let message = format!("The line and headers of your request have {is} bytes, above {max}");
    custom("RequestHeaderSectionTooLarge", StatusCode::BAD_REQUEST, message)
}

/// S3 has no quotas; others that have call it so.
fn quota_exceeded(exceeded: &QuotaExceeded) -> S3Error {
    custom("QuotaExceeded", StatusCode::FORBIDDEN, exceeded.to_string())
}

fn storage_full(message: String) -> S3Error {
    tracing::warn!(message, "a write was refused");
    custom("InsufficientStorage", StatusCode::INSUFFICIENT_STORAGE, message)
}

fn custom(
    code: &'static str,
    status: StatusCode,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

/// With what an error of our own says.
pub(crate) fn of(code: S3ErrorCode, why: &dyn std::fmt::Display) -> S3Error {
    S3Error::with_message(code, why.to_string())
}

/// What is nobody's fault but this site's.
pub(crate) fn internal(error: &(dyn Error + 'static)) -> S3Error {
    tracing::error!(error = %ops::chain(error), "a request failed");
    s3_error!(InternalError, "This site failed; its log says why")
}

#[cfg(test)]
mod tests;
