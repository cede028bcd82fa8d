//! The configuration: one TOML file, checked whole before anything starts.
//!
//! A file is overlaid by `TOWLINE_SECTION_KEY` variables and those by `--set section.key=value`.
//! Every problem is one line: where it is, what is wrong, what to do. Settings are plain data.

mod changes;
mod check;
mod exposed;
mod fullsync;
mod load;
mod secrets;
mod value;

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use model::{PartitionCount, SiteName};
use serde::Deserialize;

pub use changes::{Changes, changes};
pub use fullsync::{FullSync, MaxDeletes, NoCeiling, OriginBucket};
pub use load::{ConfigError, Source};
pub use value::Secret;

/// A commented example, which is also the documentation of every key.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// Everything that can be set.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub site: Site,
    pub s3: S3,
    pub admin: Admin,
    pub keys: KeyFile,
    pub link: Option<Link>,
    #[serde(default, rename = "origin")]
    pub origins: Vec<Origin>,
    pub kafka: Option<Kafka>,
    #[serde(default)]
    pub history: History,
    #[serde(default)]
    pub fence: Fence,
    #[serde(default)]
    pub puller: Puller,
    #[serde(default)]
    pub fullsync: FullSync,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default)]
    pub log: Log,
}

/// `[site]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub name: SiteName,
    pub data: PathBuf,
    #[serde(default = "default_partitions")]
    pub partitions: PartitionCount,
}

/// `[s3]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    pub listen: SocketAddr,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS with clients.
    #[serde(default)]
    pub tls_in_front: bool,
    pub root_access_key: String,
    root_secret_key: Option<Secret>,
    root_secret_key_file: Option<PathBuf>,
    #[serde(default = "default_inline_max", deserialize_with = "value::bytes")]
    pub inline_max: u64,
    #[serde(default = "default_block_size", deserialize_with = "value::bytes")]
    pub block_size: u64,
    #[serde(default = "default_region")]
    pub region: String,
    /// In front of it, a host names a bucket.
    pub domain: Option<String>,
    #[serde(default = "default_connections_max")]
    pub connections_max: NonZeroUsize,
    connections_per_client_max: Option<NonZeroUsize>,
    /// `None`: no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// `None`: as many as `requests_per_second`.
    pub requests_burst: Option<NonZeroU32>,
    #[serde(default = "default_header_bytes_max", deserialize_with = "value::bytes")]
    pub header_bytes_max: u64,
    /// How long a day of lifecycles is.
    #[serde(default = "default_lifecycle_day", deserialize_with = "value::duration")]
    pub lifecycle_day: Duration,
    /// The file with a record of each request.
    pub access_log: Option<PathBuf>,
    /// Between two deliveries of records into buckets.
    #[serde(default = "default_log_delivery_interval", deserialize_with = "value::duration")]
    pub log_delivery_interval: Duration,
    /// Bytes of records that are delivered before that.
    #[serde(default = "default_log_delivery_size", deserialize_with = "value::bytes")]
    pub log_delivery_size: u64,
}

impl S3 {
    /// Connections of one client: as set, or half of all, so that nobody can take every one.
    #[must_use]
    pub fn connections_per_client_max(&self) -> NonZeroUsize {
        let half = NonZeroUsize::new(self.connections_max.get() / 2).unwrap_or(NonZeroUsize::MIN);
        self.connections_per_client_max.unwrap_or(half)
    }

    /// The root user's secret key, from wherever it was set.
    #[must_use]
    pub fn root_secret_key(&self) -> Secret {
        self.root_secret_key.clone().expect("loading sets it or fails")
    }
}

/// `[admin]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
    /// The token may travel in the clear beyond this machine.
    #[serde(default)]
    pub plain_http: bool,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
}

impl Admin {
    /// The token of the admin API, from wherever it was set; `None`: nobody may use the API.
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }
}

/// `[keys]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub file: PathBuf,
    /// Keys of this site alone, which data keys rest under.
    pub site_file: Option<PathBuf>,
    /// Keys that clients name.
    pub named_file: Option<PathBuf>,
}

/// `[link]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub listen: SocketAddr,
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
    #[serde(default)]
    pub allow: Vec<SiteName>,
}

/// `[[origin]]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub name: SiteName,
    /// `host:port` of its fetch service.
    pub link: String,
    /// Its events are followed as they come.
    #[serde(default = "yes")]
    pub realtime: bool,
    /// It is compared with this site, and what differs is repaired.
    #[serde(default = "yes")]
    pub fullsync: bool,
    /// Buckets for which that is otherwise.
    #[serde(default, rename = "bucket")]
    pub buckets: Vec<OriginBucket>,
}

/// `[kafka]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub bootstrap: String,
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    #[serde(default = "default_replication")]
    pub replication: u16,
    #[serde(default = "default_min_insync")]
    pub min_insync: u16,
    #[serde(default, deserialize_with = "value::duration")]
    pub linger: Duration,
}

/// `[history]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    #[serde(deserialize_with = "value::duration")]
    pub window: Duration,
}

/// `[fence]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fence {
    #[serde(deserialize_with = "value::duration")]
    pub max_age: Duration,
    /// `None`: no limit.
    #[serde(deserialize_with = "value::some_bytes")]
    pub max_bytes: Option<u64>,
}

/// `[puller]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Puller {
    pub paused: bool,
    pub parallel: usize,
}

/// `[limits]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub parked_max: usize,
    pub holes_max: usize,
}

/// `[storage]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    #[serde(deserialize_with = "value::bytes")]
    pub reserve: u64,
}

/// `[log]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// How much is logged; the greater, the more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for History {
    fn default() -> Self {
        Self { window: Duration::from_hours(24) }
    }
}

impl Default for Fence {
    fn default() -> Self {
        Self { max_age: Duration::from_hours(7 * 24), max_bytes: None }
    }
}

impl Default for Puller {
    fn default() -> Self {
        Self { paused: false, parallel: 8 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { parked_max: 1_000, holes_max: 100_000 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { reserve: 256 << 20 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

fn yes() -> bool {
    true
}

fn default_partitions() -> PartitionCount {
    PartitionCount::DEFAULT
}

fn default_inline_max() -> u64 {
    64 << 10
}

fn default_block_size() -> u64 {
    1 << 20
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_connections_max() -> NonZeroUsize {
    const { NonZeroUsize::new(1_024).expect("is not zero") }
}

fn default_lifecycle_day() -> Duration {
    Duration::from_hours(24)
}

fn default_header_bytes_max() -> u64 {
    32 << 10
}

fn default_log_delivery_interval() -> Duration {
    Duration::from_mins(5)
}

fn default_log_delivery_size() -> u64 {
    1 << 20
}

fn default_replication() -> u16 {
    3
}

fn default_min_insync() -> u16 {
    2
}
