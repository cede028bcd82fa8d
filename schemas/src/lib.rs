//! The contract between sites: Avro records, their codec, and the sealing of what leaves a site.
//!
//! Only this crate knows Avro. The `.avsc` files are the contract; a released one never changes,
//! a new one is added beside it, and every reader keeps all of them.

mod change;
mod codec;
mod envelope;
mod error;
mod keys;
mod registry;

pub use codec::Codec;
pub use envelope::Envelope;
pub use error::CodecError;
pub use keys::{Keys, KeysError};
pub use registry::schema_id;
