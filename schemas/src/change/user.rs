//! `user_put.avsc`, `user_deleted.avsc`. Not `Debug`: a user's secret is in it.

use std::borrow::Cow;

use model::{Change, User, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct UserPut<'a> {
    user: Cow<'a, str>,
    name: Cow<'a, str>,
    access_key: Cow<'a, str>,
    secret_key: Cow<'a, str>,
    enabled: bool,
}

impl Record for UserPut<'_> {
    const KIND: Kind = Kind::UserPut;
}

impl<'a> UserPut<'a> {
    pub(crate) fn new(user: &'a UserId, state: &'a User) -> Self {
        Self {
            user: Cow::Borrowed(user.as_str()),
            name: Cow::Borrowed(&state.name),
            access_key: Cow::Borrowed(&state.access_key),
            secret_key: Cow::Borrowed(&state.secret_key),
            enabled: state.enabled,
        }
    }
}

impl TryFrom<UserPut<'_>> for Change {
    type Error = CodecError;

    fn try_from(record: UserPut<'_>) -> Result<Self, CodecError> {
        let state = User {
            name: record.name.into_owned(),
            access_key: record.access_key.into_owned(),
            secret_key: record.secret_key.into_owned(),
            enabled: record.enabled,
        };
        let user = UserId::try_from(record.user.into_owned())?;
        Ok(Self::UserPut { user, state })
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
