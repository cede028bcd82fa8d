//! Full sync in this process: the consumer's jobs, as configured, and what runs them.

mod control;

use std::sync::Arc;

use async_trait::async_trait;
use consumer::{
    Modes, Replication,
    fullsync::{self, Jobs, Report, Request, RunError, Runner, Settings, Told},
};
use ops::{
    Shutdown,
    config::{self, FullSync},
};
use store::ReadError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use control::Control;

/// What is configured, in the consumer's words.
pub(crate) fn settings(config: &FullSync) -> Settings {
    Settings {
        interval: config.interval,
        jitter: config.jitter,
        on_connect: config.on_connect,
        max_deletes: config.max_deletes,
        scrub_interval: config.scrub_interval,
        bytes_per_second: config.bytes_per_second,
        parallel: config.parallel,
    }
}

/// Which of real time and full sync an origin is configured for.
pub(crate) fn modes(origin: &config::Origin) -> Modes {
    Modes {
        realtime: origin.realtime,
        fullsync: origin.fullsync,
        without_realtime: Arc::new(origin.without_realtime()),
        without_fullsync: Arc::new(origin.without_fullsync()),
    }
}

/// Jobs of an origin that is compared with, which run until the site stops.
pub(crate) fn start(
    replication: &Replication,
    modes: &Modes,
    settings: watch::Receiver<Settings>,
    shutdown: &Shutdown,
) -> Result<Option<Jobs>, ReadError> {
    if !modes.fullsync {
        return Ok(None);
    }
    let runner = Arc::new(Walk { replication: replication.clone(), settings: settings.clone() });
    let jobs = replication.jobs(runner, settings)?;
    shutdown.spawn("full sync", jobs.clone().run_forever(shutdown.token()));
    Ok(Some(jobs))
}

/// Runs one full sync against the origin, with the limits that are set when it begins.
struct Walk {
    replication: Replication,
    settings: watch::Receiver<Settings>,
}

#[async_trait]
impl Runner for Walk {
    async fn run(
        &self,
        request: &Request,
        told: &Told,
        cancelled: &CancellationToken,
    ) -> Result<Report, RunError> {
        let settings = self.settings.borrow().clone();
        let parts = self.replication.full_sync(settings.parallel, settings.bytes_per_second);
        fullsync::run(&parts, request, told, cancelled).await
    }
}
