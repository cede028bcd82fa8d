//! `towline`: one command a file, and the wiring of roles into a site.

mod admin;
mod client;
mod command;
mod demo;
mod fullsync;
mod live;
mod miss;
mod observe;
mod reload;
mod site;

use std::process::ExitCode;

use crate::command::Failure;

fn main() -> ExitCode {
    let cli = command::parse();
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
