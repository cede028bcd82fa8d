//! Law 7: a site that holds the fence for too long, or holds up too much, is evicted with an alarm, so that one that is
//! gone cannot fill the disks of those that are not.

use std::time::Duration;

use model::Millis;
use ops::Metrics;
use schemas::Codec;
use store::{KeepError, Peer, ReadError, Store};
use tokio_util::sync::CancellationToken;

/// Between two looks: a tenth of the age is exact enough, within these. By bytes a site may be late
/// by what is written between two.
const LOOK_MIN: Duration = Duration::from_millis(500);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Why looking ended for good.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    #[error("read the store")]
    Read(#[from] ReadError),
    #[error("remove a site")]
    Remove(#[from] KeepError),
}

/// How much a site may hold up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FenceLimits {
    pub max_age: Duration,
    /// Bytes of bodies, as clients wrote them; `None`: no limit.
    pub max_bytes: Option<u64>,
}

/// What waits for a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Waiting {
    /// When the oldest event was written that it has never acknowledged as complete; not before it
    /// registered.
    since: Millis,
    /// Written since it registered and never acknowledged as complete.
    bytes: u64,
}

/// A place in what was written: when, and how many bytes before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    time: Millis,
    volume: u64,
}

/// The rule: the setting that a site passes, if any. One that is away while nothing is written
/// holds nothing up.
fn overdue(waiting: Option<Waiting>, now: Millis, limits: FenceLimits) -> Option<&'static str> {
    let waiting = waiting?;
    let too_much = limits.max_bytes.is_some_and(|max| waiting.bytes > max);
    let too_old = now.since(waiting.since) > limits.max_age;
    too_old.then_some("fence.max_age").or(too_much.then_some("fence.max_bytes"))
}

/// What a partition that is written up to volume `written` adds, from `next` on, the first event
/// that is not complete there. What was there when the site registered is kept without it:
/// bringing that over may take as long as it takes.
fn held_up(next: Mark, registered: Mark, written: u64) -> Waiting {
    let since = next.time.max(registered.time);
    Waiting { since, bytes: written.saturating_sub(next.volume.max(registered.volume)) }
}

/// What waits for a site: behind the highest that it ever acknowledged. A repair may take the last one
/// back far below that, to what is freed already or was not written for it.
fn waiting(store: &Store, codec: &Codec, peer: &Peer) -> Result<Option<Waiting>, ReadError> {
    let epoch = store.identity().epoch;
    let written = store.written().borrow().clone();
    let mut all = None::<Waiting>;
    for (partition, written) in store.identity().partitions.iter().zip(written.iter()) {
        let next = store.history(epoch, partition, peer.highest(epoch, partition), 1)?;
        let Some(next) = next.first() else { continue };
        // An event that cannot be read, after its key was destroyed, still has its age.
        let event = codec.open(&next.payload);
        let volume = event.map_or(written.volume, |event| event.volume - event.change.volume());
        let next = Mark { time: next.version.hlc.millis(), volume };
        let volume = peer.volume_before(epoch, partition);
        let one = held_up(next, Mark { time: peer.registered.at, volume }, written.volume);
        let held = all.unwrap_or(Waiting { bytes: 0, ..one });
        let (since, bytes) = (held.since.min(one.since), held.bytes + one.bytes);
        all = Some(Waiting { since, bytes });
    }
    Ok(all)
}

