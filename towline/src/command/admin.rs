//! How commands find the admin API of a running site, and how they answer.

use std::path::PathBuf;

use serde::Serialize;

use super::{ConfigArgs, Failure};
use crate::client::{Client, reachable};

/// The variable that holds the token, as for any other key of the configuration.
const TOKEN: &str = "TOWLINE_ADMIN_TOKEN";

/// Where the running site is, and the token for it.
#[derive(clap::Args)]
pub(crate) struct AdminArgs {
    /// Address of its admin listener; otherwise the configuration has it.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// File with its token; otherwise TOWLINE_ADMIN_TOKEN or the configuration has it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Configuration file of the site.
    #[arg(long, env = "TOWLINE_CONFIG", value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Set one key over file and environment, as in `--set admin.listen=127.0.0.1:9002`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print JSON, as the admin API gives it.
    #[arg(long)]
    json: bool,
}

impl AdminArgs {
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let token = self.given_token()?;
        let config = match &self.config {
            // Not read where it has nothing to tell.
            Some(config) if self.admin.is_none() || token.is_none() => {
                Some(ConfigArgs { config: config.clone(), set: self.set.clone() }.load()?)
            }
            _ => None,
        };
        let configured = config.as_ref().and_then(|config| config.admin.token());
        let token = token.or_else(|| configured.map(|token| token.expose().to_owned()));
        let token = token.ok_or_else(|| {
            let line = "no token: set `admin.token_file` in the site's configuration, or say \
                        `--token-file FILE`";
            Failure::Usage(line.to_owned())
        })?;
        let listen = config.map(|config| format!("http://{}", reachable(config.admin.listen)));
        let address = self.admin.clone().or(listen).unwrap_or_default();
        Client::new(&address, token)
    }

    /// Whether the answer is for a program.
    pub(super) fn wants_json(&self) -> bool {
        self.json
    }

    fn given_token(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.token_file else {
            return Ok(std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
        };
        let token = std::fs::read_to_string(file).map_err(|error| {
            Failure::Usage(format!("--token-file `{}`: {error}", file.display()))
        })?;
        Ok(Some(token.trim().to_owned()))
    }

    /// Prints an answer as JSON if that is wished, or as `text` says it.
    pub(super) fn show<T: Serialize>(&self, answer: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            println!("{}", serde_json::to_string_pretty(answer).unwrap_or_default());
        } else {
            println!("{}", text(answer));
        }
    }
}
