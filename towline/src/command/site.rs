//! `towline site`.

use ops::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgs, Failure, block_on};
use crate::{
    reload::Reload,
    site::{STOP_MAX, Site},
};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let source = args.source()?;
    let config = super::load(&source)?;
    ops::logging::start(&config.log);
    block_on(async move {
        let shutdown = Shutdown::new();
        shutdown.on_signal().map_err(|error| Failure::of(&error))?;
        // From here on: without somebody who listens, the signal ends the process.
        let hangup = signal(SignalKind::hangup()).map_err(|error| Failure::of(&error))?;
        let site = Site::start(config, &shutdown).await?;
        let (settings, live) = (site.settings.clone(), site.live.clone());
        let reload = Reload::new(source, settings, live, site.metrics.clone());
        shutdown.spawn("reload", reload.watch(Some(hangup), shutdown.token()));
        tracing::info!(site = %site.name, s3 = %site.s3, admin = %site.admin, "ready");
        shutdown.wait(STOP_MAX).await.map_err(Failure::Failed)?;
        tracing::info!(site = %site.name, "stopped");
        Ok(())
    })
}
