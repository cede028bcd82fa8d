//! How much stands in buckets, and in those of each user together.

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;
use model::{Bucket, BucketName, Quota, Usage, UserId, visibility::BucketState};

use crate::{
    engine::{Snapshot, Table, prefix_range},
    errors::{ReadError, UsageError},
    records::{
        AccountRecord, AttributesRecord, BucketRecord, MultipartRecord, ObjectRecord,
        PartsBytesRecord, Record, UserRecord,
    },
    store::Store,
};

/// Uploads in parts that are under way at this site.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UploadsUsage {
    pub count: u64,
    /// Of the parts that have come.
    pub bytes: u64,
}

/// What stands in a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketUsage {
    pub name: BucketName,
    pub owner: UserId,
    pub usage: Usage,
    pub quota: Quota,
    pub uploads: UploadsUsage,
}

/// What stands in all buckets of a user together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserUsage {
    pub id: UserId,
    /// None of the root user, and of one who is gone.
    pub name: Option<String>,
    pub buckets: u64,
    pub usage: Usage,
    pub quota: Quota,
}

/// What stands, as of one instant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsageReport {
    /// By name.
    pub buckets: Vec<BucketUsage>,
    /// By id; those who own buckets, and those who could.
    pub users: Vec<UserUsage>,
}

impl Store {
    /// What stands in one bucket, in those of one user, or in all.
    ///
    /// # Errors
    /// `Counting`, or that the store cannot be read.
    pub fn usage(
        &self,
        bucket: Option<&BucketName>,
        user: Option<&UserId>,
    ) -> Result<UsageReport, UsageError> {
        self.shared.counting.check()?;
        let snapshot = &*self.shared.engine.snapshot();
        let mut report = UsageReport::default();
        each_bucket(snapshot, bucket, &mut |name, state| {
            let Some(live) = &state.live else { return Ok(()) };
            if user.is_none_or(|user| *user == live.owner) {
                let standing = of_bucket(snapshot, &name, state)?;
                report.buckets.push(described(snapshot, name, live, standing)?);
            }
            Ok(())
        })?;
        if bucket.is_none() {
            report.users = users(snapshot, user, &report.buckets)?;
        }
        Ok(report)
    }

    /// What stands in all buckets together.
    pub(crate) fn standing_in_all(&self) -> Result<Usage, ReadError> {
        let (snapshot, mut sum) = (&*self.shared.engine.snapshot(), Usage::NONE);
        each_bucket(snapshot, None, &mut |name, state| {
            sum += of_bucket(snapshot, &name, state)?;
            Ok(())
        })?;
        Ok(sum)
    }
}

/// Visits one bucket, or all that exist.
fn each_bucket(
    snapshot: &dyn Snapshot,
    only: Option<&BucketName>,
    visit: &mut dyn FnMut(BucketName, &BucketState) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (mut outcome, mut end) = (Ok(()), Vec::new());
    let mut visit = |row: &[u8], value: &Bytes| {
        let Some(name) = BucketRecord::bucket(row) else { return Ok(()) };
        let state = BucketRecord::decode(value)?.state();
        if state.live.is_some() { visit(name, &state) } else { Ok(()) }
    };
    if let Some(name) = only {
        let row = BucketRecord::key(name);
        let value = snapshot.get(Table::Entities, &row)?;
        return value.map_or(Ok(()), |value| visit(&row, &value));
    }
    let range = prefix_range(BucketRecord::PREFIX, &mut end);
    snapshot.scan(Table::Entities, range, &mut |row, value| {
        outcome = visit(row, value);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}

fn of_bucket(
    snapshot: &dyn Snapshot,
    name: &BucketName,
    state: &BucketState,
) -> Result<Usage, ReadError> {
    let (mut rows, mut end) = (Vec::new(), Vec::new());
    let prefix = AccountRecord::prefix(&ObjectRecord::prefix(name));
    snapshot.scan(Table::Meta, prefix_range(&prefix, &mut end), &mut |row, value| {
        rows.push((row.clone(), value.clone()));
        ControlFlow::Continue(())
    })?;
    Ok(AccountRecord::shown(state, &rows)?)
}

fn described(
    snapshot: &dyn Snapshot,
    name: BucketName,
    live: &Bucket,
    usage: Usage,
) -> Result<BucketUsage, ReadError> {
    let row = AttributesRecord::key_of_bucket(&name, live.birth);
    let set = snapshot.get(Table::Attributes, &row)?;
    let set = set.as_ref().map(AttributesRecord::decode).transpose()?.unwrap_or_default();
    // One of a newer release, whoever writes is told of.
    let quota = Quota::of(&set.attributes).unwrap_or_default();
    let uploads = uploads(snapshot, &name)?;
    Ok(BucketUsage { name, owner: live.owner.clone(), usage, quota, uploads })
}

fn uploads(snapshot: &dyn Snapshot, bucket: &BucketName) -> Result<UploadsUsage, ReadError> {
    let (mut ids, mut end) = (Vec::new(), Vec::new());
    let prefix = MultipartRecord::prefix(bucket);
    snapshot.scan(Table::Multipart, prefix_range(&prefix, &mut end), &mut |row, _| {
        ids.extend(MultipartRecord::split(row).map(|(_, id)| id));
        ControlFlow::Continue(())
    })?;
    let mut uploads = UploadsUsage { count: ids.len() as u64, bytes: 0 };
    for id in ids {
        let bytes = snapshot.get(Table::Multipart, &PartsBytesRecord::key(id))?;
        let bytes = bytes.as_ref().map(PartsBytesRecord::decode).transpose()?.unwrap_or_default();
        uploads.bytes = uploads.bytes.saturating_add(bytes.0);
    }
    Ok(uploads)
}

fn users(
    snapshot: &dyn Snapshot,
    only: Option<&UserId>,
    buckets: &[BucketUsage],
) -> Result<Vec<UserUsage>, ReadError> {
    let mut users = BTreeMap::new();
    let none = |id: &UserId| UserUsage {
        id: id.clone(),
        name: None,
        buckets: 0,
        usage: Usage::NONE,
        quota: Quota::default(),
    };
    for BucketUsage { owner, usage, .. } in buckets {
        let user = users.entry(owner.clone()).or_insert_with(|| none(owner));
        user.buckets += 1;
        user.usage += *usage;
    }
    let (mut rows, mut end) = (Vec::new(), Vec::new());
    let range = prefix_range(UserRecord::PREFIX, &mut end);
    snapshot.scan(Table::Entities, range, &mut |row, value| {
        rows.extend(UserRecord::id(row).map(|id| (id, value.clone())));
        ControlFlow::Continue(())
    })?;
    for (id, value) in rows {
        if only.is_some_and(|only| *only != id) {
            continue;
        }
        if let Some(user) = UserRecord::decode(&value)?.user {
            let shown = users.entry(id.clone()).or_insert_with(|| none(&id));
            (shown.name, shown.quota) = (Some(user.name), user.quota);
        }
    }
    Ok(users.into_values().collect())
}

#[cfg(test)]
mod tests;
