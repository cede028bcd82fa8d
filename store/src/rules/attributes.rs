//! Attributes: registers of an object version, or of one incarnation of a bucket. Each is set by
//! itself, and merged by itself (law 3).

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    Attributes, BucketName, Change, Entity, ObjectKey, Position, Register, Version, Versioning,
    attribute,
    merge::Decision,
    visibility::{self, BucketState},
};

use super::client;
use crate::{
    caller::Caller,
    engine::Table,
    errors::WriteError,
    records::{AttributesRecord, ObjectRecord},
    section::{Section, SectionError},
};

/// Which version of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionName {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// `None`: the latest.
    pub of: Option<Version>,
}

/// Sets an attribute of a bucket; an empty value takes it away. Nothing is logged for what is so
/// already.
pub(crate) fn set_of_bucket(
    section: &mut Section<'_>,
    bucket: BucketName,
    (name, value): (String, Bytes),
    caller: &Caller,
) -> Result<(), WriteError> {
    let birth = client::enter(section, &bucket, caller)?;
    let row = AttributesRecord::key_of_bucket(&bucket, birth);
    let held = section.get::<AttributesRecord>(&row)?.unwrap_or_default().attributes;
    if is_so(section, &held, (&name, &value))? {
        return Ok(());
    }
    fits_lock(&held, (&name, &value))?;
    log_of_bucket(section, bucket, birth, (held, [(name, value)]))?;
    Ok(())
}

