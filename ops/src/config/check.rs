//! What must hold between settings, beyond each being of its kind.

use std::path::Path;

use super::{Config, load::Places};

/// Below this a block costs more in records than in bytes; above, memory per upload grows.
const BLOCK_SIZE: std::ops::RangeInclusive<u64> = 64 << 10..=8 << 20;
/// An inline body must fit an event with its metadata.
const INLINE_MAX: u64 = 256 << 10;

/// Every problem, in order of the file.
pub(super) fn check(config: &Config, places: &Places<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, what: &str| problems.push(places.problem(key, what));
    if !BLOCK_SIZE.contains(&config.s3.block_size) {
        problem("s3.block_size", "must be from 64KiB to 8MiB");
    }
    if config.s3.inline_max > INLINE_MAX.min(config.s3.block_size) {
        problem(
            "s3.inline_max",
            "must be at most 256KiB and at most `s3.block_size`",
        );
    }
    if config.s3.root_access_key.is_empty() {
        problem("s3.root_access_key", "is empty");
    }
    if config.s3.tls_cert.is_some() != config.s3.tls_key.is_some() {
        problem("s3.tls_cert", "needs `s3.tls_key`, and the other way round");
    }
    if config.puller.parallel == 0 {
        problem(
            "puller.parallel",
            "must be at least 1; to pause pulling set `puller.paused`",
        );
    }
    match &config.link {
        None if !config.origins.is_empty() => {
            problem(
                "origin",
                "needs a `[link]` section: certificates to reach the origin with",
            );
        }
        Some(link) => {
            for (key, path) in [
                ("link.ca", &link.ca),
                ("link.cert", &link.cert),
                ("link.key", &link.key),
            ] {
                readable(&mut problem, key, path);
            }
        }
        None => {}
    }
    if config.origins.len() > 1 {
        problem(
            "origin",
            "is given more than once; a site has one origin for now",
        );
    }
    for origin in &config.origins {
        if origin.name == config.site.name {
            problem("origin.name", "is this site itself");
        }
        if origin
            .link
            .rsplit_once(':')
            .is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            problem(
                "origin.link",
                "must be host:port of the origin's `link.listen`",
            );
        }
    }
    if let Some(kafka) = &config.kafka {
        if kafka.min_insync > kafka.replication {
            problem(
                "kafka.min_insync",
                "is above `kafka.replication`: no write could succeed",
            );
        }
        for (key, path) in [
            ("kafka.ca", &kafka.ca),
            ("kafka.cert", &kafka.cert),
            ("kafka.key", &kafka.key),
        ] {
            if let Some(path) = path {
                readable(&mut problem, key, path);
            }
        }
    }
    readable(&mut problem, "keys.file", &config.keys.file);
    problems
}

fn readable(problem: &mut impl FnMut(&str, &str), key: &str, path: &Path) {
    if let Err(error) = std::fs::File::open(path) {
        let what = format!(
            "`{}`: {error}; `towline certs` makes such files",
            path.display()
        );
        problem(key, &what);
    }
}

#[cfg(test)]
mod tests;
