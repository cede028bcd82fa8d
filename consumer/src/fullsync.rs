//! Full sync: proves that this site holds what its origin holds, and repairs what does not (law 9).
//!
//! ```text
//! cut ─▶ wait until it is handled ─▶ own view ─▶ roots ─▶ walk ─▶ mend ─┐
//!  ▲                                               │ nothing differs    │
//!  └───────────────────────────────────────────────│────────────────────┘
//!                                                  ▼
//!                                               proof
//! ```
//!
//! Nothing of a run has to survive a crash: what has been repaired is equal, and the next run does
//! not walk it again. Decisions are in [`walker`], `guard` and [`model::tree::verdict()`]; the
//! rest carries messages.
//!
//! A job runs one full sync to its end, over lost links and restarts. What is due is decided by
//! `schedule` and what follows from an outcome by `job`, both pure; [`Jobs`] carries it out,
//! one job at a time, over a [`Runner`].

mod bucket;
mod checkpoint;
mod comparison;
mod guard;
mod here;
mod job;
mod jobs;
mod local;
mod mend;
mod prefix;
mod recount;
mod round;
mod run;
mod runner;
mod schedule;
mod scrub;
mod standing;
mod throttle;
mod types;
mod walk;
pub mod walker;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use model::BucketName;
use ops::Metrics;
use schemas::Codec;
use store::Store;

pub(crate) use jobs::JobsParts;
pub(crate) use schedule::lost;

pub use here::{Fix, Here, HereError, HereView, Verified};
pub use job::{Cause, Job, JobError, JobId, State};
pub use jobs::{CancelError, Jobs, StartError};
pub use run::run;
pub use runner::{Runner, Told};
pub use schedule::Settings;
pub use standing::Standing;
pub use throttle::{Throttle, Urgent, UrgentWork};
pub use types::{Difference, Phase, Progress, Proof, Reason, Report, Request, RunError};
pub use walker::WalkLimits;

use crate::origin::Origin;

/// What a full sync is made of.
pub struct Parts {
    pub here: Arc<dyn Here>,
    /// Whose blocks are read back in deep mode.
    pub blocks: Option<Store>,
    pub origin: Origin,
    pub codec: Codec,
    pub metrics: Metrics,
    pub throttle: Throttle,
    /// For reading blocks back.
    pub scrub: Throttle,
    pub options: Options,
    /// Buckets that are left out unless one is named.
    pub without: Arc<BTreeSet<BucketName>>,
}

/// How full sync is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether events come here by themselves: then a cut is waited for, and without, a proof says
    /// how far this site is.
    pub realtime: bool,
    /// How long real time may stand still while a cut is waited for. Full sync then brings what it
    /// did not.
    pub wait_max: Duration,
    /// How long the origin, or room on the disk, may be away.
    pub give_up: Duration,
    pub walk: WalkLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            realtime: true,
            wait_max: Duration::from_secs(30),
            give_up: Duration::from_secs(900),
            walk: WalkLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests;
