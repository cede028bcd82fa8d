//! Law 5: right bytes or an error, also when the bytes are at another site.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use futures::StreamExt;
use model::{BlockHash, BlockKind, Content, SegmentRef, Seq};
use s3s::stream::ByteStream;
use store::{Object, Step};

use super::site::{BLOCK, Site, ask, bytes, codec};
use crate::{
    MissError,
    blocks::{Blocks, FetchError},
    meter::Meter,
    object_body::ObjectBody,
};

const BLOCKS: usize = 6;

/// Two sites: all events of the first are at the second, and none of its blocks.
async fn pair(body: &[u8]) -> (Site, Site) {
    let (east, west) = (Site::with_bucket().await, Site::new(2).await);
    assert_eq!(east.put("/photos/a", body).await.status, 200);
    let epoch = east.store.identity().epoch;
    for partition in east.store.identity().partitions.iter() {
        for event in east.store.history(epoch, partition, Seq::NONE, usize::MAX).unwrap() {
            let event = codec().open(&event.payload).unwrap();
            west.store.apply(vec![Step::Apply(Box::new(event))]).await.unwrap();
        }
    }
    *west.miss.from.lock().unwrap() = Some(east.store.clone());
    (east, west)
}

fn away() -> MissError {
    MissError::OriginAway { site: "east".to_owned() }
}

#[tokio::test]
async fn law_5_blocks_that_are_elsewhere_are_brought_in_order() {
    for blocks in [1, BLOCKS, 1_100] {
        let body = bytes(blocks * BLOCK);
        let (_east, west) = pair(&body).await;
        let got = west.get("/photos/a").await;
        assert_eq!(got.status, 200);
        assert!(got.body == body && !got.broken, "{blocks}");
        let text = west.metrics.render();
        assert!(text.contains("towline_read_misses_total{outcome=\"served\"}"));
    }
}

#[tokio::test]
async fn a_range_brings_only_the_blocks_that_it_needs() {
    let body = bytes(1_100 * BLOCK);
    let (_east, west) = pair(&body).await;
    let first = 1_050 * BLOCK + 1;
    let range = format!("bytes={first}-{}", first + BLOCK);
    let got = west.send(ask("GET", "/photos/a").header("range", &range)).await;
    assert_eq!(got.body, &body[first..=first + BLOCK]);
    let fetched = west.miss.fetched.lock().unwrap();
    let kinds: Vec<_> = fetched.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [BlockKind::Segment, BlockKind::Block, BlockKind::Block]);
    assert_eq!(fetched[1].0.hash, BlockHash::of(&body[1_050 * BLOCK..1_051 * BLOCK]));
}

#[tokio::test]
async fn law_5_a_read_that_cannot_begin_is_an_error_and_names_the_site() {
    let (_east, west) = pair(&bytes(BLOCKS * BLOCK)).await;
    let gone = MissError::Gone { site: "east".to_owned(), block: BlockHash::of(b"") };
    let cases = [
        (away(), "ServiceUnavailable"),
        (gone, "ServiceUnavailable"),
        (MissError::Busy, "SlowDown"),
    ];
    for (failure, code) in cases {
        *west.miss.failure.lock().unwrap() = Some(failure.clone());
        let refused = west.get("/photos/a").await;
        assert_eq!(refused.error(), (503, code.to_owned()));
        let message = refused.tag("Message").unwrap();
        assert!(failure == MissError::Busy || message.contains("`east`"), "{message}");
    }
    assert_eq!(west.send(ask("HEAD", "/photos/a")).await.status, 200);
}

#[tokio::test]
async fn law_5_a_read_that_fails_in_mid_stream_breaks_and_never_ends_well() {
    for works in 1..BLOCKS {
        let body = bytes(BLOCKS * BLOCK);
        let (_east, west) = pair(&body).await;
        *west.miss.failure.lock().unwrap() = Some(away());
        west.miss.works.store(works, Ordering::SeqCst);
        let got = west.get("/photos/a").await;
        assert_eq!(got.status, 200);
        assert!(got.broken, "{works}");
        assert_eq!(got.body, &body[..works * BLOCK]);
    }
}

