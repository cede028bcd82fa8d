//! Signatures of version 2 over a bucket: boto asks for `/photos` and signs `/photos/`, others sign
//! what they ask for, and S3 takes both. s3s knows the path only, so it may be asked twice.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Request, StatusCode, Uri, header, request::Parts};
use s3s::{
    Body, HttpError, HttpResponse, StdError,
    service::S3Service,
    stream::{ByteStream, DynByteStream},
};

use crate::host::Addressed;

/// The path that the client may have signed, if it is not the one it asks for.
pub(crate) fn also_signed(
    uri: &Uri,
    headers: &HeaderMap,
    addressed: &Addressed<'_>,
) -> Option<Uri> {
    let by_header = headers.get(header::AUTHORIZATION);
    let by_header = by_header.is_some_and(|by| by.as_bytes().starts_with(b"AWS "));
    let by_link = || uri.query().is_some_and(|query| query.contains("AWSAccessKeyId="));
    let bucket = matches!(addressed, Addressed::Bucket { .. }) && !uri.path().ends_with('/');
    if !bucket || !(by_header || by_link()) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}/{query}", uri.path()).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Asks for a path, and if that is not what was signed, for the path that the client sent.
pub(crate) async fn call(
    s3: &S3Service,
    signed: Uri,
    (parts, body): (Parts, Body),
) -> Result<HttpResponse, HttpError> {
    let lent = Lent(Arc::new(Mutex::new(body)));
    let mut first = parts.clone();
    first.uri = signed;
    let answer = s3.call(Request::from_parts(first, lent.body())).await?;
    // The signature is looked at before the body, which is then still whole.
    if answer.status() != StatusCode::FORBIDDEN || !says(&answer, "SignatureDoesNotMatch") {
        return Ok(answer);
    }
    s3.call(Request::from_parts(parts, lent.body())).await
}

fn says(answer: &HttpResponse, code: &str) -> bool {
    let body = answer.body().bytes();
    let text = body.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| text.contains(&format!("<Code>{code}</Code>")))
}

/// A body that is given out more than once; whoever reads it has it.
#[derive(Clone)]
struct Lent(Arc<Mutex<Body>>);

impl Lent {
    fn body(&self) -> Body {
        let stream: DynByteStream = Box::pin(self.clone());
        Body::from(stream)
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_next(cx)
    }
}

impl ByteStream for Lent {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::host::Hosts;

    #[test]
    fn only_a_bucket_in_a_path_may_be_signed_in_two_ways() {
        let also = |uri: &str, authorization: &'static str| {
            let uri: Uri = uri.parse().expect("a URI");
            let by = HeaderValue::from_static(authorization);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, by)]);
            let addressed = Hosts::default().addressed(&uri, None);
            also_signed(&uri, &headers, &addressed).map(|uri| uri.to_string())
        };
        assert_eq!(also("/photos", "AWS a:b").as_deref(), Some("/photos/"));
        assert_eq!(also("/photos?acl", "AWS a:b").as_deref(), Some("/photos/?acl"));
        let link = "/photos?AWSAccessKeyId=a&Expires=1&Signature=b";
        assert_eq!(also(link, "").map(|uri| uri.len()), Some(link.len() + 1));
        for (uri, authorization) in [
            ("/photos/", "AWS a:b"),
            ("/photos/a", "AWS a:b"),
            ("/", "AWS a:b"),
            ("/photos", "AWS4-HMAC-SHA256 x"),
        ] {
            assert_eq!(also(uri, authorization), None, "{uri} {authorization}");
        }
    }
}
