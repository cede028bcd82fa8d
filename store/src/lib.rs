//! One site's state: objects, blocks, history, handled and holes, behind one committer.
//!
//! Only the embedded engine knows its database and only `blocks` knows the file store; nothing
//! here knows Kafka, Avro or S3. A row is durable before anyone can read it.

mod accounts;
mod attributes;
mod blocks;
mod bucket_views;
mod caller;
mod collector;
mod committer;
mod engine;
mod errors;
mod gate;
mod jobs;
mod key_pair;
mod lines;
mod list;
mod multipart;
mod objects;
mod offline;
mod open;
mod owners;
mod pins;
mod quarantined;
mod quotas;
mod recent;
mod records;
mod recount;
mod replication;
mod rewrap;
mod rules;
mod scrub;
mod seal;
mod section;
mod slots;
mod store;
mod tree;
mod upload;
mod usage;
mod users;
mod versions;

pub use accounts::{AccountCounts, count_forever};
pub use bucket_views::BucketView;
pub use caller::Caller;
pub use collector::{CollectorOptions, collect_forever};
pub use committer::{CommitError, WrittenAll};
pub use engine::{Batch, Embedded, Engine, EngineError, KeyRange, Memory, Snapshot, Table, Visit};
pub use errors::{
    ApplyError, BlockError, CredentialError, DiskFull, FitError, KeepError, OpenError, ReadError,
    Refusal, UploadError, UsageError, UserError, WriteError,
};
pub use key_pair::KeyPair;
pub use lines::LineProgress;
pub use list::{ListCursor, ListEntry, ListQuery, Listing};
pub use multipart::{
    CompleteMultipart, Multipart, MultipartCursor, MultipartEntry, MultipartListing,
    MultipartQuery, NewMultipart, PartInfo, PartsSeen, PutPart,
};
pub use objects::{Found, Marker, Object};
pub use offline::{Verified, open_epoch, remove_site, verify};
pub use open::Options;
pub use quarantined::{Quarantined, QuarantinedEntity};
pub use records::{
    Acknowledged, Completed, Evicted, Identity, MultipartChecksum, MultipartId, Peer, QuarantineId,
    QuarantineReason, RecordError, Registered, SealedAs, StoredJob, StoredProof, Written,
};
pub use recount::{BlockCounts, Kept, RecountOptions, Recounted};
pub use replication::{BlockState, KeepBlockError};
pub use rewrap::{DataKeys, UnopenedKey, rewrap_forever};
pub use rules::{
    apply::{Outcomes, Step},
    attributes::VersionName,
    blocks::{Arrival, Wanted},
    client::{Condition, Seen},
    multipart::MultipartName,
    versions::{Deleted, Stored},
};
pub use scrub::BlockCheck;
pub use seal::{BodyKey, ClientKey, DataKey, KeyError, NamedKey, NotOpened, Under};
pub use section::SectionError;
pub use store::{CopyObject, PutObject, Sizes, Store};
pub use tree::{
    TreeCounts, TreeDifference, TreeError, TreePlace, TreeReport, TreeVerified, TreeView,
    VerifyOptions, Why, fold_forever, verify_forever,
};
pub use upload::{Upload, Uploaded};
pub use usage::{BucketUsage, UploadsUsage, UsageReport, UserUsage};
pub use users::{Credential, NewUser, UserPatch};
pub use versions::{ListedVersion, VersionCursor, VersionEntry, VersionListing, VersionQuery};
