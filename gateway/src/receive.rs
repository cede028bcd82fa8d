//! Takes in the body of a put: every byte that was announced, or nothing counts.

use std::{ops::RangeInclusive, time::Duration};

use futures::StreamExt;
use s3s::{StdError, dto::StreamingBlob};
use store::{Upload, UploadError, Uploaded};
use tokio::task::JoinError;

use crate::body_digests::{BodyDigests, Digests};

/// How long a client may be silent within a body before its request is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why a body was not taken in. Nothing of it counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The client broke off, or what it sent is not what it signed.
    #[error("the body broke off")]
    Client(#[source] StdError),
    #[error("the body has {actual} bytes, {expected} were announced")]
    Length { expected: u64, actual: u64 },
    #[error("the body has more than {most} bytes")]
    TooLarge { most: u64 },
    #[error("the body has {actual} bytes, below {least}")]
    TooSmall { least: u64, actual: u64 },
    #[error("the client sent nothing for {} s", SILENCE_MAX.as_secs())]
    Silent,
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error("hash the body")]
    Digest(#[from] JoinError),
}

/// How many bytes a body is to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// As many as its client announced.
    Exactly(u64),
    /// Nobody announced how many, but these are allowed.
    Within(RangeInclusive<u64>),
}

impl Size {
    pub(crate) fn most(&self) -> u64 {
        match self {
            Self::Exactly(size) => *size,
            Self::Within(bounds) => *bounds.end(),
        }
    }

    pub(crate) fn least(&self) -> u64 {
        match self {
            Self::Exactly(size) => *size,
            Self::Within(bounds) => *bounds.start(),
        }
    }

    fn check(&self, actual: u64) -> Result<(), ReceiveError> {
        match self {
            Self::Exactly(expected) if actual != *expected => {
                Err(ReceiveError::Length { expected: *expected, actual })
            }
            Self::Within(bounds) if actual > *bounds.end() => {
                Err(ReceiveError::TooLarge { most: *bounds.end() })
            }
            Self::Within(bounds) if actual < *bounds.start() => {
                Err(ReceiveError::TooSmall { least: *bounds.start(), actual })
            }
            _ => Ok(()),
        }
    }
}

/// Streams a body into the store, frame by frame.
pub(crate) async fn receive(
    mut body: StreamingBlob,
    size: Size,
    mut upload: Upload,
    mut digests: BodyDigests,
) -> Result<(Uploaded, Digests), ReceiveError> {
    let mut actual = 0;
    // To the very end and not only to the last byte: what is behind it (signature, trailer) is
    // checked when the stream ends.
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, body.next()).await;
        let Some(frame) = frame.map_err(|_| ReceiveError::Silent)? else {
            break;
        };
        let frame = frame.map_err(ReceiveError::Client)?;
        actual += frame.len() as u64;
        if actual > size.most() {
            break;
        }
        digests.update(&frame).await?;
        upload.write(frame).await?;
    }
    size.check(actual)?;
    let finish = async { upload.finish().await.map_err(ReceiveError::from) };
    let digests = async { digests.finish().await.map_err(ReceiveError::from) };
    futures::try_join!(finish, digests)
}
