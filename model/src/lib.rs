//! Pure values and rules of replication: no I/O, no clock, no randomness.
//!
//! Every other crate speaks in these types. The one conflict rule ([`merge`]), the rule of what a
//! client may see ([`visibility`]) and the arithmetic of positions ([`progress`]) live here, so
//! that live apply, replay, full sync and the simulation cannot disagree.

mod attributes;
mod block;
mod change;
mod digest;
mod encryption;
mod entity;
mod event;
mod hole;
pub mod lock;
mod manifest;
pub mod merge;
mod position;
pub mod progress;
mod quota;
mod request;
mod site;
mod slot;
pub mod tree;
mod usage;
mod user;
mod version;
pub mod visibility;

pub use attributes::{Attributes, Register, attribute};
pub use block::{
    BLOCKS_PER_SEGMENT, BlockHash, BlockKind, BlockRef, OBJECT_BYTES_MAX, SEGMENTS_MAX, Segment,
    SegmentError, SegmentRef, object_bytes_max,
};
pub use change::{Bucket, Change};
pub use digest::{Digest, Hasher};
pub use encryption::{
    ClientWrapped, Encryption, NamedWrapped, SEAL_BYTES, SiteWrapped, WrappedKey,
};
pub use entity::{BucketName, Entity, EntityHash, NameError, ObjectKey, UserId};
pub use event::{EVENT_BYTES_MAX, Event, Heartbeat, SealedEvent};
pub use hole::{Hole, HoleReason};
pub use manifest::{Content, ETag, Manifest, Part, Parts};
pub use position::{Epoch, Line, Partition, PartitionCount, Position, Seq};
pub use quota::{Holder, Quota, QuotaChange, QuotaExceeded, UnknownQuota};
pub use request::RequestId;
pub use site::{SiteId, SiteName};
pub use slot::{NoVersionId, Slot, SlotName, Versioning};
pub use usage::Usage;
pub use user::{AccessKey, SealedSecret, User};
pub use version::{Hlc, Millis, Version};
