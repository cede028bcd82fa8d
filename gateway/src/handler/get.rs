//! `GetObject` and `HeadObject`.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::{Manifest, Parts};
use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        ChecksumMode, ChecksumType, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
        HeadObjectInput, HeadObjectOutput, Range as AskedRange, StreamingBlob, Timestamp,
        TimestampFormat,
    },
    s3_error,
};
use store::Object;

use super::{
    Handler,
    buckets::timestamp,
    lock::{self, ShownLock},
    versions,
};
use crate::{
    access::Reader,
    attributes,
    checksum::{self, Algorithm},
    documents::{Document, lifecycle::Candidate, tags::Tags},
    encryption::{self, Opened, SentKey, customer},
    errors, names,
    object_body::ObjectBody,
    part_checksums,
    preconditions::{Preconditions, TagCondition, Verdict},
    query::parameters,
    range::{self, Asked},
};

/// How many tags an object has; s3s does not say it in the answer to a HEAD.
const TAG_COUNT: &str = "x-amz-tagging-count";

/// A status that the answer to a HEAD has to have; s3s knows only 200 there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeadStatus(pub(crate) StatusCode);

/// What is asked of an object, by GET and HEAD alike.
pub(super) struct Ask {
    bucket: String,
    key: String,
    version: Option<String>,
    preconditions: Preconditions,
    range: Option<AskedRange>,
    part: Option<i32>,
    if_range: Option<HeaderValue>,
    /// The client's own, if the object is encrypted under one.
    sent_key: Option<SentKey>,
}

impl Ask {
    /// A whole object, whatever it is by now.
    pub(super) fn whole(
        (bucket, key): (String, String),
        version: Option<String>,
        sent_key: Option<SentKey>,
    ) -> Self {
        let preconditions = Preconditions::default();
        let (range, part, if_range) = (None, None, None);
        Self { bucket, key, version, preconditions, range, part, if_range, sent_key }
    }
}

/// An object that may be shown, and which bytes of it.
pub(super) struct Found {
    pub(super) object: Object,
    range: Range<u64>,
    partial: bool,
    /// Of the version, if it is to be shown.
    pub(super) id: Option<String>,
    /// The part that was asked for.
    part: Option<usize>,
    expiration: Option<String>,
    /// How many tags it has, if any.
    tags: Option<i32>,
    lock: ShownLock,
    opened: Opened,
}

macro_rules! ask {
    ($request:ident, $sent_key:ident) => {
        Ask {
            sent_key: $sent_key,
            bucket: $request.input.bucket,
            key: $request.input.key,
            version: $request.input.version_id,
            preconditions: Preconditions {
                matches: $request.input.if_match.map(tags),
                matches_none: $request.input.if_none_match.map(tags),
                modified_since: $request.input.if_modified_since.map(seconds),
                unmodified_since: $request.input.if_unmodified_since.map(seconds),
            },
            range: $request.input.range,
            part: $request.input.part_number,
            if_range: $request.headers.get(header::IF_RANGE).cloned(),
        }
    };
}

/// The fields that both answers have.
macro_rules! shown {
    ($output:ident, $found:expr, $checksums:expr) => {{
        let manifest = &$found.object.manifest;
        let only_part = $found.part.is_some() && manifest.parts == Parts::Whole;
        let whole = !$found.partial || only_part;
        let part = $found.part.filter(|_| $checksums);
        let checksums = Checksums { manifest, shown: whole && $checksums, part };
        $output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes::header(manifest, "cache-control"),
            checksum_crc32: checksums.get(Algorithm::Crc32),
            checksum_crc32c: checksums.get(Algorithm::Crc32c),
            checksum_crc64nvme: checksums.get(Algorithm::Crc64Nvme),
            checksum_sha1: checksums.get(Algorithm::Sha1),
            checksum_sha256: checksums.get(Algorithm::Sha256),
            checksum_type: checksums.kind(),
            content_disposition: attributes::header(manifest, "content-disposition"),
            content_encoding: attributes::header(manifest, "content-encoding"),
            content_language: attributes::header(manifest, "content-language"),
            content_length: i64::try_from($found.range.end - $found.range.start).ok(),
            content_range: $found
                .partial
                .then(|| range::content_range(&$found.range, manifest.size)),
            content_type: attributes::header(manifest, "content-type"),
            e_tag: Some(ETag::Strong(manifest.etag.0.clone())),
            expiration: $found.expiration.clone(),
            expires: attributes::expires(manifest),
            last_modified: Some(timestamp($found.object.version.hlc.millis())),
            metadata: attributes::shown_metadata(manifest),
            object_lock_legal_hold_status: $found.lock.hold.clone(),
            object_lock_mode: $found.lock.mode.clone(),
            object_lock_retain_until_date: $found.lock.until.clone(),
            server_side_encryption: $found.opened.shown.method.clone(),
            sse_customer_algorithm: $found.opened.shown.algorithm.clone(),
            sse_customer_key_md5: $found.opened.shown.key_md5.clone(),
            ssekms_key_id: $found.opened.shown.key_id.clone(),
            bucket_key_enabled: $found.opened.shown.bucket_key,
            parts_count: $found.part.and_then(|_| parts_count(manifest)),
            version_id: $found.id.clone(),
            ..$output::default()
        }
    }};
}

