//! MD5 and checksums of a body while it arrives, beside its blocks' own hashes.
//!
//! A small body is hashed where it arrives; of a larger one whole batches go to a worker thread,
//! so that MD5, which is the slowest, runs while the store hashes and writes blocks.

use bytes::Bytes;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use tokio::task::{JoinError, JoinHandle};

use crate::checksum::Checksums;

/// Bodies up to this are hashed in place: 100 µs of MD5, about what handing over costs twice.
const IN_PLACE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes that go to the worker at once; up to two batches are in memory besides the blocks.
const BATCH_BYTES: usize = 512 * 1024;

/// What was computed over a whole body.
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Checksums,
}

struct Hashers {
    md5: Md5,
    checksums: ChecksumHasher,
}

enum Worker {
    Idle(Box<Hashers>),
    Busy(JoinHandle<Box<Hashers>>),
}

/// Digests of a body that is arriving.
pub(crate) struct BodyDigests {
    worker: Option<Worker>,
    in_place: bool,
    batch: Vec<Bytes>,
    batch_bytes: usize,
}

impl Hashers {
    fn update(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        self.checksums.update(piece);
    }
}

impl Worker {
    async fn idle(self) -> Result<Box<Hashers>, JoinError> {
        match self {
            Self::Idle(hashers) => Ok(hashers),
            Self::Busy(task) => task.await,
        }
    }
}

impl BodyDigests {
    /// Digests of a body of `size` bytes.
    pub(crate) fn new(size: u64, checksums: ChecksumHasher) -> Self {
        let hashers = Hashers { md5: Md5::new(), checksums };
        Self {
            worker: Some(Worker::Idle(Box::new(hashers))),
            in_place: size <= IN_PLACE_BYTES_MAX,
            batch: Vec::new(),
            batch_bytes: 0,
        }
    }

    /// Takes the next piece. Waits while the batch before is being hashed.
    pub(crate) async fn update(&mut self, piece: &Bytes) -> Result<(), JoinError> {
        if self.in_place
            && let Some(Worker::Idle(hashers)) = &mut self.worker
        {
            hashers.update(piece);
            return Ok(());
        }
        self.batch_bytes += piece.len();
        self.batch.push(piece.clone());
        if self.batch_bytes >= BATCH_BYTES { self.hand_over().await } else { Ok(()) }
    }

    async fn hand_over(&mut self) -> Result<(), JoinError> {
        let mut hashers = self.take_worker().idle().await?;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.worker = Some(Worker::Busy(tokio::task::spawn_blocking(move || {
            batch.iter().for_each(|piece| hashers.update(piece));
            hashers
        })));
        Ok(())
    }

    /// The digests of all pieces.
    pub(crate) async fn finish(mut self) -> Result<Digests, JoinError> {
        if !self.batch.is_empty() {
            self.hand_over().await?;
        }
        let Hashers { md5, checksums } = *self.take_worker().idle().await?;
        Ok(Digests { md5: md5.finalize().into(), checksums: checksums.finalize().into() })
    }

    fn take_worker(&mut self) -> Worker {
        self.worker.take().expect("absent only after an error, which ends the body")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::{Algorithm, hasher};

    async fn digests(declared: u64, pieces: &[Bytes]) -> Digests {
        let mut digests = BodyDigests::new(declared, hasher(|a| a == Algorithm::Crc32));
        for piece in pieces {
            digests.update(piece).await.expect("hashing does not fail");
        }
        digests.finish().await.expect("hashing does not fail")
    }

    #[tokio::test]
    async fn a_body_has_the_same_digests_in_place_and_on_the_worker() {
        let pieces: Vec<Bytes> =
            (0..40).map(|n| Bytes::from(vec![n; usize::from(n) * 2_000])).collect();
        let whole = pieces.concat();
        assert!(whole.len() > 2 * BATCH_BYTES);
        let (here, there) = (digests(0, &pieces).await, digests(u64::MAX, &pieces).await);
        assert_eq!(here.md5, <[u8; 16]>::from(Md5::digest(&whole)));
        assert_eq!(there.md5, here.md5);
        assert_eq!(there.checksums, here.checksums);
        assert!(here.checksums.get(Algorithm::Crc32).is_some());
    }

    #[tokio::test]
    async fn an_empty_body_has_digests() {
        let digests = digests(0, &[]).await;
        assert_eq!(hex::encode(digests.md5), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
