//! Why an event could not be encoded or decoded.

use model::NameError;

/// Why an event could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The encoded event would be larger than any event may be.
    #[error(
        "event of {bytes} bytes is larger than the {} that an event may have",
        model::EVENT_BYTES_MAX
    )]
    TooLarge { bytes: usize },
    /// Written by a release that knows more than this one.
    #[error("unknown schema `{fingerprint}`; this site needs a newer release")]
    UnknownSchema { fingerprint: String },
    /// This site does not hold the class key.
    #[error("no key `{key_id}` at this site")]
    NoKey { key_id: String },
    /// The key is another one of that name, or the bytes were changed.
    #[error("event does not open under key `{key_id}`: wrong key, or the event was changed")]
    Sealed { key_id: String },
    #[error("not a single-object encoded record")]
    NotARecord,
    #[error("{0} bytes follow the record")]
    Trailing(usize),
    #[error("decode Avro")]
    Avro(#[source] Box<apache_avro::Error>),
    #[error("field `{field}` has {found} bytes, expected {expected}")]
    Length {
        field: &'static str,
        found: usize,
        expected: usize,
    },
    #[error("field `{field}` is out of range")]
    Range { field: &'static str },
    #[error("bad name")]
    Name(#[from] NameError),
    #[error("manifest has {0} contents, expected one")]
    Contents(usize),
    #[error("change is of another entity than its envelope says")]
    Entity,
}

impl From<apache_avro::Error> for CodecError {
    fn from(error: apache_avro::Error) -> Self {
        Self::Avro(Box::new(error))
    }
}

impl CodecError {
    /// Whether a newer release or another key could read the same bytes.
    #[must_use]
    pub fn is_curable(&self) -> bool {
        matches!(self, Self::UnknownSchema { .. } | Self::NoKey { .. })
    }
}
