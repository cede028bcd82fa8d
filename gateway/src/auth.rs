//! Who may come in: the root user, users who are enabled, and nobody without a signature.
//!
//! What they may do there is asked of each bucket, and once more in the commit of what they write.

use async_trait::async_trait;
use model::{RequestId, UserId};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    s3_error,
};
use store::{Caller, Store};

use crate::{
    errors, expected_owner,
    operation::{Operation, OperationSlot},
};

/// The keys of the root user.
#[derive(Clone)]
pub struct RootKeys {
    pub access_key: String,
    pub secret_key: String,
}

/// Gives out the secret that a signature is checked with.
#[derive(Clone)]
pub(crate) struct Auth {
    access_key: String,
    secret_key: SecretKey,
    store: Store,
}

impl Auth {
    pub(crate) fn new(keys: RootKeys, store: Store) -> Self {
        Self { access_key: keys.access_key, secret_key: keys.secret_key.into(), store }
    }
}

#[async_trait]
impl S3Auth for Auth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        // First, so that no user can take the root user's place.
        if access_key == self.access_key {
            return Ok(self.secret_key.clone());
        }
        let found = self.store.credential(access_key).map_err(|error| errors::internal(&error))?;
        match found {
            Some(credential) if credential.enabled => Ok(credential.secret.into()),
            // S3 says the same of both: nobody learns which keys there are.
            _ => Err(errors::no_such_access_key()),
        }
    }
}

/// Lets in whoever has signed; takes note of the operation, and of who asks for it.
#[derive(Clone)]
pub(crate) struct Access {
    root_access_key: String,
    store: Store,
}

impl Access {
    pub(crate) fn new(root_access_key: String, store: Store) -> Self {
        Self { root_access_key, store }
    }

    /// Who holds a key.
    pub(crate) fn user(&self, access_key: &str) -> S3Result<UserId> {
        if access_key == self.root_access_key {
            return Ok(UserId::root());
        }
        match self.store.key_holder(access_key).map_err(|error| errors::read(&error))? {
            Some((user, true)) => Ok(user),
            _ => Err(errors::no_such_access_key()),
        }
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = Operation::named(context.s3_op().name());
        if let Some(slot) = context.extensions_mut().get::<OperationSlot>() {
            slot.set(operation);
        }
        let user = match context.credentials() {
            Some(credentials) => self.user(&credentials.access_key)?,
            None => return Err(s3_error!(AccessDenied, "Requests must be signed")),
        };
        // Only to those who are somebody: others must not learn who owns what.
        expected_owner::check(&self.store, context.s3_path(), context.headers())?;
        // Before its body is looked at, which need not be right.
        if operation == Operation::Other {
            let name = context.s3_op().name();
            return Err(s3_error!(NotImplemented, "The operation {name} is not available here"));
        }
        let request = context.extensions_mut().get().copied().unwrap_or(RequestId::NONE);
        context.extensions_mut().insert(Caller::of(user, request));
        Ok(())
    }
}
