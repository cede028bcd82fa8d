//! What the parts of an upload make together: their order, the entity tag, the checksum. Pure.
//!
//! Sources: the entity tag of an object of N parts is the MD5 of the parts' MD5s, `-N` behind it;
//! a composite checksum is the same with the upload's algorithm; a full-object checksum exists
//! only for CRCs, which combine (as zlib's `crc32_combine` does).

use base64_simd::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use md5::{Digest, Md5};
use s3s::{S3ErrorCode, S3Result, s3_error};
use store::{MultipartChecksum, PartInfo};

use crate::{
    checksum::{self, Algorithm, Checksums},
    errors,
};

/// Numbers of parts, and how many there may be; the limit of S3.
pub(crate) const PARTS_MAX: u16 = 10_000;

/// Bytes that every part but the last must have; the limit of S3.
pub(crate) const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// A part as the client names it when it completes the upload.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) number: i32,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
}

/// The number of a part.
pub(crate) fn number(number: i32) -> S3Result<u16> {
    match u16::try_from(number) {
        Ok(number @ 1..=PARTS_MAX) => Ok(number),
        _ => Err(s3_error!(InvalidArgument, "Parts have numbers from 1 to {PARTS_MAX}")),
    }
}

/// The parts that are asked for, out of those that are there, in ascending order of numbers; all
/// together of at most `bytes_max`.
pub(crate) fn choose(
    asked: &[Asked],
    there: &[PartInfo],
    (algorithm, bytes_max): (Option<Algorithm>, u64),
) -> S3Result<Vec<PartInfo>> {
    if asked.is_empty() || asked.len() > usize::from(PARTS_MAX) {
        return Err(s3_error!(MalformedXML, "An upload is completed with 1 to {PARTS_MAX} parts"));
    }
    let mut chosen: Vec<PartInfo> = Vec::with_capacity(asked.len());
    for asked in asked {
        let number = number(asked.number)?;
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(s3_error!(InvalidPartOrder, "Parts must be named in ascending order"));
        }
        let part = there.binary_search_by_key(&number, |part| part.number);
        let part = part.ok().and_then(|at| there.get(at)).filter(|part| is(asked, part, algorithm));
        let part = part.ok_or_else(|| errors::invalid_part(number))?;
        chosen.push(part.clone());
    }
    let small = chosen
        .split_last()
        .and_then(|(_, before)| before.iter().find(|part| part.size < PART_BYTES_MIN));
    if let Some(part) = small {
        return Err(s3_error!(
            EntityTooSmall,
            "Part {} has {} bytes; all but the last need {PART_BYTES_MIN}",
            part.number,
            part.size
        ));
    }
    let size: u64 = chosen.iter().map(|part| part.size).sum();
    if size > bytes_max {
        return Err(errors::object_too_large(size, bytes_max));
    }
    Ok(chosen)
}

fn is(asked: &Asked, part: &PartInfo, algorithm: Option<Algorithm>) -> bool {
    let checksum = algorithm.and_then(|algorithm| asked.checksums.get(algorithm));
    let same = checksum.is_none() || checksum == part.checksum.as_deref();
    same && asked.etag == hex::encode(part.md5)
}

/// The entity tag of the object.
pub(crate) fn etag(parts: &[PartInfo]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part.md5));
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The checksum of the object, as S3 writes it; `None` if a part has none.
pub(crate) fn checksum(parts: &[PartInfo], by: &MultipartChecksum) -> Option<String> {
    let algorithm = Algorithm::parse(&by.algorithm)?;
    let decoded = |part: &PartInfo| STANDARD.decode_to_vec(part.checksum.as_deref()?).ok();
    let values: Vec<Vec<u8>> = parts.iter().map(decoded).collect::<Option<_>>()?;
    if by.whole {
        return combined(
            algorithm,
            values.iter().zip(parts).map(|(value, part)| (value, part.size)),
        );
    }
    let mut hasher = checksum::hasher(|which| which == algorithm);
    values.iter().for_each(|value| hasher.update(value));
    let checksums = Checksums::from(hasher.finalize());
    Some(format!("{}-{}", checksums.get(algorithm)?, parts.len()))
}

/// The CRC of a whole out of those of its parts and their sizes.
fn combined<'a>(
    algorithm: Algorithm,
    parts: impl Iterator<Item = (&'a Vec<u8>, u64)>,
) -> Option<String> {
    let (crc, length) = match algorithm {
        Algorithm::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
        Algorithm::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
        Algorithm::Crc64Nvme => (CrcAlgorithm::Crc64Nvme, 8),
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let value = |bytes: &[u8]| bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let whole = parts.map(|(bytes, size)| (value(bytes), size));
    let whole = whole.reduce(|(before, size), (value, more)| {
        (checksum_combine(crc, before, value, more), size + more)
    });
    whole.map(|(value, _)| STANDARD.encode_to_string(&value.to_be_bytes()[8 - length..]))
}

/// How an upload's checksum is made, as its client asked for it.
pub(crate) fn chosen_checksum(
    algorithm: Option<&str>,
    kind: Option<&str>,
) -> S3Result<Option<MultipartChecksum>> {
    let refused = |text: String| s3s::S3Error::with_message(S3ErrorCode::InvalidRequest, text);
    let Some(name) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(refused("A checksum type needs a checksum algorithm".to_owned())),
        };
    };
    let Some(algorithm) = Algorithm::parse(name) else {
        return Err(refused(format!("Checksum algorithm `{name}` is not known")));
    };
    let whole = match (kind, algorithm) {
        (None, Algorithm::Crc64Nvme) => true,
        (None, _) => false,
        (Some("FULL_OBJECT"), Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme) => true,
        (Some("COMPOSITE"), algorithm) if algorithm != Algorithm::Crc64Nvme => false,
        (Some(kind), _) => {
            return Err(refused(format!("Checksum type `{kind}` does not go with `{name}`")));
        }
    };
    Ok(Some(MultipartChecksum { algorithm: algorithm.name().to_owned(), whole }))
}

#[cfg(test)]
mod tests;
