//! Prints what one event costs, in nanoseconds: `cargo run --release -p schemas --example codec_speed`.

use std::{collections::BTreeMap, error::Error, hint::black_box};

use bytes::Bytes;
use model::{
    BLOCKS_PER_SEGMENT, BlockHash, BlockRef, BucketName, Change, Content, Digest, ETag, Epoch,
    Event, Hlc, Manifest, ObjectKey, Part, Partition, Parts, Position, RequestId, SegmentRef, Seq,
    SiteId, Slot, Version,
};
use schemas::{Codec, Keys};
use tokio::time::Instant;

/// How long each figure is measured.
const ROUND_NANOS: u128 = 1_000_000_000;
const KIB: usize = 1_024;

fn main() -> Result<(), Box<dyn Error>> {
    let codec = Codec::new(Keys::parse(&format!("main:{}", "11".repeat(32)), "key")?);
    measure(&codec, "4 KiB inline", &event(inline(4 * KIB))?)?;
    measure(&codec, "64 KiB inline", &event(inline(64 * KIB))?)?;
    measure(&codec, "1,024 blocks", &event(blocks())?)?;
    measure(&codec, "5,120 segments, 10,000 parts", &event(segments())?)
}

fn measure(codec: &Codec, name: &str, event: &Event) -> Result<(), Box<dyn Error>> {
    let payload = codec.seal(event)?.payload;
    println!("{name}: {} bytes", payload.len());
    print("seal", || codec.seal(event).is_ok());
    print("open", || codec.open(&payload).is_ok());
    print("envelope", || codec.envelope(&payload).is_ok());
    print("digest", || Digest::of(&payload) != Digest::ZERO);
    Ok(())
}

/// Times `work` for a second after as many rounds of warming up as a tenth of that.
fn print(name: &str, work: impl Fn() -> bool) {
    let run = |nanos: u128| {
        let (start, mut rounds) = (Instant::now(), 0u128);
        while start.elapsed().as_nanos() < nanos {
            for _ in 0..16 {
                assert!(black_box(work()), "{name} fails");
            }
            rounds += 16;
        }
        start.elapsed().as_nanos() / rounds
    };
    run(ROUND_NANOS / 10);
    println!("  {name:<10}{:>10} ns", run(ROUND_NANOS));
}

fn event((size, parts, content): (u64, Parts, Content)) -> Result<Event, Box<dyn Error>> {
    let site = SiteId([7; 16]);
    let version = Version { hlc: Hlc(1 << 56), site };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let manifest = Manifest {
        size,
        etag: ETag("5d41402abc4b2a76b9719d911017c592".to_owned()),
        headers: BTreeMap::from([pair("content-type", "application/octet-stream")]),
        metadata: BTreeMap::from([pair("mtime", "1700000000"), pair("owner", "backup")]),
        checksums: BTreeMap::from([pair("crc64nvme", "AAAAAAAAAAA=")]),
        parts,
        content,
        encryption: None,
    };
    let change = Change::ObjectPut {
        bucket: BucketName::try_from("photographs".to_owned())?,
        key: ObjectKey::try_from("2024/11/24/IMG_0001.jpg".to_owned())?,
        slot: Slot::Null,
        birth: version,
        manifest: Box::new(manifest),
    };
    let position = Position {
        site,
        epoch: Epoch(1_700_000_000_000),
        partition: Partition(9),
        seq: Seq(1_000_000),
    };
    Ok(Event {
        position,
        version,
        prev: Digest::of(b"before"),
        volume: 1 << 40,
        request: RequestId(1),
        change,
    })
}

fn inline(bytes: usize) -> (u64, Parts, Content) {
    let body = Content::Inline(Bytes::from(vec![0x5A; bytes]));
    (bytes as u64, Parts::Whole, body)
}

fn block(n: usize) -> BlockRef {
    BlockRef { hash: BlockHash::of(&n.to_be_bytes()), length: 1 << 20 }
}

fn blocks() -> (u64, Parts, Content) {
    let blocks = (0..BLOCKS_PER_SEGMENT).map(block).collect();
    (1 << 30, Parts::Whole, Content::Blocks(blocks))
}

fn segments() -> (u64, Parts, Content) {
    let segment = |n| SegmentRef { stored: block(n), span: 1 << 30 };
    let part = Part { size: (5 << 40) / 10_000, md5: [9; 16] };
    let segments = (0..5_120).map(segment).collect();
    (5 << 40, Parts::Listed(vec![part; 10_000]), Content::Segments(segments))
}
