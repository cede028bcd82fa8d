//! `towline man`.

use std::{fs, io, path::PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{Cli, Failure, example::examples};

/// What every command ends with.
const EXIT_CODES: [(&str, &str); 3] = [
    ("0", "done"),
    ("1", "failed; one line on standard error says what, where, and what to do"),
    ("2", "wrong usage, or a wrong configuration"),
];

/// Write the manual into a folder, one page a command; the Debian package brings it.
#[derive(clap::Args)]
#[command(after_help = "Example: towline man --dir man1")]
pub(crate) struct ManArgs {
    /// Where the pages go; made if it is not there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let failed = |path: &PathBuf, error: io::Error| {
        Failure::Failed(format!("--dir: `{}`: {error}", path.display()))
    };
    fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, error))?;
    for command in pages(Cli::command().disable_help_subcommand(true)) {
        let path = args.dir.join(format!("{}.1", command.get_display_name().unwrap_or("towline")));
        let text = page(&command).map_err(|error| failed(&path, error))?;
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Every command, each under its full name: `towline-store-new-epoch`.
fn pages(mut root: Command) -> Vec<Command> {
    // Gives each command below its full name.
    root.build();
    let mut pages = Vec::new();
    let mut waiting = vec![root];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().cloned());
        pages.push(command);
    }
    pages
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let man =
        Man::new(command.clone()).source(format!("towline {version}")).manual("towline").date("");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut ours = Roff::new();
    ours.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        ours.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    ours.control("SH", ["EXAMPLES"]).control("nf", []);
    ours.text(
        examples(command).into_iter().map(|example| roman(example + "\n")).collect::<Vec<_>>(),
    );
    ours.control("fi", []);
    ours.to_writer(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_examples_and_exit_codes() {
        let pages = pages(Cli::command().disable_help_subcommand(true));
        let names: Vec<_> = pages.iter().filter_map(Command::get_display_name).collect();
        assert!(names.contains(&"towline-store-remove-site"), "{names:?}");
        for command in &pages {
            let text = String::from_utf8(page(command).unwrap()).unwrap();
            for part in ["SH NAME", "SH SYNOPSIS", "SH \"EXIT STATUS\"", "SH EXAMPLES\n"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}
