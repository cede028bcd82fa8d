//! Logging to standard error: one line an event.

use std::sync::OnceLock;

use tracing_subscriber::{EnvFilter, fmt, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// Puts another filter in force; the type behind it depends on the format.
type Refilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// Of the process, as its log is.
static REFILTER: OnceLock<Refilter> = OnceLock::new();

/// Starts logging. A second call changes nothing.
pub fn start(log: &Log) {
    REFILTER.get_or_init(|| {
        let lines = fmt().with_env_filter(filter(log.level)).with_writer(std::io::stderr);
        // An error means that somebody else has started logging in this process.
        match log.format {
            LogFormat::Text => {
                let lines = lines.with_ansi(false).with_filter_reloading();
                let handle = lines.reload_handle();
                let _ = lines.try_init();
                Box::new(move |filter| handle.reload(filter))
            }
            LogFormat::Json => {
                let lines = lines.json().with_filter_reloading();
                let handle = lines.reload_handle();
                let _ = lines.try_init();
                Box::new(move |filter| handle.reload(filter))
            }
        }
    });
}

/// Logs at another level from here on.
pub fn set_level(level: LogLevel) {
    if let Some(Err(error)) = REFILTER.get().map(|refilter| refilter(filter(level))) {
        tracing::warn!(error = %crate::chain(&error), "the log level was not changed");
    }
}

/// Libraries speak only when something is wrong with them.
fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    EnvFilter::new(format!(
        "warn,towline={level},store={level},gateway={level},producer={level},consumer={level},\
         bus={level},ops={level},s3s=off"
    ))
}
