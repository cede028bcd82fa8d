//! Parts of an upload: taken in, copied, listed.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        CopyPartResult, ETag, ListPartsInput, ListPartsOutput, Part, StorageClass, StreamingBlob,
        UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};
use store::{Caller, DataKey, MultipartName, Object, PutPart, Uploaded};

use super::{
    Handler,
    buckets::timestamp,
    caller,
    list::{limit, shown},
    multipart::{name, shown_checksum, shown_initiator, under_way},
    put::{announced_size, place},
    source::{self, COPY_BYTES_MAX, source_conditions},
};
use crate::{
    access::Asker,
    body_digests::{BodyDigests, Digests},
    checksum::{self, Algorithm, show_checksums},
    composite,
    encryption::{SentKey, Shown, customer, customer_of_source, show_encryption},
    errors,
    object_body::ObjectBody,
    promises::{Promises, promised},
    range,
    receive::{Size, receive},
};

pub(super) async fn upload_part(
    handler: &Handler,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let caller = caller(&request)?;
    let S3Request { mut input, headers, trailing_headers, .. } = request;
    let size = announced_size(&headers, input.content_length)?;
    let promises = Promises::new(promised!(input), &headers)?;
    let sent_key = customer!(input).key()?;
    let name = name(input.bucket, input.key, &input.upload_id)?;
    let target = Target::find(handler, caller, name, sent_key.as_ref())?;
    let number = composite::number(input.part_number)?;
    target.fits(handler, number, size)?;
    let body = input.body.ok_or_else(|| s3_error!(IncompleteBody, "There is no body"))?;

    let _place = place(handler, size).await?;
    let promised = |which| promises.wants(which);
    let (uploaded, digests) = target.receive(handler, (body, size), number, promised).await?;
    promises.check(&digests, trailing_headers.as_ref())?;
    handler.meter.received(size);
    let shown = target.shown.clone();
    let etag = target.put(handler, number, uploaded, &digests).await?.0;

    let mut output = UploadPartOutput { e_tag: Some(etag), ..UploadPartOutput::default() };
    show_encryption!(output, shown);
    show_checksums!(output, |which| digests.checksums.get(which).map(str::to_owned));
    Ok(S3Response::new(output))
}

/// Reads the source's bytes for the digests that S3 asks of a part; blocks that lie in the part
/// whole have their names already, so nothing of them is written or sent to other sites again.
pub(super) async fn upload_part_copy(
    handler: &Handler,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let (caller, asker) = (caller(&request)?, Asker::of(&request)?);
    let mut input = request.input;
    let conditions = source_conditions!(input);
    let number = composite::number(input.part_number)?;
    let (sent_key, of_source) = (customer!(input).key()?, customer_of_source!(input).key()?);
    let name = name(input.bucket, input.key, &input.upload_id)?;
    let target = Target::find(handler, caller, name, sent_key.as_ref())?;
    let asks = (&asker, &target.caller);
    let object = source::find(handler, asks, &input.copy_source, &conditions).await?.object;
    let opened = handler.opens(&object.manifest, of_source.as_ref())?;
    let copy_source_version_id = source::id(handler, &input.copy_source, &object)?;
    let range = copied(input.copy_source_range.as_deref(), &object)?;
    let size = range.end - range.start;
    target.fits(handler, number, size)?;

    let _place = place(handler, size).await?;
    let body = ObjectBody::open(&handler.blocks, (object, opened.key), range, None).await;
    let body = StreamingBlob::new(body.map_err(errors::fetch)?);
    let (uploaded, digests) = target.receive(handler, (body, size), number, |_| false).await?;
    let shown = target.shown.clone();
    let (etag, modified) = target.put(handler, number, uploaded, &digests).await?;

    let mut result = CopyPartResult {
        e_tag: Some(etag),
        last_modified: Some(modified),
        ..CopyPartResult::default()
    };
    show_checksums!(result, |which| digests.checksums.get(which).map(str::to_owned));
    let copy_part_result = Some(result);
    let mut output = UploadPartCopyOutput {
        copy_part_result,
        copy_source_version_id,
        ..UploadPartCopyOutput::default()
    };
    show_encryption!(output, shown);
    Ok(S3Response::new(output))
}

/// The bytes of the source that become the part.
fn copied(asked: Option<&str>, source: &Object) -> S3Result<std::ops::Range<u64>> {
    let size = source.manifest.size;
    let range = match asked {
        None => 0..size,
        Some(text) => range::exact(text).ok_or_else(|| {
            s3_error!(InvalidArgument, "x-amz-copy-source-range must be bytes=FIRST-LAST")
        })?,
    };
    if range.end > size {
        return Err(s3_error!(InvalidRange, "The source has {size} bytes, and not all of these"));
    }
    if range.end - range.start > COPY_BYTES_MAX {
        return Err(s3_error!(InvalidRequest, "One part may have {COPY_BYTES_MAX} bytes"));
    }
    Ok(range)
}

