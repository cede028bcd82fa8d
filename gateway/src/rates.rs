//! How fast each client asks.

use std::{sync::Arc, time::Duration};

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

/// The clients that have asked of late.
pub(crate) struct Rates {
    clients: Cache<Client, Arc<Bucket>>,
}

/// What one client has left.
struct Bucket {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<std::time::Instant>>,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self { clients: Cache::new(CLIENTS_MAX) }
    }

    /// Takes one request out of what the client has left.
    ///
    /// # Errors
    /// If nothing is left: how long until there is again.
    pub(crate) fn take(&self, client: Client, rate: Rate) -> Result<(), Duration> {
        let held = self.clients.get(&client).filter(|bucket| bucket.rate == rate);
        let bucket = held.unwrap_or_else(|| {
            let bucket = Arc::new(Bucket::new(rate));
            self.clients.insert(client, Arc::clone(&bucket));
            bucket
        });
        bucket.limiter.check().map_err(|not_until| not_until.wait_time_from(TokioClock.now()))
    }
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { rate, limiter: RateLimiter::direct_with_clock(quota, TokioClock) }
    }
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
    async fn many_clients_do_not_fill_the_memory() {
        let rates = Rates::new();
        for number in 0..100_000 {
            assert!(rates.take(client(number), rate(1, 1)).is_ok());
        }
        assert!(rates.clients.len() <= CLIENTS_MAX);
    }
}
