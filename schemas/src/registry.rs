//! Every released schema, found by kind when writing and by fingerprint when reading.
//!
//! Wire form of a record: Avro single-object encoding, that is `C3 01`, the CRC-64-AVRO
//! fingerprint of the writer's schema (little-endian), and the datum.

use std::{collections::HashMap, sync::LazyLock};

use apache_avro::{GenericSingleObjectReader, Schema, from_value, rabin::Rabin, types::Value};
use model::EVENT_BYTES_MAX;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::CodecError,
    kind::{Kind, Record},
};

mod spelled;

/// Schema of the clear part of an event, as this release writes it.
pub const ENVELOPE_SCHEMA: &str = include_str!("../avsc/envelope.avsc");

/// Every released schema of every kind, oldest first; the last of a kind is the one written.
pub(crate) const RELEASED: [(Kind, &str); 16] = [
    (Kind::Envelope, ENVELOPE_SCHEMA),
    (Kind::Heartbeat, include_str!("../avsc/heartbeat.avsc")),
    (Kind::ObjectPut, include_str!("../avsc/object_put.avsc")),
    (Kind::ObjectDeleted, include_str!("../avsc/object_deleted.avsc")),
    (Kind::BucketPut, include_str!("../avsc/bucket_put.avsc")),
    (Kind::BucketDeleted, include_str!("../avsc/bucket_deleted.avsc")),
    (Kind::Attributes, include_str!("../avsc/attributes.avsc")),
    (Kind::UserPut, include_str!("../avsc/user_put.avsc")),
    (Kind::UserDeleted, include_str!("../avsc/user_deleted.avsc")),
    (Kind::Trimmed, include_str!("../avsc/trimmed.avsc")),
    (Kind::BucketAttributes, include_str!("../avsc/bucket_attributes.avsc")),
    (Kind::VersionPut, include_str!("../avsc/version_put.avsc")),
    (Kind::MarkerPut, include_str!("../avsc/marker_put.avsc")),
    (Kind::VersionRemoved, include_str!("../avsc/version_removed.avsc")),
    (Kind::EncryptedPut, include_str!("../avsc/encrypted_put.avsc")),
    (Kind::LimitedUserPut, include_str!("../avsc/limited_user_put.avsc")),
];

const MARKER: [u8; 2] = [0xC3, 0x01];
/// Bytes in front of a datum.
pub(crate) const HEADER_BYTES: usize = 10;
type Fingerprint = [u8; 8];

/// A schema that some release wrote.
struct Readable {
    kind: Kind,
    reader: GenericSingleObjectReader,
}

/// The schema that this release writes, and that it resolves others to.
struct Written {
    fingerprint: Fingerprint,
    schema: Schema,
    /// The same without references, which is what the library can write Rust types by.
    spelled: Schema,
}

/// Schemas to read and write by.
pub(crate) struct Registry {
    readable: HashMap<Fingerprint, Readable>,
    written: HashMap<Kind, Written>,
}

/// The registry of this release.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&RELEASED));

/// Fingerprint of the schema that events are written with, in hexadecimal as on the wire.
#[must_use]
pub fn schema_id() -> String {
    hex::encode(REGISTRY.written(Kind::Envelope).fingerprint)
}

impl Registry {
    /// # Panics
    /// If a schema is not valid: they are part of the program, and tests parse each.
    pub(crate) fn new(released: &[(Kind, &str)]) -> Self {
        // No length in a record can exceed the event's: what claims to must not be allocated.
        apache_avro::util::max_allocation_bytes(EVENT_BYTES_MAX);
        let (mut readable, mut written) = (HashMap::new(), HashMap::new());
        for &(kind, text) in released {
            let schema = Schema::parse_str(text).expect("a released schema is valid");
            let reader = GenericSingleObjectReader::new(schema.clone())
                .expect("a released schema names only what it defines");
            let fingerprint = fingerprint(&schema);
            readable.insert(fingerprint, Readable { kind, reader });
            let spelled = spelled::spelled(&schema);
            let schemas = Written { fingerprint, schema, spelled };
            written.insert(kind, schemas);
        }
        Self { readable, written }
    }

    fn written(&self, kind: Kind) -> &Written {
        self.written.get(&kind).expect("every kind has a released schema")
    }

    /// Single-object encodes a record into a new buffer of `capacity` bytes, which may grow.
    pub(crate) fn encode<T: Record + Serialize>(
        &self,
        record: &T,
        capacity: usize,
    ) -> Result<Vec<u8>, CodecError> {
        let written = self.written(T::KIND);
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&MARKER);
        bytes.extend_from_slice(&written.fingerprint);
        apache_avro::write_avro_datum_ref(&written.spelled, record, &mut bytes)
            .map_err(|cause| avro(T::KIND, cause))?;
        Ok(bytes)
    }

    /// Decodes a record, resolving from its writer's schema to this release's.
    pub(crate) fn decode<T: Record + DeserializeOwned>(
        &self,
        bytes: &[u8],
    ) -> Result<T, CodecError> {
        let value = self.value(T::KIND, bytes)?;
        from_value(&value).map_err(|cause| avro(T::KIND, cause))
    }

    pub(crate) fn value(&self, kind: Kind, mut bytes: &[u8]) -> Result<Value, CodecError> {
        let fingerprint = fingerprint_of(bytes)?;
        let Some(readable) = self.readable.get(fingerprint) else {
            let fingerprint = hex::encode(fingerprint);
            return Err(CodecError::UnknownSchema { fingerprint });
        };
        if readable.kind != kind {
            return Err(CodecError::OtherKind {
                found: readable.kind.name(),
                expected: kind.name(),
            });
        }
        let value = readable.reader.read_value(&mut bytes);
        let value = value.map_err(|cause| avro(kind, cause))?;
        if !bytes.is_empty() {
            return Err(CodecError::Trailing(bytes.len()));
        }
        // Resolution walks the whole value: only where the writer was another release.
        let written = self.written(kind);
        if *fingerprint == written.fingerprint {
            return Ok(value);
        }
        value.resolve(&written.schema).map_err(|cause| avro(kind, cause))
    }
}

fn avro(kind: Kind, cause: apache_avro::Error) -> CodecError {
    let record = kind.name();
    match kind {
        Kind::Envelope | Kind::Heartbeat => {
            let cause = Box::new(cause);
            CodecError::Avro { record, cause }
        }
        _ => CodecError::Change { record },
    }
}

/// The fingerprint in front of a record.
fn fingerprint_of(bytes: &[u8]) -> Result<&Fingerprint, CodecError> {
    bytes.strip_prefix(&MARKER).and_then(<[u8]>::first_chunk).ok_or(CodecError::NotARecord)
}

fn fingerprint(schema: &Schema) -> Fingerprint {
    let fingerprint = schema.fingerprint::<Rabin>();
    fingerprint.bytes.try_into().expect("a Rabin fingerprint has 8 bytes")
}
