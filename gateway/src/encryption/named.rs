//! Keys that clients name, and the context that they give with them.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};
use store::{NamedKey, Store};

use super::{KMS, Settled, no_such_method};
use crate::errors;

/// So that any event has room for it.
const NAME_BYTES_MAX: usize = 1_024;
const CONTEXT_BYTES_MAX: usize = 8 * 1_024;

/// The name of a key: its id, `alias/` and the id, or an ARN that ends in `key/` or `alias/` and the id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct KeyName(String);

/// A string that is no name of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the name of a key")]
pub(crate) struct NoKeyName;

impl TryFrom<String> for KeyName {
    type Error = NoKeyName;

    fn try_from(text: String) -> Result<Self, NoKeyName> {
        let shown = text.bytes().all(|byte| byte.is_ascii_graphic());
        let name = Self(text);
        let good = shown && name.0.len() <= NAME_BYTES_MAX && !name.id().is_empty();
        if good { Ok(name) } else { Err(NoKeyName) }
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

impl KeyName {
    pub(crate) fn parse(text: &str) -> S3Result<Self> {
        Self::try_from(text.to_owned()).map_err(|_| errors::no_named_key(text))
    }

    /// As the client wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn id(&self) -> &str {
        let text = self.0.as_str();
        let resource = match text.strip_prefix("arn:") {
            Some(arn) => arn.rsplit(':').next().unwrap_or_default(),
            None => text,
        };
        let known = ["key/", "alias/"].iter().find_map(|kind| resource.strip_prefix(kind));
        known.unwrap_or(if resource.len() == text.len() { text } else { "" })
    }
}

/// What a client binds to its object: names and values.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// As it came.
    pub(super) sent: String,
    texts: BTreeMap<String, String>,
}

impl Context {
    pub(super) fn parse(sent: String) -> S3Result<Self> {
        let bytes = STANDARD.decode_to_vec(&sent).ok();
        let bytes = bytes.filter(|bytes| bytes.len() <= CONTEXT_BYTES_MAX);
        let texts = bytes.and_then(|json| serde_json::from_slice(&json).ok());
        let texts = texts.ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 \
                 string holding JSON which represents a string-string map"
            )
        })?;
        Ok(Self { sent, texts })
    }
}

/// A key as a request or a bucket asks for it.
#[derive(Clone, Debug)]
pub(crate) struct AskedKey {
    /// `None`: the one that is taken where none is named.
    pub(crate) key: Option<KeyName>,
    pub(crate) context: Option<Context>,
    pub(crate) bucket_key: Option<bool>,
}

impl AskedKey {
    /// The key, if this site has it; `bucket_key` is what the bucket says of that.
    pub(super) fn settled(self, store: &Store, bucket_key: bool) -> S3Result<Settled> {
        if !store.has_named_keys() {
            return Err(no_such_method(KMS));
        }
        let id = store.named_key(self.key.as_ref().map(KeyName::id));
        let Some(id) = id.map(str::to_owned) else {
            return Err(errors::no_named_key(self.key.as_ref().map_or("", KeyName::as_str)));
        };
        let shown = self.key.map_or_else(|| id.clone(), String::from);
        let context = self.context.as_ref().map(|context| context.texts.clone());
        let (context, bucket_key) =
            (context.unwrap_or_default(), self.bucket_key.unwrap_or(bucket_key));
        Ok(Settled::Named(NamedKey { id, shown, context, bucket_key }, self.context))
    }
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    #[test]
    fn a_key_is_named_by_its_id_an_alias_or_an_arn() {
        for (text, id) in [
            ("demo-key", "demo-key"),
            ("alias/demo-key", "demo-key"),
            ("arn:aws:kms:us-east-1:111122223333:key/demo-key", "demo-key"),
            ("arn:aws:kms:us-east-1:111122223333:alias/demo-key", "demo-key"),
            ("key/demo-key", "demo-key"),
        ] {
            let name = KeyName::parse(text).unwrap();
            assert_eq!((name.id(), name.as_str()), (id, text));
        }
        for text in ["", "alias/", "arn:aws:kms:x", "a b", "ü", &"k".repeat(1_025)] {
            let error = KeyName::parse(text).unwrap_err();
            assert_eq!(error.code().as_str(), "KMS.NotFoundException", "{text}");
        }
    }

    #[test]
    fn a_context_is_names_and_values_or_refused() {
        let parse = |json: &str| Context::parse(STANDARD.encode_to_string(json));
        let context = parse(r#"{"b":"2","a":"ü"}"#).unwrap();
        assert_eq!(context.texts["a"], "ü");
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(CONTEXT_BYTES_MAX));
        for json in ["", "[]", r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#, "no json", &long] {
            let error = parse(json).unwrap_err();
            assert_eq!(*error.code(), S3ErrorCode::InvalidArgument, "{json}");
        }
        assert!(Context::parse("no base64!".to_owned()).is_err());
    }
}
