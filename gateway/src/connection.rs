//! One connection of a client: served until it ends, is idle for too long, or the site stops.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use s3s::{HttpError, StdError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::{limited::Limited, meter::Meter, tls_session::TlsSession};

/// How long a client may take for the head of a request, and be idle between two requests.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// Bytes that an HTTP/2 client may send ahead, on a stream and on its connection: what a fast
/// link holds over some milliseconds. The default of 64 KiB throttles uploads.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// A connection on which a client has begun to speak.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// How it is encrypted; `None`: not at all. What has no name yet counts too.
    pub(crate) fn tls(&self) -> Option<Option<TlsSession>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(TlsSession::of(stream)),
        }
    }
}

/// Serves a connection. When it is cancelled, requests under way are finished.
pub(crate) async fn connection(stream: Stream, service: Limited, cancelled: CancellationToken) {
    match stream {
        Stream::Plain(stream) => http1(stream, service, cancelled).await,
        Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(stream, service, cancelled).await;
        }
        Stream::Tls(stream) => http1(stream, service, cancelled).await,
    }
}

async fn http1<S>(stream: S, service: Limited, cancelled: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    let meter = service.service.meter().clone();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    drive(connection, cancelled.cancelled(), &meter).await;
}

pub(crate) async fn http2<S>(stream: S, service: Limited, cancelled: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let header_bytes_max = service.live.borrow().limits.header_bytes_max;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(IDLE_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX);
    let meter = service.service.meter().clone();
    let requests = Requests::default();
    // hyper itself only asks whether the client is still there, which an idle one is.
    let ends = async {
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = requests.idle() => tracing::debug!("an idle connection is ended"),
        }
    };
    let service = Counted { service, requests: requests.clone() };
    drive(builder.serve_connection(TokioIo::new(stream), service), ends, &meter).await;
}

/// Serves until the connection ends, or, from `ends` on, until nothing is under way any more.
async fn drive<C>(connection: C, ends: impl Future<Output = ()>, meter: &Meter)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ends => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A head beyond what hyper itself takes in, about 400 KiB: it has answered 431.
        if error.is_parse_too_large() {
            meter.limited("header_bytes");
        }
        // Also how a client that goes away in the middle looks: nothing a person must see.
        tracing::debug!(error = %ops::chain(&error), "a connection broke off");
    }
}

/// How many requests are under way on one connection. Clones are the same.
#[derive(Clone, Default)]
struct Requests(watch::Sender<usize>);

impl Requests {
    fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(self.clone())
    }

    /// Ends when for [`IDLE_MAX`] no request was under way, and none began.
    async fn idle(&self) {
        let mut requests = self.0.subscribe();
        // `self` holds the sender, so this never fails.
        while requests.wait_for(|count| *count == 0).await.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(IDLE_MAX) => return,
                _ = requests.changed() => {}
            }
        }
    }
}

/// A request that is under way until this is dropped.
struct UnderWay(Requests);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// Counts each request from its head to the end of its answer.
struct Counted {
    service: Limited,
    requests: Requests,
}

impl Service<Request<Incoming>> for Counted {
    type Response = http::Response<CountedBody>;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpError>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (answer, under_way) = (self.service.call(request), self.requests.begin());
        Box::pin(async {
            let answer = answer.await?;
            Ok(answer.map(|body| CountedBody { body, _under_way: under_way }))
        })
    }
}

/// The body of an answer that is under way.
struct CountedBody {
    body: s3s::Body,
    _under_way: UnderWay,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
