//! `towline store verify`.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use ops::Metrics;
use schemas::{Codec, Keys};
use serde::Serialize;
use store::{TreeCounts, TreeReport, VerifyOptions};
use tokio::sync::watch;

use super::{ConfigArgs, Failure, block_on};

/// Differences that are shown by name.
const SHOWN: usize = 1_000;
/// Between two lines of progress where there is no terminal to draw on.
const LINES_APART: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// Make the hash tree say what the records say. A record that is rotten stays as it is.
    #[arg(long)]
    repair: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    counts: &'a TreeCounts,
    differ: u64,
    differences: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    scope: String,
    /// Key of the record.
    row: String,
    why: String,
}

pub(super) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    let keys = Keys::load(&config.keys.file).map_err(|error| Failure::of(&error))?;
    let options = crate::site::options(&config, Codec::new(keys), Metrics::new());
    let how = VerifyOptions { repair: args.repair, differences_max: SHOWN };
    let report = block_on(async {
        let (told, seen) = watch::channel(TreeCounts::default());
        let shown = tokio::spawn(show(seen));
        let report = store::verify(options, how, &told).await;
        drop(told);
        // Nothing is lost if it could not be drawn.
        let _ = shown.await;
        report.map_err(|error| Failure::of(&error))
    })?;
    println!("{}", if args.json { json(&report)? } else { text(&report) });
    let left = report.counts.differ() - report.counts.repaired.min(report.counts.differ());
    match left {
        0 => Ok(()),
        left => Err(Failure::Failed(format!(
            "site `{}`: {left} of the hash tree and the records differ",
            config.site.name
        ))),
    }
}

/// Shows how far it is until nobody tells any more.
async fn show(mut seen: watch::Receiver<TreeCounts>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
        bar.set_style(style);
    }
    let terminal = std::io::stderr().is_terminal();
    let mut last = tokio::time::Instant::now();
    while seen.changed().await.is_ok() {
        let line = progress(&seen.borrow_and_update());
        if terminal {
            bar.set_message(line);
            bar.tick();
        } else if last.elapsed() >= LINES_APART {
            last = tokio::time::Instant::now();
            eprintln!("{line}");
        }
    }
    bar.finish_and_clear();
}

fn progress(counts: &TreeCounts) -> String {
    let TreeCounts { records, leaves, nodes, .. } = counts;
    format!("{records} records, {leaves} leaves, {nodes} nodes, {} differ", counts.differ())
}

fn differences(report: &TreeReport) -> impl Iterator<Item = Difference> + '_ {
    report.differences.iter().map(|found| Difference {
        scope: found.scope.to_string(),
        row: found.row.escape_ascii().to_string(),
        why: found.why.to_string(),
    })
}

fn json(report: &TreeReport) -> Result<String, Failure> {
    let differences = differences(report).collect();
    let answer = Answer { counts: &report.counts, differ: report.counts.differ(), differences };
    serde_json::to_string_pretty(&answer).map_err(|error| Failure::of(&error))
}

fn text(report: &TreeReport) -> String {
    let counts = &report.counts;
    let mut text = progress(counts);
    let kinds = [
        (counts.without_leaf, "records without a leaf"),
        (counts.without_record, "leaves without a record"),
        (counts.mismatched, "leaves that say something else than their records"),
        (counts.unreadable, "records that cannot be read"),
        (counts.wrong_nodes, "nodes that are not what their leaves say"),
        (counts.repaired, "repaired"),
    ];
    for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
        text += &format!("\n  {count} {kind}");
    }
    for Difference { scope, row, why } in differences(report) {
        text += &format!("\n  {scope}: `{row}`: {why}");
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::{Digest, EntityHash, tree::Scope};
    use store::{TreeDifference, Why};

    use super::*;

    #[test]
    fn a_report_names_what_differs_as_text_and_as_json() {
        let counts = TreeCounts { records: 3, mismatched: 1, repaired: 1, ..TreeCounts::default() };
        let (row, why) = (Bytes::from_static(b"abc\0key"), Why::Mismatched);
        let (scope, entity) = (Scope::Entities, EntityHash(Digest::ZERO));
        let differences = vec![TreeDifference { scope, entity, row, why }];
        let report = TreeReport { counts, differences };
        let shown = text(&report);
        assert!(shown.starts_with("3 records, 0 leaves, 0 nodes, 1 differ\n"), "{shown}");
        assert!(shown.contains("buckets and users: `abc\\x00key`: the leaf says"), "{shown}");
        let Ok(shown) = json(&report) else { panic!("no JSON") };
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["differ"], &shown["mismatched"]), (&1.into(), &1.into()));
        assert_eq!(shown["differences"][0]["row"], "abc\\x00key");
    }
}
