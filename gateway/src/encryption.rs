//! Server-side encryption as clients ask for it: with a key of the sites (SSE-S3), with one that they
//! name and the sites hold (SSE-KMS), or with one of their own that comes with each request and is never
//! kept (SSE-C).
//!
//! What is asked for is done or refused, never ignored; texts and codes are those of S3.

mod body;
mod named;
mod shown;

pub(crate) use body::{Opened, Rest, Sealing};
pub(crate) use named::{AskedKey, KeyName};
pub(crate) use shown::Shown;

use base64_simd::STANDARD;
use http::{HeaderMap, HeaderName};
use md5::{Digest, Md5};
use s3s::{S3Error, S3Result, dto::ServerSideEncryption, s3_error};
use store::{ClientKey, NamedKey, Store, Under};

use crate::{access::Peer, settings::Settings};

use named::Context;

const METHOD: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const AES256: &str = ServerSideEncryption::AES256;
const KMS: &str = ServerSideEncryption::AWS_KMS;

/// What the headers of a client's own key begin with, of a request and of the source of a copy.
const OF_CUSTOMER: [&str; 2] = [
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
];

/// The three headers of a client's own key, of a request or of the source of a copy.
pub(crate) struct Customer {
    pub(crate) algorithm: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) md5: Option<String>,
}

/// All that a request says of how a new body is to be encrypted.
pub(crate) struct Sent {
    pub(crate) method: Option<ServerSideEncryption>,
    pub(crate) key_id: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) bucket_key: Option<bool>,
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
            key_id: $input.ssekms_key_id.take(),
            context: $input.ssekms_encryption_context.take(),
            bucket_key: $input.bucket_key_enabled.take(),
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
        $output.ssekms_key_id = shown.key_id;
        $output.bucket_key_enabled = shown.bucket_key;
    }};
}

/// The same where the object is made, with the context that the request gave.
macro_rules! show_new_encryption {
    ($output:expr, $shown:expr) => {{
        let mut shown: crate::encryption::Shown = $shown;
        $output.ssekms_encryption_context = shown.context.take();
        crate::encryption::show_encryption!($output, shown);
    }};
}
pub(crate) use {
    customer, customer_of_source, sent_encryption, show_encryption, show_new_encryption,
};

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

/// How a request asks for a new body to be encrypted.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// It does not say.
    Plain,
    /// Under a key of the sites.
    Site,
    Client(SentKey),
    Named(AskedKey),
}

/// How a new body is to be encrypted.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    Plain,
    Site,
    Client(SentKey),
    Named(NamedKey, Option<Context>),
}

impl Wish {
    /// What a request says.
    pub(crate) fn new(sent: Sent) -> S3Result<Self> {
        let client = sent.customer.key()?;
        let of_kms = sent.key_id.is_some() || sent.context.is_some();
        match (sent.method.as_ref().map(ServerSideEncryption::as_str), client) {
            (None | Some(AES256), _) if of_kms => Err(s3_error!(
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
            (Some(AES256), None) => Ok(Self::Site),
            (Some(KMS), None) => {
                let key = sent.key_id.as_deref().map(KeyName::parse).transpose()?;
                let context = sent.context.map(Context::parse).transpose()?;
                Ok(Self::Named(AskedKey { key, context, bucket_key: sent.bucket_key }))
            }
            (Some(method), None) => Err(no_such_method(method)),
        }
    }

    /// What it comes to with what the bucket says where the request says nothing.
    pub(crate) fn settled(self, store: &Store, settings: &Settings) -> S3Result<Settled> {
        let by_default = settings.encryption.as_ref();
        Ok(match (self, by_default) {
            (Self::Plain, None) => Settled::Plain,
            (Self::Plain, Some(by_default)) => match by_default.key() {
                None => Settled::Site,
                Some(asked) => asked.settled(store, false)?,
            },
            (Self::Site, _) => Settled::Site,
            (Self::Client(sent), _) => Settled::Client(sent),
            (Self::Named(asked), by_default) => {
                let bucket_key = by_default.is_some_and(|by_default| by_default.bucket_key());
                asked.settled(store, bucket_key)?
            }
        })
    }
}

impl Settled {
    /// What a data key is wrapped under, if there is to be one.
    fn under(&self) -> Option<Under<'_>> {
        match self {
            Self::Plain => None,
            Self::Site => Some(Under::Site),
            Self::Client(sent) => Some(Under::Client(&sent.key)),
            Self::Named(key, _) => Some(Under::Named(key)),
        }
    }

    /// As an answer shows it.
    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Plain => Shown::default(),
            Self::Site => Shown::of_site(),
            Self::Client(sent) => Shown::of_client(sent),
            Self::Named(key, context) => {
                let context = context.as_ref().map(|context| context.sent.clone());
                Shown { context, ..Shown::of_named(&key.shown, key.bucket_key) }
            }
        }
    }
}

/// Refuses a method of encryption that is not there.
pub(crate) fn no_such_method(method: &str) -> S3Error {
    if method == KMS {
        return s3_error!(NotImplemented, "There are no named keys at this site");
    }
    if method.starts_with(KMS) {
        return s3_error!(NotImplemented, "Bodies are encrypted in one layer here");
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

/// Refuses keys of clients that come in the clear: whoever listens would have them.
pub(crate) fn of_secure_connection(headers: &HeaderMap, peer: Option<Peer>) -> S3Result<()> {
    let secret = |name: &str| OF_CUSTOMER.iter().any(|prefix| name.starts_with(prefix));
    let in_the_clear =
        peer.is_some_and(|Peer { ip, secure }| !secure && !ip.to_canonical().is_loopback());
    if in_the_clear && headers.keys().any(|name| secret(name.as_str())) {
        return Err(s3_error!(
            InvalidRequest,
            "Requests specifying Server Side Encryption with Customer provided keys must be made \
             over a secure connection."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
