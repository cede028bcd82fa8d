//! The requests of one connection, as far as its client may ask.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use s3s::{Body, HttpError, HttpResponse, S3Error, s3_error};
use tokio::sync::watch;

use crate::{
    access::Peer,
    errors,
    limits::{Client, Limits, Live},
    rates::Rates,
    service::Service,
    tls_session::TlsSession,
};

/// Answers what is within the limits, and says what is not.
#[derive(Clone)]
pub(crate) struct Limited {
    pub(crate) service: Arc<Service>,
    pub(crate) live: watch::Receiver<Live>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) client: Client,
    /// `None`: it was gone before anybody asked.
    pub(crate) peer: Option<Peer>,
    pub(crate) tls: Option<TlsSession>,
    /// The client has too many connections: on this one it is only told so.
    pub(crate) excess: bool,
}

/// The limit that a request is beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Beyond {
    Connections,
    HeaderBytes { is: usize, max: usize },
    Requests { wait: Duration },
}

impl Limited {
    /// Takes note of whether the connection is encrypted, and how; `in_front`: on the way to a proxy
    /// before it.
    pub(crate) fn secure(&mut self, tls: Option<Option<TlsSession>>, in_front: bool) {
        let secure = tls.is_some() || in_front;
        (self.peer, self.tls) = (self.peer.map(|peer| Peer { secure, ..peer }), tls.flatten());
    }

    pub(crate) async fn answer(
        self,
        mut request: Request<Body>,
    ) -> Result<HttpResponse, HttpError> {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(tls) = self.tls {
            request.extensions_mut().insert(tls);
        }
        let expects = Expects::of(&request);
        let mut answer = self.within(request).await?;
        if expects.closes(answer.status()) {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    async fn within(self, request: Request<Body>) -> Result<HttpResponse, HttpError> {
        let limits = self.live.borrow().limits;
        let Some(beyond) = self.beyond(&request, &limits) else {
            return self.service.answer(request).await;
        };
        let meter = self.service.meter();
        match beyond {
            // Counted once, when it was accepted.
            Beyond::Connections => {}
            Beyond::HeaderBytes { .. } => meter.limited("header_bytes"),
            Beyond::Requests { .. } => meter.limited("requests"),
        }
        let mut answer = self.service.refuse(&request, beyond.error())?;
        let headers = answer.headers_mut();
        if let Some(seconds) = beyond.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if beyond == Beyond::Connections && request.version() == Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    fn beyond(&self, request: &Request<Body>, limits: &Limits) -> Option<Beyond> {
        if self.excess {
            return Some(Beyond::Connections);
        }
        let (is, max) = (head_bytes(request), limits.header_bytes_max);
        if is > max {
            return Some(Beyond::HeaderBytes { is, max });
        }
        let taken = limits.rate.map(|rate| self.rates.take(self.client, rate));
        taken?.err().map(|wait| Beyond::Requests { wait })
    }
}

impl Beyond {
    fn error(self) -> S3Error {
        match self {
            Self::Connections => s3_error!(SlowDown, "You have too many connections open"),
            Self::HeaderBytes { is, max } => errors::head_too_large(is, max),
            Self::Requests { .. } => s3_error!(SlowDown, "You send requests too fast"),
        }
    }

    /// In whole seconds, at least one.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Connections => Some(1),
            Self::HeaderBytes { .. } => None,
            Self::Requests { wait } => Some(wait.as_secs_f64().ceil().max(1.0) as u64),
        }
    }
}

/// What a client waits for before it sends the body of an HTTP/1.1 request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expects {
    Nothing,
    /// `100 Continue`.
    Continue,
    /// The same before a body of no bytes, for which hyper never sends it.
    ContinueWithNothing,
}

impl Expects {
    fn of<B>(request: &Request<B>) -> Self {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        match (header(header::EXPECT), header(header::CONTENT_LENGTH)) {
            (Some(_), length) if request.version() == Version::HTTP_11 => match length {
                Some(b"0") => Self::ContinueWithNothing,
                _ => Self::Continue,
            },
            _ => Self::Nothing,
        }
    }

    /// Whether the connection ends with the answer. A client that is refused does not send the body it
    /// has announced, and what it asks for next on this connection must not be taken for that. Releases
    /// of botocore up to 1.42 take an answer that came without a `100 Continue` for one, and misread
    /// the next.
    fn closes(self, status: StatusCode) -> bool {
        match self {
            Self::Nothing => false,
            Self::Continue => !status.is_success(),
            Self::ContinueWithNothing => true,
        }
    }
}

/// Bytes of a request's line and headers, as HTTP/1.1 writes them.
fn head_bytes(request: &Request<Body>) -> usize {
    let line = request.method().as_str().len()
        + request.uri().path().len()
        + request.uri().query().map_or(0, str::len);
    let header = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    line + request.headers().iter().map(header).sum::<usize>()
}

impl hyper::service::Service<Request<Incoming>> for Limited {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().answer(request.map(Body::from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_refused_before_its_body_asks_nothing_more_on_its_connection() {
        let closes = |version, headers: &[(&str, &str)], status| {
            let request = Request::put("/a/b").version(version);
            let request =
                headers.iter().fold(request, |request, &(name, value)| request.header(name, value));
            Expects::of(&request.body(()).unwrap()).closes(status)
        };
        let (waits, some, none) =
            (("expect", "100-continue"), ("content-length", "1"), ("content-length", "0"));
        let (v1, ok, refused) = (Version::HTTP_11, StatusCode::OK, StatusCode::NOT_IMPLEMENTED);
        assert!(closes(v1, &[waits, some], refused));
        assert!(closes(v1, &[waits, ("transfer-encoding", "chunked")], refused));
        assert!(!closes(v1, &[waits, some], ok), "the body was taken");
        assert!(!closes(v1, &[some], refused), "the body comes in any case");
        assert!(closes(v1, &[waits, none], ok));
        assert!(!closes(Version::HTTP_2, &[waits, some], refused), "a stream of its own");
    }
}
