//! A request as it came, as far as its record needs it: taken down by reference, and read when the
//! record is written.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use model::{Millis, RequestId};
use s3s::Body;
use tokio::time::Instant;

use super::noted::Noted;
use crate::{access::Peer, query::parameters, tls_session::TlsSession};

/// What came.
pub(super) struct Seen {
    pub(super) id: RequestId,
    pub(super) time: Millis,
    pub(super) started: Instant,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) peer: Option<Peer>,
    pub(super) tls: Option<TlsSession>,
    pub(super) host: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) copy_source: Option<HeaderValue>,
    /// Of the object that the body is, if it is one.
    pub(super) content_length: Option<u64>,
    pub(super) signed: Signed,
}

/// How a request says that it is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Signed {
    pub(super) version: Option<&'static str>,
    pub(super) by: Option<&'static str>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) status: Option<StatusCode>,
    pub(super) error: Option<String>,
    /// Of the object that was read.
    pub(super) object_size: Option<u64>,
    pub(super) sent: u64,
    pub(super) turn_around: Option<Duration>,
    pub(super) total: Duration,
}

/// A request whose answer has gone out.
pub(super) struct Entry {
    pub(super) seen: Seen,
    pub(super) noted: Noted,
    pub(super) outcome: Outcome,
}

impl Seen {
    pub(super) fn of(request: &Request<Body>, id: RequestId, time: Millis) -> Self {
        let (headers, extensions) = (request.headers(), request.extensions());
        let header = |name: &str| headers.get(name).cloned();
        let decoded = headers.get("x-amz-decoded-content-length");
        let length = decoded.or_else(|| headers.get(header::CONTENT_LENGTH));
        Self {
            id,
            time,
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            peer: extensions.get().copied(),
            tls: extensions.get().copied(),
            // HTTP/2 names it within the address.
            host: header("host").or_else(|| authority(request.uri())),
            referer: header("referer"),
            user_agent: header("user-agent"),
            copy_source: header("x-amz-copy-source"),
            content_length: length.and_then(number),
            signed: Signed::of(request.uri(), headers),
        }
    }
}

fn authority(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

impl Signed {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let by = |version, by| Self { version: Some(version), by: Some(by) };
        let header = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let has = |name: &str| parameters(uri).any(|one| one.name() == name);
        match header {
            Some(header) if header.starts_with(b"AWS4-") => by("SigV4", "AuthHeader"),
            Some(header) if header.starts_with(b"AWS ") => by("SigV2", "AuthHeader"),
            Some(_) => Self::default(),
            None if has("X-Amz-Signature") => by("SigV4", "QueryString"),
            None if has("AWSAccessKeyId") => by("SigV2", "QueryString"),
            None => Self::default(),
        }
    }
}

/// Size of the object that an answer shows, or shows a part of.
pub(super) fn object_size<B>(answer: &Response<B>) -> Option<u64> {
    let header = |name| answer.headers().get(name);
    match header(header::CONTENT_RANGE) {
        Some(range) => range.to_str().ok()?.rsplit_once('/')?.1.parse().ok(),
        None if answer.status() == StatusCode::OK => number(header(header::CONTENT_LENGTH)?),
        None => None,
    }
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_request_is_signed_follows_from_its_header_or_its_url() {
        let signed = |uri: &str, authorization: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            let header = authorization.map(HeaderValue::from_static);
            header.and_then(|header| headers.insert("authorization", header));
            let signed = Signed::of(&uri.parse().unwrap(), &headers);
            (signed.version.unwrap_or("-"), signed.by.unwrap_or("-"))
        };
        assert_eq!(signed("/a", Some("AWS4-HMAC-SHA256 Credential=x")), ("SigV4", "AuthHeader"));
        assert_eq!(signed("/a", Some("AWS key:signature")), ("SigV2", "AuthHeader"));
        assert_eq!(signed("/a?b=1&X-Amz-Signature=x", None), ("SigV4", "QueryString"));
        assert_eq!(signed("/a?AWSAccessKeyId=x&Signature=y", None), ("SigV2", "QueryString"));
        assert_eq!(signed("/X-Amz-Signature=a", None), ("-", "-"));
        assert_eq!(signed("/a", Some("Basic x")), ("-", "-"));
    }

    #[test]
    fn the_size_of_an_object_is_that_of_all_of_it() {
        let size = |status, headers: &[(&str, &str)]| {
            let answer = Response::builder().status(status);
            let answer =
                headers.iter().fold(answer, |all, (name, value)| all.header(*name, *value));
            object_size(&answer.body(()).unwrap())
        };
        assert_eq!(size(200, &[("content-length", "7")]), Some(7));
        let part = [("content-length", "2"), ("content-range", "bytes 0-1/9")];
        assert_eq!(size(206, &part), Some(9));
        assert_eq!(size(416, &[("content-range", "bytes */9")]), Some(9));
        assert_eq!(size(404, &[("content-length", "300")]), None);
        assert_eq!(size(206, &[("content-range", "bytes 0-1/*")]), None);
    }
}
