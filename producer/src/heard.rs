//! When each site that follows this one was last heard of: one that is connected asks for a heartbeat
//! each second. Kept in memory alone, and so counted from the start of this site on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{Millis, SiteId, SiteName};

/// See the module. Clones are the same.
#[derive(Clone)]
pub struct Heard(Arc<Mutex<Sites>>);

struct Sites {
    started: Millis,
    /// Which site has a name now: one that was rebuilt on an empty disk is another than before.
    named: BTreeMap<SiteName, SiteId>,
    last: BTreeMap<SiteId, Millis>,
}

impl Heard {
    /// Nobody was heard of yet.
    #[must_use]
    pub fn new(started: Millis) -> Self {
        let (named, last) = (BTreeMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Sites { started, named, last })))
    }

    /// A site said who it is; each session begins so.
    pub(crate) fn registered(&self, name: &SiteName, site: SiteId, now: Millis) {
        let mut sites = self.sites();
        sites.named.insert(name.clone(), site);
        sites.last.insert(site, now);
    }

    /// A site asked for something.
    pub(crate) fn asked(&self, name: &SiteName, now: Millis) {
        let mut sites = self.sites();
        if let Some(&site) = sites.named.get(name) {
            sites.last.insert(site, now);
        }
    }

    /// For how long a site was not heard of, since this one started.
    #[must_use]
    pub fn silent(&self, site: SiteId, now: Millis) -> Duration {
        let sites = self.sites();
        now.since(sites.last.get(&site).copied().unwrap_or(sites.started))
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_silent_since_it_was_last_heard_of_or_since_the_start() {
        let heard = Heard::new(Millis(1_000));
        let (west, before, rebuilt) =
            (SiteName::try_from("west".to_owned()).unwrap(), SiteId([1; 16]), SiteId([2; 16]));
        let silent = |site, now| heard.silent(site, Millis(now)).as_millis();
        assert_eq!(silent(before, 1_500), 500);
        heard.asked(&west, Millis(1_600));
        assert_eq!(silent(before, 1_700), 700, "it has not said who it is");
        heard.registered(&west, before, Millis(2_000));
        heard.asked(&west, Millis(3_000));
        assert_eq!(silent(before, 3_001), 1);
        heard.registered(&west, rebuilt, Millis(4_000));
        heard.asked(&west, Millis(5_000));
        assert_eq!((silent(before, 5_000), silent(rebuilt, 5_000)), (2_000, 0));
    }
}
