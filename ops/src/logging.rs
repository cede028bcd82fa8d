//! Logging to standard error: one line an event.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging. A second call changes nothing.
pub fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    // Libraries speak only when something is wrong with them.
    let filter = format!(
        "warn,towline={level},store={level},gateway={level},producer={level},consumer={level},\
         bus={level},ops={level},s3s=off"
    );
    let lines = fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    // An error means that logging has started already.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
