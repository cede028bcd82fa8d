//! Multipart uploads as such: begun, aborted, listed. They are local to this site.

use http::StatusCode;
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
        CommonPrefix, CreateMultipartUploadInput, CreateMultipartUploadOutput, Initiator,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass,
    },
};
use store::{
    Caller, Multipart, MultipartChecksum, MultipartCursor, MultipartEntry, MultipartId,
    MultipartName, MultipartQuery, NewMultipart, Store,
};

use super::{
    Handler, acl,
    buckets::timestamp,
    caller,
    list::{Names, limit, said, shown},
};
use crate::{
    access::Reader,
    attributes::{Attributes, sent},
    composite,
    documents::{object_lock::sent_lock, tags::Tags},
    encryption::{Wish, sent_encryption, show_new_encryption},
    errors, names, unsupported,
};

pub(super) async fn create_multipart_upload(
    handler: &Handler,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let (caller, reader) = (caller(&request)?, Reader::of(&request)?);
    let mut input = request.input;
    unsupported::create_multipart(&input)?;
    let (algorithm, kind) = (input.checksum_algorithm.as_ref(), input.checksum_type.as_ref());
    let algorithm = algorithm.map(ChecksumAlgorithm::as_str);
    let checksum = composite::chosen_checksum(algorithm, kind.map(ChecksumType::as_str))?;
    let (sent, tags) = (acl::sent!(input), Tags::from_header(input.tagging.as_deref())?);
    let lock = sent_lock!(input);
    let wish = Wish::new(sent_encryption!(input))?;
    let Attributes { headers, metadata } = Attributes::new(sent!(input))?;
    let (bucket, key) = (names::bucket(input.bucket.clone())?, names::key(input.key.clone())?);
    handler.writable()?;
    let attributes = handler.begins_with(&reader, sent, (tags, lock))?;
    let how = wish.settled(&handler.store, reader.settings()?)?;
    let sealed_under = handler.sealing(&how)?.map(|sealing| sealing.kept);
    let (shown_algorithm, shown_kind) = shown_checksum(checksum.as_ref());
    let new =
        NewMultipart { caller, bucket, key, headers, metadata, checksum, attributes, sealed_under };
    let id = handler.store.create_multipart(new).await.map_err(errors::write)?;
    let mut output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id.to_string()),
        checksum_algorithm: shown_algorithm,
        checksum_type: shown_kind,
        ..CreateMultipartUploadOutput::default()
    };
    show_new_encryption!(output, how.shown());
    Ok(S3Response::new(output))
}

pub(super) async fn abort_multipart_upload(
    handler: &Handler,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let name = name(input.bucket, input.key, &input.upload_id)?;
    handler.store.abort_multipart(name, caller).await.map_err(errors::write)?;
    let output = AbortMultipartUploadOutput::default();
    Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
}

