//! Taking in a body: cut into blocks, hashed and written while it arrives.
//!
//! Memory is bounded: one block that is being filled and [`BLOCKS_IN_FLIGHT`] that are being
//! hashed and written. Pieces of the body are kept as they came and never copied together, but
//! for a small body that goes into the manifest, and a block that is sealed: its pieces are being
//! digested meanwhile, so it is sealed in the one copy of them. Dropping an upload leaves only files that no
//! record names; each is reported as such, also one whose write ends after that, and the collector
//! deletes them.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use model::{BLOCKS_PER_SEGMENT, BlockHash, BlockRef, Content, SEAL_BYTES, Segment, SegmentRef};
use object_store::PutPayload;
use tokio::task::JoinHandle;

use crate::{
    blocks::hash_pieces,
    errors::{BlockError, UploadError},
    pins::Lease,
    rules::blocks::Segments,
    seal::Sealer,
    store::Shared,
};

/// Blocks of one upload that are being hashed and written: enough to keep both cores and the
/// disk busy while the client sends the next.
const BLOCKS_IN_FLIGHT: usize = 4;

/// A task of its own: it goes on when the upload is dropped, and then what it wrote is garbage.
type InFlight = JoinHandle<Result<(BlockRef, Kept), UploadError>>;

/// A body that is arriving.
pub struct Upload {
    shared: Arc<Shared>,
    pending: Vec<Bytes>,
    pending_length: usize,
    size: u64,
    in_flight: VecDeque<InFlight>,
    block_size: usize,
    inline_max: usize,
    /// Seals each block, if the body is encrypted.
    sealer: Option<Arc<Sealer>>,
    /// Where in the body the block begins that is being filled.
    at: u64,
    stored: Stored,
}

/// What has been written so far.
struct Stored {
    shared: Arc<Shared>,
    lease: Lease,
    blocks: Vec<BlockRef>,
    segments: Vec<SegmentRef>,
    children: Segments,
    /// Files that this upload wrote: garbage unless it is committed.
    fresh: Vec<BlockHash>,
}

/// A body that is on this site's disk but in no manifest yet. Its blocks are safe from the
/// collector while this lives.
pub struct Uploaded {
    content: Content,
    size: u64,
    stored: Stored,
}

impl Upload {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let stored = Stored {
            shared: Arc::clone(shared),
            lease: Lease::new(&shared.pins),
            blocks: Vec::new(),
            segments: Vec::new(),
            children: Segments::new(),
            fresh: Vec::new(),
        };
        Self {
            shared: Arc::clone(shared),
            pending: Vec::new(),
            pending_length: 0,
            size: 0,
            in_flight: VecDeque::new(),
            block_size: shared.block_size,
            inline_max: shared.inline_max,
            sealer: None,
            at: 0,
            stored,
        }
    }

    /// An upload whose body is in blocks however small it is; only one of no bytes is inline.
    pub(crate) fn in_blocks(shared: &Arc<Shared>) -> Self {
        Self { inline_max: 0, ..Self::new(shared) }
    }

    /// Seals what it writes. A block is not longer for it, but holds less of the body.
    pub(crate) fn sealed(mut self, sealer: Sealer) -> Self {
        self.block_size = self.block_size.saturating_sub(SEAL_BYTES as usize).max(1);
        self.sealer = Some(Arc::new(sealer));
        self
    }

    /// Cuts into other blocks than the site does.
    #[cfg(test)]
    pub(crate) fn block_size(&mut self, bytes: usize) {
        self.block_size = bytes;
    }

    /// Takes the next piece of the body. Waits while too many blocks are being written.
    ///
    /// # Errors
    /// If a block before it could not be written.
    pub async fn write(&mut self, mut piece: Bytes) -> Result<(), UploadError> {
        self.size += piece.len() as u64;
        while self.pending_length + piece.len() >= self.block_size {
            let rest = piece.split_off(self.block_size - self.pending_length);
            self.push(piece);
            self.cut().await?;
            piece = rest;
        }
        self.push(piece);
        Ok(())
    }

    fn push(&mut self, piece: Bytes) {
        self.pending_length += piece.len();
        if !piece.is_empty() {
            self.pending.push(piece);
        }
    }

    /// Starts writing what is pending as one block.
    async fn cut(&mut self) -> Result<(), UploadError> {
        if self.in_flight.len() == BLOCKS_IN_FLIGHT {
            self.settle_one().await?;
        }
        let pieces = std::mem::take(&mut self.pending);
        let length = u32::try_from(std::mem::take(&mut self.pending_length));
        let length = length.expect("a block is at most `block_size`, which fits");
        let at = self.at;
        self.at += u64::from(length);
        let (shared, sealer) = (Arc::clone(&self.shared), self.sealer.clone());
        let length = length + if sealer.is_some() { SEAL_BYTES } else { 0 };
        self.in_flight.push_back(tokio::spawn(async move {
            let hashed = tokio::task::spawn_blocking(move || {
                let pieces = match sealer {
                    Some(sealer) => vec![sealer.seal(at, &pieces)],
                    None => pieces,
                };
                (hash_pieces(&pieces), pieces)
            });
            let (hash, pieces) = hashed.await.map_err(UploadError::Task)?;
            let kept = shared.keep(hash, PutPayload::from_iter(pieces)).await?;
            Ok((BlockRef { hash, length }, kept))
        }));
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), UploadError> {
        let Some(oldest) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let (block, kept) = oldest.await.map_err(UploadError::Task)??;
        self.stored.take(kept);
        self.stored.blocks.push(block);
        if self.stored.blocks.len() > BLOCKS_PER_SEGMENT {
            self.stored.close_segment().await?;
        }
        Ok(())
    }

    /// Ends the body. Its blocks are durable when this returns.
    ///
    /// # Errors
    /// If a block could not be written.
    pub async fn finish(mut self) -> Result<Uploaded, UploadError> {
        let size = self.size;
        if size <= self.inline_max as u64 && self.in_flight.is_empty() {
            let body = match self.sealer {
                // An empty body has nothing to hide.
                Some(sealer) if size > 0 => sealer.seal(0, &self.pending),
                _ => concatenate(self.pending),
            };
            let content = Content::Inline(body);
            return Ok(Uploaded { content, size, stored: self.stored });
        }
        if self.pending_length > 0 {
            self.cut().await?;
        }
        while !self.in_flight.is_empty() {
            self.settle_one().await?;
        }
        let mut stored = self.stored;
        let content = if stored.segments.is_empty() {
            Content::Blocks(std::mem::take(&mut stored.blocks))
        } else {
            stored.close_segment().await?;
            Content::Segments(std::mem::take(&mut stored.segments))
        };
        Ok(Uploaded { content, size, stored })
    }
}

