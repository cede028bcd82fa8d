//! `towline peer list|remove`.

use gateway::admin::{RegisteredSite, SiteList};
use model::{SiteId, SiteName};
use serde_json::json;

use super::{Failure, admin::AdminArgs};

#[derive(clap::Subcommand)]
pub(crate) enum PeerCommand {
    /// List the sites that replicate from a running site, and how far they are.
    #[command(after_help = "Example: towline peer list --config site.toml")]
    List(AdminArgs),
    /// Forget a site that is gone for good: nothing waits for it any more.
    ///
    /// Take it out of `link.allow` too. One that comes back all the same registers again, and may
    /// have missed events by then. `towline store remove-site` does the same to a stopped site.
    #[command(after_help = "Example: towline peer remove west --config site.toml")]
    Remove {
        /// Name of the site, as its certificate says.
        #[arg(value_parser = |name: &str| SiteName::try_from(name.to_owned()))]
        name: SiteName,
        /// Which, if several registered under the name: one that was rebuilt on an empty disk is
        /// another than before.
        #[arg(long, value_parser = |id: &str| SiteId::parse(id).ok_or("32 hexadecimal digits"))]
        id: Option<SiteId>,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(super) fn run(command: &PeerCommand) -> Result<(), Failure> {
    match command {
        PeerCommand::List(admin) => {
            let list: SiteList = admin.client()?.get("/v1/sites")?;
            admin.show(&list, |list| match &list.sites[..] {
                [] => "no site replicates from this one".to_owned(),
                sites => sites.iter().map(line).collect::<Vec<_>>().join("\n"),
            });
        }
        PeerCommand::Remove { name, id, admin } => {
            let query = id.map(|id| format!("?id={id}")).unwrap_or_default();
            admin.client()?.delete(&format!("/v1/sites/{name}{query}"))?;
            admin.show(&json!({ "removed": name }), |_| {
                format!("nothing waits for `{name}` any more")
            });
        }
    }
    Ok(())
}

/// One site, on one line.
pub(super) fn line(site: &RegisteredSite) -> String {
    format!(
        "{:<16} applied {}  complete {}  behind {} events, {:.1} s  heard of {:.0} s ago  id {}",
        site.name,
        site.acknowledged_applied,
        site.acknowledged_complete,
        site.depth_events,
        site.age_seconds,
        site.silent_seconds,
        site.id
    )
}
