//! What new bytes are sealed under, and what opens those that rest.

use model::{Encryption, Manifest, WrappedKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use store::{BodyKey, DataKey, KeyError, Object, Under, Upload};

use super::{SentKey, Settled, Shown};
use crate::{errors, handler::Handler};

/// A key that new bytes are sealed under, and how it is kept.
pub(crate) struct Sealing {
    pub(crate) key: DataKey,
    pub(crate) kept: WrappedKey,
}

impl Handler {
    /// A key for a new body, if it is to be encrypted.
    pub(crate) fn sealing(&self, how: &Settled) -> S3Result<Option<Sealing>> {
        let Some(under) = how.under() else { return Ok(None) };
        let (key, kept) = self.store.draw_data_key(under).map_err(|error| of_object(&error))?;
        Ok(Some(Sealing { key, kept }))
    }

    /// Where a body goes that is put whole.
    pub(crate) fn upload(&self, sealing: Option<&Sealing>) -> Upload {
        match sealing {
            Some(sealing) => self.store.sealed_upload(&sealing.key),
            None => self.store.upload(),
        }
    }

    /// What opens the body of an object, with the key that came for it.
    pub(crate) fn opens(&self, manifest: &Manifest, sent: Option<&SentKey>) -> S3Result<Opened> {
        let Some(encryption) = &manifest.encryption else {
            return match sent {
                Some(_) => Err(of_object(&KeyError::NotOfClient)),
                None => Ok(Opened::default()),
            };
        };
        let key = self.data_key(encryption, sent)?;
        let shown = sent.map_or_else(|| Shown::of(&encryption.key), Shown::of_client);
        Ok(Opened { key: Some(BodyKey::new(key, manifest, encryption)), shown })
    }

    fn data_key(&self, encryption: &Encryption, sent: Option<&SentKey>) -> S3Result<DataKey> {
        let key = self.store.data_key(&encryption.key, sent.map(|sent| &sent.key));
        key.map_err(|error| of_object(&error))
    }

    /// Whether a copy of an object can rest in the same blocks: then it keeps the key of the old, wrapped
    /// as the copy is to be.
    pub(crate) fn rests(
        &self,
        source: &Object,
        sent: Option<&SentKey>,
        how: &Settled,
    ) -> S3Result<Rest> {
        let (Some(held), Some(under)) = (&source.manifest.encryption, how.under()) else {
            let same = source.manifest.encryption.is_none() && how.under().is_none();
            return Ok(if same { Rest::Shared(None) } else { Rest::Anew });
        };
        match (&held.key, under) {
            (WrappedKey::Site(_), Under::Site)
            | (WrappedKey::Client(_), Under::Client(_))
            | (WrappedKey::Named(_), Under::Named(_)) => {
                let key = self.data_key(held, sent)?;
                let key = self.store.wrap_data_key(&key, under);
                let key = key.map_err(|error| of_object(&error))?;
                Ok(Rest::Shared(Some(Encryption { key, left_out: held.left_out.clone() })))
            }
            _ => Ok(Rest::Anew),
        }
    }

    /// The key that a part of an upload is sealed under, and how its answer shows it.
    pub(crate) fn part_key(
        &self,
        kept: Option<&WrappedKey>,
        sent: Option<&SentKey>,
    ) -> S3Result<(Option<DataKey>, Shown)> {
        let Some(kept) = kept else {
            return match sent {
                Some(_) => Err(of_upload(&KeyError::NotOfClient)),
                None => Ok((None, Shown::default())),
            };
        };
        let key = self.store.data_key(kept, sent.map(|sent| &sent.key));
        let key = key.map_err(|error| of_upload(&error))?;
        Ok((Some(key), sent.map_or_else(|| Shown::of(kept), Shown::of_client)))
    }
}

/// Where the body of a copy rests.
pub(crate) enum Rest {
    /// In the blocks of its source.
    Shared(Option<Encryption>),
    /// In blocks of its own.
    Anew,
}

/// What opens an object's body, and how an answer shows that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened {
    pub(crate) key: Option<BodyKey>,
    pub(crate) shown: Shown,
}

/// Of an object that is read.
fn of_object(error: &KeyError) -> S3Error {
    match error {
        KeyError::NoClientKey => s3_error!(
            InvalidRequest,
            "The object was stored using a form of Server Side Encryption. The correct parameters \
             must be provided to retrieve the object."
        ),
        KeyError::NotOfClient => s3_error!(
            InvalidRequest,
            "The encryption parameters are not applicable to this object."
        ),
        KeyError::OtherClientKey => errors::denied(),
        KeyError::NoNamedKey { id } => errors::no_named_key(id),
        KeyError::Site(_) | KeyError::Damaged => errors::internal(error),
    }
}

/// Of an upload that is given a part.
fn of_upload(error: &KeyError) -> S3Error {
    let code = S3ErrorCode::InvalidRequest;
    match error {
        KeyError::NoClientKey => S3Error::with_message(
            code,
            "The multipart upload initiate requested encryption. Subsequent part requests must \
             include the appropriate encryption parameters.",
        ),
        KeyError::NotOfClient => S3Error::with_message(
            code,
            "The multipart upload initiate did not request encryption. Please resend the request \
             without sending encryption parameters.",
        ),
        KeyError::OtherClientKey => S3Error::with_message(
            code,
            "The provided encryption parameters did not match the ones used originally.",
        ),
        KeyError::NoNamedKey { id } => errors::no_named_key(id),
        KeyError::Site(_) | KeyError::Damaged => errors::internal(error),
    }
}
