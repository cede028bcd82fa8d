//! `user_put.avsc`, `user_deleted.avsc`; and `limited_user_put.avsc`, a kind of its own, so that
//! releases without quotas go on reading what is written of users without them.

use std::borrow::Cow;

use apache_avro::serde_avro_fixed;
use model::{AccessKey, Change, Quota, SealedSecret, User, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::cow_bytes,
    keys::NONCE_BYTES,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct UserPut<'a> {
    user: Cow<'a, str>,
    name: Cow<'a, str>,
    enabled: bool,
    keys: Vec<AccessKeyRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AccessKeyRecord<'a> {
    id: Cow<'a, str>,
    secret: SecretRecord<'a>,
    enabled: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SecretRecord<'a> {
    key_id: Cow<'a, str>,
    #[serde(with = "serde_avro_fixed")]
    nonce: [u8; NONCE_BYTES],
    #[serde(with = "cow_bytes")]
    sealed: Cow<'a, [u8]>,
}

impl Record for UserPut<'_> {
    const KIND: Kind = Kind::UserPut;
}

impl<'a> UserPut<'a> {
    pub(crate) fn new(user: &'a UserId, state: &'a User) -> Self {
        Self {
            user: Cow::Borrowed(user.as_str()),
            name: Cow::Borrowed(&state.name),
            enabled: state.enabled,
            keys: state.keys.iter().map(AccessKeyRecord::from).collect(),
        }
    }
}

impl<'a> From<&'a AccessKey> for AccessKeyRecord<'a> {
    fn from(key: &'a AccessKey) -> Self {
        let SealedSecret { key_id, nonce, sealed } = &key.secret;
        let (key_id, sealed) = (Cow::Borrowed(key_id.as_str()), Cow::Borrowed(&sealed[..]));
        let secret = SecretRecord { key_id, nonce: *nonce, sealed };
        Self { id: Cow::Borrowed(&key.id), secret, enabled: key.enabled }
    }
}

impl From<AccessKeyRecord<'_>> for AccessKey {
    fn from(record: AccessKeyRecord<'_>) -> Self {
        let SecretRecord { key_id, nonce, sealed } = record.secret;
        let sealed = sealed.into_owned().into();
        let secret = SealedSecret { key_id: key_id.into_owned(), nonce, sealed };
        Self { id: record.id.into_owned(), secret, enabled: record.enabled }
    }
}

impl TryFrom<UserPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: UserPut<'_>) -> Result<Self, CodecError> {
        let state = User {
            name: record.name.into_owned(),
            enabled: record.enabled,
            keys: record.keys.into_iter().map(AccessKey::from).collect(),
            quota: Quota::default(),
        };
        let user = UserId::try_from(record.user.into_owned())?;
        Ok(Self::UserPut { user, state })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LimitedUserPut<'a> {
    user: Cow<'a, str>,
    name: Cow<'a, str>,
    enabled: bool,
    // Not at the end, where the library takes what is cut off for null.
    quota_bytes: Option<i64>,
    quota_objects: Option<i64>,
    keys: Vec<AccessKeyRecord<'a>>,
}

impl Record for LimitedUserPut<'_> {
    const KIND: Kind = Kind::LimitedUserPut;
}

impl<'a> LimitedUserPut<'a> {
    pub(crate) fn new(user: &'a UserId, state: &'a User) -> Self {
        let UserPut { user, name, enabled, keys } = UserPut::new(user, state);
        let Quota { bytes, objects } = state.quota;
        let [quota_bytes, quota_objects] =
            [bytes, objects].map(|limit| limit.map(u64::cast_signed));
        Self { user, name, enabled, keys, quota_bytes, quota_objects }
    }
}

impl TryFrom<LimitedUserPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: LimitedUserPut<'_>) -> Result<Self, CodecError> {
        let LimitedUserPut { user, name, enabled, keys, quota_bytes, quota_objects } = record;
        let mut change = Self::try_from(UserPut { user, name, enabled, keys })?;
        if let Self::UserPut { state, .. } = &mut change {
            let [bytes, objects] =
                [quota_bytes, quota_objects].map(|limit| limit.map(i64::cast_unsigned));
            state.quota = Quota { bytes, objects };
        }
        Ok(change)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct UserDeleted<'a> {
    pub(crate) user: Cow<'a, str>,
}

impl Record for UserDeleted<'_> {
    const KIND: Kind = Kind::UserDeleted;
}

impl TryFrom<UserDeleted<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: UserDeleted<'_>) -> Result<Self, CodecError> {
        let user = UserId::try_from(record.user.into_owned())?;
        Ok(Self::UserDeleted { user })
    }
}
