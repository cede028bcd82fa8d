//! Where the access log of a bucket goes.

use s3s::{
    S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        GetBucketLoggingInput, GetBucketLoggingOutput, PutBucketLoggingInput,
        PutBucketLoggingOutput,
    },
};

use super::{Handler, caller};
use crate::{
    access::Reader,
    access_log,
    documents::{logging::Logging, ownership::Ownership},
    errors, names,
};

pub(super) async fn get_bucket_logging(
    handler: &Handler,
    request: S3Request<GetBucketLoggingInput>,
) -> S3Result<S3Response<GetBucketLoggingOutput>> {
    let logging = handler.document::<Logging, _>(&request, &request.input.bucket)?;
    let logging_enabled = logging.map(|logging| logging.to_enabled(handler)).transpose()?;
    Ok(S3Response::new(GetBucketLoggingOutput { logging_enabled }))
}

pub(super) async fn put_bucket_logging(
    handler: &Handler,
    request: S3Request<PutBucketLoggingInput>,
) -> S3Result<S3Response<PutBucketLoggingOutput>> {
    let (caller, reader) = (caller(&request)?, Reader::of(&request)?);
    let input = request.input;
    let owner = reader.settings()?.owner().clone();
    // Whatever a policy says: it is the owner who pays for what is delivered.
    if caller.user != owner && !caller.user.is_root() {
        return Err(errors::denied());
    }
    handler.writable()?;
    let logging = Logging::from_status(input.bucket_logging_status, handler)?;
    if let Some(logging) = &logging {
        let (source, target) = (names::bucket(input.bucket.clone())?, &logging.bucket);
        let target = names::bucket(target.clone())?;
        let settings = handler.settings.of(&target)?;
        let now = handler.store.now();
        let from = (&source, &owner);
        let key = access_log::sample_key(logging, from, (&handler.region, now));
        access_log::check_target(settings.as_deref(), from, (&target, &key), now)
            .map_err(|why| errors::of(S3ErrorCode::InvalidTargetBucketForLogging, &why))?;
        let enforced =
            settings.is_some_and(|target| target.rules.ownership == Ownership::BucketOwnerEnforced);
        if !logging.grants.is_empty() && enforced {
            return Err(errors::acls_disabled());
        }
    }
    handler.set_document(caller, input.bucket, logging.as_ref()).await?;
    Ok(S3Response::new(PutBucketLoggingOutput::default()))
}
