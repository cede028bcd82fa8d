//! What clients of this site's endpoint may do to buckets and objects.

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;
use model::{
    Bucket, BucketName, Change, ETag, Entity, Manifest, ObjectKey, Slot, Version, Versioning,
    visibility::{self, BucketState},
};

use super::{
    attributes,
    blocks::{self, Segments},
    lock, multipart,
    place::{self, Presence},
    quotas::{self, Asked},
    versions::{self, Stored},
};
use crate::{
    caller::Caller,
    engine::{Table, prefix_range},
    errors::WriteError,
    records::{BucketRecord, ObjectRecord, ObjectState, Record},
    section::{Section, SectionError},
};

/// What must hold of a key for a put to be done (evaluated in the commit section, law 14).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    None,
    /// The key has no object (`If-None-Match: *`).
    Absent,
    /// The key has an object (`If-Match: *`).
    Present,
    /// The key's object has this entity tag (`If-Match`).
    Matches(ETag),
    /// What is there is this version, a delete marker or not.
    Is(Version),
    /// The same, and it is not the latest of its key.
    Behind(Version),
    /// The key has no object with this entity tag (`If-None-Match`).
    Differs(ETag),
    /// Of a delete: the key has the object that the client has seen, or none.
    Seen(Seen),
}

/// What a client has seen of an object that it asks to delete; what it does not name, may be
/// anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Whether there must be one.
    pub there: bool,
    pub etag: Option<ETag>,
    /// When it was modified, in seconds since the Unix epoch: as precise as HTTP says it.
    pub modified: Option<i64>,
    pub size: Option<u64>,
}

impl Seen {
    fn is(&self, version: Version, manifest: &Manifest) -> bool {
        let modified = i64::try_from(version.hlc.millis().0 / 1_000).ok();
        self.etag.as_ref().is_none_or(|etag| *etag == manifest.etag)
            && self.modified.is_none_or(|seen| Some(seen) == modified)
            && self.size.is_none_or(|size| size == manifest.size)
    }
}

/// Begins a rule that changes what is in a bucket; returns the bucket's birth.
pub(crate) fn enter(
    section: &mut Section<'_>,
    bucket: &BucketName,
    caller: &Caller,
) -> Result<Version, WriteError> {
    caller.enter(section)?;
    caller.may_use(&bucket_state(section, bucket)?)
}

pub(crate) fn create_bucket(
    section: &mut Section<'_>,
    name: &BucketName,
    attributes: BTreeMap<String, Bytes>,
    caller: &Caller,
) -> Result<Bucket, WriteError> {
    caller.enter(section)?;
    if caller.user.is_anonymous() {
        return Err(WriteError::Denied);
    }
    section.room()?;
    let key = BucketRecord::key(name);
    let held = section.get::<BucketRecord>(&key)?;
    if let Some(live) = held.as_ref().and_then(|held| held.live.as_ref()) {
        return Err(WriteError::BucketExists { owned: live.owner == caller.user });
    }
    let entity = Entity::Bucket(name.clone()).hash();
    let state = |birth| Bucket { birth, owner: caller.user.clone() };
    let event = section
        .log(entity, |version| Change::BucketPut { bucket: name.clone(), state: state(version) })?;
    let bucket = state(event.version);
    let deleted = held.and_then(|held| held.deleted);
    let live = Some(bucket.clone());
    let record = BucketRecord { version: event.version, live, deleted };
    section.put_bucket(name, &record, event.position)?;
    attributes::begin_bucket(section, name, bucket.birth, attributes)?;
    Ok(bucket)
}

pub(crate) fn delete_bucket(
    section: &mut Section<'_>,
    name: &BucketName,
    caller: &Caller,
) -> Result<(), WriteError> {
    caller.enter(section)?;
    let bucket = bucket_state(section, name)?;
    caller.may_use(&bucket)?;
    if has_objects(section, name, &bucket)? {
        return Err(WriteError::BucketNotEmpty);
    }
    multipart::bucket_deleted(section, name)?;
    let entity = Entity::Bucket(name.clone()).hash();
    let event = section.log(entity, |_| Change::BucketDeleted { bucket: name.clone() })?;
    let version = event.version;
    let record = BucketRecord { version, live: None, deleted: Some(version) };
    section.put_bucket(name, &record, event.position)?;
    attributes::drop_of_past(section, name, &record.state())?;
    Ok(())
}

/// A put as the rule takes it: what its manifest names is on this disk, and nobody collects it
/// before the commit.
pub(crate) struct Put {
    pub(crate) caller: Caller,
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) manifest: Manifest,
    pub(crate) segments: Segments,
    pub(crate) condition: Condition,
    /// What the object begins with.
    pub(crate) attributes: BTreeMap<String, Bytes>,
}

