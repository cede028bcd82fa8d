//! Whose bucket a client believes to be dealing with, if it says so: a request to a bucket that
//! was deleted and made anew by somebody else is then refused.

use http::{HeaderMap, HeaderName};
use model::BucketName;
use s3s::{S3Result, dto::CopySource, path::S3Path};
use store::Store;

use crate::errors;

const EXPECTED: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");
const OF_SOURCE: HeaderName = HeaderName::from_static("x-amz-source-expected-bucket-owner");
const SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// Compares what is expected of the bucket of a request, and of the source of a copy. What does
/// not exist is nobody's: the operation says so.
pub(crate) fn check(store: &Store, path: &S3Path, headers: &HeaderMap) -> S3Result<()> {
    if let Some(expected) = text(headers, &EXPECTED) {
        owns(store, path.get_bucket_name(), expected)?;
    }
    if let Some(expected) = text(headers, &OF_SOURCE) {
        let source = text(headers, &SOURCE).map(CopySource::parse);
        if let Some(Ok(CopySource::Bucket { bucket, .. })) = source {
            owns(store, Some(&*bucket), expected)?;
        }
    }
    Ok(())
}

fn owns(store: &Store, bucket: Option<&str>, expected: &str) -> S3Result<()> {
    let Some(name) = bucket.and_then(|name| BucketName::try_from(name.to_owned()).ok()) else {
        return Ok(());
    };
    let live = store.bucket(&name).map_err(|error| errors::read(&error))?.live;
    let owned = live.is_none_or(|bucket| bucket.owner.as_str() == expected);
    if owned { Ok(()) } else { Err(errors::denied()) }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
