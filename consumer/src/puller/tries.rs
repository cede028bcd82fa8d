//! Which blocks must not be asked for now: asked for already, or failed a moment ago.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use model::{BlockHash, Millis};
use tokio::time::Instant;

use crate::pulse::BlockWait;

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What the puller knows of its own requests.
#[derive(Default)]
pub(super) struct Tries {
    /// In a request whose end the puller has not seen yet, though this block may be done.
    asked: HashSet<BlockHash>,
    waiting: HashMap<BlockHash, Waiting>,
    /// Of those that wait, what the origin did not give when it was asked, by time and by name.
    refused: BTreeSet<(Millis, BlockHash)>,
}

/// When a block that did not come is tried again.
struct Waiting {
    until: Instant,
    tries: u32,
    refused: Option<Refused>,
}

/// Since when the origin does not give a block, and why not the last time.
struct Refused {
    since: Millis,
    why: String,
}

impl Tries {
    /// Whether a block is in a request or waits for its next one.
    pub(super) fn hold(&self, hash: BlockHash, now: Instant) -> bool {
        let waits = self.waiting.get(&hash).is_some_and(|waiting| waiting.until > now);
        waits || self.is_asked(hash)
    }

    /// Whether a block is in a request.
    pub(super) fn is_asked(&self, hash: BlockHash) -> bool {
        self.asked.contains(&hash)
    }

    pub(super) fn ask(&mut self, hash: BlockHash) {
        self.asked.insert(hash);
    }

    pub(super) fn came(&mut self, hash: BlockHash) {
        self.asked.remove(&hash);
        self.forget(hash);
    }

    /// Takes note of a failure; returns how many there were before.
    pub(super) fn failed(&mut self, hash: BlockHash, now: Instant, jitter: f64) -> u32 {
        self.asked.remove(&hash);
        let waiting = self.waiting.entry(hash);
        let waiting = waiting.or_insert(Waiting { until: now, tries: 0, refused: None });
        let tries = waiting.tries;
        (waiting.until, waiting.tries) = (now + backoff(tries, jitter), tries + 1);
        tries
    }

    /// Takes note that a block that waits was not given, though its origin was there.
    pub(super) fn refused(&mut self, hash: BlockHash, now: Millis, why: String) {
        let Some(waiting) = self.waiting.get_mut(&hash) else { return };
        let since = waiting.refused.take().map_or(now, |before| before.since);
        waiting.refused = Some(Refused { since, why });
        self.refused.insert((since, hash));
    }

    /// The block that was not given for the longest.
    pub(super) fn oldest(&self) -> Option<BlockWait> {
        let &(since, hash) = self.refused.first()?;
        let refused = self.waiting.get(&hash)?.refused.as_ref()?;
        Some(BlockWait { hash, since, why: refused.why.clone() })
    }

    fn forget(&mut self, hash: BlockHash) {
        let waiting = self.waiting.remove(&hash);
        if let Some(Refused { since, .. }) = waiting.and_then(|waiting| waiting.refused) {
            self.refused.remove(&(since, hash));
        }
    }

    /// When the next block is due that waits.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).filter(|until| *until > now).min()
    }

    /// Forgets the tries of what is not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(BlockHash) -> bool) {
        let unwanted = self.waiting.keys().filter(|hash| !is_wanted(**hash));
        for hash in unwanted.copied().collect::<Vec<_>>() {
            self.forget(hash);
        }
    }
}

/// How long to wait before try number `tries + 1`: doubling, with jitter of up to a half, so that
/// blocks that failed together do not come back together.
fn backoff(tries: u32, jitter: f64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << tries.min(10));
    doubled.min(BACKOFF_MAX).mul_f64(0.5 + jitter / 2.0)
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

    #[tokio::test]
    async fn law_12_the_block_that_does_not_come_for_the_longest_is_named_with_its_last_reason() {
        let (a, b, now) = (BlockHash::of(b"a"), BlockHash::of(b"b"), Instant::now());
        let mut tries = Tries::default();
        let fail = |tries: &mut Tries, hash, at, why: &str| {
            tries.failed(hash, now, 1.0);
            tries.refused(hash, Millis(at), why.to_owned());
        };
        let oldest = |tries: &Tries| tries.oldest().map(|wait| (wait.hash, wait.since.0, wait.why));
        tries.failed(b, now, 1.0);
        assert_eq!(oldest(&tries), None, "its origin was away");
        fail(&mut tries, a, 1, "busy");
        fail(&mut tries, b, 2, "damaged");
        fail(&mut tries, a, 3, "damaged");
        assert_eq!(oldest(&tries), Some((a, 1, "damaged".to_owned())));
        tries.came(a);
        assert_eq!(oldest(&tries), Some((b, 2, "damaged".to_owned())));
        tries.retain(|_| false);
        assert_eq!(oldest(&tries), None, "nobody wants it any more");
    }

    #[tokio::test]
    async fn a_block_is_held_from_its_request_to_the_end_of_its_wait() {
        let (hash, now) = (BlockHash::of(b"a"), Instant::now());
        let mut tries = Tries::default();
        assert!(!tries.hold(hash, now));
        tries.ask(hash);
        assert!(tries.hold(hash, now + BACKOFF_MAX), "as long as its request lasts");
        assert_eq!(tries.failed(hash, now, 1.0), 0);
        let due = now + BACKOFF_FIRST;
        assert!(tries.hold(hash, now) && !tries.is_asked(hash) && !tries.hold(hash, due));
        assert_eq!((tries.next_due(now), tries.next_due(due)), (Some(due), None));
        tries.ask(hash);
        assert_eq!(tries.failed(hash, now, 1.0), 1);
        assert!(tries.hold(hash, due), "the second wait is longer");
        tries.ask(hash);
        tries.came(hash);
        assert!(!tries.hold(hash, now));
        assert_eq!(tries.failed(hash, now, 1.0), 0, "forgotten with its success");
        tries.retain(|_| false);
        assert_eq!(tries.next_due(now), None);
    }
}
