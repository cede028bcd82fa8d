//! `towline quarantine list|discard`.

use gateway::admin::{Discard, Discarded, QuarantineList, QuarantinedShown};
use model::SiteName;

use super::{Failure, admin::AdminArgs};

#[derive(clap::Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List the records that a running site has set aside: the first thousand, oldest first.
    #[command(after_help = "Example: towline quarantine list --config site.toml")]
    List(AdminArgs),
    /// Forget records that were set aside, once somebody has looked at them.
    ///
    /// Say which: a bucket with all of its keys, one key of it, a user, one record, or, with the
    /// name of the site, all. Blocks that nothing else names are freed; those of records that cannot
    /// be read by the next deep full sync, or by `towline store verify --repair`.
    #[command(
        after_help = "Example: towline quarantine discard --bucket photos --key a.jpg --config site.toml\n\
                      Example: towline quarantine discard --all west --config site.toml"
    )]
    Discard(DiscardArgs),
}

#[derive(clap::Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    which: Which,
    /// This key of the bucket alone.
    #[arg(long, requires = "bucket")]
    key: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Records of a bucket and of all its keys.
    #[arg(long)]
    bucket: Option<String>,
    /// Records of a user.
    #[arg(long)]
    user: Option<String>,
    /// One record, as the list names it.
    #[arg(long)]
    id: Option<u64>,
    /// All records; name the site, so that no other is meant.
    #[arg(long, value_name = "SITE", value_parser = |name: &str| SiteName::try_from(name.to_owned()))]
    all: Option<SiteName>,
}

pub(super) fn run(command: QuarantineCommand) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List(admin) => {
            let list: QuarantineList = admin.client()?.get("/v1/quarantine")?;
            admin.show(&list, text);
        }
        QuarantineCommand::Discard(DiscardArgs { which, key, admin }) => {
            let Which { bucket, user, id, all } = which;
            let asked = Discard { all: all.map(|site| site.to_string()), id, user, bucket, key };
            let done: Discarded = admin.client()?.post("/v1/quarantine/discard", &asked)?;
            admin.show(&done, |done| format!("records discarded: {}", done.discarded));
        }
    }
    Ok(())
}

fn text(list: &QuarantineList) -> String {
    if list.records.is_empty() {
        return "nothing is set aside".to_owned();
    }
    let mut lines: Vec<String> = list.records.iter().map(line).collect();
    let all: u64 = list.counts.values().sum();
    let more = all.saturating_sub(list.records.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// One record, on one line. A name may hold what a terminal obeys.
fn line(record: &QuarantinedShown) -> String {
    let QuarantinedShown { id, at, reason, bucket, key, user, version, bytes } = record;
    let bucket = bucket.as_deref().unwrap_or_default().escape_debug();
    let what = match (key, user) {
        (Some(key), _) => format!("{bucket}/{}", key.escape_debug()),
        (None, Some(user)) => format!("user {}", user.escape_debug()),
        (None, None) => format!("bucket {bucket}"),
    };
    let version = version.as_deref().unwrap_or("-");
    format!("{id}  {at}  {reason:<8}  {what}  version {version}, {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_on_one_line_whatever_its_name() {
        let record = QuarantinedShown {
            id: 7,
            at: "2026-01-01T00:00:00Z".to_owned(),
            reason: "rotten".to_owned(),
            bucket: Some("photos".to_owned()),
            key: Some("a\u{1b}[2J\n".to_owned()),
            user: None,
            version: None,
            bytes: 9,
        };
        let shown = line(&record);
        assert!(shown.ends_with(r"photos/a\u{1b}[2J\n  version -, 9 bytes"), "{shown}");
        let bucket = QuarantinedShown { key: None, ..record.clone() };
        assert!(line(&bucket).contains("  bucket photos  "));
        let user = QuarantinedShown { user: Some("alice".to_owned()), ..bucket };
        assert!(line(&user).contains("  user alice  "));
        let counts = [("rotten".to_owned(), 1_001)].into();
        let list = QuarantineList { records: vec![record], counts };
        assert!(text(&list).ends_with("\nand 1000 more"));
        let none = QuarantineList { records: Vec::new(), counts: [].into() };
        assert_eq!(text(&none), "nothing is set aside");
    }
}
