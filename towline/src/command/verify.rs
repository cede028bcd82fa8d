//! `towline store verify`.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use ops::Metrics;
use serde::Serialize;
use store::{
    AccountCounts, BlockCounts, DataKeys, Recounted, TreeCounts, TreeReport, UnopenedKey, Verified,
    VerifyOptions,
};
use tokio::sync::watch;

use super::{ConfigArgs, Failure, block_on};

/// Differences that are shown by name.
const SHOWN: usize = 1_000;
/// Between two lines of progress where there is no terminal to draw on.
const LINES_APART: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// Make the hash tree say what the records say, count what stands again, and free blocks that
    /// nothing names. A record that is rotten stays as it is.
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
    blocks: &'a BlockCounts,
    accounts: &'a AccountCounts,
    /// Why blocks that nothing names are not freed.
    kept: Option<String>,
    /// Data keys that rest under keys of the site, and those that none of them opens.
    data_keys: Keys,
}

#[derive(Serialize)]
struct Keys {
    checked: u64,
    unopened: u64,
    first: Vec<Unopened>,
}

#[derive(Serialize)]
struct Unopened {
    /// Key of the record.
    row: String,
    why: String,
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
    let codec = crate::site::codec(&config).map_err(|error| Failure::of(&error))?;
    let options = crate::site::options(&config, codec, Metrics::new());
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
    let Verified { tree: TreeReport { counts, .. }, blocks, accounts, keys } = &report;
    let (tree, blocks) = (counts.differ().saturating_sub(counts.repaired), left(blocks));
    let accounts = accounts.wrong.saturating_sub(accounts.repaired);
    match (tree, blocks, accounts) {
        (0, 0, 0) if keys.unopened > 0 => Err(Failure::Failed(format!(
            "site `{}`: {} data keys do not open; put the keys they rest under back into \
             `keys.site_file`",
            config.site.name, keys.unopened
        ))),
        (0, 0, 0) => Ok(()),
        (0, 0, left) => Err(Failure::Failed(format!(
            "site `{}`: {left} buckets are counted otherwise than what stands in them",
            config.site.name
        ))),
        (0, left, _) => Err(Failure::Failed(format!(
            "site `{}`: {left} blocks count otherwise than they are named",
            config.site.name
        ))),
        (left, _, _) => Err(Failure::Failed(format!(
            "site `{}`: {left} of the hash tree and the records differ",
            config.site.name
        ))),
    }
}

/// Wrong counts that are left.
fn left(Recounted { counts, .. }: &Recounted) -> u64 {
    counts.wrong().saturating_sub(counts.repaired)
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

fn json(report: &Verified) -> Result<String, Failure> {
    let Verified { tree, blocks: Recounted { counts: blocks, kept, .. }, accounts, keys } = report;
    let (counts, differ, kept) =
        (&tree.counts, tree.counts.differ(), kept.map(|it| it.to_string()));
    let differences = differences(tree).collect();
    let data_keys = Keys { checked: keys.checked, unopened: keys.unopened, first: unopened(keys) };
    let answer = Answer { counts, differ, differences, blocks, kept, accounts, data_keys };
    serde_json::to_string_pretty(&answer).map_err(|error| Failure::of(&error))
}

fn text(report: &Verified) -> String {
    let Verified { tree, blocks: Recounted { counts: blocks, leaked, kept }, accounts, keys } =
        report;
    let counts = &tree.counts;
    let mut text = progress(counts);
    let kinds = [
        (counts.without_leaf, "records without a leaf"),
        (counts.without_record, "leaves without a record"),
        (counts.mismatched, "leaves that say something else than their records"),
        (counts.unreadable, "records that cannot be read"),
        (counts.wrong_nodes, "nodes that are not what their leaves say"),
        (counts.repaired, "repaired"),
    ];
    add(&mut text, &kinds);
    for Difference { scope, row, why } in differences(tree) {
        text += &format!("\n  {scope}: `{row}`: {why}");
    }
    text += &format!("\n{} blocks, {} of them count wrongly", blocks.blocks, blocks.wrong());
    let kinds = [
        (blocks.leaked, "count more often than they are named"),
        (blocks.leaked_bytes, "bytes of those that nothing names"),
        (blocks.short, "count less often than they are named"),
        (blocks.unknown, "names of blocks that nothing is known of"),
        (blocks.unreadable, "records or segments that cannot be read"),
        (blocks.repaired, "repaired"),
    ];
    add(&mut text, &kinds);
    for block in leaked {
        text += &format!("\n  block {}", block.hash);
    }
    text += &kept.map(|kept| format!("\n  {kept}")).unwrap_or_default();
    let AccountCounts { buckets, wrong, repaired } = accounts;
    text += &format!("\n{buckets} buckets, {wrong} of them are counted wrongly");
    add(&mut text, &[(*repaired, "repaired")]);
    let DataKeys { checked, unopened: not, .. } = keys;
    text += &format!("\n{checked} data keys, {not} of them do not open");
    for Unopened { row, why } in unopened(keys) {
        text += &format!("\n  `{row}`: {why}");
    }
    text
}

fn unopened(keys: &DataKeys) -> Vec<Unopened> {
    let told = |UnopenedKey { row, why }: &UnopenedKey| Unopened {
        row: row.escape_ascii().to_string(),
        why: why.clone(),
    };
    keys.first.iter().map(told).collect()
}

fn add(text: &mut String, kinds: &[(u64, &str)]) {
    for (count, kind) in kinds.iter().filter(|(count, _)| *count > 0) {
        *text += &format!("\n  {count} {kind}");
    }
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
        let leaked = model::BlockRef { hash: model::BlockHash::of(b"leaked"), length: 6 };
        let counted = BlockCounts { blocks: 3, leaked: 1, leaked_bytes: 6, ..<_>::default() };
        let kept = Some(store::Kept::Unreadable);
        let blocks = Recounted { counts: counted, leaked: vec![leaked], kept };
        assert_eq!(left(&blocks), 1);
        let accounts = AccountCounts { buckets: 2, wrong: 1, repaired: 1 };
        let first = UnopenedKey { row: Bytes::from_static(b"abc\0key"), why: "no key".to_owned() };
        let keys = DataKeys { checked: 2, unopened: 1, first: vec![first] };
        let tree = TreeReport { counts, differences };
        let report = Verified { tree, blocks, accounts, keys };
        let shown = text(&report);
        assert!(shown.starts_with("3 records, 0 leaves, 0 nodes, 1 differ\n"), "{shown}");
        assert!(shown.contains("buckets and users: `abc\\x00key`: the leaf says"), "{shown}");
        assert!(
            shown.contains("\n3 blocks, 1 of them count wrongly\n  1 count more often"),
            "{shown}"
        );
        assert!(shown.contains(&format!("\n  block {}\n  records or segments", leaked.hash)));
        assert!(shown.contains("\n2 buckets, 1 of them are counted wrongly\n  1 repaired"));
        assert!(
            shown.ends_with("\n2 data keys, 1 of them do not open\n  `abc\\x00key`: no key"),
            "{shown}"
        );
        let Ok(shown) = json(&report) else { panic!("no JSON") };
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["differ"], &shown["mismatched"]), (&1.into(), &1.into()));
        assert_eq!(shown["differences"][0]["row"], "abc\\x00key");
        assert_eq!((&shown["blocks"]["leaked"], shown["kept"].is_string()), (&1.into(), true));
        assert_eq!(shown["data_keys"]["first"][0]["why"], "no key");
    }
}
