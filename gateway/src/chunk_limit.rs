//! Keeps the chunks of `aws-chunked` bodies small before they reach the decoder, which holds a
//! whole chunk in memory, and a chunk may be as large as an object.
//!
//! Chunks without signatures are split: clients that do not sign chunks send the whole body as
//! one. A signed chunk must be whole to be verified, so that one over the limit is refused. What
//! is not understood here is passed on as it is: the decoder judges it.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use s3s::{
    Body, StdError,
    stream::{ByteStream, DynByteStream},
};

/// Bytes of a chunk that the decoder may be given. Clients that sign chunks send 64 KiB to 1 MiB.
pub(crate) const CHUNK_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How the refusal is known again: the decoder passes on no more than the text of an error.
pub(crate) const CHUNK_TOO_LARGE: &str = "with a signature may have at most";

/// Bytes of the pieces that a chunk without signature is split into.
const PIECE_BYTES: u64 = 256 * 1024;

/// Bytes of the line in front of a chunk: a size and a signature are 105.
const LINE_BYTES_MAX: usize = 1_024;

/// A chunk that would have to be held in memory whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("chunk of {0} bytes {CHUNK_TOO_LARGE} {CHUNK_BYTES_MAX}")]
pub(crate) struct ChunkTooLarge(u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the line in front of a chunk.
    Line,
    /// In a chunk: bytes to the end of the piece, and behind it to the end of the chunk.
    Data { piece: u64, behind: u64 },
    /// In the line end behind a chunk: bytes of it.
    End(usize),
    /// Behind the last chunk, or in what is not understood.
    Rest,
}

/// The pure part: bytes in, bytes out.
#[derive(Debug)]
struct Splitter {
    state: State,
    line: Vec<u8>,
    out: VecDeque<Bytes>,
}

/// Wraps a body that its headers say is `aws-chunked`; others stay as they are.
pub(crate) fn limit(headers: &HeaderMap, body: Body) -> Body {
    let hash = headers.get("x-amz-content-sha256");
    if hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-")) {
        let limited: DynByteStream = Box::pin(ChunkLimit { body, splitter: Splitter::new() });
        Body::from(limited)
    } else {
        body
    }
}

struct ChunkLimit {
    body: Body,
    splitter: Splitter,
}

impl Stream for ChunkLimit {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(bytes) = self.splitter.out.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(bytes)) => {
                    if let Err(error) = self.splitter.feed(bytes) {
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

impl ByteStream for ChunkLimit {}

impl Splitter {
    fn new() -> Self {
        Self { state: State::Line, line: Vec::new(), out: VecDeque::new() }
    }

    fn feed(&mut self, mut bytes: Bytes) -> Result<(), ChunkTooLarge> {
        while !bytes.is_empty() {
            match self.state {
                State::Line => self.line(&mut bytes)?,
                State::Data { piece, behind } => self.data(&mut bytes, piece, behind),
                State::End(left) => {
                    let end = bytes.split_to(left.min(bytes.len()));
                    let left = left - end.len();
                    self.state = if left == 0 { State::Line } else { State::End(left) };
                    self.out.push_back(end);
                }
                State::Rest => self.out.push_back(std::mem::take(&mut bytes)),
            }
        }
        Ok(())
    }

    fn line(&mut self, bytes: &mut Bytes) -> Result<(), ChunkTooLarge> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = bytes.split_to(end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(&part);
        if end.is_none() && self.line.len() <= LINE_BYTES_MAX {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let (size, signed) = parse(&line);
        self.state = match size {
            None | Some(0) => State::Rest,
            Some(size) if signed && size > CHUNK_BYTES_MAX => return Err(ChunkTooLarge(size)),
            Some(size) if signed || size <= PIECE_BYTES => State::Data { piece: size, behind: 0 },
            Some(size) => {
                let behind = size - PIECE_BYTES;
                self.out.push_back(Bytes::from(format!("{PIECE_BYTES:x}\r\n")));
                self.state = State::Data { piece: PIECE_BYTES, behind };
                return Ok(());
            }
        };
        self.out.push_back(Bytes::from(line));
        Ok(())
    }

    fn data(&mut self, bytes: &mut Bytes, piece: u64, behind: u64) {
        let take = usize::try_from(piece).map_or(bytes.len(), |piece| piece.min(bytes.len()));
        self.out.push_back(bytes.split_to(take));
        let piece = piece - take as u64;
        self.state = if piece > 0 {
            State::Data { piece, behind }
        } else if behind > 0 {
            let piece = behind.min(PIECE_BYTES);
            self.out.push_back(Bytes::from(format!("\r\n{piece:x}\r\n")));
            State::Data { piece, behind: behind - piece }
        } else {
            State::End(2)
        };
    }
}

/// Size of a chunk, if that is what the line says, and whether anything stands behind it.
fn parse(line: &[u8]) -> (Option<u64>, bool) {
    let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n"));
    let Some(text) = text else {
        return (None, false);
    };
    let (size, extension) = text.split_once(';').unwrap_or((text, ""));
    (u64::from_str_radix(size, 16).ok(), !extension.is_empty())
}

#[cfg(test)]
mod tests;
