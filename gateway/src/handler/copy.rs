//! `CopyObject`: the new object names the blocks of the old one. No byte moves, neither here nor
//! to other sites, which have the blocks too; unless it is to be encrypted otherwise than the old.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, header};
use model::{BucketName, Manifest, ObjectKey};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, ETagCondition,
        MetadataDirective, StreamingBlob, TaggingDirective,
    },
    s3_error,
};
use store::{BodyKey, Caller, Condition, CopyObject, Object, PutObject, Stored};

use super::{
    Handler, acl,
    buckets::timestamp,
    caller,
    put::{condition, manifest as manifest_of, place},
    source::{self, COPY_BYTES_MAX, Found, TagsHidden, source_conditions},
};
use crate::{
    access::{Asker, Reader},
    access_log::Noted,
    attributes::{Attributes, sent},
    body_digests::BodyDigests,
    checksum::{self, Algorithm, Checksums, show_checksums},
    documents::{object_lock::sent_lock, tags::Tags},
    encryption::{
        Rest, SentKey, Settled, Wish, customer_of_source, sent_encryption, show_new_encryption,
    },
    errors,
    expiration::Expiring,
    names,
    object_body::ObjectBody,
    preconditions::Preconditions,
    promises,
    receive::{Size, receive},
    unsupported,
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
    let (of_source, wish) = (customer_of_source!(input).key()?, sent_encryption!(input));
    let wish = Wish::new(wish)?;
    let (sent, tags) = (acl::sent!(input), replaced_tags(&input)?);
    let lock = sent_lock!(input);
    let replaced = replaced(&mut input)?;
    let conditions = source_conditions!(input);
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let same = replaced.is_none() && matches!(wish, Wish::Plain);
    if same && is_itself(&input.copy_source, &bucket, &key) {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes."
        ));
    }
    handler.writable()?;
    handler.bucket(&bucket, &caller)?;
    let from = (&input.copy_source, (&asker, &caller));
    let source = find(handler, from, (&conditions, of_source)).await?;
    if let Some(noted) = noted {
        noted.object_size(source.object.manifest.size);
    }
    let tags = match tags {
        Some(tags) => Some(tags),
        None => source.tags.clone().map_err(|TagsHidden| errors::denied())?,
    };
    let attributes = handler.begins_with(&reader, sent, (tags, lock))?;
    let copy_source_version_id = source::id(handler, &input.copy_source, &source.object)?;
    let settled = wish.settled(&handler.store, reader.settings()?)?;
    let shown = settled.shown();
    let (size, expiring) =
        (source.object.manifest.size, Expiring::new(reader.settings()?, (&bucket, &key)));
    let target = Target { caller: caller.clone(), bucket, key, condition, attributes };
    let how = How { replaced, asked, settled };
    let (stored, result) = copy(handler, from, source, (target, how)).await?;
    let last_modified = Some(timestamp(stored.version.hlc.millis()));
    let mut output = CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult { last_modified, ..result }),
        copy_source_version_id,
        expiration: expiring.and_then(|new| new.shown(handler, (stored.version, size))),
        version_id: stored.id.map(|id| id.to_string()),
        ..CopyObjectOutput::default()
    };
    show_new_encryption!(output, shown);
    Ok(S3Response::new(output))
}

/// What is copied, and what opens it.
struct Source {
    object: Object,
    tags: Result<Option<Tags>, TagsHidden>,
    sent_key: Option<SentKey>,
    key: Option<BodyKey>,
}

/// Where a copy goes.
struct Target {
    caller: Caller,
    bucket: BucketName,
    key: ObjectKey,
    condition: Condition,
    attributes: BTreeMap<String, Bytes>,
}

/// How a copy is to differ from its source.
struct How {
    replaced: Option<Attributes>,
    asked: Option<Algorithm>,
    settled: Settled,
}

/// Where a source is, and who asks for it.
type Named<'a> = (&'a CopySource, (&'a Asker, &'a Caller));

