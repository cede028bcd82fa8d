//! Every released schema, found by kind when writing and by fingerprint when reading.
//!
//! Wire form of a record: Avro single-object encoding, that is `C3 01`, the CRC-64-AVRO
//! fingerprint of the writer's schema (little-endian), and the datum.

use std::{collections::HashMap, sync::LazyLock};

use apache_avro::{Schema, rabin::Rabin};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::CodecError;

/// A kind of record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Envelope,
    Heartbeat,
    ObjectPut,
    ObjectDeleted,
    BucketPut,
    BucketDeleted,
    Attributes,
    UserPut,
    UserDeleted,
}

/// Every released schema of every kind, oldest first; the last of a kind is the one written.
pub(crate) const RELEASED: [(Kind, &str); 9] = [
    (Kind::Envelope, include_str!("../avsc/envelope.avsc")),
    (Kind::Heartbeat, include_str!("../avsc/heartbeat.avsc")),
    (Kind::ObjectPut, include_str!("../avsc/object_put.avsc")),
    (
        Kind::ObjectDeleted,
        include_str!("../avsc/object_deleted.avsc"),
    ),
    (Kind::BucketPut, include_str!("../avsc/bucket_put.avsc")),
    (
        Kind::BucketDeleted,
        include_str!("../avsc/bucket_deleted.avsc"),
    ),
    (Kind::Attributes, include_str!("../avsc/attributes.avsc")),
    (Kind::UserPut, include_str!("../avsc/user_put.avsc")),
    (Kind::UserDeleted, include_str!("../avsc/user_deleted.avsc")),
];

const MARKER: [u8; 2] = [0xC3, 0x01];
type Fingerprint = [u8; 8];

/// Schemas to read and write by.
pub(crate) struct Registry {
    readable: HashMap<Fingerprint, (Kind, Schema)>,
    written: HashMap<Kind, (Fingerprint, Schema)>,
}

/// The registry of this release.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&RELEASED));

/// Fingerprint of the schema that events are written with, in hexadecimal.
#[must_use]
pub fn schema_id() -> String {
    hex::encode(REGISTRY.written(Kind::Envelope).0)
}

impl Registry {
    pub(crate) fn new(released: &[(Kind, &str)]) -> Self {
        let (mut readable, mut written) = (HashMap::new(), HashMap::new());
        for (kind, text) in released {
            let schema = Schema::parse_str(text).expect("released schemas are valid, a test says");
            let fingerprint = fingerprint(&schema);
            readable.insert(fingerprint, (*kind, schema.clone()));
            written.insert(*kind, (fingerprint, schema));
        }
        Self { readable, written }
    }

    fn written(&self, kind: Kind) -> &(Fingerprint, Schema) {
        self.written
            .get(&kind)
            .expect("every kind has a released schema")
    }

    /// Single-object encodes a record.
    pub(crate) fn encode(
        &self,
        kind: Kind,
        record: &impl Serialize,
    ) -> Result<Vec<u8>, CodecError> {
        let (fingerprint, schema) = self.written(kind);
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(&MARKER);
        bytes.extend_from_slice(fingerprint);
        apache_avro::write_avro_datum_ref(schema, record, &mut bytes)?;
        Ok(bytes)
    }

    /// Which kind some bytes are of.
    pub(crate) fn kind(&self, bytes: &[u8]) -> Result<Kind, CodecError> {
        self.writer(bytes).map(|(kind, _, _)| kind)
    }

    fn writer<'b>(&self, bytes: &'b [u8]) -> Result<(Kind, &Schema, &'b [u8]), CodecError> {
        let rest = bytes.strip_prefix(&MARKER).ok_or(CodecError::NotARecord)?;
        let (fingerprint, datum) = rest
            .split_first_chunk::<8>()
            .ok_or(CodecError::NotARecord)?;
        match self.readable.get(fingerprint) {
            Some((kind, schema)) => Ok((*kind, schema, datum)),
            None => Err(CodecError::UnknownSchema {
                fingerprint: hex::encode(fingerprint),
            }),
        }
    }

    /// Decodes a record of a known kind, resolving from its writer's schema to this release's.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        kind: Kind,
        bytes: &[u8],
    ) -> Result<T, CodecError> {
        let (found, schema, mut datum) = self.writer(bytes)?;
        if found != kind {
            return Err(CodecError::NotARecord);
        }
        let (_, reader) = self.written(kind);
        // Resolution walks the whole value: only where the writer was another release.
        let reader = (!std::ptr::eq(schema, reader) && schema != reader).then_some(reader);
        let value = apache_avro::from_avro_datum(schema, &mut datum, reader)?;
        if !datum.is_empty() {
            return Err(CodecError::Trailing(datum.len()));
        }
        Ok(apache_avro::from_value(&value)?)
    }
}

fn fingerprint(schema: &Schema) -> Fingerprint {
    let fingerprint = schema.fingerprint::<Rabin>();
    fingerprint
        .bytes
        .try_into()
        .expect("a Rabin fingerprint has 8 bytes")
}
