//! `towline`: one command a file, and the wiring of roles into a site.

mod admin;
mod client;
mod command;
mod demo;
mod miss;
mod observe;
mod site;

use std::process::ExitCode;

use clap::Parser;

use crate::command::{Cli, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(line)) => {
            eprintln!("towline: {line}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(line)) => {
            eprintln!("towline: {line}");
            ExitCode::FAILURE
        }
    }
}