async fn find(
    handler: &Handler,
    (from, asks): Named<'_>,
    (conditions, sent_key): (&Preconditions, Option<SentKey>),
) -> S3Result<Source> {
    let Found { object, tags } = source::find(handler, asks, from, conditions).await?;
    let key = handler.opens(&object.manifest, sent_key.as_ref())?.key;
    if object.manifest.size > COPY_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The source has {} bytes: one copy may have {COPY_BYTES_MAX}, larger ones go in parts",
            object.manifest.size
        ));
    }
    Ok(Source { object, tags, sent_key, key })
}

async fn copy(
    handler: &Handler,
    from: Named<'_>,
    source: Source,
    (target, how): (Target, How),
) -> S3Result<(Stored, CopyObjectResult)> {
    let (object, sent_key) = (&source.object, source.sent_key.as_ref());
    let Rest::Shared(encryption) = handler.rests(object, sent_key, &how.settled)? else {
        return written_anew(handler, source, (target, how)).await;
    };
    let mut manifest = Manifest { encryption, ..(*object.manifest).clone() };
    if let Some(Attributes { headers, metadata }) = how.replaced {
        (manifest.headers, manifest.metadata) = (headers, metadata);
    }
    if let Some(algorithm) = how.asked.filter(|a| !manifest.checksums.contains_key(a.name())) {
        let computed = compute(handler, from, &source, algorithm).await;
        manifest.checksums = promises::kept(&mut computed?);
    }
    let result = result(&manifest);
    let Target { caller, bucket, key, condition, attributes } = target;
    let source = source.object;
    let copy = CopyObject { caller, bucket, key, manifest, source, condition, attributes };
    let stored = handler.store.copy_object(copy).await.map_err(errors::write)?;
    Ok((stored, result))
}

/// A copy that rests otherwise than its source has blocks of its own: the bytes are read and written.
async fn written_anew(
    handler: &Handler,
    source: Source,
    (target, how): (Target, How),
) -> S3Result<(Stored, CopyObjectResult)> {
    let manifest = &source.object.manifest;
    let (size, checksums) = (manifest.size, manifest.checksums.clone());
    let attributes = how.replaced.unwrap_or_else(|| {
        let (headers, metadata) = (manifest.headers.clone(), manifest.metadata.clone());
        Attributes { headers, metadata }
    });
    let _place = place(handler, size).await?;
    let opened = (source.object, source.key);
    let body = ObjectBody::open(&handler.blocks, opened, 0..size, None).await;
    let body = StreamingBlob::new(body.map_err(errors::fetch)?);
    // Those of the parts would be of parts that the copy does not have.
    let hasher = checksum::hasher(|which| match how.asked {
        Some(asked) => asked == which,
        None => checksums.contains_key(which.name()),
    });
    let (sealing, digests) = (handler.sealing(&how.settled)?, BodyDigests::new(size, hasher));
    let received = receive(body, Size::Exactly(size), handler.upload(sealing.as_ref()), digests);
    let (uploaded, mut digests) = received.await.map_err(errors::receive)?;
    digests.md5 = how.settled.shown().tag(digests.md5);
    let manifest = manifest_of(&uploaded, digests, attributes, sealing);
    let result = result(&manifest);
    let Target { caller, bucket, key, condition, attributes } = target;
    let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
    let stored = handler.store.put_object(put).await.map_err(errors::write)?;
    Ok((stored, result))
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
    (from, asks): Named<'_>,
    source: &Source,
    algorithm: Algorithm,
) -> S3Result<Checksums> {
    let again = source::find(handler, asks, from, &Preconditions::default()).await?.object;
    if again.version != source.object.version {
        return Err(s3_error!(OperationAborted, "The source changed during the copy; try again"));
    }
    let range = 0..again.manifest.size;
    let body = ObjectBody::open(&handler.blocks, (again, source.key.clone()), range, None).await;
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
