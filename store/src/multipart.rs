//! Multipart uploads, as the endpoint uses them.
//!
//! Putting parts together moves no byte: their blocks become the object's. More than a segment's
//! worth of them is written as segments first, each in a commit of its own, so that the last
//! commit, which makes the object, is small whatever the object's size.

mod assembly;
mod listing;

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;
use model::{BucketName, Content, Manifest, Millis, ObjectKey, UserId, Version, WrappedKey};

use crate::{
    caller::Caller,
    engine::{Table, prefix_range},
    errors::{ReadError, WriteError},
    records::{
        Completed, CompletedRecord, MultipartChecksum, MultipartId, MultipartRecord, PartRecord,
        PartsBytesRecord, Record, RecordError, RevisionRecord,
    },
    rules::{
        client::Condition,
        multipart::{self, Complete, MultipartName},
    },
    section::Section,
    store::Store,
    upload::{Upload, Uploaded},
};

use assembly::Assembly;
pub use listing::{MultipartCursor, MultipartEntry, MultipartListing, MultipartQuery};

/// An upload under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Multipart {
    pub initiator: UserId,
    pub initiated: Millis,
    pub headers: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
    pub checksum: Option<MultipartChecksum>,
    /// What its parts are sealed under.
    pub sealed_under: Option<WrappedKey>,
}

/// What an upload is begun with.
pub struct NewMultipart {
    pub caller: Caller,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub headers: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
    pub checksum: Option<MultipartChecksum>,
    /// What the object is to begin with, by name (`model::attribute`).
    pub attributes: BTreeMap<String, Bytes>,
    /// What its parts are to be sealed under.
    pub sealed_under: Option<WrappedKey>,
}

/// A part that has been taken in.
pub struct PutPart {
    pub caller: Caller,
    pub name: MultipartName,
    pub number: u16,
    pub md5: [u8; 16],
    pub checksum: Option<String>,
    pub uploaded: Uploaded,
}

/// A part as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartInfo {
    pub number: u16,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<String>,
    pub modified: Millis,
}

/// The parts of an upload, as of one revision of it.
pub struct PartsSeen {
    pub revision: u64,
    pub parts: Vec<PartInfo>,
}

/// An upload that is to become an object.
pub struct CompleteMultipart {
    pub caller: Caller,
    pub name: MultipartName,
    /// [`PartsSeen::revision`] of what the manifest was made of.
    pub revision: u64,
    /// Numbers of the parts, in order.
    pub parts: Vec<u16>,
    /// Its content is put together here.
    pub manifest: Manifest,
    pub condition: Condition,
}

impl Store {
    /// Begins an upload. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Denied`, or that writes are refused or failed.
    pub async fn create_multipart(&self, new: NewMultipart) -> Result<MultipartId, WriteError> {
        let NewMultipart { caller, bucket, key, headers, metadata, checksum, attributes, .. } = new;
        let initiated = self.now();
        let random: u64 = rand::Rng::random(&mut rand::rng());
        let id = MultipartId(u128::from(initiated.0) << 64 | u128::from(random));
        let name = MultipartName { bucket, key, id };
        let (initiator, birth) = (caller.user.clone(), Version::NONE);
        let record = MultipartRecord {
            birth,
            initiator,
            initiated,
            headers,
            metadata,
            checksum,
            attributes,
            sealed_under: new.sealed_under,
        };
        let rule =
            move |section: &mut Section<'_>| multipart::create(section, &name, &caller, record);
        self.shared.committer.run(rule).await.map(|()| id)
    }

