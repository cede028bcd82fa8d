//! What counts in a bucket: the documents set of it, read once and kept until the bucket changes.

use std::sync::Arc;

use model::{Bucket, BucketName, UserId};
use quick_cache::{Weighter, sync::Cache};
use s3s::S3Result;
use store::{BucketView, Store};

use crate::{
    access::Rules,
    documents::{
        Document, UnknownForm, cors::Cors, encryption::BucketEncryption, lifecycle::Lifecycle,
        logging::Logging,
    },
    errors,
};

/// Buckets whose settings are kept, by their own number and by the bytes of what was set of them.
const KEPT_MAX: usize = 4_096;
const KEPT_BYTES_MAX: u64 = 64 << 20;

/// What is set of one bucket that exists.
pub(crate) struct Settings {
    view: Arc<BucketView>,
    pub(crate) bucket: Bucket,
    pub(crate) rules: Rules,
    pub(crate) cors: Option<Cors>,
    pub(crate) encryption: Option<BucketEncryption>,
    /// Only shown here, so that one of a newer form counts as none.
    pub(crate) lifecycle: Option<Lifecycle>,
    /// Where records go. One that a newer release has set holds nobody up.
    pub(crate) logging: Option<Logging>,
}

impl Settings {
    fn new(view: Arc<BucketView>) -> Result<Option<Self>, UnknownForm> {
        let Some(bucket) = view.state.live.clone() else { return Ok(None) };
        let attributes = &view.attributes;
        let rules = Rules {
            owner: bucket.owner.clone(),
            ownership: Document::of(attributes)?.unwrap_or_default(),
            block: Document::of(attributes)?.unwrap_or_default(),
            acl: Document::of(attributes)?,
            policy: Document::of(attributes)?,
        };
        let cors = Document::of(attributes)?;
        let encryption = Document::of(attributes)?;
        let lifecycle = Document::of(attributes).ok().flatten();
        let logging = Document::of(attributes).ok().flatten();
        Ok(Some(Self { view, bucket, rules, cors, encryption, lifecycle, logging }))
    }

    /// A document of the bucket that requests seldom ask for.
    pub(crate) fn document<D: Document>(&self) -> S3Result<Option<D>> {
        D::of(&self.view.attributes).map_err(|error| errors::internal(&error))
    }

    pub(crate) fn owner(&self) -> &UserId {
        &self.bucket.owner
    }
}

/// The settings of all buckets. Clones share what is kept.
#[derive(Clone)]
pub(crate) struct AllSettings {
    store: Store,
    kept: Arc<Cache<BucketName, Arc<Settings>, ByBytes>>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<BucketName, Arc<Settings>> for ByBytes {
    fn weight(&self, _name: &BucketName, settings: &Arc<Settings>) -> u64 {
        // As many of the smallest as may be kept at all.
        KEPT_BYTES_MAX / KEPT_MAX as u64 + settings.view.bytes() as u64
    }
}

impl AllSettings {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, kept: Arc::new(Cache::with_weighter(KEPT_MAX, KEPT_BYTES_MAX, ByBytes)) }
    }

    /// Of a bucket, if it exists.
    pub(crate) fn of(&self, bucket: &BucketName) -> S3Result<Option<Arc<Settings>>> {
        let view = self.store.bucket_view(bucket).map_err(|error| errors::read(&error))?;
        if let Some(kept) = self.kept.get(bucket).filter(|kept| Arc::ptr_eq(&kept.view, &view)) {
            return Ok(Some(kept));
        }
        let settings = Settings::new(view).map_err(|error| errors::internal(&error))?;
        let settings = settings.map(Arc::new);
        if let Some(settings) = &settings {
            self.kept.insert(bucket.clone(), Arc::clone(settings));
        }
        Ok(settings)
    }
}
