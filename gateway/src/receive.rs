//! Takes in the body of a put: every byte that was announced, or nothing counts.

use std::time::Duration;

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
    #[error("the client sent nothing for {} s", SILENCE_MAX.as_secs())]
    Silent,
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error("hash the body")]
    Digest(#[from] JoinError),
}

/// Streams a body of `size` bytes into the store, frame by frame.
pub(crate) async fn receive(
    mut body: StreamingBlob,
    size: u64,
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
        if actual > size {
            break;
        }
        digests.update(&frame).await?;
        upload.write(frame).await?;
    }
    if actual != size {
        return Err(ReceiveError::Length { expected: size, actual });
    }
    let finish = async { upload.finish().await.map_err(ReceiveError::from) };
    let digests = async { digests.finish().await.map_err(ReceiveError::from) };
    futures::try_join!(finish, digests)
}
