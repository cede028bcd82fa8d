//! Law 7: a site that holds the fence for too long is evicted with an alarm, so that one that is
//! gone cannot fill the disks of those that are not.

use std::time::Duration;

use model::{Millis, Seq};
use ops::Metrics;
use store::{KeepError, Peer, ReadError, Store};
use tokio_util::sync::CancellationToken;

/// Between two looks: a tenth of the age is exact enough, within these.
const LOOK_MIN: Duration = Duration::from_millis(500);
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Why looking ended for good.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    #[error("read the store")]
    Read(#[from] ReadError),
    #[error("remove a site")]
    Remove(#[from] KeepError),
}

/// The rule: an event has waited for the site longer than `max_age`. A site that is away while
/// nothing is written holds nothing up.
fn overdue(oldest: Option<Millis>, now: Millis, max_age: Duration) -> bool {
    oldest.is_some_and(|oldest| now.since(oldest) > max_age)
}

/// When the oldest event was written that a site has not acknowledged as complete.
fn oldest_waiting(store: &Store, peer: &Peer) -> Result<Option<Millis>, ReadError> {
    let epoch = store.identity().epoch;
    let mut oldest = None::<Millis>;
    for partition in store.identity().partitions.iter() {
        let complete: Seq = peer.complete(epoch, partition);
        let next = store.history(epoch, partition, complete, 1)?;
        let time = next.first().map(|event| event.version.hlc.millis());
        oldest = oldest.into_iter().chain(time).min();
    }
    Ok(oldest)
}

/// Evicts sites that are overdue, until cancelled.
///
/// # Errors
/// If the store failed.
pub async fn evict_forever(
    store: Store,
    metrics: Metrics,
    max_age: Duration,
    cancelled: CancellationToken,
) -> Result<(), EvictError> {
    let mut looks = tokio::time::interval((max_age / 10).clamp(LOOK_MIN, LOOK_MAX));
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        for peer in store.peers()? {
            if overdue(oldest_waiting(&store, &peer)?, store.now(), max_age) {
                store.remove_peer(peer.site).await?;
                metrics.alarm("evicted");
                tracing::error!(
                    peer = %peer.name,
                    ?max_age,
                    "site evicted: it took no event for longer than `fence.max_age`"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_7_only_a_site_that_holds_something_up_is_evicted() {
        let (now, age) = (Millis(10_000), Duration::from_secs(5));
        assert!(!overdue(None, now, age), "nothing waits for it");
        assert!(!overdue(Some(Millis(5_000)), now, age));
        assert!(overdue(Some(Millis(4_999)), now, age));
    }
}