/// Evicts sites that are overdue, until cancelled.
///
/// # Errors
/// If the store failed.
pub async fn evict_forever(
    store: Store,
    metrics: Metrics,
    codec: Codec,
    limits: FenceLimits,
    cancelled: CancellationToken,
) -> Result<(), EvictError> {
    let mut looks = tokio::time::interval((limits.max_age / 10).clamp(LOOK_MIN, LOOK_MAX));
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        for peer in store.peers()? {
            let waiting = waiting(&store, &codec, &peer)?;
            if let Some(passed) = overdue(waiting, store.now(), limits) {
                store.evict_peer(&peer, passed).await?;
                metrics.alarm("evicted");
                tracing::error!(peer = %peer.name, ?waiting, "site evicted: it passed `{passed}`");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{BucketName, PartitionCount, Seq, SiteId, SiteName};
    use ops::ManualClock;
    use schemas::Keys;
    use store::{Acknowledged, Caller, Memory, Options, Sizes};

    use super::*;

    #[tokio::test]
    async fn law_7_a_repair_of_what_is_old_does_not_count_all_since_as_held_up() {
        let (home, clock) =
            (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(Millis(10_000))));
        let name = |name: &str| SiteName::try_from(name.to_owned()).unwrap();
        let keys = Keys::parse(&format!("main:{}", "11".repeat(32)), "test").unwrap();
        let codec = Codec::new(keys);
        let options = Options {
            directory: home.path().to_owned(),
            name: name("east"),
            partitions: PartitionCount::new(1).unwrap(),
            new_site: SiteId([1; 16]),
            sizes: Sizes { block: 8, inline_max: 4 },
            reserve: 0,
            codec: codec.clone(),
            clock: Arc::<ManualClock>::clone(&clock),
            metrics: Metrics::new(),
        };
        let store = Store::open_on(Arc::<Memory>::default(), options).await.unwrap();
        let write = async |bucket: &str| {
            let bucket = BucketName::try_from(bucket.to_owned()).unwrap();
            store.create_bucket(bucket, Caller::root()).await.unwrap();
        };
        let west = SiteId([2; 16]);
        store.register_peer(west, name("west"), <_>::default()).await.unwrap();
        let acknowledge = async |complete: u64| {
            let (handled, applied, complete) = (Seq(9), Seq(9), Seq(complete));
            let (epoch, partition) = (store.identity().epoch, model::Partition(0));
            let ack = Acknowledged { epoch, partition, handled, applied, complete };
            assert!(store.acknowledge(west, vec![ack]).await.unwrap());
            let peer = store.peers().unwrap().remove(0);
            (store.fence().unwrap()[&partition].0, waiting(&store, &codec, &peer).unwrap())
        };
        for (bucket, time) in [("one", 10_000), ("two", 20_000)] {
            clock.set(Millis(time));
            write(bucket).await;
        }
        let waits = |since| Some(Waiting { since: Millis(since), bytes: 0 });
        assert_eq!(acknowledge(1).await, (1, waits(20_000)));
        assert_eq!(acknowledge(2).await, (2, None));
        assert_eq!(acknowledge(0).await, (0, None), "the fence waits, and nothing is held up");
        clock.set(Millis(30_000));
        write("three").await;
        assert_eq!(acknowledge(0).await, (0, waits(30_000)), "only what came since");
        assert_eq!(acknowledge(3).await, (3, None));
    }

    #[test]
    fn law_7_only_a_site_that_holds_something_up_is_evicted() {
        let (now, max_age) = (Millis(10_000), Duration::from_secs(5));
        let limits = FenceLimits { max_age, max_bytes: Some(100) };
        let waits = |since, bytes| Some(Waiting { since: Millis(since), bytes });
        assert_eq!(overdue(None, now, limits), None, "nothing waits for it");
        assert_eq!(overdue(waits(5_000, 100), now, limits), None);
        assert_eq!(overdue(waits(4_999, 100), now, limits), Some("fence.max_age"));
        assert_eq!(overdue(waits(5_000, 101), now, limits), Some("fence.max_bytes"));
        let no_limit = FenceLimits { max_bytes: None, ..limits };
        assert_eq!(overdue(waits(5_000, u64::MAX), now, no_limit), None);
    }

    #[test]
    fn law_7_what_was_there_when_a_site_registered_is_not_held_up_by_it() {
        let mark = |time, volume| Mark { time: Millis(time), volume };
        let registered = mark(100, 1_000);
        let waits = |since, bytes| Waiting { since: Millis(since), bytes };
        assert_eq!(held_up(mark(1, 0), registered, 1_000), waits(100, 0), "it catches up");
        assert_eq!(held_up(mark(1, 10), registered, 1_300), waits(100, 300));
        assert_eq!(held_up(mark(200, 1_200), registered, 1_300), waits(200, 100));
    }
}
