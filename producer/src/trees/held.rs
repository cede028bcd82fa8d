//! Which cuts are held, for whom, and since when nobody has used them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use model::{
    SiteName,
    tree::{Scope, Summary, View},
};
use ops::Metrics;
use rand::Rng;
use tokio::time::Instant;

/// A cut that is not used for so long ends: what it pins costs disk. A site that waits until it
/// has handled a cut asks about it every minute.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Of one peer. Two, so that a retry does not end what an answer under way still reads.
const PER_PEER: usize = 2;

/// One cut.
pub(super) struct Cut {
    pub(super) view: Arc<dyn View>,
    pub(super) roots: BTreeMap<Scope, Summary>,
    peer: SiteName,
    made: u64,
    used: Mutex<Instant>,
}

impl Cut {
    /// Takes note that somebody uses it.
    pub(super) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn ends(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) + IDLE_MAX
    }
}

/// All cuts that are held. Clones are the same.
#[derive(Clone)]
pub(super) struct Cuts {
    shared: Arc<Shared>,
}

struct Shared {
    held: Mutex<BTreeMap<u64, Arc<Cut>>>,
    metrics: Metrics,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Cut>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what it took, so that a view is let go of outside the lock.
    fn remove(&self, id: u64) -> Option<Arc<Cut>> {
        let mut held = self.held();
        let cut = held.remove(&id);
        self.metrics.tree_cuts.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
        cut
    }
}

impl Cuts {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { shared: Arc::new(Shared { held: Mutex::default(), metrics }) }
    }

    /// Holds a view for a peer, whose oldest ends if it has too many. Its number cannot be guessed
    /// or be of a cut before a restart.
    pub(super) fn make(
        &self,
        peer: &SiteName,
        view: Arc<dyn View>,
        roots: BTreeMap<Scope, Summary>,
    ) -> u64 {
        let id = rand::rng().random();
        let mut held = self.shared.held();
        let mut of_peer: Vec<_> = held
            .iter()
            .filter(|(_, cut)| cut.peer == *peer)
            .map(|(id, cut)| (cut.made, *id))
            .collect();
        of_peer.sort_unstable();
        let made = of_peer.last().map_or(0, |(made, _)| made + 1);
        let surplus = (of_peer.len() + 1).saturating_sub(PER_PEER);
        let ended: Vec<_> =
            of_peer[..surplus].iter().filter_map(|(_, id)| held.remove(id)).collect();
        let used = Mutex::new(Instant::now());
        let cut = Cut { view, roots, peer: peer.clone(), made, used };
        held.insert(id, Arc::new(cut));
        self.shared.metrics.tree_cuts.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
        drop(held);
        drop(ended);
        tokio::spawn(end_when_idle(Arc::downgrade(&self.shared), id));
        id
    }

    /// A cut of this peer, used now.
    pub(super) fn get(&self, peer: &SiteName, id: u64) -> Option<Arc<Cut>> {
        let cut = self.shared.held().get(&id).filter(|cut| cut.peer == *peer).cloned()?;
        cut.touch();
        Some(cut)
    }

    /// Lets go of a cut of this peer.
    pub(super) fn end(&self, peer: &SiteName, id: u64) {
        if self.get(peer, id).is_some() {
            drop(self.shared.remove(id));
        }
    }
}

async fn end_when_idle(shared: Weak<Shared>, id: u64) {
    loop {
        let Some(ends) = shared.upgrade().and_then(|held| Some(held.held().get(&id)?.ends()))
        else {
            return;
        };
        if ends <= Instant::now() {
            if let Some(shared) = shared.upgrade() {
                drop(shared.remove(id));
            }
            tracing::info!("a cut that its peer did not use has ended");
            return;
        }
        tokio::time::sleep_until(ends).await;
    }
}

#[cfg(test)]
mod tests {
    use model::tree::MemoryView;

    use super::*;

    fn cuts() -> Cuts {
        Cuts::new(Metrics::new())
    }

    fn peer(name: &str) -> SiteName {
        SiteName::try_from(name.to_owned()).unwrap()
    }

    fn make(cuts: &Cuts, name: &str) -> u64 {
        cuts.make(&peer(name), Arc::new(MemoryView::default()), BTreeMap::new())
    }

    #[tokio::test]
    async fn a_peer_that_makes_others_loses_its_oldest_and_nobody_elses() {
        let cuts = cuts();
        let (theirs, first) = (make(&cuts, "north"), make(&cuts, "west"));
        let (second, third) = (make(&cuts, "west"), make(&cuts, "west"));
        let held = |name: &str, id| cuts.get(&peer(name), id).is_some();
        assert!(!held("west", first) && held("west", second) && held("west", third));
        assert!(held("north", theirs) && !held("west", theirs), "of its own only");
        cuts.end(&peer("west"), theirs);
        assert!(held("north", theirs));
        cuts.end(&peer("north"), theirs);
        assert!(!held("north", theirs));
        assert_eq!(cuts.shared.metrics.tree_cuts.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_that_nobody_uses_ends_by_itself() {
        let cuts = cuts();
        let id = make(&cuts, "west");
        tokio::time::sleep(IDLE_MAX * 3 / 4).await;
        assert!(cuts.get(&peer("west"), id).is_some());
        tokio::time::sleep(IDLE_MAX * 3 / 4).await;
        assert!(cuts.get(&peer("west"), id).is_some(), "used since");
        tokio::time::sleep(IDLE_MAX * 2).await;
        assert!(cuts.get(&peer("west"), id).is_none());
        assert_eq!(cuts.shared.metrics.tree_cuts.get(), 0);
    }
}
