//! What versioning means for what clients write and delete. It is decided here, in the commit section
//! of the site where they do; whoever applies an event finds the slot in it.

use bytes::Bytes;
use model::{
    Attributes, BucketName, Change, Entity, ObjectKey, Slot, Version, Versioning, visibility,
};

use super::{
    attributes,
    client::{Condition, bucket_state, meets},
    lock,
    place::{self, Presence},
};
use crate::{
    caller::Caller,
    errors::WriteError,
    records::{AttributesRecord, ObjectRecord, ObjectState},
    section::{Section, SectionError},
};

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    pub version: Version,
    /// Its id. `None`: versioning was not enabled.
    pub id: Option<Slot>,
}

/// What became of a delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deleted {
    /// Of the delete.
    pub version: Version,
    /// Of the delete marker that was left, or of the version that was removed.
    pub id: Option<Slot>,
    /// That one is, or was, a delete marker.
    pub marker: bool,
}

/// What is set of a bucket.
pub(crate) fn set_of(
    section: &Section<'_>,
    bucket: &BucketName,
    birth: Version,
) -> Result<Attributes, SectionError> {
    let set = section.attributes(&AttributesRecord::key_of_bucket(bucket, birth))?;
    Ok(set.unwrap_or_default().attributes)
}

/// Deletes a key. With versioning it leaves a delete marker, always; without, nothing is logged for a
/// key that has no object: S3 answers both alike.
pub(crate) fn delete_object(
    section: &mut Section<'_>,
    (bucket, key): (BucketName, ObjectKey),
    (caller, condition): (&Caller, &Condition),
) -> Result<Option<Deleted>, WriteError> {
    let state = bucket_state(section, &bucket)?;
    let birth = caller.may_use(&state)?;
    let row = ObjectRecord::key(&bucket, &key);
    let held = section.get::<ObjectRecord>(&row)?;
    let held = held.filter(|held| held.stands() && visibility::shows(&state, held.birth));
    meets(condition, held.as_ref())?;
    let versioning = Versioning::of(&set_of(section, &bucket, birth)?);
    // Also while the word that the bucket keeps versions is still on its way from another site.
    let kept = held.as_ref().is_some_and(|held| held.slot != Slot::Null);
    let entity = Entity::Object(bucket.clone(), key.clone()).hash();
    if versioning == Versioning::Off && !kept {
        if held.is_none() {
            return Ok(None);
        }
        caller.enter(section)?;
        let event = section.log(entity, |_| Change::ObjectDeleted { bucket, key, birth })?;
        let (version, position) = (event.version, event.position);
        let (state, slot) = (ObjectState::Deleted, Slot::Null);
        let tombstone = ObjectRecord { version, position, birth, state, slot };
        place::place(section, &row, &tombstone, &Presence::Applied)?;
        return Ok(Some(Deleted { version, id: None, marker: false }));
    }
    caller.enter(section)?;
    section.room()?;
    let event = section.log(entity, |version| {
        let slot = versioning.slot(version);
        Change::MarkerPut { bucket, key, slot, birth }
    })?;
    let (version, position) = (event.version, event.position);
    let (state, slot) = (ObjectState::Marker, versioning.slot(version));
    let marker = ObjectRecord { version, position, birth, state, slot };
    place::place(section, &row, &marker, &Presence::Applied)?;
    Ok(Some(Deleted { version, id: Some(slot), marker: true }))
}

/// Removes one version for good, if it is not locked. `None`: there is none in this slot; nothing is
/// logged.
pub(crate) fn remove_version(
    section: &mut Section<'_>,
    (bucket, key, slot): (BucketName, ObjectKey, Slot),
    (caller, condition): (&Caller, &Condition),
) -> Result<Option<Deleted>, WriteError> {
    let state = bucket_state(section, &bucket)?;
    let birth = caller.may_use(&state)?;
    let row: Bytes = ObjectRecord::key(&bucket, &key);
    let held = section.in_slot(&row, slot)?;
    let held = held.filter(|held| held.stands() && visibility::shows(&state, held.birth));
    meets(condition, held.as_ref())?;
    let Some(held) = held else { return Ok(None) };
    if let Condition::Behind(_) = condition
        && section.get::<ObjectRecord>(&row)?.is_none_or(|latest| latest.version == held.version)
    {
        return Err(WriteError::PreconditionFailed);
    }
    caller.enter(section)?;
    // It may have been written by a clock that was ahead of this one: what removes it comes later.
    section.observe(held.version);
    if held.manifest().is_some()
        && let Some(known) = lock::before_removal(section, (&row, held.version), caller)?
    {
        let object = (bucket.clone(), key.clone());
        attributes::log_of_object(section, object, held.version, known)?;
    }
    let entity = Entity::Object(bucket.clone(), key.clone()).hash();
    let event = section.log(entity, |_| match slot {
        Slot::Null => Change::ObjectDeleted { bucket, key, birth },
        Slot::Own(of) => Change::VersionRemoved { bucket, key, of, birth },
    })?;
    let (version, position) = (event.version, event.position);
    let tombstone = ObjectRecord { version, position, birth, state: ObjectState::Deleted, slot };
    place::place(section, &row, &tombstone, &Presence::Applied)?;
    let marker = held.state == ObjectState::Marker;
    Ok(Some(Deleted { version, id: Some(slot), marker }))
}

#[cfg(test)]
mod tests;
