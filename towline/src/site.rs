//! A site: its roles over one store, wired together.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bus::{
    DirectLog, HeartbeatCodec, Log,
    kafka::{KafkaConfig, KafkaLog, KafkaPublisher, KafkaTls, TopicPlan},
};
use consumer::{Limits, Origin, Replication, ReplicationParts, fullsync::Jobs};
use gateway::{
    AccessLog, Day, Gateway, ReadMiss, Recorder, RootKeys,
    admin::{AdminApi, AdminOptions, FullSyncControl},
};
use model::{SiteId, SiteName};
use ops::{
    Config, Metrics, Shutdown, SystemClock,
    config::KeyFile,
    link::{LinkClient, LinkServer},
};
use producer::{FenceLimits, FetchService, Heard};
use schemas::{Codec, Keys, KeysError};
use store::{CollectorOptions, Options, Refusal, Sizes, Store};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    admin::Admin,
    command::Failure,
    fullsync,
    live::{Live, Ready, Settings},
    miss::Miss,
    observe::Roles,
};

/// For everything to end after a signal: requests have 10 seconds of it.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(15);
/// Between two passes of the collector.
const COLLECT: Duration = Duration::from_secs(1);

/// What the S3 endpoint is made of.
type Served = (TcpListener, Option<Arc<dyn ReadMiss>>, (AccessLog, Recorder));

/// A site that runs.
pub(crate) struct Site {
    pub(crate) name: SiteName,
    pub(crate) s3: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) replication: Option<Replication>,
    /// Full sync, at a secondary where it is on.
    pub(crate) jobs: Option<Jobs>,
    /// What it was started with, and how to put other settings in force.
    pub(crate) settings: Settings,
    pub(crate) live: Live,
}

impl Site {
    /// Starts every role that the configuration asks for. Ready when this returns.
    pub(crate) async fn start(config: Config, shutdown: &Shutdown) -> Result<Self, Failure> {
        let codec = codec(&config).map_err(|error| Failure::of(&error))?;
        let metrics = Metrics::new();
        let settings = Settings::read(config.clone()).map_err(|error| Failure::of(&error))?;
        let ready = Ready::new(&settings).map_err(|error| Failure::of(&error))?;
        let live = Live::new(ready, metrics.clone());
        let access_log = open_access_log(&config, metrics.clone())?;
        let s3 = bind(config.s3.listen, "s3.listen").await?;
        let admin = bind(config.admin.listen, "admin.listen").await?;
        let store = open(&config, codec.clone(), metrics.clone()).await?;
        if let Some(origin) = config.origins.first() {
            store.refuse(Refusal::Secondary { primary: origin.name.to_string() });
        }
        let mut site = Self {
            name: config.site.name.clone(),
            s3: address(&s3)?,
            admin: address(&admin)?,
            store: store.clone(),
            metrics: metrics.clone(),
            replication: None,
            jobs: None,
            settings,
            live,
        };
        stop_when_failed(&store, shutdown);
        let collector =
            CollectorOptions { history_window: config.history.window, interval: COLLECT };
        let collect = store::collect_forever(store.clone(), collector, shutdown.token());
        shutdown.spawn("collector", collect);
        shutdown.spawn("accounts", store::count_forever(store.clone(), shutdown.token()));
        shutdown.spawn("folder", store::fold_forever(store.clone(), shutdown.token()));
        shutdown.spawn("verification", store::verify_forever(store.clone(), shutdown.token()));
        let day = Day::of(config.s3.lifecycle_day);
        shutdown.spawn("rewrap", store::rewrap_forever(store.clone(), shutdown.token()));
        shutdown.spawn("lifecycle", gateway::expire_forever(store.clone(), day, shutdown.token()));
        let fence = &config.fence;
        let fence = FenceLimits { max_age: fence.max_age, max_bytes: fence.max_bytes };
        let (of, told) = (store.clone(), metrics.clone());
        let evict = producer::evict_forever(of, told, codec.clone(), fence, shutdown.token());
        shutdown.spawn("eviction", evict);
        publish(&config, &site, &codec, shutdown);
        let heard = Heard::new(store.now());
        let replication = link(&config, &site, (&codec, &heard), shutdown).await?;
        let reads = replication.as_ref().map(Replication::reads);
        let miss = reads.map(|reads| -> Arc<dyn ReadMiss> { Arc::new(Miss(reads)) });
        serve(&config, &site, (s3, miss, access_log), shutdown)?;
        site.replication.clone_from(&replication);
        site.jobs = full_sync(&config, &site, shutdown)?;
        let api = AdminApi::new(admin_options(&config, &site, heard.clone()));
        let jobs = site.jobs.clone();
        let answers = Admin { store, metrics, replication, heard, jobs, api };
        let answer = move |request| answers.clone().answer(request);
        shutdown.spawn("admin", ops::http::serve_plain(admin, answer, shutdown.token()));
        Ok(site)
    }
}

