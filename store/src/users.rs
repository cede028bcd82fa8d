//! Users of a site, and the keys that they sign with.

use std::ops::ControlFlow;

use model::{AccessKey, Quota, QuotaChange, RequestId, User, UserId};
use rand::Rng;

use crate::{
    engine::{Batch, Engine, Table, prefix_range},
    errors::{CredentialError, ReadError, UserError},
    key_pair::KeyPair,
    open::rows,
    records::{KeyHolderRecord, Record, UserRecord},
    rules::users::{self, UserChange},
    store::Store,
};

/// A user to be created, who is enabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// `None`: drawn.
    pub id: Option<UserId>,
    /// For people; need not be unique.
    pub name: String,
    pub key: KeyPair,
}

/// What to change of a user; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserPatch {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    /// Of all buckets of the user together.
    pub quota: QuotaChange,
}

/// What a request that names an access key is checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub user: UserId,
    pub secret: String,
    /// Both the user and the key are.
    pub enabled: bool,
}

/// For administrators, and for whoever checks a signature.
impl Store {
    /// Every user, by id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn users(&self) -> Result<Vec<(UserId, User)>, ReadError> {
        let mut users = Vec::new();
        for (row, value) in rows(&*self.shared.engine, Table::Entities, UserRecord::PREFIX)? {
            if let (Some(id), Some(user)) = (UserRecord::id(&row), UserRecord::decode(&value)?.user)
            {
                users.push((id, user));
            }
        }
        Ok(users)
    }

    /// One user, if there is one of this id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn user(&self, id: &UserId) -> Result<Option<User>, ReadError> {
        let record = self.shared.get::<UserRecord>(&UserRecord::key(id))?;
        Ok(record.and_then(|record| record.user))
    }

    /// Whose an access key is, if anybody's, and whether it lets them in.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn key_holder(&self, access_key: &str) -> Result<Option<(UserId, bool)>, ReadError> {
        let found = self.find_key(access_key)?;
        Ok(found.map(|(id, user, key)| (id, user.enabled && key.enabled)))
    }

    /// What a signature under an access key is checked with.
    ///
    /// # Errors
    /// If the store cannot be read, or the secret not be opened here.
    pub fn credential(&self, access_key: &str) -> Result<Option<Credential>, CredentialError> {
        let Some((user, User { enabled, .. }, key)) = self.find_key(access_key)? else {
            return Ok(None);
        };
        let secret = self.shared.codec.open_secret(&key.id, &key.secret);
        let secret = secret.map_err(|error| CredentialError::Sealed(key.id, error))?;
        Ok(Some(Credential { user, secret, enabled: enabled && key.enabled }))
    }

    fn find_key(&self, access_key: &str) -> Result<Option<(UserId, User, AccessKey)>, ReadError> {
        let prefix = KeyHolderRecord::prefix(access_key);
        let (mut holder, mut end) = (None, Vec::new());
        self.shared.engine.scan(
            Table::Entities,
            prefix_range(&prefix, &mut end),
            &mut |row, _| {
                holder = KeyHolderRecord::user(row, &prefix);
                if holder.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        let Some(id) = holder else { return Ok(None) };
        // Between the two looks a commit may have taken the key away: then it lets nobody in.
        let user = self.user(&id)?;
        Ok(user.and_then(|user| {
            let key = user.keys.iter().find(|key| key.id == access_key)?.clone();
            Some((id, user, key))
        }))
    }

    /// Creates a user. Durable when this returns.
    ///
    /// # Errors
    /// `Exists`, `KeyExists`, `BadName`, `Root`, or that writes are refused or failed.
    pub async fn create_user(
        &self,
        new: NewUser,
        request: RequestId,
    ) -> Result<(UserId, User), UserError> {
        let id = new.id.unwrap_or_else(draw_id);
        let name = name(new.name)?;
        let (keys, quota) = (vec![self.sealed(&new.key)], Quota::default());
        let user = User { name, enabled: true, keys, quota };
        let committer = &self.shared.committer;
        let rule = committer.run(move |section| {
            users::create(section, &id, user, request).map(|user| (id.clone(), user))
        });
        rule.await
    }

    /// Renames, enables or disables a user, or changes the quota. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchUser`, `BadName`, or that writes are refused or failed.
    pub async fn patch_user(
        &self,
        id: UserId,
        patch: UserPatch,
        request: RequestId,
    ) -> Result<User, UserError> {
        let name = patch.name.map(name).transpose()?;
        self.change_user(id, UserChange::Patch(UserPatch { name, ..patch }), request).await
    }

    /// Gives a user a new key pair, in place of those before it or beside them. Durable when this
    /// returns.
    ///
    /// # Errors
    /// `NoSuchUser`, `KeyExists`, `TooManyKeys`, or that writes are refused or failed.
    pub async fn rekey_user(
        &self,
        id: UserId,
        (key, keep_old): (&KeyPair, bool),
        request: RequestId,
    ) -> Result<User, UserError> {
        let key = self.sealed(key);
        self.change_user(id, UserChange::Rekey { key, keep_old }, request).await
    }

    /// Enables or disables one key of a user. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchUser`, `NoSuchKey`, or that writes are refused or failed.
    pub async fn enable_key(
        &self,
        id: UserId,
        (key, enabled): (String, bool),
        request: RequestId,
    ) -> Result<User, UserError> {
        self.change_user(id, UserChange::EnableKey { id: key, enabled }, request).await
    }

    /// Deletes one key of a user. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchUser`, `NoSuchKey`, or that writes are refused or failed.
    pub async fn delete_key(
        &self,
        id: UserId,
        key: String,
        request: RequestId,
    ) -> Result<User, UserError> {
        self.change_user(id, UserChange::DeleteKey { id: key }, request).await
    }

    /// Deletes a user who owns no bucket. Durable when this returns.
    ///
    /// # Errors
    /// `NoSuchUser`, `HasBuckets`, or that writes are refused or failed.
    pub async fn delete_user(&self, id: UserId, request: RequestId) -> Result<(), UserError> {
        let committer = &self.shared.committer;
        committer.run(move |section| users::delete(section, &id, request)).await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        request: RequestId,
    ) -> Result<User, UserError> {
        let committer = &self.shared.committer;
        committer.run(move |section| users::change(section, &id, change, request)).await
    }

    fn sealed(&self, pair: &KeyPair) -> AccessKey {
        let secret = self.shared.codec.seal_secret(pair.id(), pair.secret());
        AccessKey { id: pair.id().to_owned(), secret, enabled: true }
    }
}

fn name(name: String) -> Result<String, UserError> {
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name) } else { Err(UserError::BadName) }
}

/// 32 hexadecimal digits, as the id of a site has.
fn draw_id() -> UserId {
    let id: [u8; 16] = rand::rng().random();
    UserId::try_from(hex::encode(id)).expect("hexadecimal digits keep the rules")
}

/// Rows of the index of keys that are not there: a release before it wrote users without them.
pub(crate) fn unindexed(engine: &dyn Engine) -> Result<Batch, ReadError> {
    let mut batch = Batch::new();
    for (row, value) in rows(engine, Table::Entities, UserRecord::PREFIX)? {
        let (Some(id), Some(user)) = (UserRecord::id(&row), UserRecord::decode(&value)?.user)
        else {
            continue;
        };
        for key in &user.keys {
            let row = KeyHolderRecord::key(&key.id, &id);
            if engine.get(Table::Entities, &row)?.is_none() {
                batch.insert((Table::Entities, row), Some(KeyHolderRecord.encode()));
            }
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests;
