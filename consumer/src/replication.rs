//! All that a secondary does for one origin, wired together.

use std::{sync::Arc, time::Duration};

use bus::{Log, wire::Registration};
use ops::{Metrics, Shutdown, chain};
use rand::Rng;
use schemas::Codec;
use store::{ReadError, Store};
use tokio::sync::watch;

use crate::{
    acks,
    applier::Limits,
    bootstrap,
    flights::Flights,
    follower::Follower,
    fullsync::{self, Jobs, JobsParts, Runner, Settings, Throttle, Urgent},
    gaps::Gaps,
    lag::Lag,
    modes::Modes,
    origin::Origin,
    puller::{self, PullerOptions},
    pulse::Pulse,
    read_miss::OriginReads,
    refill::{self, RefillError},
    status::OriginStatus,
};

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Time between two questions to the origin how far it is.
const LISTEN: Duration = Duration::from_secs(1);

/// What replication is made of.
pub struct ReplicationParts {
    pub store: Store,
    pub codec: Codec,
    pub metrics: Metrics,
    pub origin: Origin,
    /// Where events come from: Kafka, or the origin's change feed.
    pub log: Arc<dyn Log>,
    pub limits: Limits,
    pub puller_paused: bool,
    pub puller_parallel: usize,
    pub modes: Modes,
}

/// Replication from one origin. Clones are the same.
#[derive(Clone)]
pub struct Replication {
    follower: Follower,
    origin: Origin,
    log: Arc<dyn Log>,
    flights: Flights,
    puller: PullerOptions,
    pulse: Pulse,
    gaps: Gaps,
}

impl Replication {
    /// Replication that does not run yet.
    #[must_use]
    pub fn new(parts: ReplicationParts) -> Self {
        let ReplicationParts { store, codec, metrics, origin, log, limits, modes, .. } = parts;
        let flights = Flights::new(store.clone(), origin.clone(), metrics.clone());
        let pulse = Pulse::new(store.now());
        let lag = Lag::default();
        let follower = Follower { store, codec, metrics, lag, pulse: pulse.clone(), limits, modes };
        let puller = PullerOptions { paused: parts.puller_paused, parallel: parts.puller_parallel };
        Self { follower, origin, log, flights, puller, pulse, gaps: Gaps::default() }
    }

    /// Reads through the origin, for the gateway.
    #[must_use]
    pub fn reads(&self) -> OriginReads {
        OriginReads::new(self.flights.clone(), self.follower.metrics.clone())
    }

    /// What goes before full sync: reads through the origin, and blocks that are pulled.
    #[must_use]
    pub fn urgent(&self) -> Urgent {
        self.flights.urgent().clone()
    }

    /// What one full sync with this origin is made of: so many requests at once, and bytes a second.
    #[must_use]
    pub fn full_sync(&self, parallel: usize, rate: Option<u64>) -> fullsync::Parts {
        let Follower { store, codec, metrics, modes, .. } = self.follower.clone();
        // What closes holes must have looked at everything that they may hide.
        let lost = store.lines(fullsync::lost).iter().any(|lost| !lost.is_empty());
        let without = if lost { Arc::default() } else { modes.without_fullsync };
        fullsync::Parts {
            here: Arc::new(store.clone()),
            blocks: Some(store),
            origin: self.origin.clone(),
            codec,
            metrics,
            throttle: Throttle::new(parallel, rate, self.urgent()),
            scrub: Throttle::new(parallel, rate, self.urgent()),
            options: fullsync::Options { realtime: modes.realtime, ..Default::default() },
            without,
        }
    }

