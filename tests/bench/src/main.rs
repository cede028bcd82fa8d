//! Load for the benchmarks: cheap, so that two cores go to the sites. Prints one line of JSON.

mod client;
mod commits;
mod count;
mod disk;
mod fill;
mod get;
mod kafka;
mod lag;
mod multipart;
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
    /// Uploads objects in parts, for a time.
    Multipart(multipart::MultipartArgs),
    /// Reads by presigned links with several clients, for a time.
    Get(get::GetArgs),
    /// Measures acknowledged → readable at the other site, one object after another.
    Lag(lag::LagArgs),
    /// Puts so many objects, the same for the same numbers.
    Fill(fill::FillArgs),
    /// Carries bytes to a port and counts them.
    Count(count::CountArgs),
    /// Puts objects into a store without a site.
    Commits(commits::CommitsArgs),
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
        Command::Multipart(args) => multipart::run(args).await?,
        Command::Get(args) => get::run(args).await?,
        Command::Lag(args) => lag::run(args).await?,
        Command::Fill(args) => fill::run(args).await?,
        Command::Count(args) => count::run(args).await?,
        Command::Commits(args) => commits::run(args).await?,
        Command::Disk(args) => disk::run(&args)?,
        Command::Kafka(args) => kafka::run(args).await?,
    };
    println!("{result}");
    Ok(())
}
