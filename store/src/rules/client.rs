//! What clients of this site's endpoint may do to buckets and objects.

use std::ops::ControlFlow;

use model::{
    Bucket, BucketName, Change, ETag, Entity, Manifest, ObjectKey, Version,
    visibility::{self, BucketState},
};

use super::{
    blocks::{self, Segments},
    multipart,
    place::{self, Presence},
};
use crate::{
    caller::Caller,
    engine::{Table, prefix_range},
    errors::WriteError,
    records::{BucketRecord, ObjectRecord, Record},
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
    fn is(&self, object: &ObjectRecord, manifest: &Manifest) -> bool {
        let modified = i64::try_from(object.version.hlc.millis().0 / 1_000).ok();
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
    caller: &Caller,
) -> Result<Bucket, WriteError> {
    caller.enter(section)?;
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
    section.put_bucket(name, &record, event.position);
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
    section.put_bucket(name, &record, event.position);
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
}

pub(crate) fn put_object(section: &mut Section<'_>, put: Put) -> Result<Version, WriteError> {
    put.caller.enter(section)?;
    section.room()?;
    let bucket = bucket_state(section, &put.bucket)?;
    let birth = put.caller.may_use(&bucket)?;
    let row = ObjectRecord::key(&put.bucket, &put.key);
    check(section, &bucket, &row, &put.condition)?;
    let entity = Entity::Object(put.bucket.clone(), put.key.clone()).hash();
    let event = section.log(entity, |_| Change::ObjectPut {
        bucket: put.bucket,
        key: put.key,
        birth,
        manifest: Box::new(put.manifest),
    })?;
    let Change::ObjectPut { manifest, .. } = event.change else {
        unreachable!("BUG: the change logged is the change made")
    };
    let (version, position) = (event.version, event.position);
    let record = ObjectRecord { version, position, birth, manifest: Some(*manifest) };
    place::place(section, &row, &record, &Presence::Uploaded(&put.segments))?;
    Ok(version)
}

/// Puts what another object names already: no byte moves, here or between sites.
pub(crate) fn copy_object(section: &mut Section<'_>, put: Put) -> Result<Version, WriteError> {
    if !blocks::all_here(section, &put.manifest.content)? {
        return Err(WriteError::SourceIncomplete);
    }
    put_object(section, put)
}

fn check(
    section: &Section<'_>,
    bucket: &BucketState,
    row: &bytes::Bytes,
    condition: &Condition,
) -> Result<(), WriteError> {
    if *condition == Condition::None {
        return Ok(());
    }
    let held = section.get::<ObjectRecord>(row)?;
    let held = held.filter(|held| visibility::shows(bucket, held.birth));
    let object = held.as_ref().and_then(|held| Some((held, held.manifest.as_ref()?)));
    let holds = match (condition, object) {
        (Condition::Present | Condition::Matches(_), None) => return Err(WriteError::NoSuchKey),
        (Condition::Seen(Seen { there: true, .. }), None) => return Err(WriteError::NoSuchKey),
        (Condition::Absent, Some(_)) => false,
        (Condition::Matches(etag), Some((_, manifest))) => *etag == manifest.etag,
        (Condition::Differs(etag), Some((_, manifest))) => *etag != manifest.etag,
        (Condition::Seen(seen), Some((object, manifest))) => seen.is(object, manifest),
        (Condition::None | Condition::Present, _) => true,
        (Condition::Absent | Condition::Differs(_) | Condition::Seen(_), None) => true,
    };
    if holds { Ok(()) } else { Err(WriteError::PreconditionFailed) }
}

/// Deletes a key, or says again that it is deleted: S3 answers both alike. Nothing is logged
/// for a key that has no object.
pub(crate) fn delete_object(
    section: &mut Section<'_>,
    (bucket, key): (BucketName, ObjectKey),
    (caller, condition): (&Caller, &Condition),
) -> Result<Option<Version>, WriteError> {
    let state = bucket_state(section, &bucket)?;
    let birth = caller.may_use(&state)?;
    let row = ObjectRecord::key(&bucket, &key);
    check(section, &state, &row, condition)?;
    let held = section.get::<ObjectRecord>(&row)?;
    if !held.is_some_and(|held| held.manifest.is_some() && visibility::shows(&state, held.birth)) {
        return Ok(None);
    }
    caller.enter(section)?;
    let entity = Entity::Object(bucket.clone(), key.clone()).hash();
    let event = section.log(entity, |_| Change::ObjectDeleted { bucket, key, birth })?;
    let (version, position) = (event.version, event.position);
    let tombstone = ObjectRecord { version, position, birth, manifest: None };
    place::place(section, &row, &tombstone, &Presence::Applied)?;
    Ok(Some(version))
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
            .map(|object| object.manifest.is_some() && visibility::shows(bucket, object.birth));
        match found {
            Ok(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })?;
    Ok(found?)
}

#[cfg(test)]
mod tests;
