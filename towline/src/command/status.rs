//! `towline status`.

use std::fmt::Write;

use gateway::admin::{Convergence, Evicted, Origin, Role, Status, Wait};

use super::{Failure, admin::AdminArgs, peer};

/// Show where a running site stands. Exit code 1 if a person must look at something.
#[derive(clap::Args)]
#[command(after_help = "Example: towline status --config site.toml")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(StatusArgs { admin }: &StatusArgs) -> Result<(), Failure> {
    let status: Status = admin.client()?.get("/v1/status")?;
    admin.show(&status, text);
    match status.needs_human.len() {
        0 => Ok(()),
        1 => Err(Failure::Failed(format!("site `{}`: a person must look", status.site.name))),
        n => Err(Failure::Failed(format!("site `{}`: {n} things to look at", status.site.name))),
    }
}

fn text(status: &Status) -> String {
    let site = &status.site;
    let role = match site.role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    };
    let mut text = format!("site {}  {role}  id {}  epoch {}\n", site.name, site.id, site.epoch);
    match &status.writes_refused {
        None => text.push_str("clients may write\n"),
        Some(refused) => line(&mut text, format_args!("clients may not write: {}", refused.why)),
    }
    line(&mut text, format_args!("written {} events", status.written));
    if let Some(log) = status.log {
        line(&mut text, format_args!("log {}", if log.up { "up" } else { "down" }));
    }
    for of in &status.origins {
        origin(&mut text, of);
    }
    if !status.sites.is_empty() {
        text.push_str("\nsites that follow\n");
        for site in &status.sites {
            line(&mut text, format_args!("  {}", peer::line(site)));
        }
    }
    if !status.evicted.is_empty() {
        text.push_str("\nsites that were evicted\n");
        for Evicted { name, id, at, limit } in &status.evicted {
            line(&mut text, format_args!("  {name:<16} at {at}, passed `{limit}`  id {id}"));
        }
    }
    for (reason, count) in status.quarantined.iter().filter(|(_, count)| **count > 0) {
        line(&mut text, format_args!("\nrecords set aside, {reason}: {count}"));
    }
    if !status.needs_human.is_empty() {
        text.push_str("\na person must look\n");
        for sentence in &status.needs_human {
            line(&mut text, format_args!("  - {sentence}"));
        }
    }
    text.trim_end().to_owned()
}

fn origin(text: &mut String, origin: &Origin) {
    let connected = match (origin.realtime, origin.connected) {
        (false, _) => "only compared with",
        (true, true) => "followed",
        (true, false) => "not followed",
    };
    line(text, format_args!("\norigin {}  {connected} since {}", origin.name, origin.since));
    let (lag, at) = (&origin.lag, &origin.positions);
    line(
        text,
        format_args!("  lag {:.1} s, {} events, {} bytes", lag.seconds, lag.events, lag.bytes),
    );
    line(
        text,
        format_args!("  written {}  applied {}  complete {}", at.written, at.applied, at.complete),
    );
    let paused = if origin.puller_paused { " (puller is paused)" } else { "" };
    line(text, format_args!("  blocks to pull {}{paused}", origin.wants));
    for (reason, count) in origin.holes.iter().filter(|(_, count)| **count > 0) {
        line(text, format_args!("  holes {reason} {count}"));
    }
    for Wait { what, since, .. } in &origin.waits {
        line(text, format_args!("  waits for {what} since {since}"));
    }
    match &origin.full_sync {
        None => text.push_str("  full sync is off\n"),
        Some(sync) => full_sync(text, sync),
    }
    if let Some(error) = &origin.last_error {
        line(text, format_args!("  last error {}: {}", error.at, error.what));
    }
}

fn full_sync(text: &mut String, sync: &Convergence) {
    match (&sync.proved, sync.converged) {
        (Some(at), true) => line(text, format_args!("  in sync, proved at {at}")),
        (Some(at), false) => line(text, format_args!("  not in sync; the oldest proof is of {at}")),
        (None, _) => text.push_str("  not proved to be in sync yet\n"),
    }
    let waits = sync.waits.as_ref().map_or_else(String::new, |why| format!(", and waits: {why}"));
    for (what, id) in
        [(format!("is under way{waits}"), sync.running), ("was the last".to_owned(), sync.last)]
    {
        if let Some(id) = id {
            line(text, format_args!("  full sync {id} {what}"));
        }
    }
    for (what, count) in [
        ("keys that differ", sync.differ),
        ("deletes held back", sync.deletes_held_back),
        ("keys not repaired", sync.unrepaired),
    ] {
        if count > 0 {
            line(text, format_args!("  {what} {count}"));
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sync: &Convergence) -> String {
        let mut text = String::new();
        full_sync(&mut text, sync);
        text
    }

    #[test]
    fn convergence_is_told_with_its_date_and_what_is_left() {
        assert_eq!(told(&Convergence::default()), "  not proved to be in sync yet\n");
        let proved = Some("2026-01-02T03:04:05Z".to_owned());
        let equal =
            Convergence { converged: true, proved, last: Some(7), ..Convergence::default() };
        assert_eq!(
            told(&equal),
            "  in sync, proved at 2026-01-02T03:04:05Z\n  full sync 7 was the last\n"
        );
        let left = Convergence {
            converged: false,
            running: Some(8),
            waits: Some("site `east` is away".to_owned()),
            differ: 9,
            deletes_held_back: 8,
            unrepaired: 1,
            ..equal
        };
        assert_eq!(
            told(&left),
            "  not in sync; the oldest proof is of 2026-01-02T03:04:05Z\n  full sync 8 is under \
             way, and waits: site `east` is away\n  full sync 7 was the last\n  keys that differ 9\n  deletes held back 8\n  keys \
             not repaired 1\n"
        );
    }
}
