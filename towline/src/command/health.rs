//! `towline health`.

use std::path::PathBuf;

use http::{StatusCode, Uri, uri::PathAndQuery};

use super::{ConfigArgs, Failure};
use crate::client::{self, reachable};

/// Ask a site that runs how it is: one line, and exit code 0 if it is well, 1 if not.
#[derive(clap::Args)]
#[command(after_help = "Example: towline health --config site.toml\n\
                        Example: towline health --live --url http://127.0.0.1:9002")]
pub(crate) struct HealthArgs {
    /// Only whether it runs; a site that refuses writes still serves reads.
    #[arg(long)]
    live: bool,
    /// Address of its admin listener; otherwise the configuration has it.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// Configuration file.
    #[arg(long, env = "TOWLINE_CONFIG", value_name = "FILE", required_unless_present = "url")]
    config: Option<PathBuf>,
    /// Set one key over file and environment, as in `--set admin.listen=127.0.0.1:9002`.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "url")]
    set: Vec<String>,
}

pub(super) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let url = address(args)?;
    let (status, text) = client::fetch(&url)?;
    let line = format!("{url}: {}", text.trim());
    match status {
        StatusCode::OK => println!("{line}"),
        _ => return Err(Failure::Failed(line)),
    }
    Ok(())
}

/// What to ask: a path that was given, or the one that tells the most.
fn address(args: &HealthArgs) -> Result<Uri, Failure> {
    let path = if args.live { "/health/live" } else { "/health/ready" };
    let given = match (&args.url, &args.config) {
        (Some(url), _) if url.scheme_str() == Some("http") => url.clone(),
        (Some(url), _) => {
            let line = format!("--url {url}: write it like `--url http://127.0.0.1:9002`");
            return Err(Failure::Usage(line));
        }
        (None, Some(file)) => {
            let config = ConfigArgs { config: file.clone(), set: args.set.clone() }.load()?;
            let listen = reachable(config.admin.listen);
            Uri::try_from(format!("http://{listen}")).expect("an address makes a URL")
        }
        (None, None) => return Err(Failure::Usage("say where: `--config` or `--url`".to_owned())),
    };
    if given.path() != "/" {
        return Ok(given);
    }
    let mut parts = given.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    Ok(Uri::from_parts(parts).expect("another path keeps a URL whole"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, live: bool) -> String {
        let args = HealthArgs { live, url: url.parse().ok(), config: None, set: Vec::new() };
        address(&args).map(|url| url.to_string()).unwrap_or_else(|failure| match failure {
            Failure::Usage(line) | Failure::Failed(line) => line,
        })
    }

    #[test]
    fn a_path_is_added_where_none_was_given() {
        assert_eq!(asked("http://a:1", false), "http://a:1/health/ready");
        assert_eq!(asked("http://a:1/", true), "http://a:1/health/live");
        assert_eq!(asked("http://a:1/own", true), "http://a:1/own");
        for url in ["a:1", "https://a:1", "/health"] {
            assert!(asked(url, false).contains("write it like"), "{url}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_asked_over_loopback() {
        for (listen, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
