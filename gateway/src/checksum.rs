//! The additional checksums of S3: which there are, how each is named.

use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto,
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
