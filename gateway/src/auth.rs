//! Who may come in: for now the root user alone, and nobody without a signature.

use async_trait::async_trait;
use model::{RequestId, UserId};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    s3_error,
};

use store::Caller;

use crate::operation::{Operation, OperationSlot};

/// The keys of the root user.
#[derive(Clone)]
pub struct RootKeys {
    pub access_key: String,
    pub secret_key: String,
}

/// Gives out the secret that a signature is checked with.
pub(crate) struct Auth {
    access_key: String,
    secret_key: SecretKey,
}

impl Auth {
    pub(crate) fn new(keys: RootKeys) -> Self {
        Self { access_key: keys.access_key, secret_key: keys.secret_key.into() }
    }
}

#[async_trait]
impl S3Auth for Auth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key {
            Ok(self.secret_key.clone())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The access key you sent does not exist here"))
        }
    }
}

/// Lets in whoever has signed; takes note of the operation, and of who asks for it.
pub(crate) struct Access;

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = Operation::named(context.s3_op().name());
        if let Some(slot) = context.extensions_mut().get::<OperationSlot>() {
            slot.set(operation);
        }
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Requests must be signed"));
        }
        let request = context.extensions_mut().get().copied().unwrap_or(RequestId::NONE);
        let caller = Caller { user: UserId::root(), request };
        context.extensions_mut().insert(caller);
        Ok(())
    }
}
