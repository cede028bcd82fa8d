//! The S3 endpoint of a site: accepts connections until the site stops.
//!
//! Everything that a client can hold open has a bound: connections, the time to send a head,
//! the silence within a body, the size of what is kept in memory.

use std::{sync::Arc, time::Duration};

use hyper::server::conn::{http1, http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown, Watcher},
};
use ops::Metrics;
use store::Store;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    ReadMiss, auth::RootKeys, blocks::Blocks, handler::Handler, meter::Meter, service::Service,
};

/// Connections at once; more wait in the kernel's queue. Each may hold two blocks of a read.
const CONNECTIONS_MAX: usize = 1_024;

/// Bodies larger than a block that come in at once: each holds up to about 8 MiB.
pub(crate) const UPLOADS_MAX: usize = 128;

/// How long a client may take for the head of a request, and be idle between two requests.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a client may take to say something on a new connection, TLS handshake included.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(20);

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// Bytes that an HTTP/2 client may send ahead, on a stream and on its connection: what a fast
/// link holds over some milliseconds. The default of 64 KiB throttles uploads.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// How long requests under way may take when the site stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Wait before the next try when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the endpoint is configured with.
#[derive(Clone)]
pub struct Options {
    /// The region that buckets say they are in.
    pub region: String,
    pub root: RootKeys,
    /// HTTPS instead of HTTP. Its ALPN may offer `h2` and `http/1.1`.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The S3 endpoint of a site.
#[derive(Clone)]
pub struct Gateway {
    service: Service,
    tls: Option<TlsAcceptor>,
}

impl Gateway {
    /// An endpoint over a store. `miss` brings blocks that are not here; without it, they are
    /// an error.
    #[must_use]
    pub fn new(
        options: Options,
        store: Store,
        miss: Option<Arc<dyn ReadMiss>>,
        metrics: Metrics,
    ) -> Self {
        let meter = Meter::new(metrics);
        let blocks = Arc::new(Blocks::new(store.clone(), miss, meter.clone()));
        let uploads = Semaphore::new(UPLOADS_MAX);
        let handler = Handler { store, blocks, meter, region: options.region, uploads };
        let service = Service::new(handler, options.root);
        Self { service, tls: options.tls.map(TlsAcceptor::from) }
    }

    /// Serves until cancelled; then finishes the requests under way, for a limited time.
    ///
    /// # Errors
    /// Never while the listener works.
    pub async fn serve(
        self,
        listener: TcpListener,
        cancelled: CancellationToken,
    ) -> std::io::Result<()> {
        let (graceful, abort) = (GracefulShutdown::new(), CancellationToken::new());
        let _abort_when_done = abort.clone().drop_guard();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = cancelled.cancelled() => break,
                accepted = accept(&listener, &places) => accepted,
            };
            match accepted {
                Ok((place, stream)) => {
                    let (gateway, watcher) = (self.clone(), graceful.watcher());
                    let (cancelled, abort) = (cancelled.clone(), abort.clone());
                    tokio::spawn(async move {
                        let opened = cancelled.run_until_cancelled(gateway.open(stream)).await;
                        if let Some(Some(stream)) = opened {
                            let connection = Box::pin(gateway.connection(stream, watcher));
                            let _ended = abort.run_until_cancelled(connection).await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await.is_err() {
            tracing::warn!(limit = ?DRAIN_MAX, "requests under way did not end in time");
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn with_tls(mut self, tls: Arc<ServerConfig>) -> Self {
        self.tls = Some(TlsAcceptor::from(tls));
        self
    }

    #[cfg(test)]
    pub(crate) fn service(&self) -> Service {
        self.service.clone()
    }

    /// Until the client has said something, nothing is under way that a stop waits for.
    async fn open(&self, stream: TcpStream) -> Option<Stream> {
        let opened = tokio::time::timeout(OPEN_WAIT_MAX, async {
            // Answers are written whole; waiting to fill a packet only delays them.
            stream.set_nodelay(true)?;
            stream.readable().await?;
            match &self.tls {
                None => Ok(Stream::Plain(stream)),
                Some(tls) => tls.accept(stream).await.map(Box::new).map(Stream::Tls),
            }
        });
        match opened.await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection was not opened");
                None
            }
            Err(_) => {
                tracing::debug!("a client took too long to open its connection");
                None
            }
        }
    }

    async fn connection(self, stream: Stream, watcher: Watcher) {
        match stream {
            Stream::Plain(stream) => http1(stream, self.service, watcher).await,
            Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                http2(stream, self.service, watcher).await;
            }
            Stream::Tls(stream) => http1(stream, self.service, watcher).await,
        }
    }
}

/// A connection on which a client has begun to speak.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((place, stream))
}

async fn http1<S>(stream: S, service: Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
    drive(builder.serve_connection(TokioIo::new(stream), service), watcher).await;
}

async fn http2<S>(stream: S, service: Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_WAIT_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX);
    drive(builder.serve_connection(TokioIo::new(stream), service), watcher).await;
}

async fn drive<C>(connection: C, watcher: Watcher)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    // Also how a client that goes away in the middle looks: nothing a person must see.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = %ops::chain(&error), "a connection broke off");
    }
}
