//! Attributes of buckets and objects, as the endpoint uses them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{Attributes, Bucket, BucketName, ObjectKey, Slot, Version, lock::Retention};
use tokio::sync::watch;

use crate::{
    bucket_views::BucketView,
    caller::Caller,
    errors::{ReadError, WriteError},
    records::{AttributesRecord, BucketRecord, ObjectRecord},
    rules::{
        attributes::{self, VersionName},
        client, lock,
    },
    section::Section,
    store::Store,
};

impl Store {
    /// A bucket name, and what was set of its bucket. Kept in memory.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn bucket_view(&self, name: &BucketName) -> Result<Arc<BucketView>, ReadError> {
        let shared = &self.shared;
        shared.views.view(name, || {
            let record = shared.get::<BucketRecord>(&BucketRecord::key(name))?;
            let state = record.map(BucketRecord::state).unwrap_or_default();
            let Some(live) = &state.live else {
                return Ok(BucketView { state, attributes: Attributes::default() });
            };
            let attributes = AttributesRecord::key_of_bucket(name, live.birth);
            let attributes = shared.get::<AttributesRecord>(&attributes)?.unwrap_or_default();
            Ok(BucketView { state, attributes: attributes.attributes })
        })
    }

    /// Changes after every commit that changed any bucket, or what was set of one.
    #[must_use]
    pub fn buckets_changed(&self) -> watch::Receiver<u64> {
        self.shared.views.changes()
    }

    /// Creates a bucket, which is the caller's. Durable when this returns.
    ///
    /// # Errors
    /// `BucketExists`, or that writes are refused or failed.
    pub async fn create_bucket(
        &self,
        name: BucketName,
        caller: Caller,
    ) -> Result<Bucket, WriteError> {
        self.create_bucket_with(name, BTreeMap::new(), caller).await
    }

    /// Creates a bucket that begins with attributes, by name; it is the caller's. Durable when this
    /// returns.
    ///
    /// # Errors
    /// `BucketExists`, or that writes are refused or failed.
    pub async fn create_bucket_with(
        &self,
        name: BucketName,
        attributes: BTreeMap<String, Bytes>,
        caller: Caller,
    ) -> Result<Bucket, WriteError> {
        let rule = move |section: &mut Section<'_>| {
            client::create_bucket(section, &name, attributes, &caller)
        };
        self.shared.committer.run(rule).await
    }

    /// Sets an attribute of a bucket, or takes it away. Durable when this returns; nothing is logged
    /// for what is so already.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Denied`, `TooLarge` if all attributes together would pass an event, or that
    /// writes are refused or failed.
    pub async fn set_bucket_attribute(
        &self,
        bucket: BucketName,
        name: &str,
        value: Option<Bytes>,
        caller: Caller,
    ) -> Result<(), WriteError> {
        let set = (name.to_owned(), value.unwrap_or_default());
        let committer = &self.shared.committer;
        committer.run(move |section| attributes::set_of_bucket(section, bucket, set, &caller)).await
    }

    /// What was set of an object version.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn object_attributes(
        &self,
        (bucket, key): (&BucketName, &ObjectKey),
        of: Version,
    ) -> Result<Attributes, ReadError> {
        let record =
            self.shared.get::<AttributesRecord>(&AttributesRecord::key(bucket, key, of))?;
        Ok(record.unwrap_or_default().attributes)
    }

    /// What was set of the version in a slot of a key, or of the latest; nothing, if there is none.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn attributes_in(
        &self,
        (bucket, key): (&BucketName, &ObjectKey),
        slot: Option<Slot>,
    ) -> Result<Attributes, ReadError> {
        let held = self.record(&ObjectRecord::key(bucket, key), slot)?;
        let of = held.map(|held| self.object_attributes((bucket, key), held.version));
        of.unwrap_or_else(|| Ok(Attributes::default()))
    }

    /// Sets an attribute of an object version, or takes it away; returns the version. Durable when
    /// this returns; nothing is logged for what is so already.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `Denied`, `TooLarge`, or that writes are refused or failed.
    pub async fn set_object_attribute(
        &self,
        object: VersionName,
        name: &str,
        value: Option<Bytes>,
        caller: Caller,
    ) -> Result<Version, WriteError> {
        let set = (name.to_owned(), value.unwrap_or_default());
        let committer = &self.shared.committer;
        committer.run(move |section| attributes::set_of_object(section, object, set, &caller)).await
    }

    /// Sets until when an object version is retained, or takes the retention away. Durable when this
    /// returns.
    ///
    /// # Errors
    /// `Locked` if the retention in force does not allow it, `NoObjectLock`, or as
    /// [`Store::set_object_attribute`].
    pub async fn set_retention(
        &self,
        object: VersionName,
        asked: Option<Retention>,
        caller: Caller,
    ) -> Result<Version, WriteError> {
        let committer = &self.shared.committer;
        committer.run(move |section| lock::set_retention(section, object, asked, &caller)).await
    }

    /// Sets the legal hold of an object version on or off. Durable when this returns.
    ///
    /// # Errors
    /// `NoObjectLock`, or as [`Store::set_object_attribute`].
    pub async fn set_legal_hold(
        &self,
        object: VersionName,
        on: bool,
        caller: Caller,
    ) -> Result<Version, WriteError> {
        let committer = &self.shared.committer;
        committer.run(move |section| lock::set_hold(section, object, on, &caller)).await
    }
}
