//! Manifests: from which an object is presented to clients.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    BLOCKS_PER_SEGMENT, BlockKind, BlockRef, Digest, Encryption, Hasher, SEAL_BYTES, SegmentRef,
};

/// Entity tag as S3 shows it, without quotes: MD5 in hexadecimal, `-N` behind it for N parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ETag(pub String);

/// One part of a multipart upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    pub size: u64,
    /// MD5 of the part.
    pub md5: [u8; 16],
}

/// The parts that an object was uploaded in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Parts {
    /// Uploaded whole.
    Whole,
    /// Part after part. 10,000 of them are 210 KiB of an event.
    Listed(Vec<Part>),
}

/// Where the body is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Content {
    /// In the manifest itself.
    Inline(Bytes),
    /// In up to [`BLOCKS_PER_SEGMENT`] blocks, in order.
    Blocks(Vec<BlockRef>),
    /// In segments, in order, each full but the last.
    Segments(Vec<SegmentRef>),
}

impl Content {
    /// What the manifest itself names, with its kind; a segment's own blocks stand in the segment.
    pub fn named(&self) -> impl Iterator<Item = (BlockKind, BlockRef)> + '_ {
        let (blocks, segments): (&[BlockRef], &[SegmentRef]) = match self {
            Self::Inline(_) => (&[], &[]),
            Self::Blocks(blocks) => (blocks, &[]),
            Self::Segments(segments) => (&[], segments),
        };
        let blocks = blocks.iter().map(|block| (BlockKind::Block, *block));
        blocks.chain(segments.iter().map(|segment| (BlockKind::Segment, segment.stored)))
    }
}

/// Content and descriptive headers of one object version: immutable once committed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Bytes of the body.
    pub size: u64,
    pub etag: ETag,
    /// Standard headers kept with the object, lower-case name to value: `content-type`,
    /// `cache-control`, `content-disposition`, `content-encoding`, `content-language`, `expires`.
    pub headers: BTreeMap<String, String>,
    /// User metadata, lower-case name without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Additional checksums, algorithm to value as S3 writes it.
    pub checksums: BTreeMap<String, String>,
    pub parts: Parts,
    pub content: Content,
    /// How the content is encrypted. `None`: it is the body itself.
    pub encryption: Option<Encryption>,
}

impl Manifest {
    /// Digest of everything a client can see: what identity means beside the version (law 11).
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(&self.size.to_be_bytes());
        hasher.field(self.etag.0.as_bytes());
        for map in [&self.headers, &self.metadata, &self.checksums] {
            hasher.update(&(map.len() as u64).to_be_bytes());
            for (name, value) in map {
                hasher.field(name.as_bytes());
                hasher.field(value.as_bytes());
            }
        }
        match &self.parts {
            Parts::Whole => hasher.update(&[0]),
            Parts::Listed(parts) => {
                hasher.update(&[1]);
                for part in parts {
                    hasher.update(&part.size.to_be_bytes());
                    hasher.update(&part.md5);
                }
            }
        }
        match &self.content {
            Content::Inline(body) => {
                hasher.update(&[0]);
                hasher.field(body);
            }
            Content::Blocks(blocks) => {
                hasher.update(&[1]);
                hasher.update(&(blocks.len() as u64).to_be_bytes());
            }
            Content::Segments(segments) => {
                hasher.update(&[2]);
                hasher.update(&(segments.len() as u64).to_be_bytes());
            }
        }
        for (_, block) in self.content.named() {
            hasher.update(&block.hash.0.0);
            hasher.update(&block.length.to_be_bytes());
        }
        // Behind all else, and only if it is there: digests of what is not encrypted stay as they were.
        if let Some(encryption) = &self.encryption {
            encryption.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether the parts of the manifest fit each other: an invariant at every commit.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let seal = self.seal_bytes();
        let content = match &self.content {
            // An empty body has nothing to hide.
            Content::Inline(body) if body.is_empty() => self.size == 0,
            Content::Inline(body) => body.len() as u64 == self.size + u64::from(seal),
            Content::Blocks(blocks) => {
                blocks.len() <= BLOCKS_PER_SEGMENT
                    && blocks.iter().all(|block| block.length >= seal)
                    && blocks.iter().map(|block| block.body_bytes(seal)).sum::<u64>() == self.size
            }
            Content::Segments(segments) => {
                segments.iter().map(|segment| segment.body_bytes(seal)).sum::<u64>() == self.size
            }
        };
        let parts = match &self.parts {
            Parts::Whole => true,
            Parts::Listed(parts) => parts.iter().map(|p| p.size).sum::<u64>() == self.size,
        };
        content && parts
    }

    /// How much longer each stored block is than what it holds of the body.
    #[must_use]
    pub fn seal_bytes(&self) -> u32 {
        if self.encryption.is_some() { SEAL_BYTES } else { 0 }
    }
}
