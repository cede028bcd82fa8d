//! Versions: how clients name them, what is answered where one is a delete marker, and the listing of
//! all of them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::{BucketName, ObjectKey, Slot, Versioning, attribute};
use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        BucketVersioningStatus, CommonPrefix, DeleteMarkerEntry, ETag, GetBucketVersioningInput,
        GetBucketVersioningOutput, ListObjectVersionsInput, ListObjectVersionsOutput, MFADelete,
        ObjectVersion, ObjectVersionStorageClass, Owner, PutBucketVersioningInput,
        PutBucketVersioningOutput, TimestampFormat,
    },
    s3_error,
};
use store::{
    Found, ListCursor, ListedVersion, Marker, Object, VersionCursor, VersionEntry, VersionQuery,
};

use super::{
    Handler,
    buckets::timestamp,
    caller,
    list::{Names, limit, shown},
};
use crate::{errors, listing::after_marker, names};

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// An object that a client asks for: the latest of its key, or the version that it names.
pub(super) async fn find(
    handler: &Handler,
    (bucket, key): (&BucketName, &ObjectKey),
    slot: Option<Slot>,
) -> S3Result<Object> {
    let found = handler.store.find(bucket, key, slot).await;
    match found.map_err(|error| errors::read(&error))? {
        Found::Object(object) => Ok(*object),
        Found::Nothing if slot.is_some() => Err(errors::no_such_version()),
        Found::Nothing => Err(errors::no_such_key()),
        Found::Marker(marker) => Err(is_deleted(&marker, slot)),
    }
}

/// The id of an object version, as answers show it: not of a bucket that never had versioning.
pub(super) fn shown_id(
    handler: &Handler,
    bucket: &BucketName,
    slot: Slot,
) -> S3Result<Option<String>> {
    let versioning = handler.store.versioning(bucket).map_err(|error| errors::read(&error))?;
    Ok(versioning.id(slot).map(|id| id.to_string()))
}

/// A delete marker stands where an object was asked for.
fn is_deleted(marker: &Marker, asked: Option<Slot>) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::try_from(marker.slot.to_string()) {
        headers.insert(VERSION_ID, id);
    }
    let mut error = if asked.is_none() {
        errors::no_such_key()
    } else {
        headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        let mut modified = Vec::new();
        let time = timestamp(marker.version.hlc.millis());
        if time.format(TimestampFormat::HttpDate, &mut modified).is_ok()
            && let Ok(modified) = HeaderValue::from_bytes(&modified)
        {
            headers.insert(header::LAST_MODIFIED, modified);
        }
        s3_error!(MethodNotAllowed, "The version is a delete marker, which can only be deleted")
    };
    error.set_headers(headers);
    error
}

pub(super) async fn get_bucket_versioning(
    handler: &Handler,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let caller = caller(&request)?;
    let bucket = names::bucket(request.input.bucket)?;
    handler.bucket(&bucket, &caller)?;
    let versioning = handler.store.versioning(&bucket).map_err(|error| errors::read(&error))?;
    let status = versioning.as_str().map(BucketVersioningStatus::from_static);
    Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
}

pub(super) async fn put_bucket_versioning(
    handler: &Handler,
    request: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    let caller = caller(&request)?;
    let asked = request.input.versioning_configuration;
    if asked.mfa_delete.is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
        return Err(s3_error!(NotImplemented, "There is no MFA delete here"));
    }
    let mut words =
        [Versioning::Enabled, Versioning::Suspended].into_iter().filter_map(|v| v.as_str());
    let asked = asked.status.as_ref().map(BucketVersioningStatus::as_str);
    let Some(word) = words.find(|word| Some(*word) == asked) else {
        return Err(s3_error!(
            IllegalVersioningConfigurationException,
            "The versioning configuration must have the status Enabled or Suspended"
        ));
    };
    let (bucket, value) =
        (names::bucket(request.input.bucket)?, Bytes::from_static(word.as_bytes()));
    let set =
        handler.store.set_bucket_attribute(bucket, attribute::VERSIONING, Some(value), caller);
    set.await.map_err(errors::write)?;
    Ok(S3Response::new(PutBucketVersioningOutput::default()))
}

