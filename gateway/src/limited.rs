//! The requests of one connection, as far as its client may ask.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use s3s::{Body, HttpError, HttpResponse, S3Error, s3_error};
use tokio::sync::watch;

use crate::{
    access::Peer,
    errors,
    limits::{Client, Limits, Live},
    rates::Rates,
    service::Service,
};

/// Answers what is within the limits, and says what is not.
#[derive(Clone)]
pub(crate) struct Limited {
    pub(crate) service: Service,
    pub(crate) live: watch::Receiver<Live>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) client: Client,
    /// `None`: it was gone before anybody asked.
    pub(crate) peer: Option<Peer>,
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
    /// Takes note of whether the connection is encrypted.
    pub(crate) fn secure(&mut self, secure: bool) {
        self.peer = self.peer.map(|peer| Peer { secure, ..peer });
    }

    pub(crate) async fn answer(
        self,
        mut request: Request<Body>,
    ) -> Result<HttpResponse, HttpError> {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
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
