//! What a running site takes on without a restart: certificates, who may connect, the limits of
//! the S3 endpoint, the pace of deliveries, full sync, the log level.

use std::num::NonZeroU32;

use consumer::fullsync;
use gateway::{Limits, Rate};
use ops::{
    Config, Metrics,
    config::{LogLevel, S3},
    tls::{LinkTls, PemFiles, TlsError, s3_server},
};
use tokio::sync::watch;

/// A configuration and the certificates it names, as they were read together.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) files: PemFiles,
}

impl Settings {
    /// Reads the certificates.
    pub(crate) fn read(config: Config) -> Result<Self, TlsError> {
        let files = PemFiles::read(&config)?;
        Ok(Self { config, files })
    }
}

/// Settings that were tried and found good: to put them in force cannot fail.
pub(crate) struct Ready {
    link: Option<LinkTls>,
    s3: gateway::Live,
    pace: gateway::Pace,
    fullsync: fullsync::Settings,
    level: LogLevel,
    expiry: [(&'static str, Option<i64>); 2],
}

impl Ready {
    pub(crate) fn new(settings: &Settings) -> Result<Self, TlsError> {
        let Settings { config, files } = settings;
        let allow = config.link.as_ref().map_or(&[][..], |link| &link.allow);
        let link = files.link.as_ref().map(|(ca, pair)| LinkTls::new(ca, pair, allow));
        let link_expiry = files.link.as_ref().map(|(_, pair)| pair.expires());
        let tls = files.s3.as_ref().map(s3_server);
        let s3_expiry = files.s3.as_ref().map(|pair| pair.expires());
        Ok(Self {
            link: link.transpose()?,
            s3: gateway::Live { tls: tls.transpose()?, limits: limits(&config.s3) },
            pace: pace(&config.s3),
            fullsync: crate::fullsync::settings(&config.fullsync),
            level: config.log.level,
            expiry: [("link", link_expiry.transpose()?), ("s3", s3_expiry.transpose()?)],
        })
    }
}

fn limits(s3: &S3) -> Limits {
    let burst = |per_second: NonZeroU32| s3.requests_burst.unwrap_or(per_second);
    Limits {
        connections_max: s3.connections_max,
        connections_per_client_max: s3.connections_per_client_max(),
        header_bytes_max: usize::try_from(s3.header_bytes_max).unwrap_or(usize::MAX),
        rate: s3
            .requests_per_second
            .map(|per_second| Rate { per_second, burst: burst(per_second) }),
    }
}

fn pace(s3: &S3) -> gateway::Pace {
    let bytes = usize::try_from(s3.log_delivery_size).unwrap_or(usize::MAX);
    gateway::Pace { interval: s3.log_delivery_interval, bytes }
}

/// Where the roles of a site see what counts now. Clones are the same.
#[derive(Clone)]
pub(crate) struct Live {
    link: Option<watch::Sender<LinkTls>>,
    s3: watch::Sender<gateway::Live>,
    pace: watch::Sender<gateway::Pace>,
    fullsync: watch::Sender<fullsync::Settings>,
    metrics: Metrics,
}

impl Live {
    pub(crate) fn new(ready: Ready, metrics: Metrics) -> Self {
        show_expiry(&ready, &metrics);
        let link = ready.link.map(|tls| watch::channel(tls).0);
        let fullsync = watch::channel(ready.fullsync).0;
        let pace = watch::channel(ready.pace).0;
        Self { link, s3: watch::channel(ready.s3).0, pace, fullsync, metrics }
    }

    /// If the site has a link.
    pub(crate) fn link(&self) -> Option<watch::Receiver<LinkTls>> {
        self.link.as_ref().map(watch::Sender::subscribe)
    }

    pub(crate) fn s3(&self) -> watch::Receiver<gateway::Live> {
        self.s3.subscribe()
    }

    /// When records of the access log are delivered.
    pub(crate) fn pace(&self) -> watch::Receiver<gateway::Pace> {
        self.pace.subscribe()
    }

    pub(crate) fn fullsync(&self) -> watch::Receiver<fullsync::Settings> {
        self.fullsync.subscribe()
    }

    pub(crate) fn take_on(&self, ready: Ready) {
        show_expiry(&ready, &self.metrics);
        if let (Some(link), Some(tls)) = (&self.link, ready.link) {
            link.send_replace(tls);
        }
        self.s3.send_replace(ready.s3);
        self.pace.send_replace(ready.pace);
        self.fullsync.send_replace(ready.fullsync);
        ops::logging::set_level(ready.level);
    }
}

fn show_expiry(ready: &Ready, metrics: &Metrics) {
    for (certificate, expires) in ready.expiry {
        match expires {
            Some(at) => metrics.certificate_expiry.with_label_values(&[certificate]).set(at),
            // It was there before, or never: both are fine.
            None => {
                let _absent = metrics.certificate_expiry.remove_label_values(&[certificate]);
            }
        }
    }
}