/// With all keys that the configuration names.
pub(crate) fn codec(config: &Config) -> Result<Codec, KeysError> {
    let KeyFile { file, site_file, named_file } = &config.keys;
    let mut codec = Codec::new(Keys::load(file)?);
    if let Some(file) = site_file {
        codec = codec.with_site_keys(Keys::load(file)?)?;
    }
    if let Some(file) = named_file {
        codec = codec.with_named_keys(Keys::load(file)?);
    }
    Ok(codec)
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Failure::Failed(format!("key `{key}`: bind `{address}`: {error}")))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::of(&error))
}

async fn open(config: &Config, codec: Codec, metrics: Metrics) -> Result<Store, Failure> {
    let options = options(config, codec, metrics);
    Store::open(options).await.map_err(|error| Failure::of(&error))
}

/// How the store of a site is opened.
pub(crate) fn options(config: &Config, codec: Codec, metrics: Metrics) -> Options {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Options {
        directory: config.site.data.clone(),
        name: config.site.name.clone(),
        partitions: config.site.partitions,
        new_site: SiteId(rand::Rng::random(&mut rand::rng())),
        sizes: Sizes { block: size(config.s3.block_size), inline_max: size(config.s3.inline_max) },
        reserve: config.storage.reserve,
        codec,
        clock: Arc::new(SystemClock),
        metrics,
    }
}

/// Law of the store: after a failed commit only a restart can tell what is on disk.
fn stop_when_failed(store: &Store, shutdown: &Shutdown) {
    let (mut failed, token) = (store.failed(), shutdown.token());
    shutdown.spawn("store", async move {
        tokio::select! {
            // First: a site that stops gives up its store too.
            biased;
            () = token.cancelled() => Ok(()),
            failed = failed.wait_for(|failed| *failed) => match failed {
                Ok(_) => Err("a commit failed; start the site again to recover"),
                Err(_) => Err("the store has no writer; start the site again to recover"),
            },
        }
    });
}

fn kafka_config(config: &Config) -> Option<KafkaConfig> {
    let kafka = config.kafka.as_ref()?;
    let tls = match (&kafka.ca, &kafka.cert, &kafka.key) {
        (Some(ca), Some(cert), Some(key)) => {
            Some(KafkaTls { ca: ca.clone(), cert: cert.clone(), key: key.clone() })
        }
        _ => None,
    };
    Some(KafkaConfig {
        brokers: kafka.bootstrap.split(',').map(|broker| broker.trim().to_owned()).collect(),
        client_id: format!("towline-{}", config.site.name),
        tls,
        linger: kafka.linger,
    })
}

/// A primary with Kafka publishes its history.
fn publish(config: &Config, site: &Site, codec: &Codec, shutdown: &Shutdown) {
    let (Some(kafka), Some(client)) = (&config.kafka, kafka_config(config)) else {
        return;
    };
    if !config.origins.is_empty() {
        return;
    }
    let plan = TopicPlan {
        site: config.site.name.clone(),
        partitions: config.site.partitions,
        replication: kafka.replication,
        min_in_sync: kafka.min_insync,
        history_window: config.history.window,
    };
    let heartbeats: Arc<dyn HeartbeatCodec> = Arc::new(codec.clone());
    let publisher = Arc::new(KafkaPublisher::new(client, plan, heartbeats));
    let (store, metrics) = (site.store.clone(), site.metrics.clone());
    let publish = producer::publish_forever(store, publisher, metrics, shutdown.token());
    shutdown.spawn("publisher", publish);
}