impl Stored {
    fn take(&mut self, kept: Kept) {
        let (lease, fresh) = kept.settle();
        self.lease.merge(lease);
        self.fresh.extend(fresh);
    }

    /// Writes up to a segment's worth of the blocks so far as a segment.
    async fn close_segment(&mut self) -> Result<(), UploadError> {
        let rest = self.blocks.split_off(BLOCKS_PER_SEGMENT.min(self.blocks.len()));
        let segment = Segment(std::mem::replace(&mut self.blocks, rest));
        let (held, kept) = self.shared.keep_segment(&segment).await?;
        self.take(kept);
        self.segments.push(held);
        self.children.insert(held.stored.hash, segment.0);
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // Also after a commit: the collector looks at the records before it deletes anything.
        self.shared.orphaned(std::mem::take(&mut self.fresh));
    }
}

impl Uploaded {
    /// Bytes of the body.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the body is: what goes into the manifest.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn segments(&self) -> Segments {
        self.stored.children.clone()
    }

    /// The commit stands: none of the files is garbage.
    pub(crate) fn committed(&mut self) {
        self.stored.fresh.clear();
    }
}

/// A block whose file is at this site, and safe from the collector while this lives. Unless it is
/// settled, a file that was written for it is garbage: who asked for it has gone meanwhile.
pub(crate) struct Kept {
    shared: Arc<Shared>,
    lease: Lease,
    /// A file that was written, or begun.
    fresh: Option<BlockHash>,
}

impl Kept {
    /// Hands over the lease, and the file that was written, if one was.
    pub(crate) fn settle(mut self) -> (Lease, Option<BlockHash>) {
        (self.lease.take(), self.fresh.take())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shared.orphaned(self.fresh.take().into_iter().collect());
    }
}

impl Shared {
    /// Writes a block file unless a record says that it is here. To be run to its end: a write goes
    /// on without the lease when nobody waits for it any more.
    async fn keep(
        self: Arc<Self>,
        hash: BlockHash,
        payload: PutPayload,
    ) -> Result<Kept, UploadError> {
        self.gate.room()?;
        let lease = Lease::new(&self.pins);
        let mut kept = Kept { shared: Arc::clone(&self), lease, fresh: None };
        kept.lease.add(hash).await;
        let record = self.block_record(hash).map_err(BlockError::from)?;
        let here = record.is_some_and(|record| record.here && record.refs > 0);
        if !here {
            kept.fresh = Some(hash);
            self.blocks.put(hash, payload).await?;
            ops::crash::point(ops::crash::BLOCK_UPLOADED);
        }
        Ok(kept)
    }

    /// Writes a segment, as [`Shared::keep`] does a block.
    pub(crate) async fn keep_segment(
        self: &Arc<Self>,
        segment: &Segment,
    ) -> Result<(SegmentRef, Kept), UploadError> {
        let bytes = Bytes::from(segment.to_bytes());
        let hash = BlockHash::of(&bytes);
        let length = u32::try_from(bytes.len()).expect("a segment is at most 36 KiB");
        let keep = tokio::spawn(Arc::clone(self).keep(hash, PutPayload::from(bytes)));
        let kept = keep.await.map_err(UploadError::Task)??;
        Ok((SegmentRef { stored: BlockRef { hash, length }, span: segment.span() }, kept))
    }
}

fn concatenate(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests;
