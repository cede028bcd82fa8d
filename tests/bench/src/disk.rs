//! `bench disk`: what one disk sync costs, which every figure contains.

use std::{io::Write, path::PathBuf};

use serde_json::Value;
use tokio::time::Instant;

use crate::{Outcome, quantiles::quantiles};

#[derive(clap::Args)]
pub(crate) struct DiskArgs {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 500)]
    samples: usize,
}

pub(crate) fn run(args: &DiskArgs) -> Outcome<Value> {
    let path = args.dir.join("sync");
    let mut file = std::fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..args.samples {
        file.write_all(&[7; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(quantiles(times))
}
