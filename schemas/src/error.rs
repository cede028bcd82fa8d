//! Why an event could not be encoded or decoded.

use model::NameError;

/// Why an event could not be encoded or decoded. [`CodecError::is_curable`] tells whether a newer
/// release or another key could read the same bytes.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The encoded event would be larger than any event may be.
    #[error(
        "event of {bytes} bytes is larger than the {} that an event may have",
        model::EVENT_BYTES_MAX
    )]
    TooLarge { bytes: usize },
    /// Written by a release that has another schema than this one knows.
    #[error("unknown schema `{fingerprint}`; this site needs a newer release")]
    UnknownSchema { fingerprint: String },
    /// A change that this release does not know; the event did open under its key.
    #[error("unknown kind of change `{kind}`; this site needs a newer release")]
    UnknownKind { kind: String },
    /// This site does not hold the class key.
    #[error("no key `{key_id}` at this site")]
    NoKey { key_id: String },
    /// The key is another one of that name, or the bytes were changed.
    #[error("event does not open under key `{key_id}`: wrong key, or the event was changed")]
    Sealed { key_id: String },
    /// The same of the key that an object's body is sealed under.
    #[error("data key does not open under key `{key_id}`: wrong key, or it was changed")]
    DataKey { key_id: String },
    /// Key ids come unprotected, so they are checked before anything shows them.
    #[error("key id of {bytes} bytes is not 1 to 64 characters of A-Z, a-z, 0-9, ., - and _")]
    KeyId { bytes: usize },
    #[error("not a single-object encoded record")]
    NotARecord,
    /// A record, but not the one that belongs there.
    #[error("record is `{found}`, expected `{expected}`")]
    OtherKind { found: &'static str, expected: &'static str },
    #[error("{0} bytes follow the record")]
    Trailing(usize),
    #[error("read or write record `{record}`")]
    Avro {
        record: &'static str,
        #[source]
        cause: Box<apache_avro::Error>,
    },
    /// As `Avro`, but of what was sealed: the cause may quote it, so it is not kept.
    #[error("read or write sealed record `{record}`")]
    Change { record: &'static str },
    #[error("field `{field}` is out of range: {found}")]
    Range { field: &'static str, found: i64 },
    #[error("read the name of an entity")]
    Name(#[from] NameError),
    #[error("change is of another entity than its envelope says")]
    Entity,
}

impl CodecError {
    /// Whether a newer release or another key could read the same bytes.
    #[must_use]
    pub fn is_curable(&self) -> bool {
        matches!(self, Self::UnknownSchema { .. } | Self::UnknownKind { .. } | Self::NoKey { .. })
    }
}
