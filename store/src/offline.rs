//! Work on the store of a site that is stopped.

use std::path::Path;

use bytes::Bytes;
use model::{Epoch, SiteId, SiteName};
use tokio::sync::watch;

use crate::{
    accounts::AccountCounts,
    engine::{Batch, Embedded, Engine, Table},
    errors::OpenError,
    open::{Options, newer_or_damaged, open_engine, rows},
    records::{Identity, Peer, Record},
    recount::{RecountOptions, Recounted},
    rewrap::DataKeys,
    store::Store,
    tree::{TreeCounts, TreeReport, VerifyOptions},
};

/// Opens a new epoch of a store that nobody has open: its numbering starts again at 1, under a
/// number that no other incarnation of the site has used. Returns the epoch before and the new.
///
/// # Errors
/// As [`crate::Store::open`].
pub fn open_epoch(directory: &Path, now: model::Millis) -> Result<(Epoch, Epoch), OpenError> {
    let (engine, mut identity) = open_stopped(directory)?;
    let before = identity.epoch;
    identity.past_epochs.push(before);
    identity.epoch = Epoch(now.0.max(before.0 + 1));
    let row = ((Table::Meta, Identity::key()), Some(identity.encode()));
    commit(&engine, directory, row)?;
    Ok((before, identity.epoch))
}

/// Forgets a registered site that is gone for good, so that nothing waits for it any more
/// (law 7). One that comes back all the same registers again, and may have missed events.
///
/// `id` tells apart what registered under one name: a site that was rebuilt on an empty disk has
/// another identity than before.
///
/// # Errors
/// `NotRegistered`, `RegisteredAgain`, or as [`crate::Store::open`].
pub fn remove_site(directory: &Path, name: &SiteName, id: Option<SiteId>) -> Result<(), OpenError> {
    let (engine, _) = open_stopped(directory)?;
    let text = || directory.display().to_string();
    let mut peers = Vec::new();
    for (_, value) in rows(&engine, Table::Meta, Peer::PREFIX)
        .map_err(|cause| OpenError::Engine { directory: text(), cause })?
    {
        peers.push(Peer::decode(&value).map_err(|cause| newer_or_damaged(directory, cause))?);
    }
    let wanted = |peer: &&Peer| peer.name == *name && id.is_none_or(|id| peer.site == id);
    let found: Vec<&Peer> = peers.iter().filter(wanted).collect();
    let list = |peers: &[&Peer]| peers.iter().map(|peer| told(peer)).collect::<Vec<_>>().join("; ");
    let name = name.to_string();
    match found[..] {
        [peer] => commit(&engine, directory, ((Table::Meta, Peer::key(peer.site)), None)),
        [] => {
            let registered = list(&peers.iter().collect::<Vec<_>>());
            Err(OpenError::NotRegistered { directory: text(), name, registered })
        }
        _ => {
            let registered = list(&found);
            Err(OpenError::RegisteredAgain { directory: text(), name, registered })
        }
    }
}

/// What verifying a store came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    pub tree: TreeReport,
    pub blocks: Recounted,
    pub accounts: AccountCounts,
    pub keys: DataKeys,
}

/// Compares the hash tree of a store that nobody has open with its records, and builds it first if
/// an earlier release wrote the store; then, how often each block counts with who names it, and what
/// is counted in each bucket with what stands there; then opens every data key that rests under a key
/// of the site.
///
/// # Errors
/// As [`crate::Store::open`], or that the store failed.
pub async fn verify(
    options: Options,
    verify: VerifyOptions,
    progress: &watch::Sender<TreeCounts>,
) -> Result<Verified, OpenError> {
    // To open a store makes one where there is none; here that is a mistake.
    drop(open_stopped(&options.directory)?);
    let directory = options.directory.display().to_string();
    let store = Store::open(options).await?;
    let verified = async {
        store.build_tree().await?;
        let tree = store.verify_tree(verify, progress).await?;
        let recount = RecountOptions { repair: verify.repair, ..RecountOptions::default() };
        let blocks = store.recount_blocks(recount).await?;
        let accounts = store.verify_accounts(verify.repair).await?;
        let keys = store.check_data_keys(verify.differences_max).await?;
        Ok(Verified { tree, blocks, accounts, keys })
    };
    verified.await.map_err(|cause| OpenError::Verify { directory, cause: Box::new(cause) })
}

/// What tells a registration from others.
fn told(peer: &Peer) -> String {
    let Peer { site, name, registered, acknowledged, .. } = peer;
    let events: u64 = acknowledged.iter().map(|ack| ack.handled.0).sum();
    format!("`{name}` {site}, registered {}, handled {events} events", registered.at)
}

fn open_stopped(directory: &Path) -> Result<(Embedded, Identity), OpenError> {
    let engine = open_engine(directory)?;
    let text = || directory.display().to_string();
    let value = engine.get(Table::Meta, &Identity::key());
    let value = value.map_err(|cause| OpenError::Engine { directory: text(), cause })?;
    match value.as_ref().map(Identity::decode) {
        Some(Ok(identity)) => Ok((engine, identity)),
        Some(Err(cause)) => Err(newer_or_damaged(directory, cause)),
        None => {
            let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "holds no store");
            Err(OpenError::Directory { directory: text(), cause })
        }
    }
}

fn commit(
    engine: &Embedded,
    directory: &Path,
    row: ((Table, Bytes), Option<Bytes>),
) -> Result<(), OpenError> {
    let directory = directory.display().to_string();
    engine.commit(Batch::from([row])).map_err(|cause| OpenError::Engine { directory, cause })
}