/// An upload that a part goes to.
struct Target {
    name: MultipartName,
    caller: Caller,
    /// What each part's checksum is computed with.
    algorithm: Option<Algorithm>,
    /// What each part is sealed under.
    key: Option<DataKey>,
    shown: Shown,
}

impl Target {
    fn find(
        handler: &Handler,
        caller: Caller,
        name: MultipartName,
        sent_key: Option<&SentKey>,
    ) -> S3Result<Self> {
        handler.writable()?;
        let upload = under_way(handler, &name, &caller)?.ok_or_else(errors::no_such_upload)?;
        let algorithm = upload.checksum.and_then(|by| Algorithm::parse(&by.algorithm));
        let (key, shown) = handler.part_key(upload.sealed_under.as_ref(), sent_key)?;
        Ok(Self { name, caller, algorithm, key, shown })
    }

    /// Refuses a part with which the object would be larger than it may be, or exceed a quota, before
    /// its body is taken in.
    fn fits(&self, handler: &Handler, number: u16, size: u64) -> S3Result<()> {
        let others = handler.store.other_parts_bytes(self.name.id, number);
        let all = others.map_err(|error| errors::read(&error))?.saturating_add(size);
        let max = handler.store.object_bytes_max();
        if all > max {
            return Err(errors::object_too_large(all, max));
        }
        handler.fits(&self.name.bucket, &self.name.key, all)
    }

    async fn receive(
        &self,
        handler: &Handler,
        (body, size): (StreamingBlob, u64),
        number: u16,
        promised: impl Fn(Algorithm) -> bool,
    ) -> S3Result<(Uploaded, Digests)> {
        let hasher = checksum::hasher(|which| promised(which) || self.algorithm == Some(which));
        let digests = BodyDigests::new(size, hasher);
        let upload = match &self.key {
            Some(key) => handler.store.sealed_part(key, number),
            None => handler.store.upload_part(),
        };
        receive(body, Size::Exactly(size), upload, digests).await.map_err(errors::receive)
    }

    async fn put(
        self,
        handler: &Handler,
        number: u16,
        uploaded: Uploaded,
        digests: &Digests,
    ) -> S3Result<(ETag, s3s::dto::Timestamp)> {
        let Self { name, caller, algorithm, shown, .. } = self;
        let checksum = algorithm.and_then(|which| digests.checksums.get(which));
        let (md5, checksum) = (shown.tag(digests.md5), checksum.map(str::to_owned));
        let put = PutPart { caller, name, number, md5, checksum, uploaded };
        let modified = handler.store.put_part(put).await.map_err(errors::write)?;
        Ok((ETag::Strong(hex::encode(md5)), timestamp(modified)))
    }
}

pub(super) async fn list_parts(
    handler: &Handler,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let name = name(input.bucket.clone(), input.key.clone(), &input.upload_id)?;
    let owned_by = handler.bucket(&name.bucket, &caller)?.owner;
    let upload = under_way(handler, &name, &caller)?.ok_or_else(errors::no_such_upload)?;
    let limit = limit(input.max_parts)?;
    let after = u16::try_from(input.part_number_marker.unwrap_or(0));
    let after = after.map_err(|_| s3_error!(InvalidArgument, "No part has such a number"))?;
    // One more than is shown tells whether there is more.
    let seen = handler.read(move |store| store.parts(name.id, after, limit + 1));
    let mut parts = seen.await?.parts;
    let truncated = limit > 0 && parts.len() > limit;
    parts.truncate(limit);
    let next = parts.last().filter(|_| truncated).map(|part| i32::from(part.number));
    let algorithm = upload.checksum.as_ref().and_then(|by| Algorithm::parse(&by.algorithm));
    let shown_parts = parts.into_iter().map(|part| {
        let mut shown = Part {
            part_number: Some(part.number.into()),
            e_tag: Some(ETag::Strong(hex::encode(part.md5))),
            last_modified: Some(timestamp(part.modified)),
            size: i64::try_from(part.size).ok(),
            ..Part::default()
        };
        show_checksums!(shown, |which| part.checksum.clone().filter(|_| algorithm == Some(which)));
        shown
    });
    let (checksum_algorithm, checksum_type) = shown_checksum(upload.checksum.as_ref());
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        parts: Some(shown_parts.collect()),
        is_truncated: Some(truncated),
        max_parts: Some(shown(limit)),
        part_number_marker: Some(after.into()),
        next_part_number_marker: next,
        initiator: Some(shown_initiator(handler, &upload.initiator)?),
        owner: Some(handler.owner(&owned_by)?),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm,
        checksum_type,
        ..ListPartsOutput::default()
    }))
}