pub(super) async fn list_object_versions(
    handler: &Handler,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let caller = caller(&request)?;
    let input = request.input;
    let names = Names::new(input.encoding_type)?;
    let limit = limit(input.max_keys)?;
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    let id_marker = input.version_id_marker;
    let after = after((key_marker.clone(), id_marker.as_deref()), &prefix, &input.delimiter)?;
    let query = VersionQuery { prefix, delimiter: input.delimiter, after, limit };
    let bucket = names::bucket(input.bucket)?;
    let owner = handler.owner(&handler.bucket(&bucket, &caller)?.owner)?;
    let (bucket, query, listing) = handler
        .read(move |store| {
            let listing = store.list_versions(&bucket, &query)?;
            Ok((bucket, query, listing))
        })
        .await?;
    let next = listing.entries.last().filter(|_| listing.truncated).map(VersionEntry::cursor);
    let (next_key, next_id) = match next {
        None => (None, None),
        Some(VersionCursor::Slot(key, slot)) => (Some(key), Some(slot.to_string())),
        Some(VersionCursor::Key(text) | VersionCursor::Prefix(text)) => (Some(text), None),
    };
    let mut output = ListObjectVersionsOutput {
        name: Some(bucket.into()),
        prefix: Some(names.show(query.prefix)),
        delimiter: query.delimiter.map(|text| names.show(text)),
        encoding_type: names.encoding(),
        key_marker: Some(names.show(key_marker.unwrap_or_default())),
        version_id_marker: Some(id_marker.unwrap_or_default()),
        max_keys: Some(shown(query.limit)),
        is_truncated: Some(listing.truncated),
        next_key_marker: next_key.map(|key| names.show(key)),
        next_version_id_marker: next_id,
        ..ListObjectVersionsOutput::default()
    };
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            VersionEntry::CommonPrefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(names.show(prefix)) });
            }
            VersionEntry::Version(listed) if listed.object.is_none() => {
                markers.push(marker(listed, &owner, &names));
            }
            VersionEntry::Version(listed) => versions.push(version(listed, &owner, &names)),
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
    Ok(S3Response::new(output))
}

/// Where a listing goes on behind a key, or behind one version of it.
fn after(
    (key, id): (Option<String>, Option<&str>),
    prefix: &str,
    delimiter: &Option<String>,
) -> S3Result<Option<VersionCursor>> {
    match (key, id.filter(|id| !id.is_empty())) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker"
        )),
        (Some(key), Some(id)) => Ok(Some(VersionCursor::Slot(key, names::slot(id)?))),
        (Some(key), None) => Ok(Some(match after_marker(key, prefix, delimiter.as_deref()) {
            ListCursor::Key(key) => VersionCursor::Key(key),
            ListCursor::Prefix(prefix) => VersionCursor::Prefix(prefix),
        })),
    }
}

fn version(listed: ListedVersion, owner: &Owner, names: &Names) -> ObjectVersion {
    let (size, etag) = listed.object.unzip();
    let standard = ObjectVersionStorageClass::STANDARD;
    ObjectVersion {
        key: Some(names.show(listed.key)),
        version_id: Some(listed.slot.to_string()),
        is_latest: Some(listed.latest),
        last_modified: Some(timestamp(listed.version.hlc.millis())),
        e_tag: etag.map(|etag| ETag::Strong(etag.0)),
        size: size.and_then(|size| i64::try_from(size).ok()),
        owner: Some(owner.clone()),
        storage_class: Some(ObjectVersionStorageClass::from_static(standard)),
        ..ObjectVersion::default()
    }
}

fn marker(listed: ListedVersion, owner: &Owner, names: &Names) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(names.show(listed.key)),
        version_id: Some(listed.slot.to_string()),
        is_latest: Some(listed.latest),
        last_modified: Some(timestamp(listed.version.hlc.millis())),
        owner: Some(owner.clone()),
    }
}