/// The fetch service, and replication from the origin if there is one.
async fn link(
    config: &Config,
    site: &Site,
    (codec, heard): (&Codec, &Heard),
    shutdown: &Shutdown,
) -> Result<Option<Replication>, Failure> {
    let (Some(link), Some(tls)) = (&config.link, site.live.link()) else {
        return Ok(None);
    };
    let server = LinkServer::bind(link.listen, tls.clone()).await.map_err(|error| {
        Failure::Failed(format!("key `link.listen`: bind `{}`: {error}", link.listen))
    })?;
    let (store, metrics) = (site.store.clone(), site.metrics.clone());
    let service = FetchService::new(store, codec.clone(), metrics, heard.clone());
    let answer = move |peer, request| service.clone().answer(peer, request);
    shutdown.spawn("fetch service", server.serve(answer, shutdown.token()));
    let Some(origin) = config.origins.first() else {
        return Ok(None);
    };
    let client = LinkClient::new(origin.name.clone(), origin.link.clone(), tls);
    let heartbeats: Arc<dyn HeartbeatCodec> = Arc::new(codec.clone());
    let log: Arc<dyn Log> = match kafka_config(config) {
        Some(kafka) => Arc::new(KafkaLog::new(kafka, &origin.name, heartbeats)),
        None => Arc::new(DirectLog::new(client.clone(), heartbeats)),
    };
    let replication = Replication::new(ReplicationParts {
        store: site.store.clone(),
        codec: codec.clone(),
        metrics: site.metrics.clone(),
        origin: Origin::new(client),
        log,
        limits: Limits { parked_max: config.limits.parked_max, holes_max: config.limits.holes_max },
        puller_paused: config.puller.paused,
        puller_parallel: config.puller.parallel,
        modes: fullsync::modes(origin),
    });
    replication.start(shutdown);
    Ok(Some(replication))
}

/// Jobs of the origin, if there is one and full sync with it is on.
fn full_sync(config: &Config, site: &Site, shutdown: &Shutdown) -> Result<Option<Jobs>, Failure> {
    let (Some(replication), Some(origin)) = (&site.replication, config.origins.first()) else {
        return Ok(None);
    };
    let jobs =
        fullsync::start(replication, &fullsync::modes(origin), site.live.fullsync(), shutdown);
    jobs.map_err(|error| Failure::of(&error))
}

fn admin_options(config: &Config, site: &Site, heard: Heard) -> AdminOptions {
    let roles = Roles {
        store: site.store.clone(),
        metrics: site.metrics.clone(),
        replication: site.replication.clone(),
        heard,
        jobs: site.jobs.clone(),
        publishes: config.kafka.is_some() && config.origins.is_empty(),
    };
    let fullsync = config.origins.first().map(|origin| -> Arc<dyn FullSyncControl> {
        Arc::new(fullsync::Control {
            store: site.store.clone(),
            origin: origin.name.clone(),
            modes: fullsync::modes(origin),
            settings: site.live.fullsync(),
            jobs: site.jobs.clone(),
        })
    });
    AdminOptions {
        store: site.store.clone(),
        metrics: site.metrics.clone(),
        token: config.admin.token().map(|token| token.expose().to_owned()),
        root_access_key: config.s3.root_access_key.clone(),
        status: Arc::new(roles),
        fullsync,
    }
}

fn open_access_log(config: &Config, metrics: Metrics) -> Result<(AccessLog, Recorder), Failure> {
    let path = config.s3.access_log.as_deref();
    AccessLog::open(path, metrics).map_err(|error| {
        let path = path.unwrap_or(Path::new("")).display();
        Failure::Failed(format!("key `s3.access_log`: open `{path}`: {error}"))
    })
}

/// The S3 endpoint, and what records its requests: that goes on until the last of them has ended.
fn serve(
    config: &Config,
    site: &Site,
    (s3, miss, (log, recorder)): Served,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let options = gateway_options(config, &site.live, log);
    let gateway = Gateway::new(options, site.store.clone(), miss, site.metrics.clone());
    // Only for a file: elsewhere the signal keeps the meaning that it has by itself.
    let hangup = config.s3.access_log.as_ref().map(|_| signal(SignalKind::hangup()));
    let hangup = hangup.transpose().map_err(|error| Failure::of(&error))?;
    let record = recorder.run(gateway.delivery(), site.live.pace(), hangup, shutdown.token());
    shutdown.spawn("access log", record);
    shutdown.spawn("gateway", gateway.serve(s3, shutdown.token()));
    Ok(())
}

fn gateway_options(config: &Config, live: &Live, access_log: AccessLog) -> gateway::Options {
    let root = RootKeys {
        access_key: config.s3.root_access_key.clone(),
        secret_key: config.s3.root_secret_key().expose().to_owned(),
    };
    gateway::Options {
        region: config.s3.region.clone(),
        domain: config.s3.domain.clone(),
        root,
        day: Day::of(config.s3.lifecycle_day),
        live: live.s3(),
        access_log,
        tls_in_front: config.s3.tls_in_front,
    }
}
