//! What must hold between settings, beyond each being of its kind.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{Admin, Config, Origin, S3, load::Places};

/// Below this a block costs more in records than in bytes; above, memory per upload grows.
const BLOCK_SIZE: std::ops::RangeInclusive<u64> = 64 << 10..=8 << 20;
/// An inline body must fit an event with its metadata.
const INLINE_MAX: u64 = 256 << 10;

/// Bytes of a request's head: below, signed requests do not fit; above, hyper gives up first.
const LIFECYCLE_DAY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24);
const HEADER_BYTES_MAX: std::ops::RangeInclusive<u64> = 8 << 10..=256 << 10;

/// Records of the access log that make one object: below, there are more objects than records are
/// worth; above, they take memory for nothing.
const LOG_DELIVERY_SIZE: std::ops::RangeInclusive<u64> = 1 << 10..=16 << 20;

/// Between two deliveries of records: a day is what clients may have to wait at most.
const LOG_DELIVERY_INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(24);

/// Requests of one full sync at once: beyond, the link is full anyway.
const PARALLEL: std::ops::RangeInclusive<usize> = 1..=64;

/// Takes the key and what is wrong with it.
type Report<'a> = &'a mut dyn FnMut(&str, &str);

/// Every problem, in order of the file.
pub(super) fn check(config: &Config, places: &Places<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut report = |key: &str, what: &str| problems.push(places.problem(key, what));
    check_s3(config, &mut report);
    check_access_log(&config.s3, &mut report);
    check_admin(&config.admin, &mut report);
    readable(&mut report, "keys.file", &config.keys.file);
    for (key, file) in
        [("keys.site_file", &config.keys.site_file), ("keys.named_file", &config.keys.named_file)]
    {
        if let Some(file) = file {
            readable(&mut report, key, file);
        }
    }
    check_link(config, &mut report);
    check_fullsync(config, &mut report);
    check_kafka(config, &mut report);
    if config.puller.parallel == 0 {
        report("puller.parallel", "must be at least 1; to pause pulling set `puller.paused`");
    }
    problems
}

fn check_s3(config: &Config, report: Report<'_>) {
    if !BLOCK_SIZE.contains(&config.s3.block_size) {
        report("s3.block_size", "must be from 64KiB to 8MiB");
    }
    if config.s3.inline_max > INLINE_MAX.min(config.s3.block_size) {
        report("s3.inline_max", "must be at most 256KiB and at most `s3.block_size`");
    }
    if config.s3.root_access_key.is_empty() {
        report("s3.root_access_key", "is empty");
    }
    if config.s3.root_secret_key.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
        report("s3.root_secret_key", "is empty");
    }
    if !HEADER_BYTES_MAX.contains(&config.s3.header_bytes_max) {
        report("s3.header_bytes_max", "must be from 8KiB to 256KiB");
    }
    if config.s3.requests_burst.is_some() && config.s3.requests_per_second.is_none() {
        report("s3.requests_burst", "needs `s3.requests_per_second`");
    }
    if !LIFECYCLE_DAY.contains(&config.s3.lifecycle_day) {
        report("s3.lifecycle_day", "must be from 1s to 24h");
    }
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if config.s3.region.is_empty() || !config.s3.region.bytes().all(letters) {
        report("s3.region", "must be of a-z, 0-9 and -, as in \"us-east-1\"");
    }
    let label = |label: &str| !label.is_empty() && label.bytes().all(letters);
    if config.s3.domain.as_ref().is_some_and(|domain| !domain.split('.').all(label)) {
        report(
            "s3.domain",
            "must be a name in lower case without a port, as in \"s3.example.com\"",
        );
    }
    if config.s3.tls_key.is_some() && config.s3.tls_cert.is_none() {
        report("s3.tls_key", "needs `s3.tls_cert`: the certificate that belongs to the key");
    }
    for (key, path) in [("s3.tls_cert", &config.s3.tls_cert), ("s3.tls_key", &config.s3.tls_key)] {
        if let Some(path) = path {
            readable(report, key, path);
        }
    }
}

fn check_access_log(s3: &S3, report: Report<'_>) {
    if let Some(path) = &s3.access_log
        && !path.parent().is_some_and(Path::is_dir)
    {
        let what = format!("`{}`: there is no such folder; make it", path.display());
        report("s3.access_log", &what);
    }
    if !LOG_DELIVERY_INTERVAL.contains(&s3.log_delivery_interval) {
        report("s3.log_delivery_interval", "must be from 100ms to 1d");
    }
    if !LOG_DELIVERY_SIZE.contains(&s3.log_delivery_size) {
        report("s3.log_delivery_size", "must be from 1KiB to 16MiB");
    }
}

