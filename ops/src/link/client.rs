//! The end that asks.

use std::{fmt, sync::Arc};

use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::SiteName;
use tokio::{
    net::TcpStream,
    sync::{Mutex, watch},
};
use tokio_rustls::TlsConnector;

use super::{
    CONNECT_TIMEOUT, CONNECTION_WINDOW, FRAME, LinkBody, PING_INTERVAL, PING_TIMEOUT, STREAM_WINDOW,
};
use crate::tls::{LinkTls, server_name};

/// Why a site could not be asked. The request may have been done or not, but for `Unreachable`
/// and `Refused`, where it was not.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("site `{peer}` at `{address}` cannot be reached")]
    Unreachable {
        peer: SiteName,
        address: String,
        #[source]
        cause: std::io::Error,
    },
    /// One of the two does not accept the other's certificate.
    #[error("site `{peer}` at `{address}`: certificates do not match")]
    Refused {
        peer: SiteName,
        address: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("connection to site `{peer}` broke")]
    Broken {
        peer: SiteName,
        #[source]
        cause: hyper::Error,
    },
}

/// One shared connection to a site, opened when it is needed and again when it broke.
#[derive(Clone)]
pub struct LinkClient {
    shared: Arc<Shared>,
}

struct Shared {
    peer: SiteName,
    address: String,
    tls: watch::Receiver<LinkTls>,
    connection: Mutex<Option<http2::SendRequest<LinkBody>>>,
}

impl fmt::Debug for LinkClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkClient({} at {})", self.shared.peer, self.shared.address)
    }
}

impl LinkClient {
    /// A client of the site `peer`, whose certificate must say so. What `tls` shows counts for
    /// every new connection.
    #[must_use]
    pub fn new(peer: SiteName, address: String, tls: watch::Receiver<LinkTls>) -> Self {
        let connection = Mutex::new(None);
        Self { shared: Arc::new(Shared { peer, address, tls, connection }) }
    }

    /// The site at the other end.
    #[must_use]
    pub fn peer(&self) -> &SiteName {
        &self.shared.peer
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn request(
        &self,
        request: Request<LinkBody>,
    ) -> Result<Response<Incoming>, LinkError> {
        let mut sender = self.sender().await?;
        sender.send_request(request).await.map_err(|cause| self.broken(cause))
    }

    async fn sender(&self) -> Result<http2::SendRequest<LinkBody>, LinkError> {
        let mut connection = self.shared.connection.lock().await;
        if let Some(sender) = connection.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let sender = self.connect().await?;
        *connection = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<http2::SendRequest<LinkBody>, LinkError> {
        let Shared { peer, address, tls, .. } = &*self.shared;
        let unreachable =
            |cause| LinkError::Unreachable { peer: peer.clone(), address: address.clone(), cause };
        let refused =
            |cause| LinkError::Refused { peer: peer.clone(), address: address.clone(), cause };
        let timed_out = |_| unreachable(std::io::ErrorKind::TimedOut.into());
        let tcp = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let tcp = tcp.await.map_err(timed_out)?.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let name = server_name(peer).ok_or_else(|| {
            refused(std::io::Error::other("site name is no name for a certificate"))
        })?;
        let tls = tls.borrow().client();
        let tls = TlsConnector::from(tls).connect(name, tcp);
        let tls = tokio::time::timeout(CONNECT_TIMEOUT, tls).await.map_err(timed_out)?;
        let io = TokioIo::new(tls.map_err(refused)?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(io)
            .await
            .map_err(|cause| self.broken(cause))?;
        let peer = peer.clone();
        tokio::spawn(async move {
            // Whoever waits for an answer is told; here it is only worth a note.
            if let Err(error) = connection.await {
                tracing::debug!(%peer, error = %crate::chain(&error), "link connection ended");
            }
        });
        Ok(sender)
    }

    fn broken(&self, cause: hyper::Error) -> LinkError {
        LinkError::Broken { peer: self.shared.peer.clone(), cause }
    }
}
