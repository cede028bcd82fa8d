//! Registered sites and what they acknowledge.

use model::{Millis, SiteId, SiteName};

use crate::{
    records::{Acknowledged, Peer},
    section::{Section, SectionError},
};

/// Registers a site, durably before its first read (law 7). Again is the same.
pub(crate) fn register(
    section: &mut Section<'_>,
    site: SiteId,
    name: SiteName,
    now: Millis,
) -> Result<Peer, SectionError> {
    let key = Peer::key(site);
    let held = section.get::<Peer>(&key)?;
    let peer = match held {
        Some(held) if held.name == name => return Ok(held),
        Some(held) => Peer { name, ..held },
        None => Peer { site, name, registered: now, acknowledged: Vec::new() },
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
        let held = peer.acknowledged.iter_mut().find(|held| held.partition == ack.partition);
        match held {
            Some(held) if held.epoch <= ack.epoch => *held = *ack,
            Some(_) => {}
            None => peer.acknowledged.push(*ack),
        }
    }
    section.put(key, &peer);
    Ok(true)
}

/// Forgets a site: the fence no longer waits for it. Returns whether it was registered.
pub(crate) fn remove(section: &mut Section<'_>, site: SiteId) -> Result<bool, SectionError> {
    let key = Peer::key(site);
    let held = section.get::<Peer>(&key)?.is_some();
    section.remove::<Peer>(key);
    Ok(held)
}