pub(super) async fn get_object(
    handler: &Handler,
    mut request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    encryption::of_no_read(&request.headers)?;
    let sent_key = customer!(request.input).key()?;
    answers_as_asked(&request)?;
    let checksums = wants_checksums(request.input.checksum_mode.as_ref());
    let reader = Reader::of(&request)?;
    let found = find(handler, &reader, ask!(request, sent_key)).await?;
    let mut output = shown!(GetObjectOutput, found, checksums);
    let Found { object, range, tags, opened, .. } = found;
    output.tag_count = tags;
    let (object, meter) = ((object, opened.key), Some(handler.meter.clone()));
    let body = ObjectBody::open(&handler.blocks, object, range, meter).await;
    output.body = Some(StreamingBlob::new(body.map_err(errors::fetch)?));
    Ok(S3Response::new(output))
}

pub(super) async fn head_object(
    handler: &Handler,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let reader = Reader::of(&request)?;
    encryption::of_no_read(&request.headers)?;
    answers_as_asked(&request)?;
    let mut request = request;
    let sent_key = customer!(request.input).key()?;
    let input = &mut request.input;
    let checksums = wants_checksums(input.checksum_mode.as_ref());
    let cache_control = input.response_cache_control.take();
    let disposition = input.response_content_disposition.take();
    let encoding = input.response_content_encoding.take();
    let language = input.response_content_language.take();
    let content_type = input.response_content_type.take();
    let expires = input.response_expires.take();
    let found = find(handler, &reader, ask!(request, sent_key)).await?;
    let mut output = shown!(HeadObjectOutput, found, checksums);
    output.cache_control = cache_control.or(output.cache_control);
    output.content_disposition = disposition.or(output.content_disposition);
    output.content_encoding = encoding.or(output.content_encoding);
    output.content_language = language.or(output.content_language);
    output.content_type = content_type.or(output.content_type);
    output.expires = expires.or(output.expires);
    let mut response = S3Response::new(output);
    if let Some(count) = found.tags {
        response.headers.insert(TAG_COUNT, HeaderValue::from(count));
    }
    if found.partial {
        response.extensions.insert(HeadStatus(StatusCode::PARTIAL_CONTENT));
    }
    Ok(response)
}

/// What a header of the answer is to be must be signed for: else any link could make a page of
/// what is open to everybody.
fn answers_as_asked<I>(request: &S3Request<I>) -> S3Result<()> {
    if request.credentials.is_some() {
        return Ok(());
    }
    let asked = parameters(&request.uri).any(|one| one.name().starts_with("response-"));
    let message = "Request specific response headers cannot be used for anonymous GET requests.";
    if asked { Err(s3_error!(InvalidRequest, "{message}")) } else { Ok(()) }
}

