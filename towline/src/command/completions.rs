//! `towline completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print what makes a shell complete `towline`; the Debian package brings it.
#[derive(clap::Args)]
#[command(
    after_help = "Example: towline completions bash >~/.local/share/bash-completion/completions/towline"
)]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the library panics when its output goes away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "towline", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| Failure::Failed(format!("standard output: {error}")))
}
