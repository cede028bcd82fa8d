//! The contract between sites: Avro records, their codec, and the sealing of what leaves a site.
//!
//! Only this crate knows Avro. The `.avsc` files are the contract. A released one never changes:
//! a new one is added beside it (`object_put_2.avsc`), may only add and drop fields that have a
//! default, and every reader keeps all of them, so that it reads what any release wrote. What a
//! later release wrote is refused by name ([`CodecError::is_curable`]), and its envelope still
//! says where the event stands.

mod change;
mod codec;
mod data_keys;
mod envelope;
mod error;
mod fields;
mod heartbeat;
mod keys;
mod kind;
mod registry;

pub use codec::Codec;
pub use envelope::Envelope;
pub use error::CodecError;
pub use keys::{Keys, KeysError};
pub use kind::{TRIMMED, readable_kinds};
pub use registry::{ENVELOPE_SCHEMA, schema_id};

#[cfg(test)]
mod tests;
