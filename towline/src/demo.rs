//! The demo: two real sites in one process, from configurations that anyone could start by hand.

mod configs;
mod table;
mod users;

use std::{path::Path, time::Duration};

use ops::{Shutdown, config::Source};
use serde_json::json;

use crate::{
    command::{Failure, demo::DemoArgs},
    reload::Reload,
    site::{STOP_MAX, Site},
};

/// Between two lines of the table.
const REFRESH: Duration = Duration::from_secs(1);

/// Runs until Ctrl-C.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let json = args.json;
    let temporary = args.dir.is_none();
    let directory = args.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("towline-demo-{}", std::process::id()))
    });
    let outcome = run_in(&directory, args, json).await;
    if temporary && let Err(error) = std::fs::remove_dir_all(&directory) {
        eprintln!("towline: `{}` was not removed: {error}", directory.display());
    }
    outcome
}

async fn run_in(directory: &Path, args: DemoArgs, json: bool) -> Result<(), Failure> {
    let demo = configs::write(directory, &args)?;
    let shutdown = Shutdown::new();
    shutdown.on_signal().map_err(|error| Failure::of(&error))?;
    let mut sites = Vec::new();
    for name in configs::SITES {
        let file = directory.join(format!("{name}.toml"));
        let source = Source::new(&file, std::iter::empty(), Vec::new());
        let config = source.load().map_err(|error| Failure::Usage(error.to_string()))?;
        ops::logging::start(&config.log);
        let site = Site::start(config, &shutdown).await?;
        let (settings, live) = (site.settings.clone(), site.live.clone());
        let reload = Reload::new(source, settings, live, site.metrics.clone());
        // Without the signal: it ends the demo when its terminal is closed.
        shutdown.spawn("reload", reload.watch(None, shutdown.token()));
        sites.push(site);
    }
    let users = users::load(directory)?;
    // At the primary; the secondary has them as it has everything else.
    if let Some(primary) = sites.first() {
        users::create(&primary.store, &users).await?;
    }
    if json {
        let line = json!({
            "sites": sites.iter().map(|site| json!({
                "name": site.name.as_str(),
                "s3": format!("http://{}", site.s3),
                "admin": format!("http://{}", site.admin),
                "metrics": format!("http://{}/metrics", site.admin),
                "config": directory.join(format!("{}.toml", site.name)),
            })).collect::<Vec<_>>(),
            "access_key": demo.access_key,
            "secret_key": demo.secret_key,
            "users": users,
            "admin_token_file": directory.join(configs::TOKEN_FILE),
        });
        println!("{line}");
    } else {
        table::introduce(&sites, &demo, directory);
        watch(&sites, &shutdown).await;
    }
    shutdown.wait(STOP_MAX).await.map_err(Failure::Failed)
}

/// Draws the table until the sites stop.
async fn watch(sites: &[Site], shutdown: &Shutdown) {
    let mut table = table::Table::new(sites);
    let token = shutdown.token();
    let mut ticks = tokio::time::interval(REFRESH);
    while !token.is_cancelled() {
        tokio::select! {
            () = token.cancelled() => {}
            _ = ticks.tick() => table.draw(sites),
        }
    }
    table.end();
}
