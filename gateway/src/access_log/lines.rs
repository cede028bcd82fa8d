//! The lines of a request: one, and of a copy another for its source, and of a request that deletes
//! several keys one for each.

use std::sync::Arc;

use http::{HeaderValue, Version};
use model::BucketName;
use s3s::dto::CopySource;

use super::{
    decoded,
    noted::DeletedKey,
    operation::{About, BATCH_DELETE, Operation},
    record::{Line, Record},
    seen::{Entry, Seen},
};
use crate::{
    host::Hosts,
    listing::url_encode,
    query::parameter,
    settings::{AllSettings, Settings},
};

/// Status of a key that was deleted with others.
const DELETED: u16 = 204;

/// What a line is read with.
pub(super) struct Reading<'a> {
    pub(super) hosts: &'a Hosts,
    pub(super) settings: &'a AllSettings,
    /// Id of the site.
    pub(super) host_id: &'a str,
}

/// A bucket that exists.
pub(super) struct Known {
    pub(super) name: BucketName,
    pub(super) settings: Arc<Settings>,
}

/// Source of a copy, as its header names it.
pub(super) struct Source {
    pub(super) bucket: String,
    key: String,
    version: Option<String>,
}

/// A header without a value is shown as one with a dash.
const ABSENT: &[u8] = b"-";

/// Takes each line, and the bucket that it is about.
pub(super) type Take<'a> = &'a mut dyn FnMut(Option<&Known>, &[u8]);

/// Writes all lines of a request.
pub(super) fn write(entry: &Entry, reading: &Reading<'_>, take: Take<'_>) {
    let Entry { seen, noted, outcome } = entry;
    let (bucket, path_key) = reading.hosts.object_of(&seen.uri, seen.host.as_ref());
    let bucket = bucket.map(|bucket| decoded(&bucket));
    let about = match (&bucket, path_key) {
        (None, _) => About::Service,
        (Some(_), "") => About::Bucket,
        (Some(_), _) => About::Object,
    };
    let operation = Operation::of((&seen.method, &seen.uri), about, seen.copy_source.is_some());
    let known = bucket.as_deref().and_then(|bucket| known(bucket, reading));
    let key = if path_key.is_empty() { noted.get_key() } else { Some(path_key) };
    let key = key.map(|key| if path_key.is_empty() { url_encode(key) } else { encoded(key) });
    let version = parameter(&seen.uri, "versionId");
    let name = operation.name();
    let made = outcome.status.is_some_and(|status| status.is_success());
    let object_size = match &operation {
        operation if operation.reads() => outcome.object_size,
        operation if operation.brings() => seen.content_length.filter(|_| made),
        _ => noted.get_object_size(),
    };
    let target = seen.uri.path_and_query().map_or("*", |target| target.as_str());
    let method = seen.method.as_str();
    let record = Record {
        operation: &name,
        key: key.as_deref(),
        line: Some(Line { method, target, protocol: protocol(seen.version) }),
        bytes_sent: Some(outcome.sent),
        object_size,
        total_time: millis(Some(outcome.total)),
        turn_around_time: millis(outcome.turn_around),
        referer: Some(seen.referer.as_ref().map_or(ABSENT, HeaderValue::as_bytes)),
        user_agent: Some(seen.user_agent.as_ref().map_or(ABSENT, HeaderValue::as_bytes)),
        version: version.as_deref(),
        ..beginning(entry, reading)
    };
    write_one(record, (bucket.as_deref(), known.as_ref()), take);
    for deleted in noted.get_deleted() {
        write_deleted(entry, (deleted, reading), (bucket.as_deref(), known.as_ref()), take);
    }
    if let Some(name) = operation.of_source()
        && let Some(source) = seen.copy_source.as_ref().and_then(source)
    {
        let key = url_encode(&source.key);
        let record = Record {
            operation: &name,
            key: Some(&key),
            object_size,
            version: source.version.as_deref(),
            ..beginning(entry, reading)
        };
        let known = self::known(&source.bucket, reading);
        write_one(record, (Some(&source.bucket), known.as_ref()), take);
    }
}

fn write_deleted(
    entry: &Entry,
    (deleted, reading): (&DeletedKey, &Reading<'_>),
    about: (Option<&str>, Option<&Known>),
    take: Take<'_>,
) {
    let key = url_encode(&deleted.key);
    let (status, error) = match &deleted.error {
        None => (DELETED, None),
        Some((status, code)) => (*status, Some(code.as_str())),
    };
    let record = Record {
        operation: BATCH_DELETE,
        key: Some(&key),
        status: Some(status),
        error,
        version: deleted.version.as_deref(),
        ..beginning(entry, reading)
    };
    write_one(record, about, take);
}

/// What all lines of a request have in common.
fn beginning<'a>(entry: &'a Entry, reading: &Reading<'a>) -> Record<'a> {
    let Entry { seen, noted, outcome } = entry;
    let Seen { id, time, peer, tls, host, signed, .. } = seen;
    Record {
        time: *time,
        remote_ip: peer.map(|peer| peer.ip),
        requester: noted.get_requester().map(|user| user.as_str()),
        request: *id,
        status: outcome.status.map(|status| status.as_u16()),
        error: outcome.error.as_deref(),
        host_id: reading.host_id,
        signature: signed.version,
        cipher_suite: tls.map(|tls| tls.cipher_suite),
        authentication: signed.by,
        host: host.as_ref().map(HeaderValue::as_bytes),
        tls: tls.map(|tls| tls.version),
        acl_required: noted.is_by_acl(),
        ..Record::default()
    }
}

fn write_one(record: Record<'_>, about: (Option<&str>, Option<&Known>), take: Take<'_>) {
    let (bucket, known) = about;
    let bucket_owner = known.map(|known| known.settings.owner().as_str());
    let mut line = Vec::with_capacity(512);
    Record { bucket, bucket_owner, ..record }.write(&mut line);
    take(known, &line);
}

fn known(bucket: &str, reading: &Reading<'_>) -> Option<Known> {
    let name = BucketName::try_from(bucket.to_owned()).ok()?;
    let settings = reading.settings.of(&name).ok()??;
    Some(Known { name, settings })
}

/// What the header of a copy names.
pub(super) fn source(header: &HeaderValue) -> Option<Source> {
    match CopySource::parse(header.to_str().ok()?).ok()? {
        CopySource::Bucket { bucket, key, version_id } => Some(Source {
            bucket: bucket.into(),
            key: key.into(),
            version: version_id.map(Into::into),
        }),
        _ => None,
    }
}

/// A key as it stands in a path, encoded alike whoever sent it.
fn encoded(key: &str) -> String {
    let plain = crate::query::decoded_path(key);
    // What is no text was refused; it is shown as it came.
    plain.map_or_else(|| key.to_owned(), |plain| url_encode(&plain))
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

fn millis(time: Option<std::time::Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
