//! Spoils the data of a stopped site in ways that full sync must find. For tests alone: nobody ships
//! it.
//!
//! Half of the commands go through the rules of the store, so that the hash tree stays true of what
//! the site holds, as if it had missed or mistaken something. The other half go behind its back.

mod files;
mod rows;
mod rules;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use model::{BucketName, Entity, EntityHash, ObjectKey, tree::Scope};
use ops::config::Source;

/// Spoils the data of a stopped site.
#[derive(Parser)]
struct Cli {
    /// Configuration of the site.
    #[arg(long)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Through the store: take a key away, its tombstone too, as if its events had been missed.
    Lose(Named),
    /// The same with many keys of a bucket at once.
    LoseMany(Many),
    /// Through the store: add an object that the origin never issued, as if it had.
    Add(Named),
    /// Through the store: put an older state in the place of a key's, as if an update or a delete had
    /// been missed.
    Change(Named),
    /// Delete the record of a key.
    DeleteRecord(Named),
    /// Make the record of a key such that nobody can read it.
    CorruptRecord(Named),
    /// Change what the record of a key says, under the same version.
    ForgeRecord(Named),
    /// Cut the file of a key's first block in half.
    TruncateBlock(Named),
    /// Change a byte of a key's first block.
    CorruptBlock(Named),
    /// Delete the file of a key's first block.
    DeleteBlock(Named),
    /// List what the site has set aside, a line of JSON each.
    Quarantined,
}

/// An object.
#[derive(clap::Args)]
struct Named {
    #[arg(value_parser = |name: &str| BucketName::try_from(name.to_owned()))]
    bucket: BucketName,
    #[arg(value_parser = |key: &str| ObjectKey::try_from(key.to_owned()))]
    key: ObjectKey,
}

/// Keys by chance, the same for the same seed.
#[derive(clap::Args)]
struct Many {
    #[arg(value_parser = |name: &str| BucketName::try_from(name.to_owned()))]
    bucket: BucketName,
    count: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Named {
    fn scope(&self) -> Scope {
        Scope::Bucket(self.bucket.clone())
    }

    fn hash(&self) -> EntityHash {
        Entity::Object(self.bucket.clone(), self.key.clone()).hash()
    }
}

/// Whatever went wrong ends the test.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let Cli { config, command } = Cli::parse();
    let config = Source::new(&config, std::iter::empty(), Vec::new()).load()?;
    let data = &config.site.data;
    match command {
        Command::Lose(named) => rules::lose(&rules::open(&config).await?, &named).await,
        Command::LoseMany(many) => rules::lose_many(&rules::open(&config).await?, &many).await,
        Command::Add(named) => rules::add(&rules::open(&config).await?, &named).await,
        Command::Change(named) => rules::change(&rules::open(&config).await?, &named).await,
        Command::Quarantined => rules::quarantined(&rules::open(&config).await?),
        Command::DeleteRecord(named) => rows::Rows::open(data)?.delete(&named),
        Command::CorruptRecord(named) => rows::Rows::open(data)?.corrupt(&named),
        Command::ForgeRecord(named) => rows::Rows::open(data)?.forge(&named),
        Command::TruncateBlock(named) => files::truncate(data, &named),
        Command::CorruptBlock(named) => files::corrupt(data, &named),
        Command::DeleteBlock(named) => files::delete(data, &named),
    }
}
