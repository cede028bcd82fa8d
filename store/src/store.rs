//! One site's state, and everything that may be done with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use model::{
    BlockHash, BlockRef, Bucket, BucketName, Manifest, Millis, ObjectKey, Seq,
    visibility::BucketState,
};
use schemas::Codec;
use tokio::sync::watch;

use crate::{
    accounts::Counting,
    blocks::Blocks,
    bucket_views::BucketViews,
    caller::Caller,
    committer::{Committer, WrittenAll},
    engine::{Engine, Table, prefix_range},
    errors::{BlockError, DiskFull, ReadError, Refusal, WriteError},
    gate::Gate,
    lines::Lines,
    list::{self, ListQuery, Listing},
    objects::Object,
    owners::Owners,
    pins::Pins,
    recent::Recent,
    records::{BlockRecord, BucketRecord, Identity, Record},
    rules::{
        blocks::Segments,
        client::{self, Condition, Put},
        versions::Stored,
    },
    tree::Tree,
    upload::{Upload, Uploaded},
};

/// One site's state. Clones are handles to the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) identity: Arc<Identity>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) committer: Committer,
    pub(crate) blocks: Blocks,
    pub(crate) pins: Arc<Pins>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) recent: Arc<Recent>,
    pub(crate) views: Arc<BucketViews>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) counting: Counting,
    pub(crate) clock: Arc<dyn ops::Clock>,
    /// For the secrets of users' keys, which rest sealed.
    pub(crate) codec: Codec,
    pub(crate) metrics: ops::Metrics,
    pub(crate) tree: Tree,
    pub(crate) block_size: usize,
    pub(crate) inline_max: usize,
    /// Files that may have no record.
    orphans: Mutex<Vec<BlockHash>>,
    /// What the log has, by partition; `None` while no log is in use or none has been asked.
    pub(crate) published: Mutex<Option<Vec<Seq>>>,
}

/// A put of an object.
pub struct PutObject {
    pub caller: Caller,
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// Its content is the upload's.
    pub manifest: Manifest,
    pub uploaded: Uploaded,
    pub condition: Condition,
    /// What the object begins with, by name (`model::attribute`).
    pub attributes: BTreeMap<String, Bytes>,
}

/// A put of what another object holds.
pub struct CopyObject {
    pub caller: Caller,
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// Its content is the source's.
    pub manifest: Manifest,
    pub source: Object,
    pub condition: Condition,
    /// What the object begins with, by name: nothing of the source's comes by itself.
    pub attributes: BTreeMap<String, Bytes>,
}

impl Shared {
    pub(crate) fn new(parts: SharedParts) -> Self {
        let SharedParts {
            identity,
            engine,
            committer,
            blocks,
            gate,
            lines,
            recent,
            views,
            owners,
            counting,
            clock,
            codec,
            metrics,
            tree,
            sizes,
        } = parts;
        Self {
            identity,
            engine,
            committer,
            blocks,
            pins: Arc::default(),
            gate,
            lines,
            recent,
            views,
            owners,
            counting,
            clock,
            codec,
            metrics,
            tree,
            block_size: sizes.block,
            inline_max: sizes.inline_max,
            orphans: Mutex::default(),
            published: Mutex::default(),
        }
    }

    pub(crate) fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, ReadError> {
        let value = self.engine.get(R::TABLE, key)?;
        Ok(value.as_ref().map(R::decode).transpose()?)
    }

    pub(crate) fn block_record(&self, hash: BlockHash) -> Result<Option<BlockRecord>, ReadError> {
        self.get(&BlockRecord::key(hash))
    }

    pub(crate) fn orphaned(&self, hashes: Vec<BlockHash>) {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).extend(hashes);
    }

    pub(crate) fn take_orphans(&self) -> Vec<BlockHash> {
        std::mem::take(&mut self.orphans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a store is made of.
pub(crate) struct SharedParts {
    pub(crate) identity: Arc<Identity>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) committer: Committer,
    pub(crate) blocks: Blocks,
    pub(crate) gate: Arc<Gate>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) recent: Arc<Recent>,
    pub(crate) views: Arc<BucketViews>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) counting: Counting,
    pub(crate) clock: Arc<dyn ops::Clock>,
    pub(crate) codec: Codec,
    pub(crate) metrics: ops::Metrics,
    pub(crate) tree: Tree,
    pub(crate) sizes: Sizes,
}

/// How bodies are cut, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    pub block: usize,
    /// Bodies up to this are kept in the manifest.
    pub inline_max: usize,
}

