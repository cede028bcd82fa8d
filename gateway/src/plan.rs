//! Which stored bytes a range of an object is made of, in order. Pure: nothing is read here.
//!
//! The pieces cover the range exactly, and each is a part of one block or one segment that the
//! range really needs; the reader counts on both.

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;
use model::{BlockKind, BlockRef, Content, Segment};

/// A part of a stored run of bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) kind: BlockKind,
    pub(crate) stored: BlockRef,
    /// Of a block: which of its bytes. Of a segment: which bytes of what its blocks hold.
    pub(crate) range: Range<u64>,
    /// Where in the body that begins which it holds.
    pub(crate) start: u64,
}

/// How a range is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// It is in the manifest.
    Inline(Bytes),
    Pieces(VecDeque<Piece>),
}

/// Plans a range of a body, whose blocks are each `seal` bytes longer than what they hold of it. What
/// lies past the end of the body has no bytes.
pub(crate) fn plan(content: &Content, seal: u32, range: Range<u64>) -> Plan {
    match content {
        Content::Inline(body) => {
            let clamp = |at: u64| usize::try_from(at).map_or(body.len(), |at| at.min(body.len()));
            let (start, end) = (clamp(range.start), clamp(range.end));
            Plan::Inline(body.slice(start.min(end)..end))
        }
        Content::Blocks(blocks) => Plan::Pieces(cover_blocks(blocks, seal, (0, range))),
        Content::Segments(segments) => {
            let runs = segments.iter().map(|s| (BlockKind::Segment, s.stored, s.body_bytes(seal)));
            Plan::Pieces(cover(runs, (0, range)))
        }
    }
}

/// Plans a range of what a segment's blocks hold, and where in the body that begins.
pub(crate) fn expand(segment: &Segment, seal: u32, within: (u64, Range<u64>)) -> VecDeque<Piece> {
    cover_blocks(&segment.0, seal, within)
}

fn cover_blocks(blocks: &[BlockRef], seal: u32, within: (u64, Range<u64>)) -> VecDeque<Piece> {
    cover(blocks.iter().map(|b| (BlockKind::Block, *b, b.body_bytes(seal))), within)
}

fn cover(
    runs: impl Iterator<Item = (BlockKind, BlockRef, u64)>,
    (before, range): (u64, Range<u64>),
) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    let mut start = 0_u64;
    for (kind, stored, span) in runs {
        if start >= range.end {
            break;
        }
        let end = start.saturating_add(span);
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            let range = from - start..to - start;
            pieces.push_back(Piece { kind, stored, range, start: before + start });
        }
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests;
