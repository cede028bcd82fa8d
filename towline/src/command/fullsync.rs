//! `towline fullsync run|status|history|cancel`.

mod follow;
mod text;

use gateway::admin::{
    FullSyncJob, FullSyncJobs, FullSyncNow, FullSyncRequest, FullSyncState, ProofList,
};
use model::BucketName;
use ops::config::MaxDeletes;

use super::{Failure, admin::AdminArgs, block_on};
use crate::client::Client;

#[derive(clap::Subcommand)]
pub(crate) enum FullSyncCommand {
    /// Compare a running site with its origin, repair what differs, and follow that to its end.
    ///
    /// Exit code 0 if both are equal at the end, 1 if not. Ctrl-C ends this command alone.
    #[command(after_help = "Example: towline fullsync run --dry-run --config site.toml\n\
                            Example: towline fullsync run --bucket photos --deep --config site.toml")]
    Run(RunArgs),
    /// Show the full sync that is under way, or the last one, and what is proved.
    #[command(after_help = "Example: towline fullsync status --config site.toml")]
    Status(AdminArgs),
    /// List the last full syncs.
    #[command(after_help = "Example: towline fullsync history --config site.toml")]
    History(AdminArgs),
    /// Cancel the full sync that is under way. What it has repaired stays.
    #[command(after_help = "Example: towline fullsync cancel --config site.toml")]
    Cancel(AdminArgs),
}

/// What to compare, and how.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// One bucket alone.
    #[arg(long, value_parser = |name: &str| BucketName::try_from(name.to_owned()))]
    bucket: Option<BucketName>,
    /// Keys of the bucket that begin so.
    #[arg(long, requires = "bucket")]
    prefix: Option<String>,
    /// Read all records and blocks again, and compare them with what they should be.
    #[arg(long)]
    deep: bool,
    /// With `--deep`: at the origin too.
    #[arg(long, requires = "deep")]
    both: bool,
    /// Change nothing, and list what differs.
    #[arg(long)]
    dry_run: bool,
    /// Hold back deletes beyond a number, or a part of what is here like `5%`.
    #[arg(long, value_name = "N|N%")]
    max_deletes: Option<MaxDeletes>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(command: FullSyncCommand) -> Result<(), Failure> {
    match command {
        FullSyncCommand::Run(args) => start(args),
        FullSyncCommand::Status(admin) => status(&admin),
        FullSyncCommand::History(admin) => {
            let jobs: FullSyncJobs = admin.client()?.get("/v1/fullsync/jobs")?;
            admin.show(&jobs, |jobs| match &jobs.jobs[..] {
                [] => text::NEVER.to_owned(),
                jobs => jobs.iter().map(text::line).collect::<Vec<_>>().join("\n"),
            });
            Ok(())
        }
        FullSyncCommand::Cancel(admin) => {
            let job: FullSyncJob = admin.client()?.delete_for("/v1/fullsync")?;
            admin.show(&job, |job| format!("full sync {} is cancelled", job.id));
            Ok(())
        }
    }
}

fn start(args: RunArgs) -> Result<(), Failure> {
    let RunArgs { bucket, prefix, deep, both, dry_run, max_deletes, admin } = args;
    let (bucket, max_deletes) = (bucket.map(String::from), max_deletes.map(|it| it.to_string()));
    let asked = FullSyncRequest { bucket, prefix, deep, both, dry_run, max_deletes };
    let client = admin.client()?;
    let started: FullSyncJob = client.post("/v1/fullsync", &asked)?;
    let screen = follow::Screen::new(admin.wants_json());
    let job = block_on(follow::until_over(&client, started, screen))?;
    admin.show(&job, text::ended);
    outcome(&job)
}

fn status(admin: &AdminArgs) -> Result<(), Failure> {
    let client: Client = admin.client()?;
    let now: FullSyncNow = client.get("/v1/fullsync")?;
    let proofs: ProofList = client.get("/v1/fullsync/proofs")?;
    admin.show(&now, |now| text::status(now, &proofs));
    Ok(())
}

/// Exit code 0 only if both sites were found to be equal.
fn outcome(job: &FullSyncJob) -> Result<(), Failure> {
    if job.converged == Some(true) {
        return Ok(());
    }
    let id = job.id;
    let why = job.last_error.as_ref().map_or("its log says why", |error| &error.what);
    Err(Failure::Failed(match job.state {
        FullSyncState::Refused => format!("full sync {id} is refused: {why}"),
        FullSyncState::Failed => format!("full sync {id} failed: {why}"),
        FullSyncState::Cancelled => format!("full sync {id} was cancelled"),
        _ if job.request.dry_run => {
            format!("the sites differ in {} keys; nothing was changed", job.progress.differ)
        }
        _ if job.progress.deletes_held_back > 0 => format!(
            "full sync {id} held back {} deletes; allow them with `--max-deletes`",
            job.progress.deletes_held_back
        ),
        _ => format!("full sync {id} did not make the sites equal; its log says why"),
    }))
}