impl Store {
    /// Who this site is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The site's clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    /// What each partition is durably written up to; changes after every commit that logged.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<WrittenAll> {
        self.shared.committer.written()
    }

    /// Turns true when a commit has failed: the site must stop, restart and recover.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.shared.committer.failed()
    }

    /// Bytes that one object of this site may have.
    #[must_use]
    pub fn object_bytes_max(&self) -> u64 {
        model::object_bytes_max(self.shared.block_size as u64)
    }

    /// Refuses clients' writes from now on.
    pub fn refuse(&self, refusal: Refusal) {
        self.shared.gate.refuse(refusal);
    }

    /// Why clients' writes are refused, if they are.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.shared.gate.refusal()
    }

    /// Whether the disk has room for anything more.
    ///
    /// # Errors
    /// If it has not.
    pub fn room(&self) -> Result<(), DiskFull> {
        self.shared.gate.room()
    }

    /// What is known of a bucket name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn bucket(&self, name: &BucketName) -> Result<BucketState, ReadError> {
        self.bucket_view(name).map(|view| view.state.clone())
    }

    /// Every bucket that exists, by name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn buckets(&self) -> Result<Vec<(BucketName, Bucket)>, ReadError> {
        let mut rows = Vec::new();
        let mut end = Vec::new();
        let range = prefix_range(BucketRecord::PREFIX, &mut end);
        self.shared.engine.scan(Table::Entities, range, &mut |key, value| {
            rows.push((key.slice(BucketRecord::PREFIX.len()..), value.clone()));
            std::ops::ControlFlow::Continue(())
        })?;
        let mut buckets = Vec::new();
        for (key, value) in rows {
            let name = String::from_utf8(key.to_vec()).ok().and_then(|n| n.try_into().ok());
            if let (Some(name), Some(live)) = (name, BucketRecord::decode(&value)?.live) {
                buckets.push((name, live));
            }
        }
        Ok(buckets)
    }

    /// Deletes a bucket that is empty. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`, `Denied`, or that writes are refused or failed.
    pub async fn delete_bucket(&self, name: BucketName, caller: Caller) -> Result<(), WriteError> {
        let committer = &self.shared.committer;
        committer.run(move |section| client::delete_bucket(section, &name, &caller)).await
    }

    /// Begins to take in a body.
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload::new(&self.shared)
    }

    /// Puts an object. Blocks, manifest and event are durable when this returns (law 1).
    ///
    /// # Errors
    /// `NoSuchBucket`, `Denied`, a condition that does not hold, or that writes are refused or
    /// failed.
    pub async fn put_object(&self, put: PutObject) -> Result<Stored, WriteError> {
        let PutObject { caller, bucket, key, manifest, uploaded, condition, attributes } = put;
        let segments = uploaded.segments();
        let put = Put { caller, bucket, key, manifest, segments, condition, attributes };
        // The rule owns the upload: its blocks are safe until the commit is durable, even if
        // the caller has gone by then.
        let rule = self
            .shared
            .committer
            .run(move |section| client::put_object(section, put).map(|stored| (stored, uploaded)));
        let (stored, mut uploaded) = rule.await?;
        uploaded.committed();
        Ok(stored)
    }

    /// Puts an object whose content is another's: no byte moves. Durable when this returns.
    ///
    /// # Errors
    /// `SourceIncomplete`, or as [`Store::put_object`].
    pub async fn copy_object(&self, copy: CopyObject) -> Result<Stored, WriteError> {
        let CopyObject { caller, bucket, key, manifest, source, condition, attributes } = copy;
        let segments = Segments::new();
        let put = Put { caller, bucket, key, manifest, segments, condition, attributes };
        // The rule owns the source: its blocks are safe until the commit is durable.
        let rule = self
            .shared
            .committer
            .run(move |section| client::copy_object(section, put).map(|stored| (stored, source)));
        rule.await.map(|(stored, _source)| stored)
    }

    /// A page of a bucket's keys.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list(&self, name: &BucketName, query: &ListQuery) -> Result<Listing, ReadError> {
        let bucket = self.bucket(name)?;
        list::list(&*self.shared.engine, (name, &bucket), query)
    }

    /// The verified bytes of a block; `None` if it is not at this site.
    ///
    /// # Errors
    /// If the disk fails, or holds other bytes than the name says.
    pub async fn block(&self, block: BlockRef) -> Result<Option<Bytes>, BlockError> {
        self.shared.blocks.get(block.hash).await
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
pub(crate) mod tests;
