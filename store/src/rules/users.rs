//! What an administrator may do to users, and the index of their keys, which every change of a user
//! keeps, wherever it comes from.

use std::{collections::BTreeSet, ops::ControlFlow};

use model::{AccessKey, Change, Entity, Position, RequestId, User, UserId};

use crate::{
    engine::{Table, prefix_range},
    errors::{UserError, WriteError},
    records::{BucketRecord, KeyHolderRecord, Record, UserRecord},
    section::{Section, SectionError},
    users::UserPatch,
};

/// Key pairs of one user: room to change them in turn, and far below what an event holds.
const KEYS_MAX: usize = 10;

/// A change of a user that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum UserChange {
    Patch(UserPatch),
    /// A new key pair, in place of those before it or beside them.
    Rekey {
        key: AccessKey,
        keep_old: bool,
    },
    EnableKey {
        id: String,
        enabled: bool,
    },
    DeleteKey {
        id: String,
    },
}

/// Begins a rule of an administrator, who stands above the users.
fn enter(section: &mut Section<'_>, request: RequestId) -> Result<(), WriteError> {
    section.may_change()?;
    section.caused_by(request);
    Ok(())
}

pub(crate) fn create(
    section: &mut Section<'_>,
    id: &UserId,
    user: User,
    request: RequestId,
) -> Result<User, UserError> {
    enter(section, request)?;
    section.room().map_err(WriteError::from)?;
    if id.is_root() {
        return Err(UserError::Root);
    }
    if id.is_anonymous() {
        return Err(UserError::Reserved(id.clone()));
    }
    // Also of a user who was deleted: at a site that is behind, their buckets may still be theirs.
    let held = section.get::<UserRecord>(&UserRecord::key(id))?;
    if held.is_some() {
        return Err(UserError::Exists(id.clone()));
    }
    for key in &user.keys {
        must_be_new(section, &key.id)?;
    }
    put(section, id, held, user)
}

pub(crate) fn change(
    section: &mut Section<'_>,
    id: &UserId,
    change: UserChange,
    request: RequestId,
) -> Result<User, UserError> {
    enter(section, request)?;
    let held = section.get::<UserRecord>(&UserRecord::key(id))?;
    let before = held.as_ref().and_then(|held| held.user.clone());
    let before = before.ok_or_else(|| UserError::NoSuchUser(id.clone()))?;
    if let UserChange::Rekey { key, .. } = &change {
        must_be_new(section, &key.id)?;
    }
    let after = changed(before.clone(), change)?;
    // Nothing is logged for what is so already.
    if after == before { Ok(after) } else { put(section, id, held, after) }
}

/// The user after a change. Pure.
fn changed(mut user: User, change: UserChange) -> Result<User, UserError> {
    let find = |keys: &[AccessKey], id: &str| {
        let found = keys.iter().position(|key| key.id == id);
        found.ok_or_else(|| UserError::NoSuchKey(id.to_owned()))
    };
    match change {
        UserChange::Patch(UserPatch { name, enabled, quota }) => {
            user.name = name.unwrap_or(user.name);
            user.enabled = enabled.unwrap_or(user.enabled);
            user.quota = user.quota.with(quota);
        }
        UserChange::Rekey { keep_old: true, .. } if user.keys.len() >= KEYS_MAX => {
            return Err(UserError::TooManyKeys { most: KEYS_MAX });
        }
        UserChange::Rekey { key, keep_old } => {
            if !keep_old {
                user.keys.clear();
            }
            user.keys.push(key);
        }
        UserChange::EnableKey { id, enabled } => {
            let place = find(&user.keys, &id)?;
            user.keys[place].enabled = enabled;
        }
        UserChange::DeleteKey { id } => {
            let place = find(&user.keys, &id)?;
            user.keys.remove(place);
        }
    }
    Ok(user)
}

pub(crate) fn delete(
    section: &mut Section<'_>,
    id: &UserId,
    request: RequestId,
) -> Result<(), UserError> {
    enter(section, request)?;
    let held = section.get::<UserRecord>(&UserRecord::key(id))?;
    if held.as_ref().is_none_or(|held| held.user.is_none()) {
        return Err(UserError::NoSuchUser(id.clone()));
    }
    let buckets = buckets_of(section, id)?;
    if buckets > 0 {
        return Err(UserError::HasBuckets { user: id.clone(), buckets });
    }
    let entity = Entity::User(id.clone()).hash();
    let event = section.log(entity, |_| Change::UserDeleted { user: id.clone() })?;
    let record = UserRecord { version: event.version, user: None };
    set(section, (id, event.position), held, record);
    Ok(())
}

fn put(
    section: &mut Section<'_>,
    id: &UserId,
    held: Option<UserRecord>,
    state: User,
) -> Result<User, UserError> {
    let entity = Entity::User(id.clone()).hash();
    let (user, logged) = (id.clone(), state.clone());
    let event = section.log(entity, |_| Change::UserPut { user, state: logged })?;
    let record = UserRecord { version: event.version, user: Some(state.clone()) };
    set(section, (id, event.position), held, record);
    Ok(state)
}

/// Writes a user in place of what is held, and with it who holds which key.
pub(crate) fn set(
    section: &mut Section<'_>,
    (id, position): (&UserId, Position),
    held: Option<UserRecord>,
    record: UserRecord,
) {
    let keys = |record: Option<&UserRecord>| {
        let user = record.and_then(|record| record.user.as_ref());
        let keys = user.into_iter().flat_map(|user| &user.keys);
        keys.map(|key| KeyHolderRecord::key(&key.id, id)).collect::<BTreeSet<_>>()
    };
    let (before, after) = (keys(held.as_ref()), keys(Some(&record)));
    for row in before.difference(&after) {
        section.remove::<KeyHolderRecord>(row.clone());
    }
    // All of them, not only the new ones: a release that knew no index wrote what is held.
    for row in after {
        section.put(row, &KeyHolderRecord);
    }
    section.put_user(id, &record, position);
}

/// Nobody holds the keys of a user any more, whatever the user's record says.
pub(crate) fn forget_keys(section: &mut Section<'_>, id: &UserId) -> Result<(), SectionError> {
    let suffix = KeyHolderRecord::suffix(id);
    for row in section.keys(Table::Entities, KeyHolderRecord::PREFIX, usize::MAX)? {
        if row.ends_with(&suffix) {
            section.remove::<KeyHolderRecord>(row);
        }
    }
    Ok(())
}

fn must_be_new(section: &Section<'_>, access_key: &str) -> Result<(), UserError> {
    let prefix = KeyHolderRecord::prefix(access_key);
    let rows = section.keys(Table::Entities, &prefix, usize::MAX)?;
    let held = rows.iter().any(|row| KeyHolderRecord::user(row, &prefix).is_some());
    if held { Err(UserError::KeyExists(access_key.to_owned())) } else { Ok(()) }
}

fn buckets_of(section: &Section<'_>, id: &UserId) -> Result<usize, SectionError> {
    let (mut end, mut count, mut failed) = (Vec::new(), 0, None);
    let range = prefix_range(BucketRecord::PREFIX, &mut end);
    section.scan(Table::Entities, range, &mut |_, value| match BucketRecord::decode(value) {
        Ok(record) => {
            count += usize::from(record.live.is_some_and(|live| live.owner == *id));
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(count), |error| Err(error.into()))
}
