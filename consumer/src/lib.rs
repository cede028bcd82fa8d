//! The side that follows: applier, puller, read misses, acknowledgements, lag; and full sync.
//!
//! What to do is decided by [`Applier`] without I/O; the tasks around it only carry messages and
//! commits. All progress is in the store: whatever task dies, its successor goes on from there.

mod acks;
mod applier;
mod bootstrap;
mod decoded;
mod flights;
mod follower;
pub mod fullsync;
mod gaps;
mod lag;
mod modes;
mod origin;
mod puller;
mod pulse;
mod read_miss;
mod refill;
mod replication;
mod status;

pub use applier::{Alarm, Applier, Decision, Limits};
pub use gaps::Gap;
pub use lag::LagNow;
pub use modes::Modes;
pub use origin::{Origin, OriginError};
pub use pulse::{BlockWait, LastError, Session};
pub use read_miss::{OriginReads, ReadMissError};
pub use replication::{Replication, ReplicationParts};
pub use status::{LineStatus, OriginStatus};
