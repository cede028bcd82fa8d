//! Tags of objects. There are none yet, and a client that asks is told so: `aws` asks before it
//! copies a large object.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{GetObjectTaggingInput, GetObjectTaggingOutput},
};

use super::{Handler, caller};
use crate::{errors, names};

pub(super) async fn get_object_tagging(
    handler: &Handler,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    names::only_version(input.version_id.as_deref())?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    handler.bucket(&bucket, &caller)?;
    let object = handler.store.object(&bucket, &key).await;
    object.map_err(|error| errors::read(&error))?.ok_or_else(errors::no_such_key)?;
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: Vec::new(), version_id: None }))
}
