//! A request that is under way, and will be a record when its answer has gone out, or its client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use s3s::{Body, HttpError, HttpResponse, StdError};
use tokio::time::Instant;

use super::{
    AccessLog,
    noted::Noted,
    seen::{Entry, object_size},
};

/// Sends the record off when it is dropped: that is the end of every request.
pub(crate) struct Pending {
    log: AccessLog,
    entry: Option<Box<Entry>>,
}

impl Pending {
    pub(super) fn new(log: AccessLog, entry: Box<Entry>) -> Self {
        Self { log, entry: Some(entry) }
    }

    /// Where others leave what they find out.
    pub(crate) fn noted(&self) -> Noted {
        self.entry.as_ref().map(|entry| entry.noted.clone()).unwrap_or_default()
    }

    /// The head of the answer is on its way; `error` is its code.
    pub(crate) fn answered(
        mut self,
        answer: Result<HttpResponse, HttpError>,
        error: Option<String>,
    ) -> Result<HttpResponse, HttpError> {
        if let (Some(entry), Ok(answer)) = (&mut self.entry, &answer) {
            let received = entry.noted.get_received().unwrap_or(entry.seen.started);
            entry.outcome.status = Some(answer.status());
            entry.outcome.error = error;
            entry.outcome.object_size = object_size(answer);
            entry.outcome.turn_around = Some(received.elapsed());
        }
        Ok(answer?.map(|body| {
            // Nobody asks for what is not there, and HTTP has rules of its own for it.
            if body.is_end_stream() {
                return body;
            }
            Body::http_body_unsync(Sent { body, pending: self })
        }))
    }

    fn sent(&mut self, bytes: u64) {
        if let Some(entry) = &mut self.entry {
            entry.outcome.sent += bytes;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.outcome.total = entry.seen.started.elapsed();
            self.log.send(entry);
        }
    }
}

/// The error that an answer is, by its code.
pub(crate) fn code(answer: &Result<HttpResponse, HttpError>) -> Option<String> {
    let answer = answer.as_ref().ok()?;
    let failed = answer.status().is_client_error() || answer.status().is_server_error();
    let body = answer.body().bytes().filter(|_| failed)?;
    let text = std::str::from_utf8(&body).ok()?;
    Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned())
}

/// The body of an answer, counted while it goes out.
struct Sent {
    body: Body,
    pending: Pending,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.pending.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request, which takes note of when it has come whole.
pub(crate) fn receiving(body: Body, noted: Noted) -> Body {
    if body.is_end_stream() { body } else { Body::http_body_unsync(Received { body, noted }) }
}

struct Received {
    body: Body,
    noted: Noted,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // Who knows how many bytes there are does not ask for what is behind the last.
        let ended = matches!(polled, Poll::Ready(None));
        if ended || polled.is_ready() && self.body.is_end_stream() {
            self.noted.received(Instant::now());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
