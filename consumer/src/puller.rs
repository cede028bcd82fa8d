//! Brings the blocks that applied manifests want: small first, many at once, each tried again
//! until it is here or nobody wants it any more.
//!
//! The wants are in the store; what is kept here is a round of them, which are under way and
//! which must wait, and all of it is found again after a restart.

mod queue;

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use model::BlockHash;
use ops::Metrics;
use rand::Rng;
use store::{BlockError, BlockState, KeepBlockError, ReadError, Store, Wanted};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::flights::{FlightError, Flights, Outcome};
use queue::{Queue, ROUND};

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How often the count of wants is looked at when nothing changes.
const IDLE: Duration = Duration::from_secs(1);

/// How pulling is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PullerOptions {
    pub(crate) paused: bool,
    pub(crate) parallel: usize,
}

/// When a block that did not come is tried again.
struct Waiting {
    until: Instant,
    tries: u32,
}

/// How long to wait before try number `tries + 1`: doubling, with jitter of up to a half, so that
/// blocks that failed together do not come back together.
fn backoff(tries: u32, jitter: f64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << tries.min(10));
    doubled.min(BACKOFF_MAX).mul_f64(0.5 + jitter / 2.0)
}

/// Pulls until cancelled.
pub(crate) async fn pull_forever(
    store: Store,
    flights: Flights,
    metrics: Metrics,
    options: PullerOptions,
    cancelled: CancellationToken,
) -> Result<(), ReadError> {
    let mut changed = store.wants_changed();
    changed.mark_changed();
    let mut waiting: HashMap<BlockHash, Waiting> = HashMap::new();
    let mut under_way = FuturesUnordered::new();
    let mut queue = Queue::default();
    loop {
        let now = Instant::now();
        // Asked only when there may be something new: finding the wants costs a scan.
        if changed.has_changed().unwrap_or(false) || queue.is_due() {
            changed.mark_unchanged();
            let held = |hash| waiting.get(&hash).is_some_and(|waiting| waiting.until > now);
            queue.fill(store.wants(None, ROUND, |hash| flights.contains(hash) || held(hash))?);
        }
        while !options.paused && under_way.len() < options.parallel && !queue.is_empty() {
            // A read may have brought it, or bring it now; a newer version may have replaced it.
            let still = |want: &Wanted| {
                let hash = want.block.hash;
                Ok(!flights.contains(hash) && store.block_state(hash)? == BlockState::Wanted)
            };
            let wants = queue.take(options.parallel - under_way.len(), still)?;
            if !wants.is_empty() {
                under_way.push(pull(&flights, wants));
            }
        }
        let next_try = waiting.values().map(|waiting| waiting.until).filter(|t| *t > now).min();
        let idle = next_try.unwrap_or(now + IDLE).min(now + IDLE);
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            Some(pulled) = under_way.next() => for (want, outcome) in pulled {
                match outcome {
                    Ok(_) => { waiting.remove(&want.block.hash); }
                    Err(error) => note_failure(&mut waiting, &metrics, want, &error),
                }
            },
            _ = changed.changed(), if !options.paused => changed.mark_changed(),
            () = tokio::time::sleep_until(idle) => {
                // What nobody wants any more is forgotten with its tries; what waited is due.
                waiting.retain(|hash, _| {
                    store.block_state(*hash).is_ok_and(|state| state == BlockState::Wanted)
                });
                changed.mark_changed();
            }
        }
    }
}

async fn pull(flights: &Flights, wants: Vec<Wanted>) -> Vec<(Wanted, Outcome)> {
    let blocks = wants.iter().map(|want| (want.block, want.kind)).collect();
    wants.into_iter().zip(flights.fetch_together(blocks).await).collect()
}

fn note_failure(
    waiting: &mut HashMap<BlockHash, Waiting>,
    metrics: &Metrics,
    want: Wanted,
    error: &FlightError,
) {
    let hash = want.block.hash;
    let tries = waiting.get(&hash).map_or(0, |waiting| waiting.tries);
    let reason = match error {
        FlightError::Origin(error) => error.reason(),
        FlightError::Keep(KeepBlockError::Block(BlockError::Damaged(_))) => "damaged",
        FlightError::Keep(_) => "not_kept",
        FlightError::Abandoned => "abandoned",
    };
    if reason == "damaged" && tries == 0 {
        tracing::error!(%hash, "the origin sent other bytes than the name of the block says");
    }
    metrics.block_pull_failures.with_label_values(&[reason]).inc();
    let wait = backoff(tries, rand::rng().random());
    let waits = Waiting { until: Instant::now() + wait, tries: tries + 1 };
    waiting.insert(hash, waits);
    tracing::debug!(%hash, %error, tries, ?wait, "a block did not come");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart_up_to_a_bound() {
        assert_eq!(backoff(0, 1.0), BACKOFF_FIRST);
        assert_eq!(backoff(0, 0.0), BACKOFF_FIRST / 2);
        assert_eq!(backoff(3, 1.0), BACKOFF_FIRST * 8);
        assert_eq!(backoff(99, 1.0), BACKOFF_MAX);
    }
}
