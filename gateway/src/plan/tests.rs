use model::{BlockHash, SegmentRef};
use proptest::prelude::*;

use super::*;

fn blocks(body: &[u8], size: usize) -> Vec<BlockRef> {
    let named = |piece: &[u8]| BlockRef {
        hash: BlockHash::of(piece),
        length: u32::try_from(piece.len()).expect("short"),
    };
    body.chunks(size).map(named).collect()
}

/// Bytes that differ everywhere, so that no two blocks of a test share a name.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("below 251")).collect()
}

/// Of a body in blocks of ten.
fn piece(stored: BlockRef, n: u64, range: Range<u64>) -> Piece {
    Piece { kind: BlockKind::Block, stored, range, start: 10 * n }
}

#[test]
fn range_inside_one_block_needs_only_that_block() {
    let blocks = blocks(&body(30), 10);
    let plan = plan(&Content::Blocks(blocks.clone()), 0, 12..15);
    assert_eq!(plan, Plan::Pieces([piece(blocks[1], 1, 2..5)].into()));
}

#[test]
fn range_over_the_edge_of_blocks_takes_a_part_of_each() {
    let blocks = blocks(&body(30), 10);
    let plan = plan(&Content::Blocks(blocks.clone()), 0, 9..21);
    let wanted =
        [piece(blocks[0], 0, 9..10), piece(blocks[1], 1, 0..10), piece(blocks[2], 2, 0..1)];
    assert_eq!(plan, Plan::Pieces(wanted.into()));
}

#[test]
fn empty_range_needs_nothing() {
    let blocks = blocks(&body(30), 10);
    assert_eq!(plan(&Content::Blocks(blocks), 0, 10..10), Plan::Pieces(VecDeque::new()));
    let inline = Content::Inline(Bytes::from_static(b"hello"));
    assert_eq!(plan(&inline, 0, 5..5), Plan::Inline(Bytes::new()));
}

#[test]
fn inline_range_is_cut_from_the_manifest_and_never_past_its_end() {
    let inline = Content::Inline(Bytes::from_static(b"hello"));
    assert_eq!(plan(&inline, 0, 1..4), Plan::Inline(Bytes::from_static(b"ell")));
    assert_eq!(plan(&inline, 0, 3..99), Plan::Inline(Bytes::from_static(b"lo")));
    assert_eq!(plan(&inline, 0, 7..99), Plan::Inline(Bytes::new()));
}

proptest! {
    #[test]
    fn pieces_of_any_content_give_exactly_the_range(
        length in 0_usize..400,
        block in 1_usize..40,
        per_segment in 1_usize..7,
        ends in (0_usize..400, 0_usize..400),
        seal in prop_oneof![Just(0), Just(model::SEAL_BYTES)],
    ) {
        let body = body(length);
        let (start, end) = (ends.0.min(ends.1).min(length), ends.0.max(ends.1).min(length));
        let range = start as u64..end as u64;
        let mut blocks = blocks(&body, block);
        blocks.iter_mut().for_each(|block| block.length += seal);
        let bytes: std::collections::HashMap<_, _> =
            body.chunks(block).map(|piece| (BlockHash::of(piece), piece)).collect();
        let segments: Vec<Segment> =
            blocks.chunks(per_segment).map(|run| Segment(run.to_vec())).collect();
        let refs = segments.iter().map(|segment| {
            let stored = segment.to_bytes();
            let length = u32::try_from(stored.len()).expect("short");
            let stored = BlockRef { hash: BlockHash::of(&stored), length };
            SegmentRef { stored, span: segment.span() }
        });
        let contents = [Content::Blocks(blocks.clone()), Content::Segments(refs.collect())];
        for content in contents {
            let Plan::Pieces(pieces) = plan(&content, seal, range.clone()) else {
                panic!("not inline")
            };
            let mut read = Vec::new();
            for piece in pieces {
                prop_assert!(!piece.range.is_empty());
                let parts = match piece.kind {
                    BlockKind::Block => VecDeque::from([piece]),
                    BlockKind::Segment => {
                        let segment = segments
                            .iter()
                            .find(|s| BlockHash::of(&s.to_bytes()) == piece.stored.hash)
                            .expect("named");
                        expand(segment, seal, (piece.start, piece.range))
                    }
                };
                for part in parts {
                    let (from, to) = (part.range.start as usize, part.range.end as usize);
                    let held = bytes[&part.stored.hash];
                    prop_assert!(body[part.start as usize..].starts_with(held), "its place");
                    read.extend_from_slice(&held[from..to]);
                }
            }
            prop_assert_eq!(&read[..], &body[start..end]);
        }
    }
}
