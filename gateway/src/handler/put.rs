//! `PutObject`: streamed into the store, checked whole, then committed at once.

use std::{ops::RangeInclusive, time::Duration};

use http::HeaderMap;
use model::{ETag, Encryption, Manifest, Parts};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{ChecksumType, ETag as ShownETag, ETagCondition, PutObjectInput, PutObjectOutput},
    s3_error,
};
use store::{Condition, PutObject, Uploaded};
use tokio::sync::SemaphorePermit;

use super::{Handler, acl, caller};
use crate::{
    access::Reader,
    access_log::Noted,
    attributes::{Attributes, sent},
    body_digests::{BodyDigests, Digests},
    checksum::{self, Checksums, show_checksums},
    documents::{object_lock::sent_lock, tags::Tags},
    encryption::{Sealing, Wish, sent_encryption, show_new_encryption},
    errors,
    expiration::Expiring,
    names,
    promises::{self, Promises, promised},
    receive::{Size, receive},
    unsupported,
};

/// Bytes of one put; the limit of S3. Larger objects come in parts.
pub(crate) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Bodies up to this need no place among the large ones: one block's worth.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// Left with a put whose body does not say its size, as that of a form: how many bytes it may
/// have.
#[derive(Clone, Debug)]
pub(crate) struct Within(pub(crate) RangeInclusive<u64>);

/// How long a large body waits for a place.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(10);

pub(crate) async fn put_object(
    handler: &Handler,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let (caller, reader) = (caller(&request)?, Reader::of(&request)?);
    let S3Request { mut input, headers, extensions, trailing_headers, .. } = request;
    unsupported::put(&input)?;
    let size = match extensions.get::<Within>() {
        Some(Within(bounds)) => Size::Within(bounds.clone()),
        None => Size::Exactly(announced_size(&headers, input.content_length)?),
    };
    let condition = condition(input.if_match.take(), input.if_none_match.take())?;
    let wish = Wish::new(sent_encryption!(input))?;
    let (sent, tags) = (acl::sent!(input), Tags::from_header(input.tagging.as_deref())?);
    let lock = sent_lock!(input);
    let described = Attributes::new(sent!(input))?;
    let promises = Promises::new(promised!(input), &headers)?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    handler.writable()?;
    handler.bucket(&bucket, &caller)?;
    handler.fits(&bucket, &key, size.least())?;
    let attributes = handler.begins_with(&reader, sent, (tags, lock))?;
    let how = wish.settled(&handler.store, reader.settings()?)?;
    let body = input.body.ok_or_else(|| s3_error!(IncompleteBody, "There is no body"))?;

    let _place = place(handler, size.most()).await?;
    let digests = BodyDigests::new(size.most(), checksum::hasher(|which| promises.wants(which)));
    let sealing = handler.sealing(&how)?;
    let received = receive(body, size, handler.upload(sealing.as_ref()), digests).await;
    let (uploaded, mut digests) = received.map_err(errors::receive)?;
    promises.check(&digests, trailing_headers.as_ref())?;
    handler.meter.received(uploaded.size());
    if let Some(noted) = extensions.get::<Noted>() {
        noted.object_size(uploaded.size());
    }

    let shown = how.shown();
    digests.md5 = shown.tag(digests.md5);
    let mut output = output(&digests);
    show_new_encryption!(output, shown);
    let manifest = manifest(&uploaded, digests, described, sealing);
    let (size, expiring) = (uploaded.size(), Expiring::new(reader.settings()?, (&bucket, &key)));
    let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
    let stored = handler.store.put_object(put).await.map_err(errors::write)?;
    output.expiration =
        expiring.and_then(|expiring| expiring.shown(handler, (stored.version, size)));
    output.version_id = stored.id.map(|id| id.to_string());
    Ok(S3Response::new(output))
}

