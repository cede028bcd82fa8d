//! `towline bucket quota`.

use gateway::admin::{BucketShown, ChangeBucket};
use model::BucketName;

use super::{
    Failure,
    admin::AdminArgs,
    quota::{QuotaArgs, quota_text},
};

#[derive(clap::Subcommand)]
pub(crate) enum BucketCommand {
    /// Set how much a bucket may hold.
    ///
    /// What another site has written is never refused. Deletes always go.
    #[command(
        after_help = "Example: towline bucket quota photos --bytes 500GiB --config site.toml\n\
                      Example: towline bucket quota photos --bytes off --config site.toml"
    )]
    Quota {
        /// Name of the bucket.
        #[arg(value_parser = |name: &str| BucketName::try_from(name.to_owned()))]
        bucket: BucketName,
        #[command(flatten)]
        quota: QuotaArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(super) fn run(command: &BucketCommand) -> Result<(), Failure> {
    let BucketCommand::Quota { bucket, quota, admin } = command;
    let change = ChangeBucket { quota: quota.change() };
    let path = format!("/v1/buckets/{bucket}");
    let changed: BucketShown = admin.client()?.patch(&path, &change)?;
    admin.show(&changed, |it| format!("bucket `{}`: {}", it.bucket, quota_text(&it.quota)));
    Ok(())
}
