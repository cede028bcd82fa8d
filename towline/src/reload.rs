//! Takes on a changed configuration or certificate: when told to, and by itself.
//!
//! All or nothing: what is not good as a whole changes nothing. What is found is decided by
//! [`Reload::judge`], apart from files and signals.

use std::{convert::Infallible, time::Duration};

use ops::{
    Metrics,
    config::{Source, changes},
};
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::live::{Live, Ready, Settings};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);

/// Files must be the same for so long before they count: a certificate and its key are written
/// one after the other.
const SETTLE: Duration = Duration::from_secs(1);

/// What was found in the files: settings, or what is wrong with them in one line.
type Found = Result<Settings, String>;

/// The settings of a site while it runs.
pub(crate) struct Reload {
    source: Source,
    live: Live,
    metrics: Metrics,
    /// What the site was started with.
    started: Settings,
    /// What counts now, but for what needs a restart.
    current: Settings,
    /// At the last look.
    found: Option<Found>,
    /// What was wrong, and has been said.
    failure: Option<String>,
    /// Keys that need a restart, and have been named.
    restart: Vec<&'static str>,
    /// Files that others can read, and have been named.
    exposed: Vec<String>,
}

/// What a look at the files comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nothing to do, and nothing to say.
    Nothing,
    /// Something changed a moment ago: look again soon.
    Unsettled,
    /// Somebody asked, and nothing has changed.
    Unchanged,
    /// What was wrong was put right, back to what counts.
    Mended,
    Wrong(String),
    TakeOn,
}

impl Reload {
    /// Over settings that are in force.
    pub(crate) fn new(source: Source, settings: Settings, live: Live, metrics: Metrics) -> Self {
        let mut reload = Self {
            source,
            live,
            metrics,
            started: settings.clone(),
            current: settings,
            found: None,
            failure: None,
            restart: Vec::new(),
            exposed: Vec::new(),
        };
        reload.warn_of_exposed();
        reload
    }

    /// Looks every five seconds, and at once when `hangup` says so, until cancelled.
    pub(crate) async fn watch(
        mut self,
        mut hangup: Option<Signal>,
        cancelled: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut wait = LOOK;
        loop {
            let asked = tokio::select! {
                () = cancelled.cancelled() => return Ok(()),
                () = asked(&mut hangup) => true,
                () = tokio::time::sleep(wait) => false,
            };
            let source = self.source.clone();
            // The files may be on a file system that is away.
            let found = tokio::task::spawn_blocking(move || read(&source)).await;
            let found = found.unwrap_or_else(|error| Err(format!("read the settings: {error}")));
            let verdict = self.judge(&found, asked);
            wait = if verdict == Verdict::Unsettled { SETTLE } else { LOOK };
            self.act(verdict, found, asked);
        }
    }

    fn judge(&self, found: &Found, asked: bool) -> Verdict {
        let settled = asked || self.found.as_ref() == Some(found);
        let news = match found {
            Ok(settings) => *settings != self.current,
            Err(why) => self.failure.as_ref() != Some(why),
        };
        match found {
            _ if news && !settled => Verdict::Unsettled,
            Ok(_) if news => Verdict::TakeOn,
            Ok(_) if self.failure.is_some() => Verdict::Mended,
            Err(why) if news || asked => Verdict::Wrong(why.clone()),
            Ok(_) if asked => Verdict::Unchanged,
            _ => Verdict::Nothing,
        }
    }

    fn act(&mut self, verdict: Verdict, found: Found, asked: bool) {
        self.found = Some(found.clone());
        match (verdict, found) {
            (Verdict::TakeOn, Ok(settings)) => match Ready::new(&settings) {
                Ok(ready) => self.take_on(settings, ready),
                Err(error) => {
                    let why = format!("{}: {error}", self.source.place(error.key));
                    // The same certificate is tried at each look, and told of once.
                    if asked || self.failure.as_ref() != Some(&why) {
                        self.fail(why);
                    }
                }
            },
            (Verdict::Wrong(why), _) => self.fail(why),
            (Verdict::Mended, _) => {
                self.failure = None;
                tracing::info!("configuration is in order again; nothing has changed");
            }
            (Verdict::Unchanged, _) => {
                self.count("unchanged");
                tracing::info!("configuration was read again; nothing has changed");
            }
            _ => {}
        }
    }

    fn fail(&mut self, why: String) {
        self.count("failed");
        tracing::error!(%why, "new configuration is not taken on; the old one stays in force");
        self.failure = Some(why);
    }

    fn take_on(&mut self, settings: Settings, ready: Ready) {
        let restart = changes(&self.started.config, &settings.config).restart;
        let mut live = changes(&self.current.config, &settings.config).live;
        for key in self.current.files.changes(&settings.files) {
            if !live.contains(&key) {
                live.push(key);
            }
        }
        // Under the more talkative of the two log levels, so that the line is seen.
        let level = self.current.config.log.level.max(settings.config.log.level);
        ops::logging::set_level(level);
        if !restart.is_empty() && restart != self.restart {
            let keys = restart.join(", ");
            tracing::warn!(keys, "changed settings count from the next start on");
        }
        if !live.is_empty() {
            tracing::info!(keys = live.join(", "), "changed settings are in force");
        }
        self.live.take_on(ready);
        self.count(if live.is_empty() { "unchanged" } else { "done" });
        (self.current, self.restart, self.failure) = (settings, restart, None);
        self.warn_of_exposed();
    }

    fn warn_of_exposed(&mut self) {
        let exposed = self.source.exposed(&self.current.config);
        for line in exposed.iter().filter(|line| !self.exposed.contains(line)) {
            tracing::warn!("{line}");
        }
        self.exposed = exposed;
    }

    fn count(&self, outcome: &str) {
        self.metrics.config_reloads.with_label_values(&[outcome]).inc();
    }
}

/// Waits for the signal, if there is one to wait for.
async fn asked(hangup: &mut Option<Signal>) {
    if let Some(hangup) = hangup
        && hangup.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn read(source: &Source) -> Found {
    let config = source.load().map_err(|error| error.problems.join("; "))?;
    Settings::read(config).map_err(|error| format!("{}: {error}", source.place(error.key)))
}

#[cfg(test)]
mod tests;
