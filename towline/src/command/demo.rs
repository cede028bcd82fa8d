//! `towline demo`.

use std::path::PathBuf;

use super::{Failure, block_on};
use crate::demo;

/// Run two sites on this machine, `east` (primary) and `west`, and watch them until Ctrl-C.
#[derive(clap::Args)]
#[command(after_help = "Example: towline demo --dir demo")]
pub(crate) struct DemoArgs {
    /// Keep everything there, and go on from what is there. Otherwise it is a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Replicate through Kafka; otherwise directly from site to site.
    #[arg(long, value_name = "BOOTSTRAP")]
    pub(crate) kafka: Option<String>,
    /// Folder with `ca.crt`, `client.crt` and `client.key` for TLS to Kafka.
    #[arg(long, value_name = "DIR", requires = "kafka")]
    pub(crate) kafka_tls: Option<PathBuf>,
    /// Print one line of JSON when ready, then nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(super) fn run(args: DemoArgs) -> Result<(), Failure> {
    block_on(demo::run(args))
}
