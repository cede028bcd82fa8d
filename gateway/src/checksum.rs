//! The additional checksums of S3: which there are, how each is named.

use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::{self, ChecksumType},
};

/// An algorithm of S3 for additional checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Its name in manifests, and behind `x-amz-checksum-`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// Bytes of a value, before it is written as Base64.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Parses its name, in either case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// One value for each algorithm, as S3 writes them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Checksums([Option<String>; 5]);

impl Checksums {
    pub(crate) fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0[algorithm as usize].as_deref()
    }

    pub(crate) fn set(&mut self, algorithm: Algorithm, value: Option<String>) {
        self.0[algorithm as usize] = value;
    }

    pub(crate) fn take(&mut self, algorithm: Algorithm) -> Option<String> {
        self.0[algorithm as usize].take()
    }
}

/// Takes the checksums out of anything of S3 that has a field for each.
macro_rules! checksums {
    ($from:expr) => {{
        use crate::checksum::{Algorithm, Checksums};
        let mut checksums = Checksums::default();
        checksums.set(Algorithm::Crc32, $from.checksum_crc32.take());
        checksums.set(Algorithm::Crc32c, $from.checksum_crc32c.take());
        checksums.set(Algorithm::Crc64Nvme, $from.checksum_crc64nvme.take());
        checksums.set(Algorithm::Sha1, $from.checksum_sha1.take());
        checksums.set(Algorithm::Sha256, $from.checksum_sha256.take());
        checksums
    }};
}
pub(crate) use checksums;

/// Fills the fields of anything of S3 that has one for each checksum.
macro_rules! show_checksums {
    ($into:expr, $value:expr) => {{
        use crate::checksum::Algorithm;
        let value = $value;
        $into.checksum_crc32 = value(Algorithm::Crc32);
        $into.checksum_crc32c = value(Algorithm::Crc32c);
        $into.checksum_crc64nvme = value(Algorithm::Crc64Nvme);
        $into.checksum_sha1 = value(Algorithm::Sha1);
        $into.checksum_sha256 = value(Algorithm::Sha256);
    }};
}
pub(crate) use show_checksums;

impl From<dto::Checksum> for Checksums {
    fn from(computed: dto::Checksum) -> Self {
        Self([
            computed.checksum_crc32,
            computed.checksum_crc32c,
            computed.checksum_crc64nvme,
            computed.checksum_sha1,
            computed.checksum_sha256,
        ])
    }
}

/// Of what a checksum is: of the whole object, or, as the count of parts behind it says, of the
/// checksums of its parts.
pub(crate) fn kind(value: &str) -> ChecksumType {
    let parts = value.contains('-');
    ChecksumType::from_static(if parts {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}

/// A hasher that computes what `wanted` says.
pub(crate) fn hasher(wanted: impl Fn(Algorithm) -> bool) -> ChecksumHasher {
    ChecksumHasher {
        crc32: wanted(Algorithm::Crc32).then(Crc32::new),
        crc32c: wanted(Algorithm::Crc32c).then(Crc32c::new),
        crc64nvme: wanted(Algorithm::Crc64Nvme).then(Crc64Nvme::new),
        sha1: wanted(Algorithm::Sha1).then(Sha1::new),
        sha256: wanted(Algorithm::Sha256).then(Sha256::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_has_its_place_and_its_name() {
        for algorithm in Algorithm::ALL {
            let mut hasher = hasher(|wanted| wanted == algorithm);
            hasher.update(b"hello");
            let computed = Checksums::from(hasher.finalize());
            for other in Algorithm::ALL {
                assert_eq!(computed.get(other).is_some(), other == algorithm);
            }
            assert_eq!(Algorithm::parse(&algorithm.name().to_uppercase()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("md5"), None);
    }
}
