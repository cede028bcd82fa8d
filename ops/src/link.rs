//! The link between sites: HTTP/2 over mutual TLS, one connection each way, many streams.

mod client;
mod server;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, channel::mpsc};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio_util::task::AbortOnDropHandle;

pub use client::{LinkClient, LinkError};
pub use server::LinkServer;

/// A body of the link, in either direction.
pub type LinkBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A body that is there already.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> LinkBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Where the pieces of a [`pushed`] body go in; waits while `pieces` of them wait for the peer.
pub type Pieces = mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>;

/// A body whose pieces a task makes while the peer takes those before. The task is given
/// up with the body.
#[must_use]
pub fn pushed<F>(pieces: usize, push: impl FnOnce(Pieces) -> F) -> LinkBody
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(pieces);
    let _task = AbortOnDropHandle::new(tokio::spawn(push(sender)));
    StreamBody::new(Pushed { receiver, _task }).boxed_unsync()
}

struct Pushed {
    receiver: mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>,
    _task: AbortOnDropHandle<()>,
}

impl Stream for Pushed {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_next_unpin(context)
    }
}

/// A stream in flight: four blocks of the usual size, enough for 80 MB/s over 50 ms.
const STREAM_WINDOW: u32 = 4 << 20;
/// All streams of a connection together: bounds what a slow reader makes its peer buffer.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Largest frame: fewer frames a block, and still many interleaved streams.
const FRAME: u32 = 256 << 10;
/// A peer that does not answer a ping is gone: noticed within the sum of the two.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// For TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