pub(super) async fn find(handler: &Handler, reader: &Reader, ask: Ask) -> S3Result<Found> {
    let slot = names::version(ask.version.as_deref())?;
    let (bucket, key) = (names::bucket(ask.bucket)?, names::key(ask.key)?);
    let (object, attributes) = handler.object(reader, (&bucket, &key), slot).await?;
    let opened = handler.opens(&object.manifest, ask.sent_key.as_ref())?;
    let id = versions::shown_id(handler, &bucket, object.slot)?;
    let tags = Tags::of(&attributes).map_err(|error| errors::internal(&error))?;
    let tags = tags.and_then(|tags| tags.count());
    let tags = tags.filter(|_| reader.may_read_tags((&bucket, &key), slot));
    let lock = lock::shown(handler, &attributes);
    let (size, modified) = (object.manifest.size, object.version.hlc.millis());
    let candidate = Candidate { key: key.as_str(), size: Some(size), modified };
    // A version that is named may be one that others took the place of.
    let settings = slot.is_none().then(|| reader.settings()).transpose()?;
    let expiration =
        settings.and_then(|settings| handler.expiration(settings, &candidate, &attributes));
    match ask.preconditions.evaluate(&object.manifest.etag.0, modified) {
        Verdict::Hold => {}
        Verdict::Failed => return Err(errors::precondition_failed()),
        Verdict::NotModified => return Err(not_modified(&object)),
    }
    let range = match (ask.range, ask.part) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(s3_error!(InvalidRequest, "Cannot ask for a range and a part at once"));
        }
        (Some(_), None) if !still_same(ask.if_range.as_ref(), &object) => None,
        (Some(range), None) => {
            Some(range::satisfy(asked(range), size).map_err(|_| unsatisfiable(size))?)
        }
        (None, Some(number)) => {
            let part = u32::try_from(number).ok();
            let range = part.and_then(|part| range::part(&object.manifest.parts, size, part));
            Some(range.ok_or_else(errors::no_such_part)?)
        }
    };
    // Of an empty object no range of bytes can be named.
    let partial = range.as_ref().is_some_and(|range| !range.is_empty());
    let part = ask.part.and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
    let range = range.unwrap_or(0..size);
    Ok(Found { range, partial, id, part, expiration, tags, lock, opened, object })
}

fn asked(range: AskedRange) -> Asked {
    match range {
        AskedRange::Int { first, last } => Asked::From { first, last },
        AskedRange::Suffix { length } => Asked::Last(length),
    }
}

/// Whether a range may be served: not if it would go with bytes of another version.
fn still_same(if_range: Option<&HeaderValue>, object: &Object) -> bool {
    let Some(value) = if_range else { return true };
    let Ok(text) = value.to_str() else {
        return false;
    };
    let same_tag = text.trim_matches('"') == object.manifest.etag.0;
    same_tag
        || Timestamp::parse(TimestampFormat::HttpDate, text).is_ok_and(|time| {
            let modified = timestamp(object.version.hlc.millis());
            seconds(time) == seconds(modified)
        })
}

pub(crate) fn tags(condition: ETagCondition) -> TagCondition {
    match condition {
        ETagCondition::Any => TagCondition::Any,
        ETagCondition::ETag(etag) => TagCondition::listed(etag.value()),
    }
}

pub(crate) fn seconds(time: Timestamp) -> i64 {
    time::OffsetDateTime::from(time).unix_timestamp()
}

fn wants_checksums(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

/// The checksums of a manifest, if they are to be shown: of the whole object or of the part that
/// was asked for, since they are of no use for any other bytes of it.
struct Checksums<'m> {
    manifest: &'m Manifest,
    shown: bool,
    part: Option<usize>,
}

impl Checksums<'_> {
    fn get(&self, algorithm: Algorithm) -> Option<String> {
        if self.shown {
            return self.manifest.checksums.get(algorithm.name()).cloned();
        }
        part_checksums::one(self.manifest, algorithm, self.part?)
    }

    fn kind(&self) -> Option<ChecksumType> {
        let shown = self.shown || Algorithm::ALL.into_iter().any(|which| self.get(which).is_some());
        let value = self.manifest.checksums.values().next().filter(|_| shown)?;
        Some(checksum::kind(value))
    }
}

fn parts_count(manifest: &Manifest) -> Option<i32> {
    match &manifest.parts {
        Parts::Whole => None,
        Parts::Listed(parts) => i32::try_from(parts.len()).ok(),
    }
}

fn unsatisfiable(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "The object has {size} bytes, and none of these");
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(header::CONTENT_RANGE, value);
        error.set_headers(headers);
    }
    error
}

fn not_modified(object: &Object) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", object.manifest.etag.0)) {
        headers.insert(header::ETAG, etag);
    }
    let mut modified = Vec::new();
    let time = timestamp(object.version.hlc.millis());
    if time.format(TimestampFormat::HttpDate, &mut modified).is_ok()
        && let Ok(modified) = HeaderValue::from_bytes(&modified)
    {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}
