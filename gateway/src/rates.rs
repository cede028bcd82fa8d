//! How fast each client asks.

use std::{convert::Infallible, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use quick_cache::sync::Cache;

use crate::limits::{Client, Rate};

/// Clients that are remembered, about 200 bytes each. Who is forgotten among more of them begins
/// with a whole burst again: limits by address do not hold against so many addresses anyway.
const CLIENTS_MAX: usize = 16_384;

/// The clients that have asked of late, each by the rate that counted then: a new rate counts at
/// once, and what was of an old one is forgotten as clients are that ask no more.
pub(crate) struct Rates {
    clients: Cache<(Client, Rate), Arc<Limiter>>,
}

/// What one client has left.
type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<std::time::Instant>>;

impl Rates {
    pub(crate) fn new() -> Self {
        Self { clients: Cache::new(CLIENTS_MAX) }
    }

    /// Takes one request out of what the client has left.
    ///
    /// # Errors
    /// If nothing is left: how long until there is again.
    pub(crate) fn take(&self, client: Client, rate: Rate) -> Result<(), Duration> {
        // Of requests that are the first at the same moment, all get the limiter that one of them
        // makes.
        let new = || Ok::<_, Infallible>(Arc::new(limiter(rate)));
        let Ok(limiter) = self.clients.get_or_insert_with(&(client, rate), new);
        limiter.check().map_err(|not_until| not_until.wait_time_from(TokioClock.now()))
    }
}

fn limiter(rate: Rate) -> Limiter {
    let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
    RateLimiter::direct_with_clock(quota, TokioClock)
}

/// Tokio's clock, which tests can stop.
#[derive(Clone, Copy)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).unwrap();
        Rate { per_second: number(per_second), burst: number(burst) }
    }

    fn client(number: u32) -> Client {
        Client::of((number.to_be_bytes(), 1).into())
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_burst_a_client_gets_its_rate_and_others_theirs() {
        let rates = Rates::new();
        let take = |n: u32| (0..n).filter(|_| rates.take(client(1), rate(10, 5)).is_ok()).count();
        assert_eq!(take(20), 5);
        let wait = rates.take(client(1), rate(10, 5)).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(rates.take(client(2), rate(10, 5)).is_ok());
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(take(20), 3);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(take(20), 5);
        assert!(rates.take(client(1), rate(10, 6)).is_ok(), "a new rate counts at once");
    }

    #[tokio::test(start_paused = true)]
    async fn first_requests_at_the_same_moment_share_one_burst() {
        const THREADS: usize = 4;
        let (rates, runtime) = (Rates::new(), tokio::runtime::Handle::current());
        for number in 0..500 {
            let start = std::sync::Barrier::new(THREADS);
            let ask = || {
                // The clock that stands still.
                let _entered = runtime.enter();
                start.wait();
                rates.take(client(number), rate(1, 1)).is_ok()
            };
            let let_in = std::thread::scope(|scope| {
                let asked: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
                asked.into_iter().filter_map(|one| one.join().unwrap().then_some(())).count()
            });
            assert_eq!(let_in, 1, "of client {number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_clients_do_not_fill_the_memory() {
        let rates = Rates::new();
        for number in 0..100_000 {
            assert!(rates.take(client(number), rate(1, 1)).is_ok());
        }
        assert!(rates.clients.len() <= CLIENTS_MAX);
    }
}
