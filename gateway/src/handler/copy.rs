//! `CopyObject`: the new object names the blocks of the old one. No byte moves, neither here nor
//! to other sites, which have the blocks too.

use futures::StreamExt;
use http::{HeaderMap, header};
use model::{BucketName, Manifest, ObjectKey};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, ETagCondition,
        MetadataDirective, TaggingDirective,
    },
    s3_error,
};
use store::{Caller, CopyObject, Object};

use super::{
    Handler, acl,
    buckets::timestamp,
    caller,
    put::condition,
    source::{self, COPY_BYTES_MAX, source_conditions},
};
use crate::{
    access::{Asker, Reader},
    access_log::Noted,
    attributes::{Attributes, sent},
    checksum::{self, Algorithm, Checksums, show_checksums},
    documents::{Document, object_lock::sent_lock, tags::Tags},
    errors, names,
    object_body::ObjectBody,
    promises, unsupported,
};

pub(super) async fn copy_object(
    handler: &Handler,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let (caller, reader, asker) = (caller(&request)?, Reader::of(&request)?, Asker::of(&request)?);
    let noted = Noted::of(&request.extensions);
    let S3Request { mut input, headers, .. } = request;
    unsupported::copy(&input)?;
    let condition =
        condition(tag(&headers, header::IF_MATCH)?, tag(&headers, header::IF_NONE_MATCH)?)?;
    let asked = asked_checksum(&input)?;
    let (sent, tags) = (acl::sent!(input), replaced_tags(&input)?);
    let lock = sent_lock!(input);
    let replaced = replaced(&mut input)?;
    let conditions = source_conditions!(input);
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    if replaced.is_none() && is_itself(&input.copy_source, &bucket, &key) {
        return Err(s3_error!(
            InvalidRequest,
            "An object is copied to itself only with other metadata: set x-amz-metadata-directive"
        ));
    }
    handler.writable()?;
    handler.bucket(&bucket, &caller)?;
    let asks = (&asker, &caller);
    let (source, of_source) = source::find(handler, asks, &input.copy_source, &conditions).await?;
    if source.manifest.size > COPY_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The source has {} bytes: one copy may have {COPY_BYTES_MAX}, larger ones go in parts",
            source.manifest.size
        ));
    }
    let tags = match tags {
        Some(tags) => Some(tags),
        None => Tags::of(&of_source).map_err(|error| errors::internal(&error))?,
    };
    let attributes = handler.begins_with(&reader, sent, (tags, lock))?;
    if let Some(noted) = noted {
        noted.object_size(source.manifest.size);
    }
    let mut manifest = source.manifest.clone();
    if let Some(Attributes { headers, metadata }) = replaced {
        (manifest.headers, manifest.metadata) = (headers, metadata);
    }
    if let Some(algorithm) = asked.filter(|a| !manifest.checksums.contains_key(a.name())) {
        let computed = compute(handler, &input.copy_source, (asks, &source), algorithm).await;
        manifest.checksums = promises::kept(&mut computed?);
    }
    let result = result(&manifest);
    let copy_source_version_id = source::id(handler, &input.copy_source, &source)?;
    let copy = CopyObject { caller, bucket, key, manifest, source, condition, attributes };
    let stored = handler.store.copy_object(copy).await.map_err(errors::write)?;
    let last_modified = Some(timestamp(stored.version.hlc.millis()));
    let copy_object_result = Some(CopyObjectResult { last_modified, ..result });
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result,
        copy_source_version_id,
        version_id: stored.id.map(|id| id.to_string()),
        ..CopyObjectOutput::default()
    }))
}

/// s3s does not read the conditions on the target of a copy.
fn tag(headers: &HeaderMap, name: header::HeaderName) -> S3Result<Option<ETagCondition>> {
    let parsed = headers.get(&name).map(|v| ETagCondition::parse_http_header(v.as_bytes()));
    let invalid = |_| s3_error!(InvalidArgument, "The header {name} is no entity tag");
    parsed.transpose().map_err(invalid)
}

/// What the copy is to have in place of the source's headers and metadata, if anything.
fn replaced(input: &mut CopyObjectInput) -> S3Result<Option<Attributes>> {
    match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => Ok(None),
        Some(MetadataDirective::REPLACE) => Attributes::new(sent!(input)).map(Some),
        Some(other) => {
            Err(s3_error!(InvalidArgument, "x-amz-metadata-directive `{other}` is not known"))
        }
    }
}

/// The tags that the copy is to have in place of the source's. `None`: the same as the source.
fn replaced_tags(input: &CopyObjectInput) -> S3Result<Option<Tags>> {
    match input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
        None | Some(TaggingDirective::COPY) => Ok(None),
        Some(TaggingDirective::REPLACE) => {
            Tags::from_header(input.tagging.as_deref()).map(|tags| tags.or(Some(Tags::default())))
        }
        Some(other) => {
            Err(s3_error!(InvalidArgument, "x-amz-tagging-directive `{other}` is not known"))
        }
    }
}

fn asked_checksum(input: &CopyObjectInput) -> S3Result<Option<Algorithm>> {
    let Some(asked) = &input.checksum_algorithm else {
        return Ok(None);
    };
    let algorithm = Algorithm::parse(asked.as_str());
    let unknown =
        || s3_error!(InvalidRequest, "Checksum algorithm `{}` is not known", asked.as_str());
    algorithm.map(Some).ok_or_else(unknown)
}

/// A version that is named is brought back.
fn is_itself(source: &CopySource, bucket: &BucketName, key: &ObjectKey) -> bool {
    matches!(source, CopySource::Bucket { bucket: b, key: k, version_id: None }
        if **b == *bucket.as_str() && **k == *key.as_str())
}

/// A checksum that the source does not have must be computed over its bytes.
async fn compute(
    handler: &Handler,
    from: &CopySource,
    (asks, source): ((&Asker, &Caller), &Object),
    algorithm: Algorithm,
) -> S3Result<Checksums> {
    let (again, _) = source::find(handler, asks, from, &Default::default()).await?;
    if again.version != source.version {
        return Err(s3_error!(OperationAborted, "The source changed during the copy; try again"));
    }
    let range = 0..again.manifest.size;
    let body = ObjectBody::open(&handler.blocks, again, range, None).await;
    let mut body = body.map_err(errors::fetch)?;
    let mut hasher = checksum::hasher(|which| which == algorithm);
    while let Some(piece) = body.next().await {
        hasher.update(&piece.map_err(errors::stream)?);
    }
    Ok(hasher.finalize().into())
}

fn result(manifest: &Manifest) -> CopyObjectResult {
    let mut result = CopyObjectResult {
        checksum_type: manifest.checksums.values().next().map(|value| checksum::kind(value)),
        e_tag: Some(ETag::Strong(manifest.etag.0.clone())),
        ..CopyObjectResult::default()
    };
    show_checksums!(result, |which: Algorithm| manifest.checksums.get(which.name()).cloned());
    result
}