pub(crate) fn put_object(section: &mut Section<'_>, put: Put) -> Result<Stored, WriteError> {
    put.caller.enter(section)?;
    section.room()?;
    let state = bucket_state(section, &put.bucket)?;
    let birth = put.caller.may_use(&state)?;
    let row = ObjectRecord::key(&put.bucket, &put.key);
    check(section, &state, &row, &put.condition)?;
    let set = versions::set_of(section, &put.bucket, birth)?;
    let (bucket, size) = (&put.bucket, put.manifest.size);
    quotas::admit(section, &Asked { bucket, state: &state, set: &set, row: &row, size })?;
    let attributes = lock::begins_with(section, (&put.bucket, birth), put.attributes)?;
    let entity = Entity::Object(put.bucket.clone(), put.key.clone()).hash();
    let event = section.log(entity, |version| Change::ObjectPut {
        bucket: put.bucket,
        key: put.key,
        slot: Versioning::of(&set).slot(version),
        birth,
        manifest: Box::new(put.manifest),
    })?;
    let Change::ObjectPut { bucket, key, manifest, slot, .. } = event.change else {
        unreachable!("BUG: the change logged is the change made")
    };
    let (version, position) = (event.version, event.position);
    let state = ObjectState::Put(manifest);
    let record = ObjectRecord { version, position, birth, state, slot };
    place::place(section, &row, &record, &Presence::Uploaded(&put.segments))?;
    attributes::begin_object(section, (bucket, key), version, attributes)?;
    let id = matches!(slot, Slot::Own(_)).then_some(slot);
    Ok(Stored { version, id })
}

/// Puts what another object names already: no byte moves, here or between sites.
pub(crate) fn copy_object(section: &mut Section<'_>, put: Put) -> Result<Stored, WriteError> {
    if !blocks::all_here(section, &put.manifest.content)? {
        return Err(WriteError::SourceIncomplete);
    }
    put_object(section, put)
}

fn check(
    section: &Section<'_>,
    bucket: &BucketState,
    row: &Bytes,
    condition: &Condition,
) -> Result<(), WriteError> {
    if *condition == Condition::None {
        return Ok(());
    }
    let held = section.get::<ObjectRecord>(row)?;
    let held = held.filter(|held| visibility::shows(bucket, held.birth));
    meets(condition, held.as_ref())
}

/// Whether a condition holds of what is held. A delete marker is no object.
pub(crate) fn meets(condition: &Condition, held: Option<&ObjectRecord>) -> Result<(), WriteError> {
    if let Condition::Is(wanted) | Condition::Behind(wanted) = condition {
        let held = held.ok_or(WriteError::NoSuchKey)?;
        let same = held.version == *wanted;
        return if same { Ok(()) } else { Err(WriteError::PreconditionFailed) };
    }
    let object = held.and_then(|held| Some((held.version, held.manifest()?)));
    let holds = match (condition, object) {
        (Condition::Present | Condition::Matches(_), None)
        | (Condition::Seen(Seen { there: true, .. }), None) => return Err(WriteError::NoSuchKey),
        (Condition::Absent, Some(_)) => false,
        (Condition::Matches(etag), Some((_, manifest))) => *etag == manifest.etag,
        (Condition::Differs(etag), Some((_, manifest))) => *etag != manifest.etag,
        (Condition::Seen(seen), Some((version, manifest))) => seen.is(version, manifest),
        (Condition::None | Condition::Present | Condition::Is(_) | Condition::Behind(_), _) => true,
        (Condition::Absent | Condition::Differs(_) | Condition::Seen(_), None) => true,
    };
    if holds { Ok(()) } else { Err(WriteError::PreconditionFailed) }
}

pub(crate) fn bucket_state(
    section: &Section<'_>,
    name: &BucketName,
) -> Result<BucketState, SectionError> {
    let record = section.get::<BucketRecord>(&BucketRecord::key(name))?;
    Ok(record.map_or_else(BucketState::default, BucketRecord::state))
}

fn has_objects(
    section: &Section<'_>,
    name: &BucketName,
    bucket: &BucketState,
) -> Result<bool, SectionError> {
    let prefix = ObjectRecord::prefix(name);
    let mut end = Vec::new();
    let mut found = Ok(false);
    section.scan(Table::Objects, prefix_range(&prefix, &mut end), &mut |_, value| {
        found = ObjectRecord::decode(value)
            .map(|object| object.stands() && visibility::shows(bucket, object.birth));
        match found {
            Ok(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })?;
    Ok(found?)
}

#[cfg(test)]
mod tests;
