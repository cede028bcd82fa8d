//! Bounds on what clients can hold open.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, future::join_all};
use s3s::{
    Body, StdError,
    stream::{ByteStream, DynByteStream},
};

use super::site::{Site, ask};
use crate::gateway::UPLOADS_MAX;

/// A body of which nothing comes.
struct Silence;

impl Stream for Silence {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl ByteStream for Silence {}

#[tokio::test]
async fn silent_clients_are_given_up_and_do_not_fill_the_memory() {
    let site = Site::with_bucket().await;
    tokio::time::pause();
    let put = ask("PUT", "/photos/a")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .header("content-length", "2000000");
    let puts = (0..=UPLOADS_MAX).map(|_| {
        let silence: DynByteStream = Box::pin(Silence);
        site.send_raw(put.clone().sign().map(|_| Body::from(silence)))
    });
    let mut codes: Vec<_> = join_all(puts).await.iter().map(|answer| answer.error()).collect();
    codes.sort();
    assert_eq!(codes.pop(), Some((503, "SlowDown".to_owned())));
    assert_eq!(codes, vec![(400, "RequestTimeout".to_owned()); UPLOADS_MAX]);
}
