//! Multipart uploads: begun, given parts, and made one object in one commit, or ended.
//!
//! An upload names its parts' blocks as a manifest does, until the collector drops them after its
//! end; so an object takes over blocks that are named already, and nothing is counted twice.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{BucketName, Content, Manifest, ObjectKey, SegmentRef};

use super::{
    blocks::{self, Segments},
    client::{self, Condition, Put},
    lock,
    versions::Stored,
};
use crate::{
    caller::Caller,
    engine::{Table, prefix_range},
    errors::WriteError,
    records::{
        Completed, CompletedRecord, DeletedBucketRecord, EndedRecord, HeldSegmentRecord,
        MultipartId, MultipartRecord, PartRecord, PartsBytesRecord, Record, RevisionRecord,
        SealedAs,
    },
    section::{Section, SectionError},
};

/// Which upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultipartName {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub id: MultipartId,
}

impl MultipartName {
    pub(crate) fn row(&self) -> Bytes {
        MultipartRecord::key(&self.bucket, &self.key, self.id)
    }
}

/// Begins an upload; fills in what the caller of the rule cannot know, the bucket's birth.
pub(crate) fn create(
    section: &mut Section<'_>,
    name: &MultipartName,
    caller: &Caller,
    record: MultipartRecord,
) -> Result<(), WriteError> {
    let birth = client::enter(section, &name.bucket, caller)?;
    section.room()?;
    // Refused now, and not when all parts have come.
    lock::begins_with(section, (&name.bucket, birth), record.attributes.clone())?;
    section.put(name.row(), &MultipartRecord { birth, ..record });
    section.put(RevisionRecord::key(name.id), &RevisionRecord::default());
    Ok(())
}

/// Takes in a part, in place of one with the same number.
pub(crate) fn put_part(
    section: &mut Section<'_>,
    (name, number): (&MultipartName, u16),
    caller: &Caller,
    part: &PartRecord,
    segments: &Segments,
) -> Result<(), WriteError> {
    find(section, name, caller)?;
    section.room()?;
    let key = PartRecord::key(name.id, number);
    let before = section.get::<PartRecord>(&key)?;
    // In this order, so that blocks which both name never count as unnamed.
    blocks::reference_uploaded(section, &part.content, segments)?;
    if let Some(before) = &before {
        blocks::dereference(section, &before.content)?;
    }
    section.put(key, part);
    let bytes = PartsBytesRecord::key(name.id);
    let PartsBytesRecord(all) = section.get(&bytes)?.unwrap_or_default();
    let others = all.saturating_sub(before.map_or(0, |before| before.size));
    section.put(bytes, &PartsBytesRecord(others.saturating_add(part.size)));
    let revision = RevisionRecord::key(name.id);
    let RevisionRecord(count) = section.get(&revision)?.unwrap_or_default();
    section.put(revision, &RevisionRecord(count + 1));
    Ok(())
}

/// Ends an upload without an object.
pub(crate) fn abort(
    section: &mut Section<'_>,
    name: &MultipartName,
    caller: &Caller,
) -> Result<(), WriteError> {
    find(section, name, caller)?;
    end(section, name, None);
    Ok(())
}

/// Names a segment for an upload whose parts are being put together. Again with the same segment
/// it changes nothing: a client that asks again goes on where it was.
pub(crate) fn hold_segment(
    section: &mut Section<'_>,
    (name, index): (&MultipartName, u32),
    (caller, revision): (&Caller, u64),
    segment: SegmentRef,
    segments: &Segments,
) -> Result<(), WriteError> {
    find(section, name, caller)?;
    section.room()?;
    unchanged(section, name, revision)?;
    let key = HeldSegmentRecord::key(name.id, index);
    let before = section.get::<HeldSegmentRecord>(&key)?;
    if before == Some(HeldSegmentRecord(segment)) {
        return Ok(());
    }
    blocks::reference_uploaded(section, &Content::Segments(vec![segment]), segments)?;
    if let Some(HeldSegmentRecord(before)) = before {
        blocks::dereference(section, &Content::Segments(vec![before]))?;
    }
    section.put(key, &HeldSegmentRecord(segment));
    Ok(())
}

/// An upload that is to become an object.
pub(crate) struct Complete {
    pub(crate) name: MultipartName,
    pub(crate) caller: Caller,
    /// Of the parts that `manifest` was made of.
    pub(crate) revision: u64,
    pub(crate) manifest: Manifest,
    pub(crate) condition: Condition,
}

