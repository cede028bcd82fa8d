//! The S3 endpoint of a site: accepts connections until the site stops.
//!
//! Everything that a client can hold open has a bound: connections, the time to send a head,
//! the silence within a body, the size of what is kept in memory.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ops::Metrics;
use store::Store;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    AccessLog, Delivery, Live, ReadMiss,
    access::{Guard, Peer},
    auth::RootKeys,
    blocks::Blocks,
    connection::{Stream, connection},
    documents::lifecycle::Day,
    handler::Handler,
    host::Hosts,
    limited::Limited,
    limits::Client,
    meter::Meter,
    places::{Place, Places},
    rates::Rates,
    service::Service,
    settings::AllSettings,
};

/// Bodies larger than a block that come in at once: each holds up to about 8 MiB.
pub(crate) const UPLOADS_MAX: usize = 128;

/// How long a client may take to say something on a new connection, TLS handshake included.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(20);

/// How long a connection beyond its client's share may take to hear of it.
const EXCESS_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long requests under way may take when the site stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Wait before the next try when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the endpoint is configured with.
#[derive(Clone)]
pub struct Options {
    /// The region that buckets say they are in.
    pub region: String,
    /// In front of it, a host names a bucket (virtual-host style).
    pub domain: Option<String>,
    pub root: RootKeys,
    /// How long a day of lifecycles is.
    pub day: Day,
    /// What may change while it serves.
    pub live: watch::Receiver<Live>,
    /// Where requests are recorded.
    pub access_log: AccessLog,
    /// A proxy in front speaks TLS with clients: what comes over a plain connection came to it over TLS.
    pub tls_in_front: bool,
}

/// The S3 endpoint of a site.
#[derive(Clone)]
pub struct Gateway {
    service: Arc<Service>,
    live: watch::Receiver<Live>,
    rates: Arc<Rates>,
    delivery: Delivery,
    tls_in_front: bool,
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
        let uploads = Arc::new(Semaphore::new(UPLOADS_MAX));
        let settings = AllSettings::new(store.clone());
        let Options { region, root, domain, day, live, access_log, tls_in_front } = options;
        let handler = Handler { store, settings, blocks, meter, region, uploads, day };
        let hosts = Hosts::new(domain.as_deref());
        let (store, settings) = (handler.store.clone(), handler.settings.clone());
        let guard = Guard::new(root.access_key.clone(), store, settings);
        let delivery = Delivery::new(handler.clone(), guard, hosts.clone());
        let service = Arc::new(Service::new(handler, root, hosts, access_log));
        Self { service, live, rates: Arc::new(Rates::new()), delivery, tls_in_front }
    }

    /// What the recorder of the access log reads and delivers records with.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery.clone()
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
        let (connections, abort) = (TaskTracker::new(), CancellationToken::new());
        let _abort_when_done = abort.clone().drop_guard();
        let places = Arc::new(Places::default());
        loop {
            let accepted = tokio::select! {
                () = cancelled.cancelled() => break,
                accepted = self.accept(&listener, &places) => accepted,
            };
            match accepted {
                Ok((place, stream)) => {
                    let gateway = self.clone();
                    let (cancelled, abort) = (cancelled.clone(), abort.clone());
                    connections.spawn(async move {
                        let from = stream.peer_addr().ok();
                        let mut limited = gateway.limited(&place, from);
                        let serve = Box::pin(async {
                            let opened = cancelled.run_until_cancelled(gateway.open(stream)).await;
                            if let Some(Some(stream)) = opened {
                                limited.secure(stream.tls(), gateway.tls_in_front);
                                let connection = Box::pin(connection(stream, limited, cancelled));
                                let _ended = abort.run_until_cancelled(connection).await;
                            }
                        });
                        if place.excess {
                            let _ended = tokio::time::timeout(EXCESS_WAIT_MAX, serve).await;
                        } else {
                            serve.await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %ops::chain(&error), "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.close();
        if tokio::time::timeout(DRAIN_MAX, connections.wait()).await.is_err() {
            tracing::warn!(limit = ?DRAIN_MAX, "requests under way did not end in time");
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn with_live(mut self, live: watch::Receiver<Live>) -> Self {
        self.live = live;
        self
    }

    #[cfg(test)]
    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service)
    }

    /// Until the client has said something, nothing is under way that a stop waits for.
    async fn open(&self, stream: TcpStream) -> Option<Stream> {
        let opened = tokio::time::timeout(OPEN_WAIT_MAX, async {
            // Answers are written whole; waiting to fill a packet only delays them.
            stream.set_nodelay(true)?;
            stream.readable().await?;
            let tls = self.live.borrow().tls.clone().map(TlsAcceptor::from);
            match tls {
                None => Ok(Stream::Plain(stream)),
                Some(tls) => tls.accept(stream).await.map(Box::new).map(Stream::Tls),
            }
        });
        match opened.await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(error = %ops::chain(&error), "a connection was not opened");
                None
            }
            Err(_) => {
                tracing::debug!("a client took too long to open its connection");
                None
            }
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        listener: &TcpListener,
        places: &Arc<Places>,
    ) -> std::io::Result<(Place, TcpStream)> {
        let (mut live, meter) = (self.live.clone(), self.service.meter());
        loop {
            if places.room(&mut live).await {
                meter.limited("connections");
            }
            let (stream, from) = listener.accept().await?;
            let place = places.enter(Client::of(from), &live.borrow().limits);
            if place.as_ref().is_none_or(|place| place.excess) {
                meter.limited("connections_per_client");
            }
            if let Some(place) = place {
                return Ok((place, stream));
            }
        }
    }

    pub(crate) fn limited(&self, place: &Place, from: Option<SocketAddr>) -> Limited {
        Limited {
            service: Arc::clone(&self.service),
            live: self.live.clone(),
            rates: Arc::clone(&self.rates),
            client: place.client,
            peer: from.map(|from| Peer { ip: from.ip(), secure: false }),
            tls: None,
            excess: place.excess,
        }
    }
}
