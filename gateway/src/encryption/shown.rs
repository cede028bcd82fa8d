//! How answers say that a body is encrypted.

use model::WrappedKey;
use s3s::dto::ServerSideEncryption;
use store::SealedAs;

use super::{AES256, KMS, SentKey};

/// What an answer says of how an object is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) method: Option<ServerSideEncryption>,
    pub(crate) algorithm: Option<String>,
    pub(crate) key_md5: Option<String>,
    pub(crate) key_id: Option<String>,
    /// Only where the object is made.
    pub(crate) context: Option<String>,
    pub(crate) bucket_key: Option<bool>,
}

impl Shown {
    /// Of what a data key is kept as. A client's own key is shown to who sends it.
    pub(crate) fn of(key: &WrappedKey) -> Self {
        Self::of_sealed(&SealedAs::of(key))
    }

    pub(crate) fn of_sealed(sealed: &SealedAs) -> Self {
        match sealed {
            SealedAs::Site => Self::of_site(),
            SealedAs::Client => Self::default(),
            SealedAs::Named { key, bucket_key } => Self::of_named(key, *bucket_key),
        }
    }

    pub(super) fn of_site() -> Self {
        let method = Some(ServerSideEncryption::from_static(AES256));
        Self { method, ..Self::default() }
    }

    pub(super) fn of_named(key: &str, bucket_key: bool) -> Self {
        let method = Some(ServerSideEncryption::from_static(KMS));
        let (key_id, bucket_key) = (Some(key.to_owned()), bucket_key.then_some(true));
        Self { method, key_id, bucket_key, ..Self::default() }
    }

    pub(super) fn of_client(sent: &SentKey) -> Self {
        let (algorithm, key_md5) = (Some(AES256.to_owned()), Some(sent.md5.clone()));
        Self { algorithm, key_md5, ..Self::default() }
    }

    /// What stands for a body's MD5 in its entity tag: under a key of a client, or one that it named,
    /// nothing that says anything of the body.
    pub(crate) fn tag(&self, md5: [u8; 16]) -> [u8; 16] {
        let tells = self.key_md5.is_none() && self.key_id.is_none();
        if tells { md5 } else { rand::Rng::random(&mut rand::rng()) }
    }
}
