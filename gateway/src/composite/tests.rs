use model::{Millis, OBJECT_BYTES_MAX};
use s3s::S3ErrorCode;

use super::*;

fn part(number: u16, size: u64, body: &[u8], algorithm: Algorithm) -> PartInfo {
    let mut hasher = checksum::hasher(|which| which == algorithm);
    hasher.update(body);
    let checksum = Checksums::from(hasher.finalize()).get(algorithm).map(str::to_owned);
    PartInfo { number, size, md5: Md5::digest(body).into(), checksum, modified: Millis(0) }
}

fn asked(part: &PartInfo) -> Asked {
    let etag = hex::encode(part.md5);
    Asked { number: part.number.into(), etag, checksums: Checksums::default() }
}

fn refusal(asked: &[Asked], there: &[PartInfo]) -> S3ErrorCode {
    let error =
        choose(asked, there, (Some(Algorithm::Crc32), OBJECT_BYTES_MAX)).expect_err("refused");
    error.code().clone()
}

#[test]
fn only_parts_that_are_there_make_an_object_in_order_and_large_enough() {
    let there = [1, 2, 7].map(|number| part(number, PART_BYTES_MIN, b"x", Algorithm::Crc32));
    let all: Vec<Asked> = there.iter().map(asked).collect();
    assert_eq!(
        choose(&all, &there, (Some(Algorithm::Crc32), OBJECT_BYTES_MAX)).expect("fine"),
        there
    );
    let some = choose(&all[1..], &there, (None, OBJECT_BYTES_MAX)).expect("parts may be left out");
    assert_eq!(some.len(), 2);
    assert_eq!(refusal(&[], &there), S3ErrorCode::MalformedXML);
    let backwards: Vec<Asked> = there.iter().rev().map(asked).collect();
    assert_eq!(refusal(&backwards, &there), S3ErrorCode::InvalidPartOrder);
    let twice = [asked(&there[0]), asked(&there[0])];
    assert_eq!(refusal(&twice, &there), S3ErrorCode::InvalidPartOrder);
    let other_tag = [Asked { etag: "0".repeat(32), ..asked(&there[0]) }];
    assert_eq!(refusal(&other_tag, &there), S3ErrorCode::InvalidPart);
    let absent = [Asked { number: 3, ..asked(&there[0]) }];
    assert_eq!(refusal(&absent, &there), S3ErrorCode::InvalidPart);
    let mut wrong = asked(&there[0]);
    wrong.checksums.set(Algorithm::Crc32, Some("AAAAAA==".to_owned()));
    assert_eq!(refusal(&[wrong], &there), S3ErrorCode::InvalidPart);
    let beyond = [Asked { number: 10_001, ..asked(&there[0]) }];
    assert_eq!(refusal(&beyond, &there), S3ErrorCode::InvalidArgument);
    let small = [part(1, 1, b"x", Algorithm::Crc32), there[1].clone()];
    let all: Vec<Asked> = small.iter().map(asked).collect();
    assert_eq!(refusal(&all, &small), S3ErrorCode::EntityTooSmall);
    let huge = [1, 2].map(|number| part(number, 3 << 40, b"x", Algorithm::Crc32));
    let all: Vec<Asked> = huge.iter().map(asked).collect();
    assert_eq!(refusal(&all, &huge), S3ErrorCode::EntityTooLarge);
    let small_blocks = model::object_bytes_max(64 << 10);
    let above = [part(1, 448 << 30, b"x", Algorithm::Crc32), part(2, 1, b"x", Algorithm::Crc32)];
    let all: Vec<Asked> = above.iter().map(asked).collect();
    let error = choose(&all, &above, (None, small_blocks)).expect_err("refused");
    assert_eq!(error.code(), &S3ErrorCode::EntityTooLarge);
    let message = error.message().expect("says why");
    assert!(message.contains(&small_blocks.to_string()) && message.contains("`s3.block_size`"));
    choose(&all[..1], &above, (None, small_blocks)).expect("just fits");
}

#[test]
fn an_entity_tag_is_the_md5_of_md5s_with_the_count() {
    let parts = [b"a", b"b"].map(|body| part(1, 1, body, Algorithm::Crc32));
    let joined = [Md5::digest(b"a"), Md5::digest(b"b")].concat();
    assert_eq!(etag(&parts), format!("{}-2", hex::encode(Md5::digest(joined))));
}

#[test]
fn full_object_checksums_are_those_of_the_whole_body() {
    let bodies: [&[u8]; 3] = [b"the first part, ", b"the second, ", b"the end"];
    let whole = bodies.concat();
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        let parts: Vec<PartInfo> =
            bodies.iter().map(|body| part(1, body.len() as u64, body, algorithm)).collect();
        let by = MultipartChecksum { algorithm: algorithm.name().to_owned(), whole: true };
        assert_eq!(checksum(&parts, &by), part(1, 0, &whole, algorithm).checksum);
    }
}

#[test]
fn composite_checksums_are_of_the_checksums_with_the_count() {
    for algorithm in [Algorithm::Crc32, Algorithm::Sha1, Algorithm::Sha256] {
        let parts = [b"a", b"b"].map(|body| part(1, 1, body, algorithm));
        let decode = |part: &PartInfo| {
            STANDARD.decode_to_vec(part.checksum.as_deref().expect("made")).expect("base64")
        };
        let joined = parts.iter().map(decode).collect::<Vec<_>>().concat();
        let expected = part(1, 0, &joined, algorithm).checksum.expect("made");
        let by = MultipartChecksum { algorithm: algorithm.name().to_owned(), whole: false };
        assert_eq!(checksum(&parts, &by), Some(format!("{expected}-2")));
        let without = [PartInfo { checksum: None, ..parts[0].clone() }];
        assert_eq!(checksum(&without, &by), None);
    }
}

#[test]
fn only_the_checksum_types_of_s3_can_be_chosen() {
    let chosen = |algorithm, kind| {
        let chosen = chosen_checksum(algorithm, kind).map_err(|error| error.code().clone())?;
        Ok(chosen.map(|chosen| (chosen.algorithm, chosen.whole)))
    };
    let crc = |whole| Ok(Some(("crc32".to_owned(), whole)));
    assert_eq!(chosen(None, None), Ok(None));
    assert_eq!(chosen(Some("CRC32"), None), crc(false));
    assert_eq!(chosen(Some("CRC32"), Some("FULL_OBJECT")), crc(true));
    assert_eq!(chosen(Some("CRC64NVME"), None), Ok(Some(("crc64nvme".to_owned(), true))));
    let refused: Result<Option<(String, bool)>, _> = Err(S3ErrorCode::InvalidRequest);
    assert_eq!(chosen(Some("SHA256"), Some("FULL_OBJECT")), refused);
    assert_eq!(chosen(Some("CRC64NVME"), Some("COMPOSITE")), refused);
    assert_eq!(chosen(Some("MD5"), None), refused);
    assert_eq!(chosen(None, Some("COMPOSITE")), refused);
}
