//! Server-side encryption as clients ask for it: with a key of the sites (SSE-S3), or with one of their
//! own that comes with each request and is never kept (SSE-C).
//!
//! What is asked for is done or refused, never ignored; texts and codes are those of S3.

use base64_simd::STANDARD;
use http::{HeaderMap, HeaderName};
use md5::{Digest, Md5};
use model::{Encryption, Manifest, WrappedKey};
use s3s::{S3Error, S3ErrorCode, S3Result, dto::ServerSideEncryption, s3_error};
use store::{BodyKey, ClientKey, DataKey, KeyError, Object, Upload};

use crate::{
    documents::encryption::BucketEncryption, errors, handler::Handler, settings::Settings,
};

const METHOD: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const AES256: &str = ServerSideEncryption::AES256;

/// The three headers of a client's own key, of a request or of the source of a copy.
pub(crate) struct Customer {
    pub(crate) algorithm: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) md5: Option<String>,
}

/// All that a request says of how a new body is to be encrypted.
pub(crate) struct Sent {
    pub(crate) method: Option<ServerSideEncryption>,
    pub(crate) kms: bool,
    pub(crate) customer: Customer,
}

/// Takes a client's own key out of the input of an operation.
macro_rules! customer {
    ($input:expr) => {
        crate::encryption::Customer {
            algorithm: $input.sse_customer_algorithm.take(),
            key: $input.sse_customer_key.take(),
            md5: $input.sse_customer_key_md5.take(),
        }
    };
}

/// The same of the source of a copy.
macro_rules! customer_of_source {
    ($input:expr) => {
        crate::encryption::Customer {
            algorithm: $input.copy_source_sse_customer_algorithm.take(),
            key: $input.copy_source_sse_customer_key.take(),
            md5: $input.copy_source_sse_customer_key_md5.take(),
        }
    };
}

/// Takes it out of the input of any operation that makes an object.
macro_rules! sent_encryption {
    ($input:expr) => {
        crate::encryption::Sent {
            method: $input.server_side_encryption.take(),
            kms: $input.ssekms_key_id.is_some() || $input.ssekms_encryption_context.is_some(),
            customer: crate::encryption::customer!($input),
        }
    };
}

/// Shows in an answer how the body of the object is encrypted.
macro_rules! show_encryption {
    ($output:expr, $shown:expr) => {{
        let shown: crate::encryption::Shown = $shown;
        $output.server_side_encryption = shown.method;
        $output.sse_customer_algorithm = shown.algorithm;
        $output.sse_customer_key_md5 = shown.key_md5;
    }};
}
pub(crate) use {customer, customer_of_source, sent_encryption, show_encryption};

/// A key that a client sent, and its MD5 as it wrote it.
#[derive(Clone, Debug)]
pub(crate) struct SentKey {
    key: ClientKey,
    md5: String,
}

impl Customer {
    /// The key, if one was sent.
    pub(crate) fn key(self) -> S3Result<Option<SentKey>> {
        const SAYS: &str =
            "Requests specifying Server Side Encryption with Customer provided keys must provide";
        let Self { algorithm, key, md5 } = self;
        if algorithm.is_none() && key.is_none() && md5.is_none() {
            return Ok(None);
        }
        let Some(algorithm) = algorithm else {
            return Err(s3_error!(InvalidArgument, "{SAYS} a valid encryption algorithm."));
        };
        if algorithm != AES256 {
            return Err(s3_error!(
                InvalidEncryptionAlgorithmError,
                "The Encryption request you specified is not valid. Supported value: AES256."
            ));
        }
        let Some(key) = key else {
            return Err(s3_error!(InvalidArgument, "{SAYS} an appropriate secret key."));
        };
        let Some(md5) = md5 else {
            let what = "the client calculated MD5 of the secret key.";
            return Err(s3_error!(InvalidArgument, "{SAYS} {what}"));
        };
        let bytes =
            STANDARD.decode_to_vec(&key).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        let Some(bytes) = bytes else {
            return Err(s3_error!(
                InvalidArgument,
                "The secret key was invalid for the specified algorithm."
            ));
        };
        if STANDARD.encode_to_string(Md5::digest(bytes)) != md5 {
            return Err(s3_error!(
                InvalidArgument,
                "The calculated MD5 hash of the key did not match the hash that was provided."
            ));
        }
        Ok(Some(SentKey { key: ClientKey::new(bytes), md5 }))
    }
}

/// How a new body is to be encrypted.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Not at all; of a request, that it said nothing.
    Plain,
    /// Under a key of the sites.
    Site,
    Client(SentKey),
}

