//! `towline config check|example`.

use super::{ConfigArgs, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration whole, without starting anything.
    #[command(after_help = "Example: towline config check --config site.toml")]
    Check(ConfigArgs),
    /// Print a commented example.
    #[command(after_help = "Example: towline config example")]
    Example,
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check(args) => {
            let source = args.source()?;
            let config = super::load(&source)?;
            for line in source.exposed(&config) {
                eprintln!("towline: warning: {line}");
            }
            println!("configuration of site `{}` is in order", config.site.name);
        }
        ConfigCommand::Example => print!("{}", ops::config::EXAMPLE),
    }
    Ok(())
}