/// Object lock needs versions, and once there it stays.
fn fits_lock(held: &Attributes, (name, value): (&str, &Bytes)) -> Result<(), WriteError> {
    let enabled = Versioning::Enabled;
    let fits = match name {
        attribute::OBJECT_LOCK => !value.is_empty() && Versioning::of(held) == enabled,
        attribute::VERSIONING => {
            held.value(attribute::OBJECT_LOCK).is_none()
                || enabled.as_str().is_some_and(|word| *word.as_bytes() == **value)
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(WriteError::LockNeedsVersioning) }
}

/// Sets what a new bucket begins with, in the commit that makes it.
pub(crate) fn begin_bucket(
    section: &mut Section<'_>,
    bucket: &BucketName,
    birth: Version,
    values: BTreeMap<String, Bytes>,
) -> Result<(), SectionError> {
    if values.is_empty() {
        return Ok(());
    }
    log_of_bucket(section, bucket.clone(), birth, (Attributes::default(), values))
}

fn log_of_bucket(
    section: &mut Section<'_>,
    bucket: BucketName,
    birth: Version,
    (held, values): (Attributes, impl IntoIterator<Item = (String, Bytes)>),
) -> Result<(), SectionError> {
    let entity = Entity::Bucket(bucket.clone()).hash();
    let event = section.log(entity, |version| {
        let attributes = with(held, version, values);
        Change::BucketAttributes { bucket, birth, attributes }
    })?;
    let Change::BucketAttributes { bucket, attributes, .. } = event.change else {
        unreachable!("BUG: the change logged is the change made")
    };
    let record = AttributesRecord { attributes, position: Some(event.position) };
    section.put_bucket_attributes((&bucket, birth), &record)
}

/// Sets an attribute of an object version; an empty value takes it away. Nothing is logged for what
/// is so already.
pub(crate) fn set_of_object(
    section: &mut Section<'_>,
    object: VersionName,
    (name, value): (String, Bytes),
    caller: &Caller,
) -> Result<Version, WriteError> {
    change_of_object(section, object, caller, |section, _, held| {
        let so = is_so(section, held, (&name, &value))?;
        Ok(if so { BTreeMap::new() } else { BTreeMap::from([(name, value)]) })
    })
}

/// Sets what a rule makes of the attributes of an object version, in a bucket of this birth. Nothing is
/// logged for nothing.
pub(super) fn change_of_object(
    section: &mut Section<'_>,
    object: VersionName,
    caller: &Caller,
    rule: impl FnOnce(
        &Section<'_>,
        (&BucketName, Version),
        &Attributes,
    ) -> Result<BTreeMap<String, Bytes>, WriteError>,
) -> Result<Version, WriteError> {
    caller.enter(section)?;
    let state = client::bucket_state(section, &object.bucket)?;
    let birth = caller.may_use(&state)?;
    let VersionName { bucket, key, of } = object;
    let row = ObjectRecord::key(&bucket, &key);
    let held = match of {
        None => section.get::<ObjectRecord>(&row)?,
        Some(of) => section.of_version(&row, of)?,
    };
    let held = held.filter(|held| held.manifest().is_some());
    let held = held.filter(|held| visibility::shows(&state, held.birth));
    let of = held.map(|held| held.version).ok_or(WriteError::NoSuchKey)?;
    let held = section.get::<AttributesRecord>(&AttributesRecord::key(&bucket, &key, of))?;
    let held = held.unwrap_or_default().attributes;
    let values = rule(section, (&bucket, birth), &held)?;
    if !values.is_empty() {
        log_of_object(section, (bucket, key), of, (held, values))?;
    }
    Ok(of)
}

/// Sets what a new object version begins with, in the commit that makes it.
pub(crate) fn begin_object(
    section: &mut Section<'_>,
    object: (BucketName, ObjectKey),
    of: Version,
    values: BTreeMap<String, Bytes>,
) -> Result<(), SectionError> {
    if values.is_empty() {
        return Ok(());
    }
    log_of_object(section, object, of, (Attributes::default(), values))
}

pub(super) fn log_of_object(
    section: &mut Section<'_>,
    (bucket, key): (BucketName, ObjectKey),
    of: Version,
    (held, values): (Attributes, impl IntoIterator<Item = (String, Bytes)>),
) -> Result<(), SectionError> {
    let entity = Entity::Object(bucket.clone(), key.clone()).hash();
    let event = section.log(entity, |version| {
        let attributes = with(held, version, values);
        Change::Attributes { bucket, key, of, attributes }
    })?;
    let Change::Attributes { bucket, key, attributes, .. } = event.change else {
        unreachable!("BUG: the change logged is the change made")
    };
    let record = AttributesRecord { attributes, position: Some(event.position) };
    section.put_attributes((&bucket, &key), of, &record)
}

/// Whether there is nothing to do. What only takes away is let in with a full disk too.
fn is_so(
    section: &Section<'_>,
    held: &Attributes,
    (name, value): (&str, &Bytes),
) -> Result<bool, WriteError> {
    if !value.is_empty() {
        section.room()?;
    }
    Ok(held.value(name).map_or(value.is_empty(), |held| held == value))
}

fn with(
    mut attributes: Attributes,
    version: Version,
    values: impl IntoIterator<Item = (String, Bytes)>,
) -> Attributes {
    let registers = values.into_iter().map(|(name, value)| (name, Register { version, value }));
    attributes.0.extend(registers);
    attributes
}

/// Merges the attributes of a bucket's incarnation. They may come before it, and wait for it then;
/// of one that is over they say nothing any more (law 14).
pub(crate) fn merge_of_bucket(
    section: &mut Section<'_>,
    bucket: &BucketName,
    (birth, attributes): (Version, &Attributes),
    position: Position,
) -> Result<Decision, SectionError> {
    if visibility::is_over(&client::bucket_state(section, bucket)?, birth) {
        return Ok(Decision::Stale);
    }
    let row = AttributesRecord::key_of_bucket(bucket, birth);
    let held = section.attributes(&row)?.unwrap_or_default();
    let mut merged = held.clone();
    merged.merge(attributes, position);
    if merged == held {
        return Ok(Decision::Duplicate);
    }
    section.put_bucket_attributes((bucket, birth), &merged)?;
    Ok(Decision::Replace)
}

/// Forgets the attributes of a bucket's incarnations that are over, given what is known of it now.
pub(crate) fn drop_of_past(
    section: &mut Section<'_>,
    bucket: &BucketName,
    state: &BucketState,
) -> Result<(), SectionError> {
    for row in section.keys(Table::Attributes, &AttributesRecord::prefix_of(bucket), usize::MAX)? {
        if AttributesRecord::birth(&row).is_some_and(|birth| visibility::is_over(state, birth)) {
            section.remove_attributes(row);
        }
    }
    Ok(())
}

/// Forgets all attributes of a bucket that is taken away itself.
pub(crate) fn drop_all_of(
    section: &mut Section<'_>,
    bucket: &BucketName,
) -> Result<(), SectionError> {
    for row in section.keys(Table::Attributes, &AttributesRecord::prefix_of(bucket), usize::MAX)? {
        section.remove_attributes(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
