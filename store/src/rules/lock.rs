//! Object lock. What must stay true, whatever comes first, of a version with a slot of its own:
//! * it stands if it was put and its lock makes the newest removal of it void (`model::lock`), and is
//!   gone otherwise;
//! * as long as its tombstone is there, what a removal took away is kept, so that a lock which comes
//!   late brings it back: in `versions`, with its blocks and attributes (it is *buried*).
//!
//! Only in a bucket that is known to have object lock is anything buried. Clients are held to the
//! locks of the null version too, but what replaces it there takes its lock with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    Attributes, BucketName, Slot, Version,
    lock::{self, Lock, LockConfig, Retention},
};

use super::{
    attributes::{self, VersionName},
    blocks,
    place::{self, Presence},
};
use crate::{
    caller::Caller,
    engine::Table,
    errors::WriteError,
    records::{
        AttributesRecord, ObjectRecord, Record, SlotRecord, SupersededRecord, TombstoneRecord,
        VoidedRecord,
    },
    section::{Section, SectionError},
};

/// Values of registers, by name.
type Registers = BTreeMap<String, Bytes>;

/// Sets the retention of a version, or takes it away.
pub(crate) fn set_retention(
    section: &mut Section<'_>,
    object: VersionName,
    asked: Option<Retention>,
    caller: &Caller,
) -> Result<Version, WriteError> {
    let ways = (section.now(), caller.bypass);
    set(section, object, caller, |lock, site| Ok(lock.retain(site, asked, ways)?))
}

/// Sets the legal hold of a version on or off.
pub(crate) fn set_hold(
    section: &mut Section<'_>,
    object: VersionName,
    on: bool,
    caller: &Caller,
) -> Result<Version, WriteError> {
    set(section, object, caller, |lock, site| Ok(lock.set_hold(site, on)))
}

fn set(
    section: &mut Section<'_>,
    object: VersionName,
    caller: &Caller,
    registers: impl FnOnce(&Lock, model::SiteId) -> Result<Registers, WriteError>,
) -> Result<Version, WriteError> {
    let site = section.identity.site;
    attributes::change_of_object(section, object, caller, |section, (bucket, birth), held| {
        section.room()?;
        config(section, bucket, birth)?.ok_or(WriteError::NoObjectLock)?;
        registers(&Lock::of(held), site)
    })
}

/// What a new version begins with, its bucket's default retention among it.
pub(crate) fn begins_with(
    section: &Section<'_>,
    (bucket, birth): (&BucketName, Version),
    mut values: Registers,
) -> Result<Registers, WriteError> {
    let asks = values.keys().any(|name| lock::is_of_lock(name));
    let Some(config) = config(section, bucket, birth)? else {
        return if asks { Err(WriteError::NoObjectLock) } else { Ok(values) };
    };
    let now = section.now();
    if let Some(default) = config.default
        && !values.keys().any(|name| lock::is_of_retention(name))
    {
        let (site, retention) = (section.identity.site, default.from(now));
        values.extend(Lock::default().retain(site, Some(retention), (now, false))?);
    }
    Ok(values)
}

/// The bucket's lock, if it has one.
fn config(
    section: &Section<'_>,
    bucket: &BucketName,
    birth: Version,
) -> Result<Option<LockConfig>, WriteError> {
    let set = section.attributes(&AttributesRecord::key_of_bucket(bucket, birth))?;
    Ok(set.map(|set| LockConfig::of(&set.attributes)).transpose()?.flatten())
}

