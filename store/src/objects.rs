//! Objects and their versions as clients ask for them.

use bytes::Bytes;
use model::{BucketName, Manifest, ObjectKey, SiteId, Slot, Version, Versioning, visibility};

use crate::{
    caller::Caller,
    engine::Table,
    errors::{ReadError, WriteError},
    pins::Lease,
    records::{ObjectRecord, ObjectState, Record, SlotRecord},
    rules::{self, client::Condition, versions::Deleted},
    section::Section,
    store::Store,
    tree::leaves,
    versions::{self, VersionListing, VersionQuery},
};

/// An object version that shows. Its blocks cannot be collected while this lives.
pub struct Object {
    pub version: Version,
    pub slot: Slot,
    /// Whom to ask for blocks that are not here.
    pub origin: SiteId,
    pub manifest: Box<Manifest>,
    _lease: Lease,
}

/// A delete marker that shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    pub version: Version,
    pub slot: Slot,
}

/// What a key, or one version of it, comes to.
pub enum Found {
    Object(Box<Object>),
    Marker(Marker),
    Nothing,
}

impl Store {
    /// The object that shows under a key.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<Object>, ReadError> {
        match self.find(bucket, key, None).await? {
            Found::Object(object) => Ok(Some(*object)),
            Found::Marker(_) | Found::Nothing => Ok(None),
        }
    }

    /// What is in a slot of a key, or the latest of all, if it shows.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn find(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        slot: Option<Slot>,
    ) -> Result<Found, ReadError> {
        let state = self.bucket(bucket)?;
        let latest = ObjectRecord::key(bucket, key);
        let mut record = self.record(&latest, slot)?;
        loop {
            let held = record.filter(|record| visibility::shows(&state, record.birth));
            let Some(ObjectRecord { version, position, state: held, slot: of, .. }) = held else {
                return Ok(Found::Nothing);
            };
            let manifest = match held {
                ObjectState::Put(manifest) => manifest,
                ObjectState::Marker => return Ok(Found::Marker(Marker { version, slot: of })),
                ObjectState::Deleted => return Ok(Found::Nothing),
            };
            let mut lease = Lease::new(&self.shared.pins);
            for (_, block) in manifest.content.named() {
                lease.add(block.hash).await;
            }
            // The version may have been replaced and collected before the lease was taken.
            let again = if lease.is_empty() { None } else { self.record(&latest, slot)? };
            if lease.is_empty() || again.as_ref().is_some_and(|again| again.version == version) {
                let origin = position.site;
                let object = Object { version, slot: of, origin, manifest, _lease: lease };
                return Ok(Found::Object(Box::new(object)));
            }
            record = again;
        }
    }

    /// Of a slot, or the latest.
    pub(crate) fn record(
        &self,
        latest: &Bytes,
        slot: Option<Slot>,
    ) -> Result<Option<ObjectRecord>, ReadError> {
        let Some(slot) = slot else { return self.shared.get::<ObjectRecord>(latest) };
        let get = |table, key: &Bytes| Ok::<_, ReadError>(self.shared.engine.get(table, key)?);
        let found = leaves::find((Table::Slots, &SlotRecord::key(latest, slot)), get)?;
        Ok(found.map(|found| ObjectRecord::decode(&found.value)).transpose()?)
    }

    /// Whether a bucket keeps versions.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn versioning(&self, bucket: &BucketName) -> Result<Versioning, ReadError> {
        Ok(Versioning::of(&self.bucket_view(bucket)?.attributes))
    }

    /// A page of all versions of a bucket's keys.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list_versions(
        &self,
        name: &BucketName,
        query: &VersionQuery,
    ) -> Result<VersionListing, ReadError> {
        let bucket = self.bucket(name)?;
        versions::list(&*self.shared.engine.snapshot(), (name, &bucket), query)
    }

    /// Deletes a key, which leaves a delete marker if its bucket keeps versions; else, of one that
    /// has no object, nothing is logged. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Denied`, a condition that does not hold, or that writes are refused or
    /// failed.
    pub async fn delete_object(
        &self,
        object: (BucketName, ObjectKey),
        caller: Caller,
        condition: Condition,
    ) -> Result<Option<Deleted>, WriteError> {
        self.writable()?;
        let rule = move |section: &mut Section<'_>| {
            rules::versions::delete_object(section, object, (&caller, &condition))
        };
        self.shared.committer.run(rule).await
    }

    /// Removes one version for good, and with it what it names. `None`: there is none. Durable when
    /// this returns.
    ///
    /// # Errors
    /// `Locked`, or as [`Store::delete_object`]; the condition is on the version.
    pub async fn remove_version(
        &self,
        object: (BucketName, ObjectKey),
        slot: Slot,
        caller: Caller,
        condition: Condition,
    ) -> Result<Option<Deleted>, WriteError> {
        self.writable()?;
        let (bucket, key) = object;
        let rule = move |section: &mut Section<'_>| {
            let version = (bucket, key, slot);
            rules::versions::remove_version(section, version, (&caller, &condition))
        };
        self.shared.committer.run(rule).await
    }

    fn writable(&self) -> Result<(), WriteError> {
        self.refusal().map_or(Ok(()), |refusal| Err(WriteError::Refused(refusal)))
    }
}
