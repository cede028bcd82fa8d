//! The source of a copy: an object of this site that its caller may read.

use s3s::{S3Error, S3ErrorCode, S3Result, dto::CopySource, s3_error};
use store::{Caller, Object};

use super::{Handler, versions};
use crate::{
    access::Asker,
    documents::{Document, tags::Tags},
    errors, names,
    preconditions::{Preconditions, Verdict},
};

/// Bytes that one copy may have; the limit of S3. Larger objects are copied in parts.
pub(super) const COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// The conditions on the source, of either operation that copies.
macro_rules! source_conditions {
    ($input:expr) => {
        crate::preconditions::Preconditions {
            matches: $input.copy_source_if_match.take().map(crate::handler::get::tags),
            matches_none: $input.copy_source_if_none_match.take().map(crate::handler::get::tags),
            modified_since: $input
                .copy_source_if_modified_since
                .take()
                .map(crate::handler::get::seconds),
            unmodified_since: $input
                .copy_source_if_unmodified_since
                .take()
                .map(crate::handler::get::seconds),
        }
    };
}
pub(super) use source_conditions;

/// The source; its blocks stay while this lives.
pub(super) struct Found {
    pub(super) object: Object,
    pub(super) tags: Result<Option<Tags>, TagsHidden>,
}

/// The source has tags, and who copies may not read them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TagsHidden;

/// Finds the source.
pub(super) async fn find(
    handler: &Handler,
    (asker, caller): (&Asker, &Caller),
    source: &CopySource,
    conditions: &Preconditions,
) -> S3Result<Found> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "There are no access points here"));
    };
    let slot = names::version(version_id.as_deref())?;
    let (bucket, key) = (names::bucket(bucket.to_string())?, names::key(key.to_string())?);
    let settings = handler.settings.of(&bucket)?.ok_or_else(errors::no_such_bucket)?;
    let reader = asker.reader(caller, settings, (&bucket, &key, slot))?;
    let found = handler.object(&reader, (&bucket, &key), slot).await;
    let (object, attributes) = found.map_err(no_marker)?;
    let tags = Tags::of(&attributes).map_err(|error| errors::internal(&error))?;
    let tags = match tags {
        None => Ok(None),
        Some(_) if !reader.may_read_tags((&bucket, &key), slot) => Err(TagsHidden),
        tags => Ok(tags),
    };
    let modified = object.version.hlc.millis();
    match conditions.evaluate(&object.manifest.etag.0, modified) {
        Verdict::Hold => Ok(Found { object, tags }),
        // Of a copy nothing can be "not modified": either is a condition that does not hold.
        Verdict::Failed | Verdict::NotModified => Err(errors::precondition_failed()),
    }
}

/// A delete marker cannot be copied, which is the mistake of a client that names it.
fn no_marker(error: S3Error) -> S3Error {
    if *error.code() == S3ErrorCode::MethodNotAllowed {
        return s3_error!(InvalidRequest, "The source of a copy may not be a delete marker");
    }
    error
}

/// The id of the version that is copied, as the answer shows it.
pub(super) fn id(
    handler: &Handler,
    source: &CopySource,
    object: &Object,
) -> S3Result<Option<String>> {
    let CopySource::Bucket { bucket, .. } = source else { return Ok(None) };
    versions::shown_id(handler, &names::bucket(bucket.to_string())?, object.slot)
}
