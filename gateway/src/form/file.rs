//! The file of a form: a stream that ends at the boundary behind it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use memchr::memmem;
use s3s::{Body, StdError, stream::ByteStream};

/// Bytes behind a file that are read and dropped, so that the connection can be used again: as
/// many as the fields in front of one may have.
const BEHIND_BYTES_MAX: usize = super::reader::FIELDS_BYTES_MAX;

/// The form ended within its file.
#[derive(Debug, thiserror::Error)]
#[error("the form has no end")]
struct NoEnd;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Within,
    /// Behind the file; so many more bytes are read.
    Behind(usize),
    Ended,
}

/// Bytes of a file on their way in.
pub(super) struct File {
    body: Body,
    buffer: BytesMut,
    between: Vec<u8>,
    state: State,
}

impl File {
    /// A file whose first bytes have come already.
    pub(super) fn new(body: Body, buffer: BytesMut, between: Vec<u8>) -> Self {
        Self { body, buffer, between, state: State::Within }
    }

    /// What of the buffer belongs to the file for certain.
    fn certain(&mut self) -> Bytes {
        if let Some(at) = memmem::find(&self.buffer, &self.between) {
            self.state = State::Behind(BEHIND_BYTES_MAX);
            return self.buffer.split_to(at).freeze();
        }
        // The last bytes may begin a boundary.
        let certain = self.buffer.len().saturating_sub(self.between.len() - 1);
        self.buffer.split_to(certain).freeze()
    }

    /// Takes note of what came; the error that the stream ends with, if it does.
    fn came(&mut self, next: Option<Result<Bytes, StdError>>) -> Option<StdError> {
        match (next, self.state) {
            (Some(Ok(bytes)), State::Within) => self.buffer.extend_from_slice(&bytes),
            (Some(Ok(bytes)), State::Behind(left)) => {
                self.state = left.checked_sub(bytes.len()).map_or(State::Ended, State::Behind);
            }
            (end, State::Within) => {
                self.state = State::Ended;
                return Some(end.and_then(Result::err).unwrap_or_else(|| NoEnd.into()));
            }
            // The file came whole: nobody asks how the form ended.
            _ => self.state = State::Ended,
        }
        None
    }
}

impl Stream for File {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.state != State::Ended {
            if self.state == State::Within {
                let bytes = self.certain();
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
            let next = ready!(Pin::new(&mut self.body).poll_next(cx));
            if let Some(error) = self.came(next) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(None)
    }
}

impl ByteStream for File {}