    /// Full sync with this origin, which goes on from what the store holds and does not run yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn jobs(
        &self,
        runner: Arc<dyn Runner>,
        settings: watch::Receiver<Settings>,
    ) -> Result<Jobs, ReadError> {
        let Follower { store, metrics, modes, .. } = self.follower.clone();
        let pulse = modes.realtime.then(|| self.pulse.clone());
        let origin = self.origin.name().clone();
        Jobs::open(JobsParts { store, metrics, origin, pulse, runner, settings })
    }

    /// Starts following, if this origin is followed, and pulling.
    pub fn start(&self, shutdown: &Shutdown) {
        let token = shutdown.token();
        let Follower { store, metrics, .. } = self.follower.clone();
        let told = puller::Told { metrics, pulse: self.pulse.clone() };
        let pull =
            puller::pull_forever(store, self.flights.clone(), told, self.puller, token.clone());
        shutdown.spawn("puller", pull);
        if !self.follower.modes.realtime {
            return;
        }
        let replication = self.clone();
        shutdown.spawn("follower", async move {
            tokio::select! {
                () = token.cancelled() => Ok(()),
                ended = replication.follow_forever() => ended,
            }
        });
    }

    async fn follow_forever(&self) -> Result<(), ReadError> {
        let Follower { store, metrics, .. } = &self.follower;
        let name = self.origin.name().as_str();
        let connected = metrics.link_connected.with_label_values(&[name]);
        let mut failures = 0;
        loop {
            let began = tokio::time::Instant::now();
            let why = Box::pin(self.session()).await;
            connected.set(0);
            self.pulse.ended(store.now(), &why);
            if *store.failed().borrow() {
                return Ok(());
            }
            failures = if began.elapsed() > RETRY_MAX { 0 } else { failures + 1 };
            // The first failure of a row is said aloud; the metrics tell the rest.
            if failures <= 1 {
                tracing::info!(origin = name, why, "replication waits for its origin");
            } else {
                tracing::debug!(origin = name, why, failures, "replication waits for its origin");
            }
            let wait = RETRY_FIRST.saturating_mul(1 << failures.min(6)).min(RETRY_MAX);
            let wait = wait.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(wait).await;
        }
    }

    /// Brings the metrics of this origin up to now: lag rises by the clock, also while nothing
    /// comes.
    pub fn report(&self) {
        let Follower { store, metrics, lag, .. } = &self.follower;
        lag.report(store, metrics, self.origin.name().as_str());
    }

    /// How far this site is with its origin, and what stands in the way.
    #[must_use]
    pub fn status(&self) -> OriginStatus {
        let Follower { store, lag, limits, modes, .. } = &self.follower;
        let session = (self.origin.name().clone(), self.pulse.get());
        let measured = lag.measure(store);
        if let Some(measured) = &measured {
            self.gaps.see(store.now(), &refill::gaps(store, measured.site));
        }
        let gap = self.gaps.oldest();
        let status = OriginStatus::new(session, (*limits, self.puller.paused), gap, measured);
        OriginStatus { realtime: modes.realtime, ..status }
    }

    /// One session with the origin, until something stands in the way; says what.
    async fn session(&self) -> String {
        let Follower { store, metrics, .. } = &self.follower;
        let name = self.origin.name().as_str();
        let info = match self.origin.info().await {
            Ok(info) => info,
            Err(error) => return chain(&error),
        };
        let claims = acks::claims(store, info.site).into_iter().map(|ack| ack.claim).collect();
        let reads = schemas::readable_kinds().map(ToOwned::to_owned).collect();
        let registration = Registration { site: store.identity().site, claims, reads };
        if let Err(error) = self.origin.register(&registration).await {
            return chain(&error);
        }
        metrics.link_connected.with_label_values(&[name]).set(1);
        self.pulse.connected(store.now());
        // Registered, so that from here on the fence holds everything for this site.
        let begun =
            store.lines(|line, it| line.site == info.site && it.handled.seq > model::Seq::NONE);
        if !begun.contains(&true)
            && self.follower.modes.compares_all()
            && let Err(error) = bootstrap::begin(store, &self.origin).await
        {
            return chain(&error);
        }
        tracing::info!(origin = name, epoch = info.epoch.0, "following");
        // Before following, which would stop again at once in a line that has too many of them.
        if let Err(error) = self.retry_parked(info.site).await {
            return chain(&error);
        }
        let never = tokio_util::sync::CancellationToken::new();
        tokio::select! {
            ended = self.follower.follow(&self.log, info.site, info.partitions) => match ended {
                Ok(()) => "the log ended".to_owned(),
                Err(error) => chain(&error),
            },
            ended = acks::acknowledge(store, &self.origin, info.site, &never) => match ended {
                Ok(()) => "acknowledging ended".to_owned(),
                Err(error) => chain(&error),
            },
            why = self.refill_forever(info.site) => why,
            why = self.listen_forever(info.site) => why,
        }
    }

    /// An upgrade, or a key that was not there, may have made readable what was parked.
    async fn retry_parked(&self, site: model::SiteId) -> Result<(), RefillError> {
        let Follower { store, codec, modes, .. } = &self.follower;
        for hole in refill::parked(store, site) {
            refill::refill(store, &self.origin, (codec, modes), hole).await?;
        }
        Ok(())
    }

    /// Hears over the link how far the origin is, so that lag is known while the log is away or
    /// full of what is older.
    async fn listen_forever(&self, site: model::SiteId) -> String {
        let Follower { store, codec, lag, .. } = &self.follower;
        loop {
            match self.origin.heartbeats(codec).await {
                Ok(beats) => {
                    for beat in beats.iter().filter(|beat| beat.site == site) {
                        lag.heartbeat(store, beat);
                    }
                }
                Err(error) => return chain(&error),
            }
            tokio::time::sleep(LISTEN).await;
        }
    }

    async fn refill_forever(&self, site: model::SiteId) -> String {
        let Follower { store, codec, modes, .. } = &self.follower;
        let mut changed = store.lines_changed();
        loop {
            changed.mark_unchanged();
            let gaps = refill::gaps(store, site);
            self.gaps.see(store.now(), &gaps);
            for hole in gaps {
                if let Err(error) = refill::refill(store, &self.origin, (codec, modes), hole).await
                {
                    return chain(&error);
                }
            }
            if changed.changed().await.is_err() {
                return "the store is closed".to_owned();
            }
        }
    }
}