    /// An upload that is under way.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn multipart(&self, name: &MultipartName) -> Result<Option<Multipart>, ReadError> {
        let record = self.shared.get::<MultipartRecord>(&name.row())?;
        let bucket = self.bucket(&name.bucket)?.live;
        let birth = bucket.map(|bucket| bucket.birth);
        let record = record.filter(|record| birth == Some(record.birth));
        Ok(record.map(|record| {
            let MultipartRecord { initiator, initiated, headers, metadata, checksum, .. } = record;
            let sealed_under = record.sealed_under;
            Multipart { initiator, initiated, headers, metadata, checksum, sealed_under }
        }))
    }

    /// What an upload came to, if it was completed not long ago.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn completed(&self, name: &MultipartName) -> Result<Option<Completed>, ReadError> {
        let held = self.shared.get::<CompletedRecord>(&CompletedRecord::key(name.id))?;
        let held = held.filter(|held| held.bucket == name.bucket && held.key == name.key);
        Ok(held.map(|held| held.completed))
    }

    /// Begins to take in the body of a part: all of it in blocks, which an object can take over.
    #[must_use]
    pub fn upload_part(&self) -> Upload {
        Upload::in_blocks(&self.shared)
    }

    /// Takes in a part, in place of one with the same number. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchUpload`, `NoSuchBucket`, `Denied`, or that writes are refused or failed.
    pub async fn put_part(&self, put: PutPart) -> Result<Millis, WriteError> {
        let PutPart { caller, name, number, md5, checksum, uploaded } = put;
        let segments = uploaded.segments();
        let (size, content) = (uploaded.size(), uploaded.content().clone());
        let modified = self.now();
        let part = PartRecord { size, md5, checksum, modified, content };
        // The rule owns the upload, as in `put_object`.
        let rule = self.shared.committer.run(move |section| {
            multipart::put_part(section, (&name, number), &caller, &part, &segments)
                .map(|()| uploaded)
        });
        rule.await?.committed();
        Ok(modified)
    }

    /// Parts with numbers above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn parts(&self, id: MultipartId, after: u16, limit: usize) -> Result<PartsSeen, ReadError> {
        // Before the parts: a part that comes meanwhile makes the revision old, never too new.
        let revision = self.shared.get::<RevisionRecord>(&RevisionRecord::key(id))?;
        let RevisionRecord(revision) = revision.unwrap_or_default();
        let (mut parts, mut failed) = (Vec::new(), None);
        let mut end = Vec::new();
        let prefix = PartRecord::prefix(id);
        let start = PartRecord::key(id, after);
        let (_, last) = prefix_range(&prefix, &mut end);
        let range = (std::ops::Bound::Excluded(start.as_ref()), last);
        self.shared.engine.scan(Table::Multipart, range, &mut |row, value| {
            if parts.len() == limit {
                return ControlFlow::Break(());
            }
            match part_info(row, value) {
                Ok(part) => parts.extend(part),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(PartsSeen { revision, parts }), |error| Err(error.into()))
    }

    /// Bytes of all parts of an upload but this one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn other_parts_bytes(&self, id: MultipartId, number: u16) -> Result<u64, ReadError> {
        let all = self.shared.get::<PartsBytesRecord>(&PartsBytesRecord::key(id))?;
        let PartsBytesRecord(all) = all.unwrap_or_default();
        let this = self.shared.get::<PartRecord>(&PartRecord::key(id, number))?;
        Ok(all.saturating_sub(this.map_or(0, |part| part.size)))
    }

    /// Ends an upload without an object. Durable when this returns.
    ///
    /// # Errors
    /// As [`Store::put_part`].
    pub async fn abort_multipart(
        &self,
        name: MultipartName,
        caller: Caller,
    ) -> Result<(), WriteError> {
        let committer = &self.shared.committer;
        committer.run(move |section| multipart::abort(section, &name, &caller)).await
    }

    /// Makes an upload an object. Durable when this returns: whole, or not at all.
    ///
    /// # Errors
    /// `UploadChanged` if a part came meanwhile, a condition that does not hold, or as
    /// [`Store::put_part`].
    pub async fn complete_multipart(
        &self,
        complete: CompleteMultipart,
    ) -> Result<Completed, WriteError> {
        let content = self.assembled(&complete).await?;
        self.commit_assembled(complete, content).await
    }

    /// The content of an object out of parts; the upload names what was made for it.
    pub(crate) async fn assembled(
        &self,
        complete: &CompleteMultipart,
    ) -> Result<Content, WriteError> {
        let CompleteMultipart { name, caller, revision, .. } = complete;
        let mut assembly = Assembly::new(self, (name, caller, *revision));
        for &number in &complete.parts {
            assembly.take(number).await?;
        }
        assembly.finish(complete.manifest.size).await
    }

    /// The one commit, in which everything is checked again.
    pub(crate) async fn commit_assembled(
        &self,
        complete: CompleteMultipart,
        content: Content,
    ) -> Result<Completed, WriteError> {
        let CompleteMultipart { caller, name, revision, mut manifest, condition, .. } = complete;
        manifest.content = content;
        let complete = Complete { name, caller, revision, manifest, condition };
        ops::crash::point(ops::crash::COMPLETING);
        let rule = self.shared.committer.run(|section| multipart::complete(section, complete));
        let completed = rule.await;
        ops::crash::point(ops::crash::COMPLETED);
        completed
    }
}

fn part_info(row: &Bytes, value: &Bytes) -> Result<Option<PartInfo>, RecordError> {
    let Some(number) = PartRecord::number(row) else {
        return Ok(None);
    };
    let PartRecord { size, md5, checksum, modified, .. } = PartRecord::decode(value)?;
    Ok(Some(PartInfo { number, size, md5, checksum, modified }))
}
