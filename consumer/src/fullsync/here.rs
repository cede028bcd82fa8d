//! The port to this site, as full sync compares and repairs it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use model::{
    EntityHash, Event, Line, Millis, Partition, Position, Seq, SiteId,
    progress::Handled,
    tree::{Leaf, Scope, TreeError, View},
};
use store::{ApplyError, KeepBlockError, KeepError, ReadError};
use tokio::sync::watch;

/// Why this site could not be read or repaired.
#[derive(Debug, thiserror::Error)]
pub enum HereError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Block(#[from] KeepBlockError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// One thing to take in; those of a batch in order, all or none.
#[derive(Clone, PartialEq, Debug)]
pub enum Fix {
    /// Apply a state of the origin at a cut.
    Repair { event: Box<Event>, cut: Position },
    /// Remove what was deleted at its origin long ago, if it still is at that version.
    Remove { scope: Scope, leaf: Leaf },
    /// Set aside what its origin never issued, if it still is at that version.
    Quarantine { scope: Scope, leaf: Leaf },
    /// A comparison at a cut found nothing: no hole up to it is one any more.
    Prove { line: Line, up_to: Seq },
    /// The origin's tombstones are gone up to here, if that much is handled.
    Trimmed { line: Line, up_to: Seq },
    /// Without real time, a proof is all that says how far this site is.
    Handle { line: Line, handled: Handled },
}

/// This site as of one instant.
pub struct HereView {
    pub view: Arc<dyn View>,
    /// Up to where the tombstones of a site's epoch are gone here (law 6).
    pub trimmed: BTreeMap<Line, Seq>,
}

impl HereView {
    /// Of one epoch of one site, as the verdict asks for it.
    pub(crate) fn trimmed_of(&self, site: SiteId, epoch: model::Epoch) -> BTreeMap<Partition, Seq> {
        let of = self.trimmed.iter().filter(|(line, _)| (line.site, line.epoch) == (site, epoch));
        of.map(|(line, seq)| (line.partition, *seq)).collect()
    }
}

/// What working out a part of the trees came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Where the next call goes on; `None`: this was the last part.
    pub next: Option<String>,
    /// What did not fit.
    pub differ: u64,
    /// Whose records could not be read, and were set aside.
    pub rotten: Vec<(Scope, EntityHash)>,
}

/// This site.
#[async_trait]
pub trait Here: Send + Sync {
    /// Who it is.
    fn site(&self) -> SiteId;

    /// Its clock.
    fn now(&self) -> Millis;

    /// How far every line of other sites is handled.
    fn lines(&self) -> BTreeMap<Line, Handled>;

    /// Counts the durable changes of [`Here::lines`].
    fn lines_changed(&self) -> watch::Receiver<u64>;

    /// Its trees as they are now, with all that was handled up to now.
    async fn view(&self) -> Result<HereView, HereError>;

    /// Works the next part of its trees out again from its records, from where the call before came
    /// to, and corrects what does not fit, so that a comparison finds it. A dry run only counts.
    async fn verify(&self, from: Option<String>, dry_run: bool) -> Result<Verified, HereError>;

    /// Takes a batch; durable when this returns.
    async fn take(&self, fixes: Vec<Fix>) -> Result<(), HereError>;
}
