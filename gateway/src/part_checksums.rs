//! Checksums of an object's parts, kept in its manifest beside the checksum of the whole: under
//! the algorithm's name and `:parts`, all values one behind the other, in Base64.
//!
//! They must leave the event below its bound, whatever the object. Where there is no room, they
//! are not kept, and S3 clients do without: what proves the object is the checksum of the whole.

use base64_simd::STANDARD;
use model::Manifest;
use store::PartInfo;

use crate::checksum::Algorithm;

/// Bytes of Base64 in a manifest: all 10,000 CRCs of 32 bits, or 1,500 digests of SHA-256.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// How much smaller than the largest an object must be: of that, the event is full already.
const SHARE_OF_LARGEST: u64 = 2;

/// Under which name, and what, the manifest of an object of these parts keeps.
pub(crate) fn kept(
    parts: &[PartInfo],
    algorithm: Algorithm,
    object_bytes_max: u64,
) -> Option<(String, String)> {
    let size: u64 = parts.iter().map(|part| part.size).sum();
    let decoded = |part: &PartInfo| STANDARD.decode_to_vec(part.checksum.as_deref()?).ok();
    let values: Vec<Vec<u8>> = parts.iter().map(decoded).collect::<Option<_>>()?;
    let whole = values.iter().all(|value| value.len() == algorithm.bytes());
    let text = STANDARD.encode_to_string(values.concat());
    let fits = text.len() <= KEPT_BYTES_MAX && size <= object_bytes_max / SHARE_OF_LARGEST;
    (whole && fits).then(|| (name(algorithm), text))
}

/// The checksums of all parts by an algorithm, as S3 writes them; none, if they are not known.
pub(crate) fn of(manifest: &Manifest, algorithm: Algorithm) -> Vec<String> {
    let values = values(manifest, algorithm);
    values.chunks(algorithm.bytes()).map(|value| STANDARD.encode_to_string(value)).collect()
}

/// The checksum of one part, counted from 0.
pub(crate) fn one(manifest: &Manifest, algorithm: Algorithm, place: usize) -> Option<String> {
    let values = values(manifest, algorithm);
    values.chunks(algorithm.bytes()).nth(place).map(|value| STANDARD.encode_to_string(value))
}

fn values(manifest: &Manifest, algorithm: Algorithm) -> Vec<u8> {
    let text = manifest.checksums.get(&name(algorithm));
    text.and_then(|text| STANDARD.decode_to_vec(text).ok()).unwrap_or_default()
}

fn name(algorithm: Algorithm) -> String {
    format!("{}:parts", algorithm.name())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Content, ETag, Millis, Parts};

    use super::*;

    fn part(number: u16, bytes: &[u8]) -> PartInfo {
        let checksum = Some(STANDARD.encode_to_string(bytes));
        PartInfo { number, size: 5, md5: [0; 16], checksum, modified: Millis(0) }
    }

    fn manifest(checksums: Option<(String, String)>) -> Manifest {
        Manifest {
            size: 0,
            etag: ETag(String::new()),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            checksums: checksums.into_iter().collect(),
            parts: Parts::Whole,
            content: Content::Inline(bytes::Bytes::new()),
            encryption: None,
        }
    }

    #[test]
    fn what_is_kept_of_parts_is_found_again() {
        let parts = [part(1, &[1; 4]), part(2, &[2; 4])];
        let kept = manifest(kept(&parts, Algorithm::Crc32, 100));
        let wanted: Vec<String> = parts.iter().filter_map(|part| part.checksum.clone()).collect();
        assert_eq!(of(&kept, Algorithm::Crc32), wanted);
        assert_eq!(one(&kept, Algorithm::Crc32, 1).as_ref(), wanted.get(1));
        assert_eq!(one(&kept, Algorithm::Crc32, 2), None);
        assert!(of(&kept, Algorithm::Sha256).is_empty());
        assert!(of(&manifest(None), Algorithm::Crc32).is_empty());
    }

    #[test]
    fn what_does_not_fit_or_is_not_known_is_not_kept() {
        let parts =
            |count: u16, bytes: &[u8]| (1..=count).map(|n| part(n, bytes)).collect::<Vec<_>>();
        let max = 1 << 40;
        assert!(kept(&parts(10_000, &[7; 4]), Algorithm::Crc32, max).is_some());
        assert!(kept(&parts(1_500, &[7; 32]), Algorithm::Sha256, max).is_some());
        assert!(kept(&parts(10_000, &[7; 32]), Algorithm::Sha256, max).is_none());
        assert!(kept(&parts(2, &[7; 4]), Algorithm::Crc32, 19).is_none(), "a large object");
        assert!(kept(&parts(2, &[7; 5]), Algorithm::Crc32, max).is_none(), "another length");
        let mut without = parts(2, &[7; 4]);
        without[1].checksum = None;
        assert!(kept(&without, Algorithm::Crc32, max).is_none());
    }
}
