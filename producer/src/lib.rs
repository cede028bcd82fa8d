//! The side where writes happen: the fetch service that other sites ask, the change feed, and
//! the publisher that brings history into the log.
//!
//! Nothing here is on the path of a client's write: history is read after the commit, and a site
//! or a log that is away costs only its own backlog.

mod blocks;
mod eviction;
mod feed;
mod fetch;
mod heard;
mod heartbeat;
mod past;
mod publisher;
mod scrub;
mod trees;

pub use eviction::{FenceLimits, evict_forever};
pub use fetch::FetchService;
pub use heard::Heard;
pub use past::{Dispute, compare};
pub use publisher::{PublishError, publish_forever};
pub use trees::{PinError, Pinned, TreeRefused, TreeSource, Trees};
