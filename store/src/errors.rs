//! Why the store did not do what it was asked, one enum an operation.

use model::{
    BlockHash, QuotaExceeded, UnknownQuota, UserId,
    lock::{Locked, UnknownLock},
};
use schemas::CodecError;

use crate::{
    committer::CommitError, engine::EngineError, records::RecordError, section::SectionError,
    tree::TreeError,
};

/// Why clients may not write to this site now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("this site is a secondary; write to the primary `{primary}`")]
    Secondary { primary: String },
    #[error("this site's history is disputed: {why}")]
    Disputed { why: String },
}

/// The disk has less room than the configured reserve.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "disk is full: {free} bytes free, `storage.reserve` keeps {reserve}; free some space, writes \
     resume by themselves"
)]
pub struct DiskFull {
    pub free: u64,
    pub reserve: u64,
}

/// Why a client's write was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("no such bucket")]
    NoSuchBucket,
    /// `owned`: it is the caller's already.
    #[error("bucket exists")]
    BucketExists { owned: bool },
    /// The caller may not, or not any more.
    #[error("access denied")]
    Denied,
    #[error("bucket is not empty")]
    BucketNotEmpty,
    #[error("no such key")]
    NoSuchKey,
    #[error("precondition failed")]
    PreconditionFailed,
    #[error(transparent)]
    Locked(#[from] Locked),
    /// A lock is asked for in a bucket that has none.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// Object lock is for buckets that keep versions, and go on doing so.
    #[error("object lock needs versioning to be enabled")]
    LockNeedsVersioning,
    #[error(transparent)]
    UnknownLock(#[from] UnknownLock),
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    #[error(transparent)]
    UnknownQuota(#[from] UnknownQuota),
    /// Never begun, ended already, or of a bucket that is gone.
    #[error("no such upload")]
    NoSuchUpload,
    /// Its parts changed while they were being put together.
    #[error("the upload changed while it was being completed")]
    UploadChanged,
    /// Blocks of the object that is to be copied have not come to this site yet.
    #[error("the source of the copy is not whole at this site yet")]
    SourceIncomplete,
    /// The parts of an upload could not be put together.
    #[error("put the parts of an upload together")]
    Assemble(#[from] UploadError),
    #[error(transparent)]
    Refused(Refusal),
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// The event of the change would pass [`model::EVENT_BYTES_MAX`].
    #[error("the change is too large for an event")]
    TooLarge(#[source] CodecError),
    #[error("read the store")]
    Read(#[source] SectionError),
    /// Whether it was done is unknown.
    #[error(transparent)]
    Failed(#[from] CommitError),
}

impl From<SectionError> for WriteError {
    fn from(error: SectionError) -> Self {
        match error {
            SectionError::Codec(error @ CodecError::TooLarge { .. }) => Self::TooLarge(error),
            other => Self::Read(other),
        }
    }
}

impl From<RecordError> for WriteError {
    fn from(error: RecordError) -> Self {
        Self::Read(error.into())
    }
}

/// Why an administrator's change of a user was not done.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("user id `root` is the root user's, whose keys stand in each site's configuration")]
    Root,
    #[error("user id `{0}` stands for those who have not signed; choose another")]
    Reserved(UserId),
    #[error("user `{0}` exists")]
    Exists(UserId),
    #[error("no such user `{0}`")]
    NoSuchUser(UserId),
    #[error("user name must be 1 to 64 characters, none of them a control character")]
    BadName,
    #[error("{0}")]
    BadKey(&'static str),
    #[error("access key `{0}` exists")]
    KeyExists(String),
    #[error("the user has no access key `{0}`")]
    NoSuchKey(String),
    #[error("a user has at most {most} access keys; delete one first")]
    TooManyKeys { most: usize },
    #[error("user `{user}` owns buckets ({buckets}); delete these first")]
    HasBuckets { user: UserId, buckets: usize },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<SectionError> for UserError {
    fn from(error: SectionError) -> Self {
        Self::Write(error.into())
    }
}

impl From<CommitError> for UserError {
    fn from(error: CommitError) -> Self {
        Self::Write(error.into())
    }
}

/// Why an access key could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// This site does not hold the class key that it is sealed under, or its bytes are damaged.
    #[error("open the secret of access key `{0}`")]
    Sealed(String, #[source] CodecError),
}

/// Why a batch of another site's events was not taken in. None of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    #[error("read the store")]
    Read(#[from] SectionError),
    #[error(transparent)]
    Failed(#[from] CommitError),
}

/// Why the store's own housekeeping was not done.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("read the store")]
    Read(#[from] SectionError),
    #[error(transparent)]
    Failed(#[from] CommitError),
    #[error("delete block `{0}`")]
    Delete(BlockHash, #[source] Box<BlockError>),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("read the store")]
    Engine(#[from] EngineError),
    #[error("read the store")]
    Record(#[from] RecordError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl From<ReadError> for KeepError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Engine(error) => Self::Read(error.into()),
            ReadError::Record(error) => Self::Read(error.into()),
            ReadError::Tree(error) => Self::Tree(error),
        }
    }
}

/// Why it cannot be told how much stands.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The store was written by a release that kept no counts.
    #[error(
        "what an earlier release stored is still being counted, {done} of about {of} records; try \
         again later"
    )]
    Counting { done: u64, of: u64 },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why something that is about to come is refused.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error(transparent)]
    Exceeded(#[from] QuotaExceeded),
    #[error(transparent)]
    Unknown(#[from] UnknownQuota),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a block could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Its bytes on this disk are not what its name says.
    #[error("block `{0}` is damaged on disk")]
    Damaged(BlockHash),
    #[error("block `{0}`: storage failed")]
    Io(BlockHash, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a body could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("hash and write a block")]
    Task(#[source] tokio::task::JoinError),
}

/// Why a store could not be opened. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("data directory `{directory}`")]
    Directory {
        directory: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("data directory `{directory}` is in use by another process; stop that one first")]
    Locked { directory: String },
    #[error(
        "data directory `{directory}` has format {found}, this release reads up to {known}; \
         use a newer release"
    )]
    Newer { directory: String, found: String, known: u32 },
    #[error(
        "data directory `{directory}` belongs to site `{found}`, the configuration says `{wanted}`"
    )]
    OtherSite { directory: String, found: String, wanted: String },
    #[error(
        "data directory `{directory}` has {found} partitions, the configuration says {wanted}; \
         the number is fixed for an epoch"
    )]
    OtherPartitions { directory: String, found: u16, wanted: u16 },
    #[error(
        "data directory `{directory}`: no such site `{name}` is registered; these are: {registered}"
    )]
    NotRegistered { directory: String, name: String, registered: String },
    #[error(
        "data directory `{directory}`: site `{name}` is registered more than once, say which with \
         `--id`: {registered}"
    )]
    RegisteredAgain { directory: String, name: String, registered: String },
    #[error("data directory `{directory}`")]
    Engine {
        directory: String,
        #[source]
        cause: EngineError,
    },
    #[error("data directory `{directory}`")]
    Read {
        directory: String,
        #[source]
        cause: ReadError,
    },
    #[error("start the store")]
    Start(#[from] std::io::Error),
    #[error("start the store")]
    Commit(#[from] CommitError),
    #[error("verify data directory `{directory}`")]
    Verify {
        directory: String,
        #[source]
        cause: Box<KeepError>,
    },
    #[error("sweep blocks that nothing names")]
    Sweep(#[source] Box<KeepError>),
}
