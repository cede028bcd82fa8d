//! Which signatures count: those of the root user, and of users who are enabled.
//!
//! What they may do is asked by [`crate::access`], and once more in the commit of what they write.

use async_trait::async_trait;
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
};
use store::Store;

use crate::errors;

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
