//! What a client promises of a body, checked before anything is committed.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, dto::ChecksumAlgorithm, s3_error};

use crate::{
    body_digests::Digests,
    checksum::{Algorithm, Checksums},
};

/// Digests that the client sent, or announced for behind the body.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    md5: Option<[u8; 16]>,
    sent: Checksums,
    in_trailer: [bool; 5],
    asked: [bool; 5],
}

/// The promises as a client sent them.
pub(crate) struct Sent {
    pub(crate) content_md5: Option<String>,
    pub(crate) checksums: Checksums,
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
}

/// Takes them out of the input of any operation with a body.
macro_rules! promised {
    ($input:expr) => {
        crate::promises::Sent {
            content_md5: $input.content_md5.take(),
            checksums: crate::checksum::checksums!($input),
            algorithm: $input.checksum_algorithm.take(),
        }
    };
}
pub(crate) use promised;

impl Promises {
    /// Reads the promises out of what was sent, and the rest of them out of the headers.
    pub(crate) fn new(sent: Sent, headers: &HeaderMap) -> S3Result<Self> {
        // s3s takes an empty one for none.
        let empty = text(headers, "content-md5").filter(|md5| md5.is_empty());
        let md5 = content_md5(sent.content_md5.as_deref().or(empty))?;
        let mut promises = Self { md5, sent: sent.checksums, ..Self::default() };
        if let Some(trailer) = text(headers, "x-amz-trailer") {
            for name in trailer.split(',') {
                let name = name.trim().strip_prefix("x-amz-checksum-");
                let Some(algorithm) = name.and_then(Algorithm::parse) else {
                    return Err(s3_error!(InvalidRequest, "The trailer `{trailer}` is not known"));
                };
                promises.in_trailer[algorithm as usize] = true;
            }
        }
        let asked = sent.algorithm.as_ref().map(|asked| asked.as_str());
        for asked in [asked, text(headers, "x-amz-sdk-checksum-algorithm")].into_iter().flatten() {
            let Some(algorithm) = Algorithm::parse(asked) else {
                return Err(s3_error!(InvalidRequest, "Checksum algorithm `{asked}` is not known"));
            };
            promises.asked[algorithm as usize] = true;
        }
        Ok(promises)
    }

    /// Whether a checksum has to be computed.
    pub(crate) fn wants(&self, algorithm: Algorithm) -> bool {
        let place = algorithm as usize;
        self.sent.get(algorithm).is_some() || self.in_trailer[place] || self.asked[place]
    }

    /// Compares the promises with what arrived.
    pub(crate) fn check(
        mut self,
        digests: &Digests,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<()> {
        if self.md5.is_some_and(|md5| md5 != digests.md5) {
            return Err(s3_error!(BadDigest, "The body does not have the Content-MD5 you sent"));
        }
        let trailers = trailers.and_then(TrailingHeaders::take).unwrap_or_default();
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            if self.in_trailer[algorithm as usize] {
                let sent = text(&trailers, &format!("x-amz-checksum-{name}"));
                let Some(sent) = sent else {
                    let message = "The trailer that was announced did not come";
                    return Err(S3Error::with_message(S3ErrorCode::IncompleteBody, message));
                };
                self.sent.set(algorithm, Some(sent.to_owned()));
            }
            let sent = self.sent.get(algorithm);
            if sent.is_some() && sent != digests.checksums.get(algorithm) {
                return Err(s3_error!(BadDigest, "The body does not have the {name} you sent"));
            }
        }
        Ok(())
    }
}

/// Checksums as a manifest keeps them.
pub(crate) fn kept(checksums: &mut Checksums) -> BTreeMap<String, String> {
    let named = |algorithm: Algorithm| {
        checksums.take(algorithm).map(|value| (algorithm.name().to_owned(), value))
    };
    Algorithm::ALL.into_iter().filter_map(named).collect()
}

fn content_md5(text: Option<&str>) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bytes = STANDARD.decode_to_vec(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you sent is not valid"))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
