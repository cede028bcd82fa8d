//! `towline usage`.

use gateway::admin::{
    BucketUsageShown, QuotaShown, UploadsShown, UsageList, UsageShown, UserUsageShown,
};
use indicatif::BinaryBytes;
use model::{BucketName, UserId};

use super::{Failure, admin::AdminArgs, quota::quota_text, user};

/// Every site counts by itself: two that hold the same count the same.
#[derive(clap::Args)]
#[command(after_help = "Example: towline usage --config site.toml\n\
                  Example: towline usage --user alice --config site.toml")]
pub(crate) struct UsageArgs {
    /// This bucket alone.
    #[arg(long, value_parser = |name: &str| BucketName::try_from(name.to_owned()))]
    bucket: Option<BucketName>,
    /// Buckets of this user alone: id, or the name if no other has it; `root` for the root user.
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &UsageArgs) -> Result<(), Failure> {
    let client = args.admin.client()?;
    let user = match args.user.as_deref() {
        Some(root) if root == UserId::root().as_str() => Some(root.to_owned()),
        Some(wanted) => Some(user::find(&client, wanted)?.id),
        None => None,
    };
    let bucket = args.bucket.as_ref().map(|bucket| format!("bucket={bucket}"));
    let user = user.map(|user| format!("user={user}"));
    let asked = [bucket, user].into_iter().flatten().collect::<Vec<_>>().join("&");
    let list: UsageList = client.get(&format!("/v1/usage?{asked}"))?;
    args.admin.show(&list, text);
    Ok(())
}

/// What is shown of what stands, behind what it is of.
const COUNTS: [&str; 6] = ["objects", "versions", "markers", "size", "full", "quota"];

fn text(list: &UsageList) -> String {
    let mut rows = vec![row(["bucket", "owner", "uploads"], COUNTS.map(str::to_owned))];
    rows.extend(list.buckets.iter().map(|it| {
        let BucketUsageShown { bucket, owner, usage, uploads, quota, full } = it;
        let UploadsShown { count, bytes } = uploads;
        let uploads = match count {
            0 => "-".to_owned(),
            count => format!("{count}, {}", BinaryBytes(*bytes)),
        };
        row([bucket, owner, &uploads], counts(usage, quota, *full))
    }));
    rows.push(row(["total", "", ""], counts(&list.total, &QuotaShown::default(), None)));
    let mut text = table(&rows);
    if !list.users.is_empty() {
        let mut rows = vec![row(["user", "name", "buckets"], COUNTS.map(str::to_owned))];
        rows.extend(list.users.iter().map(|it| {
            let UserUsageShown { user, name, buckets, usage, quota, full } = it;
            let (name, buckets) = (name.as_deref().unwrap_or("-"), buckets.to_string());
            row([user, name, &buckets], counts(usage, quota, *full))
        }));
        text = format!("{text}\n\n{}", table(&rows));
    }
    text
}

fn row(of: [&str; 3], counts: [String; 6]) -> Vec<String> {
    of.into_iter().map(str::to_owned).chain(counts).collect()
}

fn counts(usage: &UsageShown, quota: &QuotaShown, full: Option<f64>) -> [String; 6] {
    let UsageShown { objects, versions, delete_markers, bytes } = usage;
    let full = full.map(|full| format!("{:.0} %", 100.0 * full));
    let quota = if *quota == QuotaShown::default() { "-".to_owned() } else { quota_text(quota) };
    [
        objects.to_string(),
        versions.to_string(),
        delete_markers.to_string(),
        BinaryBytes(*bytes).to_string(),
        full.unwrap_or_else(|| "-".to_owned()),
        quota,
    ]
}

/// Rows in columns that are as wide as what is in them.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_told_in_columns_with_quotas_and_how_full_they_are() {
        let usage = UsageShown { objects: 2, versions: 3, delete_markers: 1, bytes: 1536 };
        let quota = QuotaShown { bytes: Some(4096), objects: None };
        let bucket = BucketUsageShown {
            bucket: "photos".to_owned(),
            owner: "alice".to_owned(),
            usage,
            uploads: UploadsShown { count: 1, bytes: 5 },
            quota,
            full: Some(0.375),
        };
        let user = UserUsageShown {
            user: "alice".to_owned(),
            name: Some("Alice".to_owned()),
            buckets: 1,
            usage,
            quota: QuotaShown::default(),
            full: None,
        };
        let list = UsageList { buckets: vec![bucket], users: vec![user], total: usage };
        let expected = "\
bucket  owner  uploads  objects  versions  markers  size      full  quota
photos  alice  1, 5 B   2        3         1        1.50 KiB  38 %  4.00 KiB
total                   2        3         1        1.50 KiB  -     -

user   name   buckets  objects  versions  markers  size      full  quota
alice  Alice  1        2        3         1        1.50 KiB  -     -";
        assert_eq!(text(&list), expected);
    }
}
