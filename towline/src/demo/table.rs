//! What the demo shows: how to use it, and how far each site is.

use std::path::Path;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use store::{ListCursor, ListEntry, ListQuery, ReadError};

use super::configs::Demo;
use crate::site::Site;

/// Keys counted at once.
const PAGE: usize = 1_000;

/// Says where everything is and what to try.
pub(super) fn introduce(sites: &[Site], demo: &Demo, directory: &Path) {
    println!("Two sites, one log. Everything is in {}\n", directory.display());
    for (site, role) in sites.iter().zip(["primary", "secondary"]) {
        println!(
            "  {:<5} {role:<10} http://{}  metrics http://{}/metrics",
            site.name, site.s3, site.admin
        );
    }
    println!("\n  access key {}   secret key {}\n", demo.access_key, demo.secret_key);
    let [east, west] = sites else { return };
    println!("Try (with the AWS command line):\n");
    println!(
        "  export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_DEFAULT_REGION=us-east-1",
        demo.access_key, demo.secret_key
    );
    println!("  aws --endpoint-url http://{} s3 mb s3://photos", east.s3);
    println!(
        "  aws --endpoint-url http://{} s3 cp --recursive /usr/share/doc s3://photos/doc",
        east.s3
    );
    println!("  aws --endpoint-url http://{} s3 ls --recursive s3://photos/ | tail", west.s3);
    let config = directory.join(format!("{}.toml", west.name));
    println!("  towline status --config {}\n", config.display());
}

/// A live line for each site.
pub(super) struct Table {
    lines: Vec<ProgressBar>,
    _screen: MultiProgress,
}

impl Table {
    pub(super) fn new(sites: &[Site]) -> Self {
        let screen = MultiProgress::new();
        let style = ProgressStyle::with_template("  {prefix:<6} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = |site: &Site| {
            let line = screen.add(ProgressBar::new_spinner().with_style(style.clone()));
            line.set_prefix(site.name.to_string());
            line
        };
        Self { lines: sites.iter().map(line).collect(), _screen: screen }
    }

    pub(super) fn draw(&mut self, sites: &[Site]) {
        for (line, site) in self.lines.iter().zip(sites) {
            if let Some(replication) = &site.replication {
                replication.report();
            }
            let text = match count(site) {
                Ok((objects, bytes)) => format!(
                    "{objects:>9} objects {bytes:>14} bytes   lag {:>6.1} s   wants {:>6}",
                    site.metrics.lag_seconds.with_label_values(&["east"]).get(),
                    site.metrics.wants.get(),
                ),
                Err(error) => error.to_string(),
            };
            line.set_message(text);
            line.tick();
        }
    }

    pub(super) fn end(&self) {
        for line in &self.lines {
            line.abandon();
        }
    }
}

/// Objects and bytes of a site: a demo is small enough to list.
fn count(site: &Site) -> Result<(u64, u64), ReadError> {
    let (mut objects, mut bytes) = (0, 0);
    for (bucket, _) in site.store.buckets()? {
        let mut query = ListQuery { limit: PAGE, ..ListQuery::default() };
        loop {
            let page = site.store.list(&bucket, &query)?;
            for entry in &page.entries {
                if let ListEntry::Object { size, .. } = entry {
                    objects += 1;
                    bytes += size;
                }
            }
            query.after = page.entries.last().map(ListEntry::cursor).or(query.after);
            if !page.truncated || matches!(query.after, Some(ListCursor::Prefix(_))) {
                break;
            }
        }
    }
    Ok((objects, bytes))
}
