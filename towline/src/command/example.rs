//! Examples: each command ends its help with some, and a usage error shows the first.

use clap::{Command, CommandFactory, Parser, error::ErrorKind};

use super::Cli;

/// What a line of a command's help begins with that can be run as it stands.
const MARK: &str = "Example: ";

/// Parses the command line. What is wrong with it is said together with a line that works.
pub(crate) fn parse() -> Cli {
    let arguments: Vec<_> = std::env::args_os().collect();
    Cli::try_parse_from(&arguments).unwrap_or_else(|error| {
        let _ = error.print();
        // Help has its examples in it.
        let helped = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if error.use_stderr() && error.kind() != helped {
            let words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
            let root = Cli::command();
            if let Some(example) = examples(meant(&root, words)).first() {
                eprintln!("\n{MARK}{example}");
            }
        }
        std::process::exit(error.exit_code())
    })
}

/// The examples of a command.
pub(super) fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    help.lines().filter_map(|line| line.strip_prefix(MARK).map(str::to_owned)).collect()
}

/// The command that these words were for, as far as they name one.
fn meant(root: &Command, words: impl Iterator<Item = String>) -> &Command {
    words
        .map_while({
            let mut at = root;
            move |word| {
                at = at.find_subcommand(word)?;
                Some(at)
            }
        })
        .last()
        .unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, check: &mut dyn FnMut(&Command)) {
        check(command);
        command.get_subcommands().for_each(|below| each(below, check));
    }

    #[test]
    fn every_command_has_examples_and_they_parse() {
        Cli::command().debug_assert();
        each(&Cli::command(), &mut |command| {
            let examples = examples(command);
            assert!(!examples.is_empty(), "`{}` has no example", command.get_name());
            for example in examples {
                let words = example.split('>').next().unwrap_or_default().split_whitespace();
                assert!(Cli::try_parse_from(words).is_ok(), "`{example}` does not parse");
            }
        });
    }

    #[test]
    fn the_words_lead_to_the_command_that_was_meant() {
        let root = Cli::command();
        let meant = |words: &str| {
            let words = words.split_whitespace().map(str::to_owned);
            meant(&root, words).get_name().to_owned()
        };
        assert_eq!(meant("store remove-site west --nonsense"), "remove-site");
        assert_eq!(meant("config nonsense"), "config");
        assert_eq!(meant("nonsense site"), "towline");
    }
}