/// Makes an upload an object.
pub(crate) fn complete(
    section: &mut Section<'_>,
    complete: Complete,
) -> Result<Completed, WriteError> {
    let Complete { name, caller, revision, manifest, condition } = complete;
    let attributes = find(section, &name, &caller)?.attributes;
    unchanged(section, &name, revision)?;
    // Who completes the same upload with other parts may have let go of a segment of ours.
    if !blocks::all_here(section, &manifest.content)? {
        return Err(WriteError::UploadChanged);
    }
    let (etag, checksums) = (manifest.etag.clone(), manifest.checksums.clone());
    let sealed = manifest.encryption.as_ref().map(|held| SealedAs::of(&held.key));
    let (bucket, key, segments) = (name.bucket.clone(), name.key.clone(), Segments::new());
    let put = Put { caller, bucket, key, manifest, segments, condition, attributes };
    let Stored { version, id } = client::put_object(section, put)?;
    let completed = Completed { version, id, etag, checksums, sealed };
    end(section, &name, Some(completed.clone()));
    Ok(completed)
}

/// Takes note that a bucket was deleted: with it, the uploads into it have ended.
pub(crate) fn bucket_deleted(
    section: &mut Section<'_>,
    bucket: &BucketName,
) -> Result<(), SectionError> {
    let prefix = MultipartRecord::prefix(bucket);
    if !section.keys(Table::Multipart, &prefix, 1)?.is_empty() {
        section.put(DeletedBucketRecord::key(bucket), &DeletedBucketRecord);
    }
    Ok(())
}

/// Ends up to `limit` of the uploads into a bucket that was deleted, from `after` on: all but
/// those into one of that name that was made since. Returns where to go on, if there may be more.
pub(crate) fn end_orphaned(
    section: &mut Section<'_>,
    bucket: &BucketName,
    after: Option<Bytes>,
    limit: usize,
) -> Result<Option<Bytes>, SectionError> {
    let (prefix, mut end_of) = (MultipartRecord::prefix(bucket), Vec::new());
    let (first, last) = prefix_range(&prefix, &mut end_of);
    let first = after.as_ref().map_or(first, |after| Bound::Excluded(after));
    let mut rows = Vec::new();
    section.scan(Table::Multipart, (first, last), &mut |row, value| {
        rows.push((row.clone(), value.clone()));
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let live = client::bucket_state(section, bucket)?.live.map(|live| live.birth);
    let next = rows.last().filter(|_| rows.len() == limit).map(|(row, _)| row.clone());
    for (row, value) in rows {
        let birth = MultipartRecord::decode(&value)?.birth;
        let Some((key, id)) = MultipartRecord::split(&row).filter(|_| live != Some(birth)) else {
            continue;
        };
        if let Ok(key) = ObjectKey::try_from(key.to_owned()) {
            end(section, &MultipartName { bucket: bucket.clone(), key, id }, None);
        }
    }
    if next.is_none() {
        section.remove::<DeletedBucketRecord>(DeletedBucketRecord::key(bucket));
    }
    Ok(next)
}

fn end(section: &mut Section<'_>, name: &MultipartName, completed: Option<Completed>) {
    section.remove::<MultipartRecord>(name.row());
    section.remove::<RevisionRecord>(RevisionRecord::key(name.id));
    section.remove::<PartsBytesRecord>(PartsBytesRecord::key(name.id));
    section.put(EndedRecord::key(name.id), &EndedRecord);
    if let Some(completed) = completed {
        let (bucket, key, at) = (name.bucket.clone(), name.key.clone(), section.now());
        let record = CompletedRecord { bucket, key, at, completed };
        section.put(CompletedRecord::key(name.id), &record);
    }
}

/// The upload, if it is under way, and the caller's.
fn find(
    section: &mut Section<'_>,
    name: &MultipartName,
    caller: &Caller,
) -> Result<MultipartRecord, WriteError> {
    let birth = client::enter(section, &name.bucket, caller)?;
    let held = section.get::<MultipartRecord>(&name.row())?;
    let held = held.filter(|held| held.birth == birth).ok_or(WriteError::NoSuchUpload)?;
    if caller.may_go_on(&held.initiator) { Ok(held) } else { Err(WriteError::Denied) }
}

fn unchanged(section: &Section<'_>, name: &MultipartName, revision: u64) -> Result<(), WriteError> {
    let held = section.get::<RevisionRecord>(&RevisionRecord::key(name.id))?;
    let same = held.is_some_and(|RevisionRecord(held)| held == revision);
    if same { Ok(()) } else { Err(WriteError::UploadChanged) }
}

#[cfg(test)]
mod tests;
