//! Blocks and segments: content-addressed, written once, never changed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// How many blocks one segment names, and the most that a manifest names without segments.
///
/// 1,024 blocks of 1 MiB are 1 GiB in 37 KiB of references; 5 TiB are 5,120 segments in 220 KiB,
/// so that no event passes [`crate::EVENT_BYTES_MAX`].
pub const BLOCKS_PER_SEGMENT: usize = 1_024;

/// The most segments that an object may have and still be sure of its event: with 10,000 parts, each
/// of which may end in a shorter block, and all the names and metadata that S3 allows, it stays below
/// [`crate::EVENT_BYTES_MAX`], as a test of `schemas` says.
pub const SEGMENTS_MAX: u64 = 7 * 1_024;

/// Bytes of an object; the limit of S3.
pub const OBJECT_BYTES_MAX: u64 = 5 << 40;

/// Bytes that an object in blocks of this size may have: 448 GiB with the smallest, 64 KiB, and from
/// 732 KiB on all that S3 allows.
#[must_use]
pub fn object_bytes_max(block_size: u64) -> u64 {
    let segment = block_size.saturating_mul(BLOCKS_PER_SEGMENT as u64);
    segment.saturating_mul(SEGMENTS_MAX).min(OBJECT_BYTES_MAX)
}

/// Name of a block: SHA-256 of the bytes that are stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockHash(pub Digest);

impl BlockHash {
    /// Name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes))
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the bytes behind a hash are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum BlockKind {
    /// A piece of an object's body.
    Block,
    /// A [`Segment`].
    Segment,
}

/// A stored run of bytes, by name and length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct BlockRef {
    pub hash: BlockHash,
    /// Length of the stored bytes.
    pub length: u32,
}

impl BlockRef {
    /// How many bytes of a body it holds, if each block is longer by this.
    #[must_use]
    pub fn body_bytes(self, seal: u32) -> u64 {
        self.length.saturating_sub(seal).into()
    }
}

/// A stored [`Segment`], and how many bytes its blocks have, so that a range is found without
/// reading the segments before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SegmentRef {
    pub stored: BlockRef,
    pub span: u64,
}

impl SegmentRef {
    /// How many bytes of a body its blocks hold, if each is longer by this.
    #[must_use]
    pub fn body_bytes(self, seal: u32) -> u64 {
        let blocks = u64::from(self.stored.length) / Segment::ENTRY as u64;
        self.span.saturating_sub(blocks * u64::from(seal))
    }
}

/// A list of up to [`BLOCKS_PER_SEGMENT`] blocks, itself stored and pulled like a block.
///
/// Layout: 36 bytes a block, the hash and then the length, big-endian.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment(pub Vec<BlockRef>);

/// Bytes that are no segment, though their hash was right: the writer made them wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("segment of {0} bytes is not 1 to {BLOCKS_PER_SEGMENT} entries of 36 bytes")]
pub struct SegmentError(usize);

impl Segment {
    const ENTRY: usize = 36;

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * Self::ENTRY);
        for block in &self.0 {
            bytes.extend_from_slice(&block.hash.0.0);
            bytes.extend_from_slice(&block.length.to_be_bytes());
        }
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// If the length is no multiple of an entry, zero, or more than a segment holds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SegmentError> {
        let error = SegmentError(bytes.len());
        let (entries, rest) = bytes.as_chunks::<{ Self::ENTRY }>();
        if !rest.is_empty() || !(1..=BLOCKS_PER_SEGMENT).contains(&entries.len()) {
            return Err(error);
        }
        let block = |entry: &[u8; Self::ENTRY]| {
            let (hash, length) = entry.split_first_chunk::<32>()?;
            let length = u32::from_be_bytes(length.try_into().ok()?);
            Some(BlockRef { hash: BlockHash(Digest(*hash)), length })
        };
        entries.iter().map(block).collect::<Option<_>>().map(Self).ok_or(error)
    }

    /// How many bytes the segment's blocks have: of the object, and where it is encrypted, their seals.
    #[must_use]
    pub fn span(&self) -> u64 {
        self.0.iter().map(|block| u64::from(block.length)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_object_follows_from_the_block_size() {
        assert_eq!(object_bytes_max(64 << 10), 448 << 30);
        assert_eq!(object_bytes_max(512 << 10), 3_584 << 30);
        assert!(object_bytes_max(731 << 10) < OBJECT_BYTES_MAX);
        assert_eq!(object_bytes_max(732 << 10), OBJECT_BYTES_MAX);
        assert_eq!(object_bytes_max(u64::MAX), OBJECT_BYTES_MAX);
    }

    #[test]
    fn segment_survives_its_stored_form_and_refuses_other_lengths() {
        let block = |n: u8| BlockRef { hash: BlockHash::of(&[n]), length: u32::from(n) };
        let segment = Segment((1..=9).map(block).collect());
        assert_eq!(Segment::from_bytes(&segment.to_bytes()), Ok(segment.clone()));
        assert_eq!(segment.span(), 45);
        for bad in [0, 35, 37, 36 * (BLOCKS_PER_SEGMENT + 1)] {
            assert_eq!(Segment::from_bytes(&vec![0; bad]), Err(SegmentError(bad)));
        }
    }
}