impl Wish {
    /// What a request says.
    pub(crate) fn new(sent: Sent) -> S3Result<Self> {
        let client = sent.customer.key()?;
        match (sent.method.as_ref().map(ServerSideEncryption::as_str), client) {
            (None, _) if sent.kms => Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with AWS KMS managed key requires HTTP header \
                 x-amz-server-side-encryption : aws:kms"
            )),
            (None, None) => Ok(Self::Plain),
            (None, Some(key)) => Ok(Self::Client(key)),
            (Some(_), Some(_)) => Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with Customer provided key is incompatible with the \
                 encryption method specified"
            )),
            (Some(AES256), None) if !sent.kms => Ok(Self::Site),
            (Some(method), None) => Err(no_such_method(method)),
        }
    }

    /// The same with what the bucket says where the request says nothing.
    pub(crate) fn within(self, settings: &Settings) -> Self {
        match (self, settings.encryption) {
            (Self::Plain, Some(BucketEncryption { .. })) => Self::Site,
            (wish, _) => wish,
        }
    }

    /// The client's own key.
    fn client(&self) -> Option<&ClientKey> {
        match self {
            Self::Client(sent) => Some(&sent.key),
            Self::Plain | Self::Site => None,
        }
    }

    /// As an answer shows it.
    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Plain => Shown::default(),
            Self::Site => Shown::of_site(),
            Self::Client(sent) => Shown::of_client(sent),
        }
    }
}

/// Refuses a method of encryption that is not there.
pub(crate) fn no_such_method(method: &str) -> S3Error {
    if method.starts_with("aws:kms") || method == AES256 {
        return s3_error!(NotImplemented, "There is no key management service here");
    }
    s3_error!(InvalidArgument, "The encryption method specified is not supported")
}

/// Refuses a read that names a method: it is the object that says how it is encrypted.
pub(crate) fn of_no_read(headers: &HeaderMap) -> S3Result<()> {
    if headers.contains_key(METHOD) {
        return Err(s3_error!(
            InvalidArgument,
            "{METHOD} header is not supported for this operation."
        ));
    }
    Ok(())
}

/// What an answer says of how an object is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) method: Option<ServerSideEncryption>,
    pub(crate) algorithm: Option<String>,
    pub(crate) key_md5: Option<String>,
}

impl Shown {
    pub(crate) fn of_site() -> Self {
        let method = Some(ServerSideEncryption::from_static(AES256));
        Self { method, ..Self::default() }
    }

    /// What stands for a body's MD5 in its entity tag: under a client's key, nothing that says anything of
    /// the body.
    pub(crate) fn tag(&self, md5: [u8; 16]) -> [u8; 16] {
        if self.key_md5.is_some() { rand::Rng::random(&mut rand::rng()) } else { md5 }
    }

    fn of_client(sent: &SentKey) -> Self {
        let (algorithm, key_md5) = (Some(AES256.to_owned()), Some(sent.md5.clone()));
        Self { method: None, algorithm, key_md5 }
    }
}

/// A key that new bytes are sealed under, and how it is kept.
pub(crate) struct Sealing {
    pub(crate) key: DataKey,
    pub(crate) kept: WrappedKey,
}

impl Handler {
    /// A key for a new body, if it is to be encrypted.
    pub(crate) fn sealing(&self, wish: &Wish) -> Option<Sealing> {
        if matches!(wish, Wish::Plain) {
            return None;
        }
        let (key, kept) = self.store.draw_data_key(wish.client());
        Some(Sealing { key, kept })
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
        let shown = sent.map_or_else(Shown::of_site, Shown::of_client);
        Ok(Opened { key: Some(BodyKey::new(key, manifest, encryption)), shown })
    }

    fn data_key(&self, encryption: &Encryption, sent: Option<&SentKey>) -> S3Result<DataKey> {
        let key = self.store.data_key(&encryption.key, sent.map(|sent| &sent.key));
        key.map_err(|error| of_object(&error))
    }

    /// Whether a copy of an object can rest in the same blocks: then it keeps the key of the old, wrapped
    /// as the wish says.
    pub(crate) fn rests(
        &self,
        source: &Object,
        sent: Option<&SentKey>,
        wish: &Wish,
    ) -> S3Result<Rest> {
        match (&source.manifest.encryption, wish) {
            (None, Wish::Plain) => Ok(Rest::Shared(None)),
            (Some(held), Wish::Site) if !held.is_of_client() => {
                Ok(Rest::Shared(Some(held.clone())))
            }
            (Some(held), Wish::Client(_)) if held.is_of_client() => {
                let key = self.data_key(held, sent)?;
                let key = self.store.wrap_data_key(&key, wish.client());
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
        Ok((Some(key), sent.map_or_else(Shown::of_site, Shown::of_client)))
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
        KeyError::Class(_) | KeyError::Damaged => errors::internal(error),
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
        KeyError::Class(_) | KeyError::Damaged => errors::internal(error),
    }
}

#[cfg(test)]
mod tests;
