//! `towline store new-epoch|remove-site|verify`.

use model::{SiteId, SiteName};
use ops::Clock;

use super::{
    ConfigArgs, Failure,
    verify::{self, VerifyArgs},
};

#[derive(clap::Subcommand)]
pub(crate) enum StoreCommand {
    /// Open a new epoch: after a restore from a backup, or on one of two clones of a machine.
    ///
    /// The site numbers its events from 1 again, under a number that was never used, so that
    /// other sites can tell them from those that the lost disk held.
    #[command(after_help = "Example: towline store new-epoch --config site.toml")]
    NewEpoch(ConfigArgs),
    /// Forget a site that is gone for good: nothing waits for it any more.
    ///
    /// Take it out of `link.allow` too. One that comes back all the same registers again, and may
    /// have missed events by then.
    #[command(after_help = "Example: towline store remove-site west --config site.toml")]
    RemoveSite {
        /// Name of the site, as its certificate says.
        #[arg(value_parser = |name: &str| SiteName::try_from(name.to_owned()))]
        name: SiteName,
        /// Which, if several registered under the name: one that was rebuilt on an empty disk is
        /// another than before.
        #[arg(long, value_parser = |id: &str| SiteId::parse(id).ok_or("32 hexadecimal digits"))]
        id: Option<SiteId>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Compare the hash tree with the records that it speaks of. Exit code 1 if anything differs.
    ///
    /// And how often each block counts with who names it. A running site does the first by itself, a
    /// small step at a time, about once a day, and the second in a deep full sync. What is stored in
    /// blocks is not read.
    #[command(after_help = "Example: towline store verify --config site.toml")]
    Verify(VerifyArgs),
}

pub(super) fn run(command: &StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::NewEpoch(args) => {
            let config = args.load()?;
            let now = ops::SystemClock.now();
            let opened = store::open_epoch(&config.site.data, now);
            let (before, after) = opened.map_err(|error| Failure::of(&error))?;
            println!(
                "site `{}`: epoch {} is open, {} is past",
                config.site.name, after.0, before.0
            );
        }
        StoreCommand::Verify(args) => verify::run(args)?,
        StoreCommand::RemoveSite { name, id, config } => {
            let config = config.load()?;
            let removed = store::remove_site(&config.site.data, name, *id);
            removed.map_err(|error| Failure::of(&error))?;
            println!("site `{}`: nothing waits for `{name}` any more", config.site.name);
        }
    }
    Ok(())
}
