//! The command line. Exit codes: 0 done, 1 failed, 2 usage (a wrong configuration is usage).

mod admin;
mod bucket;
mod certs;
mod completions;
mod config;
pub(crate) mod demo;
mod example;
mod fullsync;
mod health;
mod man;
mod peer;
mod quarantine;
mod quota;
mod site;
mod status;
mod store;
mod usage;
mod user;
mod verify;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ops::config::Source;

pub(crate) use example::parse;

/// Multi-site replication for S3-compatible object storage.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = "Example: towline demo")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a site.
    #[command(after_help = "Example: towline site --config site.toml")]
    Site(ConfigArgs),
    /// Ask a site that runs how it is.
    Health(health::HealthArgs),
    /// Check a configuration, or print an example.
    #[command(subcommand, after_help = "Example: towline config check --config site.toml")]
    Config(config::ConfigCommand),
    /// Make a CA, a certificate for each site, and a class key.
    Certs(certs::CertsArgs),
    /// Run two sites on this machine, `east` and `west`, and watch them.
    Demo(demo::DemoArgs),
    /// Show where a running site stands, and whether a person must look.
    Status(status::StatusArgs),
    /// Manage the users of a running site.
    #[command(subcommand, after_help = "Example: towline user create alice --config site.toml")]
    User(user::UserCommand),
    /// Manage what an administrator sets of buckets of a running site.
    #[command(
        subcommand,
        after_help = "Example: towline bucket quota photos --bytes 500GiB --config site.toml"
    )]
    Bucket(bucket::BucketCommand),
    /// Show what stands in buckets, and in all of each user: objects, versions, bytes, and quotas.
    Usage(usage::UsageArgs),
    /// Compare a running site with its origin, and repair what differs.
    #[command(
        subcommand,
        name = "fullsync",
        after_help = "Example: towline fullsync run --config site.toml"
    )]
    FullSync(fullsync::FullSyncCommand),
    /// List and remove the sites that replicate from a running site.
    #[command(subcommand, after_help = "Example: towline peer list --config site.toml")]
    Peer(peer::PeerCommand),
    /// List and discard the records that a running site has set aside.
    #[command(subcommand, after_help = "Example: towline quarantine list --config site.toml")]
    Quarantine(quarantine::QuarantineCommand),
    /// Work on the data of a site that is stopped.
    #[command(subcommand, after_help = "Example: towline store new-epoch --config site.toml")]
    Store(store::StoreCommand),
    /// Print what makes a shell complete `towline`.
    Completions(completions::CompletionsArgs),
    /// Write the manual, one page a command.
    Man(man::ManArgs),
}

/// Where the configuration is.
#[derive(clap::Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file; `towline config example` prints one.
    #[arg(long, env = "TOWLINE_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Set one key over file and environment, as in `--set s3.listen=127.0.0.1:9000`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Why a command ended badly: one line.
pub(crate) enum Failure {
    /// Exit code 2.
    Usage(String),
    /// Exit code 1.
    Failed(String),
}

impl Failure {
    /// A failure with an error and its causes.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        Self::Failed(ops::chain(error))
    }
}

impl ConfigArgs {
    pub(crate) fn load(&self) -> Result<ops::Config, Failure> {
        load(&self.source()?)
    }

    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let mut flags = Vec::new();
        for set in &self.set {
            let Some((key, value)) = set.split_once('=') else {
                // Not what was given: it may be a secret.
                let line = "--set: write it like `--set s3.listen=127.0.0.1:9000`";
                return Err(Failure::Usage(line.to_owned()));
            };
            flags.push((key.to_owned(), value.to_owned()));
        }
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Ok(Source::new(&self.config, variables, flags))
    }
}

fn load(source: &Source) -> Result<ops::Config, Failure> {
    source.load().map_err(|error| Failure::Usage(error.to_string()))
}

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Site(args) => site::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Certs(args) => certs::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Status(args) => status::run(&args),
        Command::User(command) => user::run(command),
        Command::Bucket(command) => bucket::run(&command),
        Command::Usage(args) => usage::run(&args),
        Command::FullSync(command) => fullsync::run(command),
        Command::Peer(command) => peer::run(&command),
        Command::Quarantine(command) => quarantine::run(command),
        Command::Store(command) => store::run(&command),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(&error))?;
    let outcome = runtime.block_on(future);
    // What is left are connections of clients that do not end by themselves.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}