/// Whether a client may remove a version, by this site's clock. What is to be logged before the removal
/// is all that this site knows of the lock, what is lifted for it included, so that whoever hears of
/// the removal knows what it was made with. `None`: it never had one.
pub(crate) fn before_removal(
    section: &Section<'_>,
    (latest, of): (&Bytes, Version),
    caller: &Caller,
) -> Result<Option<(Attributes, Registers)>, WriteError> {
    let row = ObjectRecord::version_key(latest, of);
    let held = section.get::<AttributesRecord>(&row)?.unwrap_or_default().attributes;
    if !held.0.keys().any(|name| lock::is_of_lock(name)) {
        return Ok(None);
    }
    let (lock, now) = (Lock::of(&held), section.now());
    lock.lets_go(now, caller.bypass)?;
    let lifted = if lock.is_in_force(now) { lock.lift_governance() } else { Registers::new() };
    Ok(Some((held, lifted)))
}

/// Whether a version is locked now, so that full sync does not take it away without a removal.
pub(crate) fn is_in_force(
    section: &Section<'_>,
    latest: &Bytes,
    of: Version,
) -> Result<bool, SectionError> {
    Ok(lock_of(section, latest, of)?.is_in_force(section.now()))
}

fn lock_of(section: &Section<'_>, latest: &Bytes, of: Version) -> Result<Lock, SectionError> {
    let held = section.attributes(&ObjectRecord::version_key(latest, of))?;
    Ok(held.map_or_else(Lock::default, |held| Lock::of(&held.attributes)))
}

/// What a lock says of a state that comes to a slot of a version's own. `true`: that it does not take
/// the place of what is held; what has to be remembered of it, is.
pub(crate) fn stands_against(
    section: &mut Section<'_>,
    latest: &Bytes,
    (held, incoming): (&ObjectRecord, &ObjectRecord),
) -> Result<bool, SectionError> {
    let Slot::Own(of) = incoming.slot else { return Ok(false) };
    if held.manifest().is_none() || incoming.stands() {
        return Ok(false);
    }
    let void = lock_of(section, latest, of)?.voids(incoming.version);
    if void {
        note_voided(section, latest, incoming)?;
        tracing::info!(version = %of, removal = %incoming.version, "a removal is void: the version is locked");
    }
    Ok(void)
}

/// What becomes of a version that comes after its own removal. `true`: it takes the tombstone's place,
/// for the removal is void; else it is buried under it.
pub(crate) fn rises(
    section: &mut Section<'_>,
    latest: &Bytes,
    (tombstone, incoming): (&ObjectRecord, &ObjectRecord),
    presence: &Presence<'_>,
) -> Result<bool, SectionError> {
    let Slot::Own(of) = incoming.slot else { return Ok(false) };
    let Some(manifest) = incoming.manifest().filter(|_| !tombstone.stands()) else {
        return Ok(false);
    };
    if lock_of(section, latest, of)?.voids(tombstone.version) {
        open(section, latest, tombstone)?;
        return Ok(true);
    }
    let row = ObjectRecord::version_key(latest, of);
    if buries(section, latest, incoming)? && section.row(Table::Versions, &row)?.is_none() {
        place::settle_content(section, &manifest.content, incoming.position, presence)?;
        bury(section, latest, incoming);
    }
    Ok(false)
}

/// Looks again at a version whose attributes have changed: a lock may bring back what was removed,
/// or let be what it had made void.
pub(crate) fn reconsider(
    section: &mut Section<'_>,
    latest: &Bytes,
    of: Version,
) -> Result<(), SectionError> {
    let slot = Slot::Own(of);
    let Some(held) = section.in_slot(latest, slot)? else { return Ok(()) };
    let lock = lock_of(section, latest, of)?;
    if held.stands() {
        let key = VoidedRecord::key(&SlotRecord::key(latest, slot));
        if let Some(VoidedRecord(removal)) = section.get::<VoidedRecord>(&key)?
            && !lock.voids(removal.version)
        {
            place::place(section, latest, &removal, &Presence::Applied)?;
        }
        return Ok(());
    }
    let row = ObjectRecord::version_key(latest, of);
    if !lock.voids(held.version) {
        return Ok(());
    }
    // Without it the tombstone stays until full sync brings the version.
    let Some(buried) = section.row(Table::Versions, &row)? else { return Ok(()) };
    let buried = ObjectRecord::decode(&buried)?;
    section.move_row(Table::Versions, row.clone(), None);
    // Where the bucket's lock was not known yet, it was on its way out.
    section.remove::<SupersededRecord>(SupersededRecord::key(held.position, &row));
    open(section, latest, &held)?;
    let before = section.get::<ObjectRecord>(latest)?;
    section.put_object(latest, &buried, (before.as_ref(), None))?;
    tracing::info!(version = %of, removal = %held.version, "a removed version is back: it is locked");
    Ok(())
}

