//! Multipart uploads: begun, given parts, and made one object in one commit, or ended.
//!
//! An upload names its parts' blocks as a manifest does, until the collector drops them after its
//! end; so an object takes over blocks that are named already, and nothing is counted twice.

use model::{BucketName, Content, Manifest, ObjectKey, SegmentRef};

use super::{
    blocks::{self, Segments},
    client::{self, Condition, Put},
};
use crate::{
    caller::Caller,
    engine::Table,
    errors::WriteError,
    records::{
        Completed, CompletedRecord, EndedRecord, HeldSegmentRecord, MultipartId, MultipartRecord,
        PartRecord, RevisionRecord,
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
    pub(crate) fn row(&self) -> bytes::Bytes {
        MultipartRecord::key(&self.bucket, &self.key, self.id)
    }
}

/// Begins an upload. The caller of the rule fills in what it cannot know: the bucket's birth.
pub(crate) fn create(
    section: &mut Section<'_>,
    name: &MultipartName,
    caller: &Caller,
    record: MultipartRecord,
) -> Result<(), WriteError> {
    let birth = client::enter(section, &name.bucket, caller)?;
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
    let key = PartRecord::key(name.id, number);
    let before = section.get::<PartRecord>(&key)?;
    // In this order, so that blocks which both name never count as unnamed.
    blocks::reference_uploaded(section, &part.content, segments)?;
    if let Some(before) = before {
        blocks::dereference(section, &before.content)?;
    }
    section.put(key, part);
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
    find(section, &name, &caller)?;
    unchanged(section, &name, revision)?;
    let (etag, checksums) = (manifest.etag.clone(), manifest.checksums.clone());
    let (bucket, key, segments) = (name.bucket.clone(), name.key.clone(), Segments::new());
    let put = Put { caller, bucket, key, manifest, segments, condition };
    let version = client::put_object(section, put)?;
    let completed = Completed { version, etag, checksums };
    end(section, &name, Some(completed.clone()));
    Ok(completed)
}

/// Ends every upload into a bucket that is being deleted.
pub(crate) fn end_all(section: &mut Section<'_>, bucket: &BucketName) -> Result<(), SectionError> {
    let prefix = MultipartRecord::prefix(bucket);
    for row in section.keys(Table::Multipart, &prefix, usize::MAX)? {
        let Some((key, id)) = MultipartRecord::split(&row) else { continue };
        if let Ok(key) = ObjectKey::try_from(key.to_owned()) {
            end(section, &MultipartName { bucket: bucket.clone(), key, id }, None);
        }
    }
    Ok(())
}

fn end(section: &mut Section<'_>, name: &MultipartName, completed: Option<Completed>) {
    section.remove::<MultipartRecord>(name.row());
    section.remove::<RevisionRecord>(RevisionRecord::key(name.id));
    section.put(EndedRecord::key(name.id), &EndedRecord);
    if let Some(completed) = completed {
        let (bucket, key, at) = (name.bucket.clone(), name.key.clone(), section.now());
        let record = CompletedRecord { bucket, key, at, completed };
        section.put(CompletedRecord::key(name.id), &record);
    }
}

/// Whether the upload is under way, and the caller's.
fn find(
    section: &mut Section<'_>,
    name: &MultipartName,
    caller: &Caller,
) -> Result<(), WriteError> {
    let birth = client::enter(section, &name.bucket, caller)?;
    let held = section.get::<MultipartRecord>(&name.row())?;
    match held {
        Some(held) if held.birth == birth => Ok(()),
        _ => Err(WriteError::NoSuchUpload),
    }
}

fn unchanged(section: &Section<'_>, name: &MultipartName, revision: u64) -> Result<(), WriteError> {
    let held = section.get::<RevisionRecord>(&RevisionRecord::key(name.id))?;
    let same = held.is_some_and(|RevisionRecord(held)| held == revision);
    if same { Ok(()) } else { Err(WriteError::UploadChanged) }
}

#[cfg(test)]
mod tests;
