//! Load for the benchmarks: cheap, so that two cores go to the sites. Prints one line of JSON.

mod client;
mod disk;
mod kafka;
mod lag;
mod put;
mod quantiles;

use clap::{Parser, Subcommand};

/// Load tool of `tests/bench/run`.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Puts objects with several clients for a time, or at a rate.
    Put(put::PutArgs),
    /// Measures acknowledged → readable at the other site, one object after another.
    Lag(lag::LagArgs),
    /// Measures a disk sync of 4 KiB.
    Disk(disk::DiskArgs),
    /// Measures bare produce → consume of a record of 4 KiB.
    Kafka(kafka::KafkaArgs),
}

/// Whatever went wrong ends the run.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let result = match Cli::parse().command {
        Command::Put(args) => put::run(args).await?,
        Command::Lag(args) => lag::run(args).await?,
        Command::Disk(args) => disk::run(&args)?,
        Command::Kafka(args) => kafka::run(args).await?,
    };
    println!("{result}");
    Ok(())
}
