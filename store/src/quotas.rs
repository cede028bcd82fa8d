//! Quotas as administrators set them, and as the endpoint asks before it takes in a body.

use model::{
    BucketName, Holder, ObjectKey, Quota, QuotaChange, RequestId, Slot, UserId, Versioning,
};

use crate::{
    caller::Caller,
    engine::Table,
    errors::{FitError, ReadError, WriteError},
    open::rows,
    records::{AccountRecord, ObjectRecord},
    rules::quotas,
    store::Store,
};

impl Store {
    /// Changes the quota of a bucket; returns what it is then. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchBucket`, or that writes are refused or failed.
    pub async fn set_bucket_quota(
        &self,
        bucket: BucketName,
        change: QuotaChange,
        request: RequestId,
    ) -> Result<Quota, WriteError> {
        let caller = Caller::of(UserId::root(), request);
        let committer = &self.shared.committer;
        committer.run(move |section| quotas::set_of_bucket(section, bucket, change, &caller)).await
    }

    /// Whether an object of this size would fit under a key now. Only the commit decides; this is so that
    /// nobody sends what would be refused then.
    ///
    /// # Errors
    /// `Exceeded`, or that the store or a quota cannot be read.
    pub fn fits(&self, bucket: &BucketName, key: &ObjectKey, size: u64) -> Result<(), FitError> {
        let view = self.bucket_view(bucket)?;
        let Some(live) = &view.state.live else { return Ok(()) };
        let of_bucket = Quota::of(&view.attributes)?;
        let of_owner = self.quota_of(&live.owner)?;
        if of_bucket.is_none() && of_owner.is_none() {
            return Ok(());
        }
        let replaced = match Versioning::of(&view.attributes) {
            Versioning::Enabled => None,
            Versioning::Off | Versioning::Suspended => {
                self.record(&ObjectRecord::key(bucket, key), Some(Slot::Null))?
            }
        };
        let growth = quotas::growth(&view.state, replaced.as_ref(), size);
        if !of_bucket.is_none() {
            let prefix = AccountRecord::prefix(&ObjectRecord::prefix(bucket));
            let rows = rows(&*self.shared.engine, Table::Meta, &prefix).map_err(ReadError::from)?;
            let there = AccountRecord::shown(&view.state, &rows).map_err(ReadError::from)?;
            of_bucket.admits(there, growth, || Holder::Bucket(bucket.clone()))?;
        }
        // Before anybody has written to a bucket of theirs, it is not known.
        if !of_owner.is_none()
            && let Some(there) = self.shared.owners.usage(&live.owner)
        {
            of_owner.admits(there, growth, || Holder::User(live.owner.clone()))?;
        }
        Ok(())
    }

    fn quota_of(&self, id: &UserId) -> Result<Quota, ReadError> {
        let user = if id.is_root() { None } else { self.user(id)? };
        Ok(user.map(|user| user.quota).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