/// The object as the store gives it, and the blocks of a site that has no other to ask.
async fn alone(site: &Site) -> (Object, Arc<Blocks>, Meter) {
    let (bucket, key) = ("photos".to_owned().try_into(), "a".to_owned().try_into());
    let object = site.store.object(&bucket.unwrap(), &key.unwrap()).await.unwrap().unwrap();
    let meter = Meter::new(site.metrics.clone());
    let blocks = Blocks::new(site.store.clone(), None, meter.clone());
    (object, Arc::new(blocks), meter)
}

#[tokio::test]
async fn law_5_a_block_of_another_length_than_the_manifest_says_is_never_served() {
    let (east, _west) = pair(&bytes(2 * BLOCK)).await;
    let (mut object, blocks, meter) = alone(&east).await;
    let Content::Blocks(named) = &mut object.manifest.content else { panic!("two blocks") };
    named[0].length = 7;
    let opened = ObjectBody::open(&blocks, (object, None), 0..7, Some(meter)).await;
    assert!(matches!(opened.err(), Some(FetchError::Length { actual: BLOCK, .. })));
}

#[tokio::test]
async fn law_5_a_manifest_that_promises_more_than_its_blocks_hold_is_an_error() {
    let (east, _west) = pair(&bytes(2 * BLOCK)).await;
    let (object, blocks, meter) = alone(&east).await;
    let mut body = ObjectBody::open(&blocks, (object, None), 0..1_000, Some(meter)).await.unwrap();
    let mut read = 0;
    let end = loop {
        match body.next().await {
            Some(Ok(bytes)) => read += bytes.len(),
            end => break end,
        }
    };
    assert_eq!(read, 2 * BLOCK);
    assert!(end.expect("an error").is_err());
    assert!(body.next().await.is_none());
    assert_eq!(body.remaining_length().exact(), Some(1_000 - 2 * BLOCK));
}

#[tokio::test]
async fn law_5_a_block_that_is_nowhere_is_an_error() {
    let (_east, west) = pair(&bytes(2 * BLOCK)).await;
    let (object, blocks, meter) = alone(&west).await;
    let size = object.manifest.size;
    let opened = ObjectBody::open(&blocks, (object, None), 0..size, Some(meter)).await;
    assert!(matches!(opened.err(), Some(FetchError::NotHere(_))));
}

#[tokio::test]
async fn law_5_bytes_that_are_no_segment_are_an_error() {
    let (east, _west) = pair(&bytes(2 * BLOCK)).await;
    let (mut object, blocks, meter) = alone(&east).await;
    let Content::Blocks(named) = object.manifest.content else { panic!("two blocks") };
    let segment = SegmentRef { stored: named[0], span: 100 };
    object.manifest.content = Content::Segments(vec![segment]);
    let opened = ObjectBody::open(&blocks, (object, None), 0..100, Some(meter)).await;
    assert!(matches!(opened.err(), Some(FetchError::Segment(..))));
}

fn damage(site: &Site, block: &[u8]) {
    let name = BlockHash::of(block).to_string();
    let path = site.home.path().join("blocks").join(&name[..2]).join(&name);
    assert!(path.exists());
    std::fs::write(path, b"rotten").unwrap();
}

#[tokio::test]
async fn law_5_a_damaged_block_comes_from_the_site_that_wrote_it_or_is_an_error() {
    let body = bytes(2 * BLOCK);
    let (east, west) = pair(&body).await;
    for block in body.chunks(BLOCK) {
        let (hash, bytes) = (BlockHash::of(block), Bytes::copy_from_slice(block));
        west.store.keep_block(hash, BlockKind::Block, bytes).await.unwrap();
    }
    damage(&west, &body[..BLOCK]);
    let got = west.get("/photos/a").await;
    assert!(got.body == body && !got.broken);
    assert_eq!(west.miss.fetched.lock().unwrap().len(), 1);

    damage(&east, &body[..BLOCK]);
    assert_eq!(east.get("/photos/a").await.error(), (500, "InternalError".to_owned()));
}