/// Takes a tombstone away whose removal is void, and remembers the removal.
fn open(
    section: &mut Section<'_>,
    latest: &Bytes,
    tombstone: &ObjectRecord,
) -> Result<(), SectionError> {
    let slot = SlotRecord::key(latest, tombstone.slot);
    section.remove::<TombstoneRecord>(TombstoneRecord::key(tombstone.position, &slot));
    section.remove_object(&slot)?;
    note_voided(section, latest, tombstone)
}

fn note_voided(
    section: &mut Section<'_>,
    latest: &Bytes,
    removal: &ObjectRecord,
) -> Result<(), SectionError> {
    let key = VoidedRecord::key(&SlotRecord::key(latest, removal.slot));
    let held = section.get::<VoidedRecord>(&key)?;
    if held.is_none_or(|VoidedRecord(held)| held.version < removal.version) {
        section.put(key, &VoidedRecord(removal.clone()));
    }
    Ok(())
}

/// Forgets the void removals of a slot that is empty now.
pub(crate) fn forget_voided(section: &mut Section<'_>, latest: &Bytes, slot: Slot) {
    section.remove::<VoidedRecord>(VoidedRecord::key(&SlotRecord::key(latest, slot)));
}

/// Whether what is removed from a slot is kept as long as its tombstone is.
pub(crate) fn buries(
    section: &Section<'_>,
    latest: &Bytes,
    held: &ObjectRecord,
) -> Result<bool, SectionError> {
    let (Slot::Own(_), Some(_)) = (held.slot, held.manifest()) else { return Ok(false) };
    let bucket = latest.split(|&byte| byte == 0).next().map(<[u8]>::to_vec);
    let bucket = bucket.and_then(|name| BucketName::try_from(String::from_utf8(name).ok()?).ok());
    let Some(bucket) = bucket else { return Ok(false) };
    let set = section.attributes(&AttributesRecord::key_of_bucket(&bucket, held.birth))?;
    Ok(set.is_some_and(|set| set.attributes.value(model::attribute::OBJECT_LOCK).is_some()))
}

/// Keeps what is removed, as it is: what it waits for, it goes on waiting for.
pub(crate) fn bury(section: &mut Section<'_>, latest: &Bytes, held: &ObjectRecord) {
    let row = ObjectRecord::version_key(latest, held.version);
    section.keep_version(row, held);
}

/// Gives up what is buried under a tombstone that goes itself.
pub(crate) fn give_up(
    section: &mut Section<'_>,
    latest: &Bytes,
    tombstone: &ObjectRecord,
) -> Result<(), SectionError> {
    forget_voided(section, latest, tombstone.slot);
    let Slot::Own(of) = tombstone.slot else { return Ok(()) };
    let row = ObjectRecord::version_key(latest, of);
    let Some(buried) = section.row(Table::Versions, &row)? else { return Ok(()) };
    let buried = ObjectRecord::decode(&buried)?;
    if let Some(manifest) = buried.manifest()
        && section.hole(buried.position)?.is_some_and(|hole| hole.reason.is_applied())
    {
        blocks::stop_waiting(section, &manifest.content, buried.position);
    }
    section.put(SupersededRecord::key(tombstone.position, &row), &SupersededRecord);
    Ok(())
}

#[cfg(test)]
mod tests;
