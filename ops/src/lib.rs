//! What every role shares: time, configuration, TLS, the link between sites, metrics, logging,
//! shutdown. Nothing here knows objects or events.

mod blocking;
pub mod certs;
mod chain;
mod clock;
pub mod config;
pub mod crash;
pub mod http;
pub mod link;
pub mod logging;
mod metrics;
mod shutdown;
pub mod tls;

pub use blocking::blocking;
pub use chain::chain;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, ConfigError};
pub use metrics::Metrics;
pub use shutdown::Shutdown;
