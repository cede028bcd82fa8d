//! What clients set of buckets and objects: parsed once when it is set, kept as canonical JSON in
//! the attribute's register, and read back from there. All of it is pure.
//!
//! A document that this release cannot read was written by a newer one, and is an error to whoever
//! needs it: access that nobody here can judge is not granted.

pub(crate) mod acl;
pub(crate) mod cors;
pub(crate) mod encryption;
pub(crate) mod lifecycle;
pub(crate) mod logging;
pub(crate) mod object_lock;
pub(crate) mod ownership;
pub(crate) mod policy;
pub(crate) mod public_access;
pub(crate) mod tags;

use bytes::Bytes;
use model::Attributes;
use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of one document as it is kept: the two that can be long, and the others, stay below
/// what an event may have.
const DOCUMENT_BYTES_MAX: usize = 192 * 1_024;

/// A document whose form is not one of this release's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("attribute `{name}` was set by a newer release than this site runs")]
pub(crate) struct UnknownForm {
    pub(crate) name: &'static str,
}

/// One kind of document, in the register of the same name.
pub(crate) trait Document: Sized {
    /// Name of its attribute.
    const NAME: &'static str;

    /// As it is kept.
    fn to_bytes(&self) -> Bytes;

    fn from_bytes(bytes: &Bytes) -> Option<Self>;

    /// The document among attributes, if it is set.
    fn of(attributes: &Attributes) -> Result<Option<Self>, UnknownForm> {
        let value = attributes.value(Self::NAME);
        let read = |value| Self::from_bytes(value).ok_or(UnknownForm { name: Self::NAME });
        value.map(read).transpose()
    }
}

/// Canonical: fields in the order of their type, no blanks, what is absent left away.
fn to_json(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("a document has only what JSON can hold").into()
}

fn from_json<T: DeserializeOwned>(bytes: &Bytes) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Whether a document may be kept.
fn fits(bytes: &Bytes) -> bool {
    bytes.len() <= DOCUMENT_BYTES_MAX
}

/// Implements [`Document`] by JSON.
macro_rules! json_document {
    ($type:ty, $name:expr) => {
        impl crate::documents::Document for $type {
            const NAME: &'static str = $name;

            fn to_bytes(&self) -> bytes::Bytes {
                crate::documents::to_json(self)
            }

            fn from_bytes(bytes: &bytes::Bytes) -> Option<Self> {
                crate::documents::from_json(bytes)
            }
        }
    };
}
use json_document;
