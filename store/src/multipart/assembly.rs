//! Putting the parts of an upload together.

use std::sync::Arc;

use bytes::Bytes;
use model::{BLOCKS_PER_SEGMENT, BlockRef, Content, Segment, SegmentRef};

use crate::{
    caller::Caller,
    errors::{BlockError, ReadError, UploadError, WriteError},
    records::PartRecord,
    rules::{
        blocks::Segments,
        multipart::{self, MultipartName},
    },
    store::Store,
};

/// Parts that are being put together. Their blocks need no lease: the upload names them, and the
/// commit at the end checks that it still does.
pub(super) struct Assembly<'a> {
    store: &'a Store,
    /// Which, on whose behalf, and the revision that was seen.
    upload: (&'a MultipartName, &'a Caller, u64),
    blocks: Vec<BlockRef>,
    segments: Vec<SegmentRef>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(store: &'a Store, upload: (&'a MultipartName, &'a Caller, u64)) -> Self {
        Self { store, upload, blocks: Vec::new(), segments: Vec::new() }
    }

    /// Adds the next part.
    pub(super) async fn take(&mut self, number: u16) -> Result<(), WriteError> {
        let (name, ..) = self.upload;
        // 10,000 parts in a row would hold up the requests beside this one.
        let (shared, row) = (Arc::clone(&self.store.shared), PartRecord::key(name.id, number));
        let part = tokio::task::spawn_blocking(move || shared.get::<PartRecord>(&row)).await;
        let part = part.map_err(UploadError::Task)?.map_err(read)?;
        let part = part.ok_or(WriteError::UploadChanged)?;
        match part.content {
            Content::Inline(_) => {}
            Content::Blocks(blocks) => self.add(blocks).await?,
            Content::Segments(segments) => {
                for segment in segments {
                    let blocks = self.children(segment.stored).await?;
                    self.add(blocks).await?;
                }
            }
        }
        Ok(())
    }

    /// The blocks that a segment of a part names. One that is not here ended with its upload.
    async fn children(&self, segment: BlockRef) -> Result<Vec<BlockRef>, WriteError> {
        let bytes = self.store.block(segment).await.map_err(UploadError::from)?;
        let bytes = bytes.ok_or(WriteError::UploadChanged)?;
        let damaged = |_| WriteError::from(UploadError::from(BlockError::Damaged(segment.hash)));
        Segment::from_bytes(&bytes).map(|segment| segment.0).map_err(damaged)
    }

    async fn add(&mut self, blocks: Vec<BlockRef>) -> Result<(), WriteError> {
        for block in blocks {
            self.blocks.push(block);
            if self.blocks.len() > BLOCKS_PER_SEGMENT {
                self.close_segment().await?;
            }
        }
        Ok(())
    }

    /// Writes up to a segment's worth of the blocks so far, and has the upload name it.
    async fn close_segment(&mut self) -> Result<(), WriteError> {
        let rest = self.blocks.split_off(BLOCKS_PER_SEGMENT.min(self.blocks.len()));
        let segment = Segment(std::mem::replace(&mut self.blocks, rest));
        let (held, kept) = self.store.shared.keep_segment(&segment).await?;
        let index = u32::try_from(self.segments.len()).expect("5 TiB have 5,120 segments");
        self.segments.push(held);
        let segments = Segments::from([(held.stored.hash, segment.0)]);
        let (name, caller, revision) = self.upload;
        let (name, caller) = (name.clone(), caller.clone());
        let rule = self.store.shared.committer.run(move |section| {
            let seen = (&caller, revision);
            multipart::hold_segment(section, (&name, index), seen, held, &segments).map(|()| kept)
        });
        // Without the commit, the file is nobody's.
        let _named = rule.await?.settle();
        Ok(())
    }

    /// The content of the object.
    pub(super) async fn finish(mut self, size: u64) -> Result<Content, WriteError> {
        if size == 0 {
            return Ok(Content::Inline(Bytes::new()));
        }
        if self.segments.is_empty() {
            return Ok(Content::Blocks(self.blocks));
        }
        if !self.blocks.is_empty() {
            self.close_segment().await?;
        }
        Ok(Content::Segments(self.segments))
    }
}

fn read(error: ReadError) -> WriteError {
    UploadError::from(BlockError::from(error)).into()
}
