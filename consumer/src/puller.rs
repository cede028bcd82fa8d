//! Brings the blocks that applied manifests want: small first, many at once, each tried again
//! until it is here or nobody wants it any more.
//!
//! The wants are in the store; what is kept here is only which are under way and which must wait.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use model::BlockHash;
use ops::Metrics;
use rand::Rng;
use store::{BlockState, ReadError, Store, Wanted};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::flights::Flights;

/// Wants looked at in one round, to take the smallest of them first.
const ROUND: usize = 512;
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
    let mut waiting: HashMap<BlockHash, Waiting> = HashMap::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        changed.mark_unchanged();
        let now = Instant::now();
        let held = |hash| waiting.get(&hash).is_some_and(|waiting| waiting.until > now);
        let mut wants = store.wants(None, ROUND, |hash| flights.contains(hash) || held(hash))?;
        metrics.wants.set(i64::try_from(wants.len() + under_way.len()).unwrap_or(i64::MAX));
        wants.sort_by_key(|want| want.block.length);
        let free = options.parallel.saturating_sub(under_way.len());
        let free = if options.paused { 0 } else { free };
        for want in wants.into_iter().take(free) {
            let flights = flights.clone();
            under_way.push(async move { (want, flights.fetch(want.block, want.kind).await) });
        }
        let next_try = waiting.values().map(|waiting| waiting.until).filter(|t| *t > now).min();
        let idle = next_try.unwrap_or(now + IDLE).min(now + IDLE);
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            Some((want, outcome)) = under_way.next() => match outcome {
                Ok(_) => { waiting.remove(&want.block.hash); }
                Err(error) => note_failure(&mut waiting, &metrics, want, &error),
            },
            _ = changed.changed(), if !options.paused => {}
            () = tokio::time::sleep_until(idle) => {
                // What nobody wants any more is forgotten with its tries.
                waiting.retain(|hash, _| {
                    store.block_state(*hash).is_ok_and(|state| state == BlockState::Wanted)
                });
            }
        }
    }
}

fn note_failure(
    waiting: &mut HashMap<BlockHash, Waiting>,
    metrics: &Metrics,
    want: Wanted,
    error: &crate::flights::FlightError,
) {
    let reason = match error {
        crate::flights::FlightError::Origin(error) => error.reason(),
        crate::flights::FlightError::Keep(_) => "not_kept",
        crate::flights::FlightError::Abandoned => "abandoned",
    };
    metrics.block_pull_failures.with_label_values(&[reason]).inc();
    let tries = waiting.get(&want.block.hash).map_or(0, |waiting| waiting.tries);
    let wait = backoff(tries, rand::rng().random());
    let waits = Waiting { until: Instant::now() + wait, tries: tries + 1 };
    waiting.insert(want.block.hash, waits);
    tracing::debug!(hash = %want.block.hash, %error, tries, ?wait, "a block did not come");
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
