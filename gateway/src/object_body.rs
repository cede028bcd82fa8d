//! The body of a read: block by block, with one block read ahead.
//!
//! Law 5: the first block is here before the answer begins, so that what cannot be read is an
//! error and not a success cut short; after that, the stream ends well only with every byte that
//! was promised, and otherwise fails, which breaks the connection.

use std::{
    collections::VecDeque,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use model::{BlockKind, Content, Manifest, SEAL_BYTES, Segment, SiteId};
use s3s::{
    StdError,
    stream::{ByteStream, RemainingLength},
};
use store::{BodyKey, Object};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    blocks::{Blocks, FetchError},
    meter::Meter,
    plan::{Piece, Plan, expand, plan},
};

/// What is still to be read.
struct Cursor {
    blocks: Arc<Blocks>,
    origin: SiteId,
    pieces: VecDeque<Piece>,
    /// Opens what is sealed.
    key: Option<BodyKey>,
}

type Ahead = AbortOnDropHandle<(Cursor, Result<Option<Bytes>, FetchError>)>;

/// A range of an object on its way to a client.
pub(crate) struct ObjectBody {
    size: u64,
    remaining: u64,
    ready: Option<Bytes>,
    ahead: Option<Ahead>,
    failed: bool,
    /// Keeps the blocks from being collected.
    _object: Object,
    /// Of the request, which is answered before the body has gone out.
    span: tracing::Span,
    /// Counts what goes out to a client; a copy goes nowhere.
    meter: Option<Meter>,
}

impl ObjectBody {
    /// Begins to read a range, which must lie within the object; `key` is of an encrypted one. Its
    /// first block is here when this returns.
    pub(crate) async fn open(
        blocks: &Arc<Blocks>,
        (object, key): (Object, Option<BodyKey>),
        range: Range<u64>,
        meter: Option<Meter>,
    ) -> Result<Self, FetchError> {
        let size = range.end - range.start;
        let manifest = &object.manifest;
        let (ready, ahead) = match plan(&manifest.content, manifest.seal_bytes(), range.clone()) {
            Plan::Inline(bytes) => (Some(inline(bytes, manifest, key, range)?), None),
            Plan::Pieces(pieces) => {
                let blocks = Arc::clone(blocks);
                let mut cursor = Cursor { blocks, origin: object.origin, pieces, key };
                let first = cursor.next().await?;
                (first, cursor.read_ahead())
            }
        };
        let here = ready.as_ref().map_or(0, Bytes::len) as u64;
        if ahead.is_none() && here < size {
            return Err(FetchError::Short { missing: size - here });
        }
        let (remaining, failed, span) = (size, false, tracing::Span::current());
        Ok(Self { size, remaining, ready, ahead, failed, _object: object, span, meter })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FetchError>> {
        if let Some(bytes) = self.ready.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(self.count(bytes).map(Some));
        }
        let Some(ahead) = &mut self.ahead else {
            let missing = self.remaining;
            let end = if missing == 0 { Ok(None) } else { Err(FetchError::Short { missing }) };
            return Poll::Ready(end);
        };
        let joined = ready!(Pin::new(ahead).poll(cx));
        self.ahead = None;
        let (cursor, bytes) = joined?;
        let Some(bytes) = bytes? else {
            return self.poll(cx);
        };
        self.ahead = cursor.read_ahead();
        Poll::Ready(self.count(bytes).map(Some))
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, FetchError> {
        let length = bytes.len() as u64;
        self.remaining =
            self.remaining.checked_sub(length).ok_or(FetchError::Long { size: self.size })?;
        if let Some(meter) = &self.meter {
            meter.sent(length);
        }
        Ok(bytes)
    }

    /// After a failure the stream is over, and still short of its bytes.
    fn fail(&mut self, error: FetchError) -> StdError {
        (self.ready, self.ahead, self.failed) = (None, None, true);
        let error_chain = ops::chain(&error);
        self.span.in_scope(|| tracing::warn!(error = error_chain, "a read broke off"));
        error.into()
    }
}

impl Stream for ObjectBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let polled = ready!(self.poll(cx));
        Poll::Ready(polled.map_err(|error| self.fail(error)).transpose())
    }
}

impl ByteStream for ObjectBody {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

impl Cursor {
    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let seal = if self.key.is_some() { SEAL_BYTES } else { 0 };
        while let Some(Piece { kind, stored, range, start }) = self.pieces.pop_front() {
            let bytes = self.blocks.get(self.origin, stored, kind).await?;
            match kind {
                BlockKind::Block => {
                    let bytes = match &self.key {
                        Some(key) => key.open(start, bytes)?,
                        None => bytes,
                    };
                    return Ok(Some(cut(&bytes, &range)));
                }
                BlockKind::Segment => {
                    let segment = Segment::from_bytes(&bytes)
                        .map_err(|cause| FetchError::Segment(stored.hash, cause))?;
                    let mut pieces = expand(&segment, seal, (start, range));
                    pieces.append(&mut self.pieces);
                    self.pieces = pieces;
                }
            }
        }
        Ok(None)
    }

    /// Reads the next block while the one before it is being sent.
    fn read_ahead(mut self) -> Option<Ahead> {
        if self.pieces.is_empty() {
            return None;
        }
        let task = tokio::spawn(async move {
            let bytes = self.next().await;
            (self, bytes)
        });
        Some(AbortOnDropHandle::new(task))
    }
}

/// A range of a body that is in the manifest.
fn inline(
    bytes: Bytes,
    manifest: &Manifest,
    key: Option<BodyKey>,
    range: Range<u64>,
) -> Result<Bytes, FetchError> {
    match (key, &manifest.content) {
        (Some(key), Content::Inline(stored)) if !stored.is_empty() => {
            Ok(cut(&key.open(0, stored.clone())?, &range))
        }
        _ => Ok(bytes),
    }
}

/// A part of a block, whose length has been checked against what the range was planned with.
fn cut(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
    bytes.slice(at(range.start)..at(range.end))
}
