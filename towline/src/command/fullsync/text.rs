//! How full syncs are told to people. Pure.

use std::fmt::Write;

use gateway::admin::{DifferenceShown, FullSyncJob, FullSyncNow, FullSyncState, ProofList};
use indicatif::{BinaryBytes, HumanCount, HumanDuration};

pub(super) const NEVER: &str = "there was no full sync yet";

/// Bytes a second, since this command looks.
#[derive(Default)]
pub(super) struct Rate {
    first: Option<(f64, u64)>,
    per_second: Option<f64>,
}

impl Rate {
    /// Takes note of how far a job is, by the clock of its site.
    pub(super) fn see(&mut self, job: &FullSyncJob) {
        let (at, moved) = (job.seconds, job.progress.bytes_moved);
        let (since, before) = *self.first.get_or_insert((at, moved));
        let rate = moved.saturating_sub(before) as f64 / (at - since);
        self.per_second = Some(rate).filter(|rate| rate.is_normal());
    }
}

/// What a job does now.
pub(super) fn phase(job: &FullSyncJob) -> &str {
    match job.state {
        FullSyncState::Running => &job.progress.phase,
        state => state.label(),
    }
}

/// One line while it runs.
pub(super) fn progress(job: &FullSyncJob, rate: &Rate) -> String {
    let at = &job.progress;
    let mut line = format!(
        "full sync {} {}  buckets {} of {}  keys {}  differ {}",
        job.id,
        phase(job),
        at.buckets,
        at.buckets_total,
        HumanCount(at.compared),
        HumanCount(at.differ),
    );
    if at.bytes_to_move > 0 {
        let (moved, all) = (BinaryBytes(at.bytes_moved), BinaryBytes(at.bytes_to_move));
        add(&mut line, format_args!("  moved {moved} of {all}"));
    }
    if let Some(rate) = rate.per_second {
        add(&mut line, format_args!("  {}/s", BinaryBytes(rate as u64)));
        let left = at.bytes_to_move.saturating_sub(at.bytes_moved) as f64 / rate;
        add(&mut line, format_args!("  {} left", seconds(left)));
    }
    let waits = match (job.state, &job.last_error) {
        (FullSyncState::Waiting, Some(error)) => Some(&error.what),
        _ => at.waits.as_ref(),
    };
    if let Some(why) = waits {
        add(&mut line, format_args!("  {why}"));
    }
    line
}

/// What came of it; of a dry run, what it found.
pub(super) fn ended(job: &FullSyncJob) -> String {
    let at = &job.progress;
    let mut text = String::new();
    if job.request.dry_run && !job.differences.is_empty() {
        table(&mut text, &job.differences);
        text.push('\n');
    }
    let equal = match job.converged {
        Some(true) => "both sites are equal",
        Some(false) => "the sites differ",
        None => "nothing is proved",
    };
    let state = job.state.label();
    add(&mut text, format_args!("full sync {} {state}: {equal}\n", job.id));
    add(
        &mut text,
        format_args!(
            "  keys compared {}, differ {}\n",
            HumanCount(at.compared),
            HumanCount(at.differ)
        ),
    );
    for (reason, count) in at.repaired.iter().filter(|(_, count)| **count > 0) {
        add(&mut text, format_args!("  repaired {reason} {}\n", HumanCount(*count)));
    }
    for (what, count) in
        [("deletes held back", at.deletes_held_back), ("not repaired", at.unrepaired)]
    {
        if count > 0 {
            add(&mut text, format_args!("  {what} {}\n", HumanCount(count)));
        }
    }
    if job.request.dry_run {
        let estimate = job.estimate_seconds.map_or_else(
            || "how long is not known before something has moved".to_owned(),
            |estimate| format!("about {}", seconds(estimate)),
        );
        add(&mut text, format_args!("  to move {}, {estimate}\n", BinaryBytes(at.bytes_to_move)));
    } else {
        add(&mut text, format_args!("  moved {}\n", BinaryBytes(at.bytes_moved)));
    }
    let wire = BinaryBytes(at.wire_bytes);
    add(
        &mut text,
        format_args!(
            "  compared with {wire} in {} round trips; took {:.1} s",
            at.round_trips, job.seconds
        ),
    );
    text
}

/// Differences with their columns aligned.
fn table(text: &mut String, differences: &[DifferenceShown]) {
    let buckets = |it: &DifferenceShown| it.bucket.clone().unwrap_or_else(|| "-".to_owned());
    let width = |of: &dyn Fn(&DifferenceShown) -> usize, least: usize| {
        differences.iter().map(of).max().unwrap_or(0).max(least)
    };
    let bucket = width(&|it| buckets(it).chars().count(), "bucket".len());
    let key = width(&|it| it.key.escape_debug().count(), "key".len());
    let row = |text: &mut String, cells: [&str; 4]| {
        let [a, b, c, d] = cells;
        add(text, format_args!("{a:<bucket$}  {b:<key$}  {c:<8}  {d:>10}\n"));
    };
    row(text, ["bucket", "key", "here", "bytes"]);
    for it in differences {
        // A key may hold what a terminal obeys.
        let (key, bytes) = (it.key.escape_debug().to_string(), it.bytes.to_string());
        row(text, [&buckets(it), &key, &it.what, &bytes]);
    }
}

/// One job on one line.
pub(super) fn line(job: &FullSyncJob) -> String {
    let equal = match job.converged {
        Some(true) => "equal",
        Some(false) => "differ",
        None => "-",
    };
    let repaired: u64 = job.progress.repaired.values().sum();
    let mut line = format!(
        "{:>5}  {}  {:<10}  {:<9}  {equal:<6}  differ {}  repaired {repaired}  {:.1} s",
        job.id,
        job.asked,
        job.cause,
        job.state.label(),
        job.progress.differ,
        job.seconds
    );
    if let Some(error) = &job.last_error {
        add(&mut line, format_args!("  {}", error.what));
    }
    line
}

/// The job of now, and what is proved.
pub(super) fn status(now: &FullSyncNow, proofs: &ProofList) -> String {
    let mut text = match &now.job {
        None => NEVER.to_owned(),
        Some(job) if job.state.is_over() => ended(job),
        Some(job) => progress(job, &Rate::default()),
    };
    for proof in &proofs.proofs {
        let bucket = proof.bucket.as_deref().unwrap_or("buckets and users");
        let (keys, at) = (HumanCount(proof.keys), &proof.at);
        add(&mut text, format_args!("\nequal at {at}: {bucket}, {keys} keys, {}", proof.root));
    }
    text
}

fn seconds(seconds: f64) -> HumanDuration {
    let seconds = std::time::Duration::try_from_secs_f64(seconds.max(0.0));
    HumanDuration(seconds.unwrap_or(std::time::Duration::MAX))
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests;
