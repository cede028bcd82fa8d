//! Crash hooks: a test names a persistence step, and the process aborts there as if the power
//! had gone. Without `TOWLINE_CRASH_AT` each is one load of a static.
//!
//! `TOWLINE_CRASH_AT=commit-before:7` aborts at the seventh passage.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A batch is complete and not yet on disk.
pub const COMMIT_BEFORE: &str = "commit-before";
/// A batch is durable and nobody has been told.
pub const COMMIT_AFTER: &str = "commit-after";
/// A pulled block is on disk and not yet noted.
pub const BLOCK_KEPT: &str = "block-kept";
/// An uploaded block is on disk and its manifest is not committed.
pub const BLOCK_UPLOADED: &str = "block-uploaded";
/// Events are in the log and `published` does not say so yet.
pub const PUBLISHED: &str = "published";
/// Steps have been decided and not yet handed to the store.
pub const APPLY_BEFORE: &str = "apply-before";
/// An acknowledgement is about to be sent.
pub const ACKNOWLEDGE: &str = "acknowledge";
/// The parts of an upload are put together, and the object is not handed to the committer yet.
pub const COMPLETING: &str = "completing";
/// An upload is completed durably, and its client has not been told.
pub const COMPLETED: &str = "completed";
/// A block is forgotten and its file is not deleted yet.
pub const COLLECT: &str = "collect";

/// Every point, for tests that walk through them.
pub const POINTS: [&str; 10] = [
    COMMIT_BEFORE,
    COMMIT_AFTER,
    BLOCK_KEPT,
    BLOCK_UPLOADED,
    PUBLISHED,
    APPLY_BEFORE,
    ACKNOWLEDGE,
    COMPLETING,
    COMPLETED,
    COLLECT,
];

struct Armed {
    point: String,
    passages_left: AtomicU64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn armed() -> Option<Armed> {
    let setting = std::env::var("TOWLINE_CRASH_AT").ok()?;
    let (point, passage) = setting.split_once(':').unwrap_or((&setting, "1"));
    let passages_left = AtomicU64::new(passage.parse().ok()?);
    Some(Armed { point: point.to_owned(), passages_left })
}

/// Aborts the process if a test asked for it here.
pub fn point(name: &str) {
    let Some(armed) = ARMED.get_or_init(armed) else {
        return;
    };
    if armed.point == name && armed.passages_left.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}