pub(super) async fn list_multipart_uploads(
    handler: &Handler,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let names = Names::new(input.encoding_type)?;
    let bucket = names::bucket(input.bucket)?;
    let owned_by = handler.bucket(&bucket, &caller)?.owner;
    let (key_marker, delimiter) = (said(input.key_marker), said(input.delimiter));
    let prefix = input.prefix.unwrap_or_default();
    // Without a key, the marker of an upload counts for nothing.
    let id_marker = said(input.upload_id_marker).filter(|_| key_marker.is_some());
    let after =
        after((key_marker.as_deref(), id_marker.as_deref()), (&prefix, delimiter.as_deref()))?;
    let query = MultipartQuery { prefix, delimiter, after, limit: limit(input.max_uploads)? };
    let read = move |store: &Store| {
        let listing = store.multipart_uploads(&bucket, &query)?;
        Ok((bucket, query, listing))
    };
    let (bucket, query, listing) = handler.read(read).await?;
    let next = listing.entries.last().filter(|_| listing.truncated).map(marker);
    let (next_key_marker, next_upload_id_marker) = next.unzip();
    let owner = handler.owner(&owned_by)?;
    let (mut uploads, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            MultipartEntry::CommonPrefix(prefix) => {
                common_prefixes.push(CommonPrefix { prefix: Some(names.show(prefix)) });
            }
            MultipartEntry::Upload { key, id, initiator, initiated, checksum } => {
                let (checksum_algorithm, checksum_type) = shown_checksum(checksum.as_ref());
                uploads.push(MultipartUpload {
                    key: Some(names.show(key)),
                    upload_id: Some(id.to_string()),
                    initiated: Some(timestamp(initiated)),
                    initiator: Some(shown_initiator(handler, &initiator)?),
                    owner: Some(owner.clone()),
                    storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                    checksum_algorithm,
                    checksum_type,
                });
            }
        }
    }
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(bucket.into()),
        common_prefixes: Some(common_prefixes),
        delimiter: query.delimiter.map(|text| names.show(text)),
        is_truncated: Some(listing.truncated),
        key_marker: key_marker.map(|text| names.show(text)),
        max_uploads: Some(shown(query.limit)),
        next_key_marker: next_key_marker.map(|text| names.show(text)),
        next_upload_id_marker: next_upload_id_marker.flatten(),
        prefix: Some(names.show(query.prefix)),
        upload_id_marker: id_marker,
        uploads: Some(uploads),
        encoding_type: names.encoding(),
        request_charged: None,
    }))
}

/// Where a page begins. Without an id, a marker that is a common prefix stands behind all its
/// keys, because that is what a page that ends with one gives as the next marker.
fn after(
    (key, id): (Option<&str>, Option<&str>),
    (prefix, delimiter): (&str, Option<&str>),
) -> S3Result<Option<MultipartCursor>> {
    let Some(key) = key else { return Ok(None) };
    if let Some(id) = id {
        return Ok(Some(MultipartCursor::Upload(key.to_owned(), parse_id(id)?)));
    }
    let cursor = crate::listing::after_marker(key.to_owned(), prefix, delimiter);
    Ok(Some(match cursor {
        store::ListCursor::Key(key) => MultipartCursor::Key(key),
        store::ListCursor::Prefix(prefix) => MultipartCursor::Prefix(prefix),
    }))
}

fn marker(entry: &MultipartEntry) -> (String, Option<String>) {
    match entry {
        MultipartEntry::CommonPrefix(prefix) => (prefix.clone(), None),
        MultipartEntry::Upload { key, id, .. } => (key.clone(), Some(id.to_string())),
    }
}

/// Which upload a request is about.
pub(super) fn name(bucket: String, key: String, id: &str) -> S3Result<MultipartName> {
    Ok(MultipartName { bucket: names::bucket(bucket)?, key: names::key(key)?, id: parse_id(id)? })
}

fn parse_id(id: &str) -> S3Result<MultipartId> {
    MultipartId::parse(id).ok_or_else(errors::no_such_upload)
}

/// An upload that is under way and open to the caller, in a bucket that they may use.
pub(super) fn under_way(
    handler: &Handler,
    name: &MultipartName,
    caller: &Caller,
) -> S3Result<Option<Multipart>> {
    handler.bucket(&name.bucket, caller)?;
    let upload = handler.store.multipart(name).map_err(|error| errors::read(&error))?;
    let open = upload.as_ref().is_none_or(|upload| caller.may_go_on(&upload.initiator));
    if open { Ok(upload) } else { Err(errors::denied()) }
}

/// Who began an upload.
pub(super) fn shown_initiator(handler: &Handler, user: &model::UserId) -> S3Result<Initiator> {
    let s3s::dto::Owner { display_name, id } = handler.owner(user)?;
    Ok(Initiator { display_name, id })
}

/// How an upload's checksum is made, as S3 shows it.
pub(super) fn shown_checksum(
    checksum: Option<&MultipartChecksum>,
) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    let kind = |whole| if whole { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
    checksum
        .map(|checksum| {
            let algorithm = ChecksumAlgorithm::from(checksum.algorithm.to_uppercase());
            (algorithm, ChecksumType::from_static(kind(checksum.whole)))
        })
        .unzip()
}
