//! Registered sites and what they acknowledge.

use std::{collections::BTreeSet, ops::ControlFlow};

use model::{Millis, SiteId, SiteName};

use crate::{
    engine::{Table, prefix_range},
    records::{Acknowledged, Evicted, Peer, Record, Registered, Written},
    section::{Section, SectionError},
};

/// Registers a site, durably before its first read (law 7). Again is the same. That one of its name
/// was evicted before is forgotten.
pub(crate) fn register(
    section: &mut Section<'_>,
    site: SiteId,
    (name, reads): (SiteName, BTreeSet<String>),
    now: Millis,
) -> Result<Peer, SectionError> {
    section.remove::<Evicted>(Evicted::key(&name));
    let key = Peer::key(site);
    let held = section.get::<Peer>(&key)?;
    let peer = match held {
        Some(held) if held.name == name && held.reads == reads => return Ok(held),
        Some(held) => Peer { name, reads, ..held },
        None => {
            let partitions = section.identity.partitions.iter();
            let volumes = partitions.map(|partition| section.written(partition).volume).collect();
            let registered = Registered { at: now, epoch: section.identity.epoch, volumes };
            let (acknowledged, highest) = Default::default();
            Peer { site, name, registered, acknowledged, reads, highest }
        }
    };
    section.put(key, &peer);
    Ok(peer)
}

/// Takes note of acknowledgements. Returns whether the site is registered.
pub(crate) fn acknowledge(
    section: &mut Section<'_>,
    site: SiteId,
    acknowledged: &[Acknowledged],
) -> Result<bool, SectionError> {
    let key = Peer::key(site);
    let Some(mut peer) = section.get::<Peer>(&key)? else {
        return Ok(false);
    };
    for ack in acknowledged {
        let Some(ack) = bounded(section, *ack)? else { continue };
        peer.acknowledge(ack);
    }
    section.put(key, &peer);
    Ok(true)
}

/// An acknowledgement of what this site has written and no more: the fence must not pass what is
/// yet to come. `None`: of an epoch or a partition that this site never had.
fn bounded(section: &Section<'_>, ack: Acknowledged) -> Result<Option<Acknowledged>, SectionError> {
    let identity = section.identity;
    let epoch_known = ack.epoch == identity.epoch || identity.past_epochs.contains(&ack.epoch);
    if !epoch_known || ack.partition.0 >= identity.partitions.get() {
        return Ok(None);
    }
    let written = section.get::<Written>(&Written::key(ack.epoch, ack.partition))?;
    let end = written.unwrap_or(Written::START).seq;
    let Acknowledged { epoch, partition, handled, applied, complete } = ack;
    let (handled, applied, complete) = (handled.min(end), applied.min(end), complete.min(end));
    Ok(Some(Acknowledged { epoch, partition, handled, applied, complete }))
}

/// Whether every registered site can read a kind of change: nobody logs what a site would have to
/// park.
pub(crate) fn all_read(section: &Section<'_>, kind: &str) -> Result<bool, SectionError> {
    let (mut end, mut all) = (Vec::new(), Ok(true));
    section.scan(Table::Meta, prefix_range(Peer::PREFIX, &mut end), &mut |_, value| {
        all = Peer::decode(value).map(|peer| peer.reads.contains(kind));
        if matches!(all, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(all?)
}

/// Forgets a site: the fence no longer waits for it. Returns whether it was registered.
pub(crate) fn remove(section: &mut Section<'_>, site: SiteId) -> Result<bool, SectionError> {
    let key = Peer::key(site);
    let held = section.get::<Peer>(&key)?.is_some();
    section.remove::<Peer>(key);
    Ok(held)
}

/// Forgets a site that held up too much, and keeps that it was so. Returns whether it was registered.
pub(crate) fn evict(section: &mut Section<'_>, evicted: &Evicted) -> Result<bool, SectionError> {
    let held = remove(section, evicted.site)?;
    if held {
        section.put(Evicted::key(&evicted.name), evicted);
    }
    Ok(held)
}

/// Forgets that a site was evicted. Returns whether it was.
pub(crate) fn forget_evicted(
    section: &mut Section<'_>,
    name: &SiteName,
) -> Result<bool, SectionError> {
    let key = Evicted::key(name);
    let held = section.get::<Evicted>(&key)?.is_some();
    section.remove::<Evicted>(key);
    Ok(held)
}

#[cfg(test)]
mod tests;
