//! Tags of objects. There are none yet, and a client that asks is told so: `aws` asks before it
//! copies a large object.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{GetObjectTaggingInput, GetObjectTaggingOutput},
};

use super::{Handler, caller, versions};
use crate::names;

pub(super) async fn get_object_tagging(
    handler: &Handler,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    handler.bucket(&bucket, &caller)?;
    let object = versions::find(handler, (&bucket, &key), slot).await?;
    let version_id = versions::shown_id(handler, &bucket, object.slot)?;
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: Vec::new(), version_id }))
}
