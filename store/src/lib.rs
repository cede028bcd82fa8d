//! One site's state: objects, blocks, history, handled and holes, behind one committer.
//!
//! Only the embedded engine knows its database and only `blocks` knows the file store; nothing
//! here knows Kafka, Avro or S3. A row is durable before anyone can read it.

mod blocks;
mod caller;
mod collector;
mod committer;
mod engine;
mod errors;
mod gate;
mod key_pair;
mod lines;
mod list;
mod multipart;
mod offline;
mod open;
mod pins;
mod recent;
mod records;
mod replication;
mod rules;
mod section;
mod store;
mod upload;
mod users;

pub use caller::Caller;
pub use collector::{CollectorOptions, collect_forever};
pub use committer::{CommitError, WrittenAll};
pub use engine::{Batch, Embedded, Engine, EngineError, KeyRange, Memory, Table, Visit};
pub use errors::{
    ApplyError, BlockError, CredentialError, DiskFull, KeepError, OpenError, ReadError, Refusal,
    UploadError, UserError, WriteError,
};
pub use key_pair::KeyPair;
pub use lines::LineProgress;
pub use list::{ListCursor, ListEntry, ListQuery, Listing};
pub use multipart::{
    CompleteMultipart, Multipart, MultipartCursor, MultipartEntry, MultipartListing,
    MultipartQuery, NewMultipart, PartInfo, PartsSeen, PutPart,
};
pub use offline::{open_epoch, remove_site};
pub use open::Options;
pub use records::{
    Acknowledged, Completed, Evicted, Identity, MultipartChecksum, MultipartId, Peer, RecordError,
    Registered, Written,
};
pub use replication::{BlockState, KeepBlockError};
pub use rules::{
    apply::{Outcomes, Step},
    blocks::{Arrival, Wanted},
    client::Condition,
    multipart::MultipartName,
};
pub use section::SectionError;
pub use store::{CopyObject, Object, PutObject, Sizes, Store};
pub use upload::{Upload, Uploaded};
pub use users::{Credential, NewUser};
