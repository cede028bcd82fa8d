//! Brings the blocks that applied manifests want: small first, many at once, each tried again
//! until it is here or nobody wants it any more.
//!
//! The wants are in the store; what is kept here is a round of them, which are under way and
//! which must wait, and all of it is found again after a restart.

mod queue;
mod tries;

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use model::Millis;
use ops::Metrics;
use rand::Rng;
use store::{BlockError, BlockState, KeepBlockError, ReadError, Store, Wanted};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    flights::{FlightError, Flights, Outcome},
    pulse::Pulse,
};
use queue::{Queue, ROUND};
use tries::Tries;

/// How often the count of wants is looked at when nothing changes.
const IDLE: Duration = Duration::from_secs(1);

/// How pulling is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PullerOptions {
    pub(crate) paused: bool,
    pub(crate) parallel: usize,
}

/// Who is told of what was pulled and what was not.
pub(crate) struct Told {
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Pulse,
}

/// Pulls until cancelled.
pub(crate) async fn pull_forever(
    store: Store,
    flights: Flights,
    told: Told,
    options: PullerOptions,
    cancelled: CancellationToken,
) -> Result<(), ReadError> {
    let mut changed = store.wants_changed();
    changed.mark_changed();
    let mut tries = Tries::default();
    let mut under_way = FuturesUnordered::new();
    let mut queue = Queue::default();
    loop {
        let now = Instant::now();
        // Asked only when there may be something new: finding the wants costs a scan.
        if changed.has_changed().unwrap_or(false) || queue.is_due() {
            changed.mark_unchanged();
            let held = |hash| flights.contains(hash) || tries.hold(hash, now);
            queue.fill(store.wants(None, ROUND, held)?);
        }
        while !options.paused && under_way.len() < options.parallel && !queue.is_empty() {
            // A read may have brought it, or bring it now; a newer version may have replaced it.
            let still = |want: &Wanted| {
                let hash = want.block.hash;
                let on_its_way = flights.contains(hash) || tries.is_asked(hash);
                Ok(!on_its_way && store.block_state(hash)? == BlockState::Wanted)
            };
            let wants = queue.take(options.parallel - under_way.len(), still)?;
            if !wants.is_empty() {
                wants.iter().for_each(|want| tries.ask(want.block.hash));
                under_way.push(pull(&flights, wants));
            }
        }
        let idle = tries.next_due(now).unwrap_or(now + IDLE).min(now + IDLE);
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            Some(pulled) = under_way.next() => {
                for (want, outcome) in pulled {
                    match outcome {
                        Ok(_) => {
                            told.pulse.pulled(store.now());
                            tries.came(want.block.hash);
                        }
                        Err(error) => note_failure(&mut tries, &told, store.now(), (want, &error)),
                    }
                }
                told.pulse.waits_for(tries.oldest());
            }
            opened = changed.changed(), if !options.paused => match opened {
                Ok(()) => changed.mark_changed(),
                // The store has no writer any more, and the site stops because of it.
                Err(_) => return Ok(()),
            },
            () = tokio::time::sleep_until(idle) => {
                // What nobody wants any more is forgotten with its tries; what waited is due.
                tries.retain(|hash| {
                    store.block_state(hash).is_ok_and(|state| state == BlockState::Wanted)
                });
                told.pulse.waits_for(tries.oldest());
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
    tries: &mut Tries,
    told: &Told,
    now: Millis,
    (want, error): (Wanted, &FlightError),
) {
    let hash = want.block.hash;
    let before = tries.failed(hash, Instant::now(), rand::rng().random());
    let why = ops::chain(error);
    let reason = match error {
        FlightError::Origin(error) => error.reason(),
        FlightError::Keep(KeepBlockError::Block(BlockError::Damaged(_))) => "damaged",
        FlightError::Keep(_) => "not_kept",
        FlightError::Abandoned => "abandoned",
    };
    if reason == "damaged" && before == 0 {
        tracing::error!(%hash, "the origin sent other bytes than the name of the block says");
    }
    told.metrics.block_pull_failures.with_label_values(&[reason]).inc();
    tracing::debug!(%hash, error = why, before, "a block did not come");
    // What the link is about is told by the session.
    if reason != "unreachable" {
        told.pulse.failed(now, format!("block `{hash}`: {why}"));
        tries.refused(hash, now, why);
    }
}
