//! `towline site`.

use ops::Shutdown;

use super::{ConfigArgs, Failure, block_on};
use crate::site::{STOP_MAX, Site};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    ops::logging::start(&config.log);
    block_on(async move {
        let shutdown = Shutdown::new();
        shutdown.on_signal().map_err(|error| Failure::of(&error))?;
        let site = Site::start(config, &shutdown).await?;
        tracing::info!(site = %site.name, s3 = %site.s3, admin = %site.admin, "ready");
        shutdown.wait(STOP_MAX).await.map_err(Failure::Failed)?;
        tracing::info!(site = %site.name, "stopped");
        Ok(())
    })
}