/// Of a body that was put whole.
pub(super) fn manifest(
    uploaded: &Uploaded,
    mut digests: Digests,
    attributes: Attributes,
    sealing: Option<Sealing>,
) -> Manifest {
    let Attributes { headers, metadata } = attributes;
    Manifest {
        size: uploaded.size(),
        etag: ETag(hex::encode(digests.md5)),
        headers,
        metadata,
        checksums: promises::kept(&mut digests.checksums),
        parts: Parts::Whole,
        content: uploaded.content().clone(),
        encryption: sealing.map(|sealing| Encryption::of_whole(sealing.kept)),
    }
}

fn output(digests: &Digests) -> PutObjectOutput {
    let whole = || ChecksumType::from_static(ChecksumType::FULL_OBJECT);
    let mut output = PutObjectOutput {
        checksum_type: (digests.checksums != Checksums::default()).then(whole),
        e_tag: Some(ShownETag::Strong(hex::encode(digests.md5))),
        ..PutObjectOutput::default()
    };
    show_checksums!(output, |which| digests.checksums.get(which).map(str::to_owned));
    output
}

/// Size of the object that the headers announce, before anything of it has come.
pub(super) fn announced_size(headers: &HeaderMap, content_length: Option<i64>) -> S3Result<u64> {
    // An `aws-chunked` body is longer than the object in it.
    let decoded = headers.get("x-amz-decoded-content-length");
    let decoded = decoded.and_then(|value| value.to_str().ok()?.parse().ok());
    let size = decoded.or_else(|| content_length.and_then(|length| u64::try_from(length).ok()));
    match size {
        None => Err(s3_error!(MissingContentLength, "The size of the object is not announced")),
        Some(size) if size > PUT_BYTES_MAX => {
            Err(s3_error!(EntityTooLarge, "{size} bytes: one put may have {PUT_BYTES_MAX}"))
        }
        Some(size) => Ok(size),
    }
}

/// What must hold of the key for a write to be done.
pub(super) fn condition(
    matches: Option<ETagCondition>,
    matches_none: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (matches, matches_none) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Matches(ETag(etag.into_value()))),
        // More than S3 does, in the sense of RFC 9110.
        (None, Some(ETagCondition::ETag(etag))) => Ok(Condition::Differs(ETag(etag.into_value()))),
        (Some(_), Some(_)) => {
            Err(s3_error!(NotImplemented, "A write takes `If-None-Match` or `If-Match`, not both"))
        }
    }
}

/// A place for a large body. Waiting for one holds up only this client.
pub(super) async fn place(handler: &Handler, size: u64) -> S3Result<Option<SemaphorePermit<'_>>> {
    if size <= SMALL_BYTES_MAX {
        return Ok(None);
    }
    let waited = tokio::time::timeout(PLACE_WAIT_MAX, handler.uploads.acquire()).await;
    match waited {
        Ok(Ok(place)) => Ok(Some(place)),
        _ => Err(s3_error!(SlowDown, "Too many large objects are being put; try again later")),
    }
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    #[test]
    fn size_is_that_of_the_object_and_not_of_its_encoding() {
        let size = |decoded: Option<&'static str>, length| {
            let mut headers = HeaderMap::new();
            if let Some(decoded) = decoded {
                let decoded = http::HeaderValue::from_static(decoded);
                headers.insert("x-amz-decoded-content-length", decoded);
            }
            announced_size(&headers, length).map_err(|error| error.code().clone())
        };
        assert_eq!(size(None, Some(7)), Ok(7));
        assert_eq!(size(Some("5"), Some(99)), Ok(5));
        assert_eq!(size(None, None), Err(S3ErrorCode::MissingContentLength));
        assert_eq!(size(None, Some(-1)), Err(S3ErrorCode::MissingContentLength));
        assert_eq!(size(None, Some(5 << 30)), Ok(PUT_BYTES_MAX));
        assert_eq!(size(None, Some((5 << 30) + 1)), Err(S3ErrorCode::EntityTooLarge));
    }
}