fn check_admin(admin: &Admin, report: Report<'_>) {
    let has_token = admin.token.is_some() || admin.token_file.is_some();
    if has_token && !admin.listen.ip().to_canonical().is_loopback() && !admin.plain_http {
        let what = format!(
            "`{}` is not of this machine alone, and the admin API's token would travel in the \
             clear: listen on 127.0.0.1, behind a proxy that speaks TLS for others, or set \
             `admin.plain_http = true` if all who can see that network may know the token",
            admin.listen
        );
        report("admin.listen", &what);
    }
}

fn check_link(config: &Config, report: Report<'_>) {
    match &config.link {
        None if !config.origins.is_empty() => {
            report("origin", "needs a `[link]` section: certificates to reach the origin with");
        }
        Some(link) => {
            for (key, path) in
                [("link.ca", &link.ca), ("link.cert", &link.cert), ("link.key", &link.key)]
            {
                readable(report, key, path);
            }
        }
        None => {}
    }
    if config.origins.len() > 1 {
        report("origin", "is given more than once; a site has one origin for now");
    }
    for origin in &config.origins {
        if origin.name == config.site.name {
            report("origin.name", "is this site itself");
        }
        if origin.link.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            report("origin.link", "must be host:port of the origin's `link.listen`");
        }
    }
}

fn check_fullsync(config: &Config, report: Report<'_>) {
    let fullsync = &config.fullsync;
    if fullsync.interval.is_some_and(|interval| fullsync.jitter > interval) {
        report("fullsync.jitter", "must be at most `fullsync.interval`");
    }
    if fullsync.bytes_per_second == Some(0) {
        report("fullsync.bytes_per_second", "must be more than nothing; leave it out for no limit");
    }
    if !PARALLEL.contains(&fullsync.parallel) {
        report("fullsync.parallel", "must be from 1 to 64");
    }
    for origin in &config.origins {
        check_origin_modes(origin, report);
    }
}

/// What is to come here must come in some way.
fn check_origin_modes(origin: &Origin, report: Report<'_>) {
    if !origin.realtime && !origin.fullsync {
        report("origin.realtime", "nothing would come: leave `realtime` or `fullsync` on");
        return;
    }
    let mut seen = BTreeSet::new();
    for (n, bucket) in origin.buckets.iter().enumerate() {
        let key = |name: &str| format!("origin.bucket[{n}].{name}");
        if !seen.insert(&bucket.name) {
            report(&key("name"), "is given more than once; leave one of them");
        }
        for (name, wanted, of_origin) in [
            ("realtime", bucket.realtime, origin.realtime),
            ("fullsync", bucket.fullsync, origin.fullsync),
        ] {
            if wanted == Some(true) && !of_origin {
                let what = format!("is on, and `origin.{name}` is off for all; switch that on");
                report(&key(name), &what);
            }
        }
        let realtime = bucket.realtime.unwrap_or(true) && origin.realtime;
        let fullsync = bucket.fullsync.unwrap_or(true) && origin.fullsync;
        if !realtime && !fullsync {
            let what = "its objects would never come: leave `realtime` or `fullsync` on";
            report(&key("name"), what);
        }
    }
}

fn check_kafka(config: &Config, report: Report<'_>) {
    let Some(kafka) = &config.kafka else { return };
    if kafka.min_insync > kafka.replication {
        report("kafka.min_insync", "is above `kafka.replication`: no write could succeed");
    }
    let files = [("kafka.ca", &kafka.ca), ("kafka.cert", &kafka.cert), ("kafka.key", &kafka.key)];
    if files.iter().any(|(_, path)| path.is_some()) && files.iter().any(|(_, p)| p.is_none()) {
        report("kafka.ca", "goes with `kafka.cert` and `kafka.key`: set all three or none");
    }
    for (key, path) in files {
        if let Some(path) = path {
            readable(report, key, path);
        }
    }
}

fn readable(report: Report<'_>, key: &str, path: &Path) {
    if let Err(error) = std::fs::File::open(path) {
        let what = format!("`{}`: {error}; `towline certs` makes such files", path.display());
        report(key, &what);
    }
}

#[cfg(test)]
pub(super) mod tests;
