//! `towline store new-epoch`.

use ops::Clock;

use super::{ConfigArgs, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum StoreCommand {
    /// Open a new epoch: after a restore from a backup, or on one of two clones of a machine.
    ///
    /// The site numbers its events from 1 again, under a number that was never used, so that
    /// other sites can tell them from those that the lost disk held.
    NewEpoch(ConfigArgs),
}

pub(super) fn run(command: &StoreCommand) -> Result<(), Failure> {
    let StoreCommand::NewEpoch(args) = command;
    let config = args.load()?;
    let now = ops::SystemClock.now();
    let (before, after) =
        store::open_epoch(&config.site.data, now).map_err(|error| Failure::of(&error))?;
    println!("site `{}`: epoch {} is open, {} is past", config.site.name, after.0, before.0);
    Ok(())
}
