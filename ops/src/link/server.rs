//! The end that answers.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::SiteName;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::{TlsAcceptor, rustls::pki_types::CertificateDer};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CONNECT_TIMEOUT, CONNECTION_WINDOW, FRAME, LinkBody, PING_INTERVAL, PING_TIMEOUT, STREAM_WINDOW,
};
use crate::tls::{LinkTls, NotAdmitted};

/// Connections at once: each peer needs one, and a few more while old ones die.
const CONNECTIONS_MAX: usize = 64;

/// Listens for other sites.
pub struct LinkServer {
    listener: TcpListener,
    tls: watch::Receiver<LinkTls>,
}

impl LinkServer {
    /// Binds the address. What `tls` shows counts for every new connection, and whom it no
    /// longer admits loses those that stand.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr, tls: watch::Receiver<LinkTls>) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests of allowed peers until cancelled; streams under way end with it, and when
    /// this returns nothing runs any more that could ask the store for something.
    ///
    /// # Errors
    /// Never while the listener works.
    pub async fn serve<H, F>(self, handler: H, cancelled: CancellationToken) -> std::io::Result<()>
    where
        H: Fn(SiteName, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<LinkBody>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let tasks = Tasks::default();
        loop {
            let accepted = tokio::select! {
                () = cancelled.cancelled() => break,
                accepted = self.accept(&places) => accepted,
            };
            let Ok((place, tcp, from)) = accepted else { continue };
            let connection =
                connection(tcp, from, self.tls.clone(), handler.clone(), tasks.clone());
            let cancelled = cancelled.clone();
            tasks.0.spawn(async move {
                let _place = place;
                let _ended = cancelled.run_until_cancelled(connection).await;
            });
        }
        tasks.0.close();
        tasks.0.wait().await;
        Ok(())
    }

    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> std::io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
        let (tcp, from) = self.listener.accept().await?;
        Ok((place, tcp, from))
    }
}

/// The connections and the streams of a server: what has to end before it has.
#[derive(Clone, Default)]
struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        drop(self.0.spawn(stream));
    }
}

async fn connection<H, F>(
    tcp: TcpStream,
    from: SocketAddr,
    mut tls: watch::Receiver<LinkTls>,
    handler: H,
    tasks: Tasks,
) where
    H: Fn(SiteName, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<LinkBody>> + Send + 'static,
{
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%from, error = %crate::chain(&error), "link socket");
    }
    let acceptor = TlsAcceptor::from(tls.borrow_and_update().server());
    let accepted = acceptor.accept(tcp);
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, accepted).await {
        Ok(Ok(stream)) => stream,
        // Anything else than wrong data is a peer that went away in the middle.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            tracing::warn!(%from, error = %crate::chain(&error), "link refused: no certificate that this site accepts");
            return;
        }
        Ok(Err(error)) => {
            tracing::debug!(%from, error = %crate::chain(&error), "link handshake ended");
            return;
        }
        Err(_) => return,
    };
    let chain: Vec<_> = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let admitted = tls.borrow_and_update().admits(&chain);
    let peer = match admitted {
        Ok(peer) => peer,
        Err(why) => {
            tracing::warn!(%from, %why, "link refused");
            return;
        }
    };
    let name = peer.clone();
    let service = service_fn(move |request| {
        let (handler, peer) = (handler.clone(), peer.clone());
        async move { Ok::<_, Infallible>(handler(peer, request).await) }
    });
    let served = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::debug!(%from, error = %crate::chain(&error), "link connection ended");
        },
        // Its streams end with it.
        why = no_longer_admitted(&mut tls, &chain) => {
            tracing::info!(%from, peer = %name, %why, "link closed");
        }
    }
}

/// Waits until a peer that was let in would not be any more.
async fn no_longer_admitted(
    tls: &mut watch::Receiver<LinkTls>,
    chain: &[CertificateDer<'static>],
) -> NotAdmitted {
    while tls.changed().await.is_ok() {
        if let Err(why) = tls.borrow_and_update().admits(chain) {
            return why;
        }
    }
    // Nothing changes any more.
    std::future::pending().await
}
