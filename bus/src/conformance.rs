//! What every implementation of the port must do, as one suite that each runs in its tests.
//!
//! A check panics with what it expected. Checks are independent: each gets a log of its own.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Partition, PartitionCount, Seq};

use crate::{Log, Publisher};

mod checks;
mod samples;

pub use checks::{
    an_acknowledged_batch_is_readable, an_empty_log_has_no_tails_and_waits, epochs_come_in_order,
    heartbeats_do_not_disturb_the_search, largest_events_pass, many_partitions_at_once,
    order_holds_within_a_partition, repetitions_are_delivered, restart_reads_from_any_position,
    tails_survive_a_restart, truncated_log_starts_at_its_earliest,
};
pub use samples::{codec, event, events, heartbeat};

/// Partitions of the log that a check gets.
#[must_use]
pub fn partitions() -> PartitionCount {
    PartitionCount::new(4).expect("four is a power of two")
}

/// An empty log of [`partitions`] partitions, as an implementation makes it.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A publisher that knows nothing of those before it: the one of a process just started.
    fn publisher(&self) -> Arc<dyn Publisher>;

    /// The reading end.
    fn log(&self) -> Arc<dyn Log>;

    /// Makes the log forget the events before `before`; only events were published.
    async fn truncate(&self, partition: Partition, before: Seq);
}

/// Runs a check by name on each of an implementation's harnesses: `conformance!(make)` where
/// `make` is an async function that makes a [`Harness`], or `None` where it cannot be tested.
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::conformance!(@each $make:
            an_acknowledged_batch_is_readable,
            an_empty_log_has_no_tails_and_waits,
            epochs_come_in_order,
            heartbeats_do_not_disturb_the_search,
            largest_events_pass,
            many_partitions_at_once,
            order_holds_within_a_partition,
            repetitions_are_delivered,
            restart_reads_from_any_position,
            tails_survive_a_restart,
            truncated_log_starts_at_its_earliest,
        );
    };
    (@each $make:path: $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if let Some(harness) = $make(stringify!($check)).await {
                    $crate::conformance::$check(&harness).await;
                }
            }
        )*
    };
}
