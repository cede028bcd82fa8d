//! Quotas, asked in the commit section of the site where a client writes: there they are exact. What
//! another site has written is never refused (law 3), whatever it comes to.

use bytes::Bytes;
use model::{
    Attributes, BucketName, Holder, Quota, QuotaChange, Slot, Usage, UserId, Versioning, attribute,
    visibility::{self, BucketState},
};

use super::{attributes, client};
use crate::{
    caller::Caller,
    errors::WriteError,
    records::{AttributesRecord, ObjectRecord, RecordError, UserRecord},
    section::{Section, SectionError},
};

/// What a put would write, and where.
pub(crate) struct Asked<'a> {
    pub(crate) bucket: &'a BucketName,
    pub(crate) state: &'a BucketState,
    /// What is set of the bucket.
    pub(crate) set: &'a Attributes,
    /// Of the key in `objects`.
    pub(crate) row: &'a Bytes,
    pub(crate) size: u64,
}

/// Lets a put by, or says which quota it would exceed. To be asked before the rule changes anything.
pub(crate) fn admit(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<(), WriteError> {
    let Some(live) = &asked.state.live else { return Ok(()) };
    let of_bucket = Quota::of(asked.set)?;
    let of_owner = of_user(section, &live.owner)?;
    if of_bucket.is_none() && of_owner.is_none() {
        return Ok(());
    }
    let replaced = match Versioning::of(asked.set) {
        Versioning::Enabled => None,
        Versioning::Off | Versioning::Suspended => replaced(section, asked.row)?,
    };
    let growth = growth(asked.state, replaced.as_ref(), asked.size);
    if !of_bucket.is_none() {
        let there = section.standing(asked.bucket)?.map(|(_, usage)| usage).unwrap_or_default();
        of_bucket.admits(there, growth, || Holder::Bucket(asked.bucket.clone()))?;
    }
    if !of_owner.is_none() {
        let there = section.standing_of(&live.owner)?;
        of_owner.admits(there, growth, || Holder::User(live.owner.clone()))?;
    }
    Ok(())
}

/// By how much what stands grows when a version of this size comes, in the place of another or not.
pub(crate) fn growth(state: &BucketState, replaced: Option<&ObjectRecord>, size: u64) -> Usage {
    let replaced = replaced.filter(|held| visibility::shows(state, held.birth));
    Usage::of_version(size) - replaced.map(ObjectRecord::usage).unwrap_or_default()
}

/// Of all buckets of a user together. The root user has none.
fn of_user(section: &Section<'_>, id: &UserId) -> Result<Quota, SectionError> {
    if id.is_root() {
        return Ok(Quota::default());
    }
    let record = section.get::<UserRecord>(&UserRecord::key(id))?;
    Ok(record.and_then(|record| record.user).map(|user| user.quota).unwrap_or_default())
}

fn replaced(section: &Section<'_>, row: &Bytes) -> Result<Option<ObjectRecord>, SectionError> {
    match section.in_slot(row, Slot::Null) {
        // The put sets it aside.
        Err(SectionError::Record(RecordError::Damaged { .. })) => Ok(None),
        held => held,
    }
}

/// Changes the quota of a bucket; returns what it is then.
pub(crate) fn set_of_bucket(
    section: &mut Section<'_>,
    bucket: BucketName,
    change: QuotaChange,
    caller: &Caller,
) -> Result<Quota, WriteError> {
    let birth = client::enter(section, &bucket, caller)?;
    let held = section.attributes(&AttributesRecord::key_of_bucket(&bucket, birth))?;
    let quota = Quota::of(&held.unwrap_or_default().attributes)?.with(change);
    let value = Bytes::from(quota.to_string());
    attributes::set_of_bucket(section, bucket, (attribute::QUOTA.to_owned(), value), caller)?;
    Ok(quota)
}
