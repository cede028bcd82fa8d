use proptest::prelude::*;

use super::*;

/// What comes out, and the largest chunk in it, decoded independently.
fn run(input: &[u8], cut: usize) -> Result<(Vec<u8>, u64), ChunkTooLarge> {
    let mut splitter = Splitter::new();
    for part in input.chunks(cut.max(1)) {
        splitter.feed(Bytes::copy_from_slice(part))?;
    }
    let out: Vec<u8> = splitter.out.into_iter().flatten().collect();
    let (mut body, mut rest, mut largest) = (Vec::new(), &out[..], 0);
    while let Some(end) = rest.iter().position(|&b| b == b'\n') {
        let (Some(size), _) = parse(&rest[..=end]) else {
            break;
        };
        rest = &rest[end + 1..];
        if size == 0 {
            break;
        }
        let length = usize::try_from(size).expect("short");
        body.extend_from_slice(&rest[..length]);
        assert_eq!(&rest[length..length + 2], b"\r\n");
        rest = &rest[length + 2..];
        largest = largest.max(size);
    }
    body.extend_from_slice(rest);
    Ok((body, largest))
}

#[test]
fn one_chunk_of_a_whole_body_is_split_and_its_trailer_kept() {
    let body: Vec<u8> = (0..700_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    let mut input = format!("{:x}\r\n", body.len()).into_bytes();
    input.extend_from_slice(&body);
    input.extend_from_slice(b"\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    let (out, largest) = run(&input, 8_000).expect("not signed");
    assert_eq!(largest, PIECE_BYTES);
    assert_eq!(&out[..body.len()], &body[..]);
    assert_eq!(&out[body.len()..], b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n");
}

#[test]
fn signed_chunks_are_never_touched_but_refused_over_the_limit() {
    let line = format!("400;chunk-signature={}\r\n", "a".repeat(64));
    let input = [line.as_bytes(), &[7; 1_024], b"\r\n", line.as_bytes()].concat();
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::from(input.clone())).expect("small");
    let out: Vec<u8> = splitter.out.into_iter().flatten().collect();
    assert_eq!(out, input);
    let large = format!("{:x};chunk-signature=00\r\n", CHUNK_BYTES_MAX + 1);
    assert_eq!(Splitter::new().feed(Bytes::from(large)), Err(ChunkTooLarge(CHUNK_BYTES_MAX + 1)));
}

#[test]
fn what_is_no_chunk_is_passed_on() {
    let endless = "f".repeat(LINE_BYTES_MAX + 10);
    for odd in ["hello\r\nworld", "-1\r\n", "10\nbody", endless.as_str()] {
        let mut splitter = Splitter::new();
        splitter.feed(Bytes::from(odd.to_owned())).expect("passed on");
        let out: Vec<u8> = splitter.out.into_iter().flatten().collect();
        assert_eq!(out, odd.as_bytes());
    }
}

proptest! {
    #[test]
    fn any_cut_of_the_wire_gives_the_same_body(
        sizes in prop::collection::vec(1_usize..300_000, 0..4),
        cut in 1_usize..70_000,
    ) {
        let mut input = Vec::new();
        let mut body = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            let chunk = vec![u8::try_from(n).expect("few"); *size];
            input.extend_from_slice(format!("{size:x}\r\n").as_bytes());
            input.extend_from_slice(&chunk);
            input.extend_from_slice(b"\r\n");
            body.extend_from_slice(&chunk);
        }
        input.extend_from_slice(b"0\r\n\r\n");
        let (out, largest) = run(&input, cut).expect("not signed");
        prop_assert!(largest <= PIECE_BYTES);
        prop_assert_eq!(&out[..body.len()], &body[..]);
        prop_assert_eq!(&out[body.len()..], b"\r\n");
    }
}
