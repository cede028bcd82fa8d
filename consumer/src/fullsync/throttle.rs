//! How much of the link full sync may take: so many requests at once, so many bytes a second, and
//! last in line behind read misses and real time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// How often it is looked whether others are done, and how long they are waited for: full sync
/// goes on, slowly, also while others are always busy.
const LOOK: Duration = Duration::from_millis(10);
const YIELD_MAX: Duration = Duration::from_millis(200);
/// What may be taken at once after a pause, as time.
const BURST: Duration = Duration::from_millis(250);

/// Counts what goes before full sync. Clones are the same.
#[derive(Clone, Default, Debug)]
pub struct Urgent(Arc<AtomicUsize>);

/// One thing that goes before full sync, until it is dropped.
pub struct UrgentWork(Urgent);

impl Urgent {
    /// Begins one.
    #[must_use]
    pub fn begin(&self) -> UrgentWork {
        self.0.fetch_add(1, Ordering::Relaxed);
        UrgentWork(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for UrgentWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What full sync may take. Clones share it.
#[derive(Clone, Debug)]
pub struct Throttle {
    turns: Arc<Semaphore>,
    /// Bytes a second; `None`: as many as there are.
    rate: Option<u64>,
    /// When what has been taken is paid for.
    paid: Arc<Mutex<Option<Instant>>>,
    urgent: Urgent,
}

impl Throttle {
    /// So many requests at once, and bytes a second.
    #[must_use]
    pub fn new(parallel: usize, rate: Option<u64>, urgent: Urgent) -> Self {
        let turns = Arc::new(Semaphore::new(parallel.max(1)));
        Self { turns, rate: rate.filter(|rate| *rate > 0), paid: Arc::default(), urgent }
    }

    /// Waits for its turn to ask for something; others go first.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let until = Instant::now() + YIELD_MAX;
        while self.urgent.is_busy() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        turn
    }

    /// Waits until bytes that went or came are paid for.
    pub(crate) async fn spend(&self, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let now = Instant::now();
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let from = paid.unwrap_or(now).max(now.checked_sub(BURST).unwrap_or(now));
            let until = from + Duration::from_secs_f64(bytes as f64 / rate as f64);
            *paid = Some(until);
            until
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_come_no_faster_than_they_may() {
        let throttle = Throttle::new(4, Some(1_000), Urgent::default());
        let began = Instant::now();
        let spend = || async {
            for _ in 0..10 {
                throttle.spend(100).await;
            }
        };
        futures::join!(spend(), spend());
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1_750), "{took:?} for 2,000 bytes");
        assert!(took <= Duration::from_millis(2_050), "{took:?} for 2,000 bytes");
        Throttle::new(4, None, Urgent::default()).spend(usize::MAX).await;
    }

    #[tokio::test(start_paused = true)]
    async fn others_go_first_but_not_for_ever() {
        let urgent = Urgent::default();
        let throttle = Throttle::new(1, None, urgent.clone());
        let began = Instant::now();
        drop(throttle.turn().await);
        assert_eq!(began.elapsed(), Duration::ZERO);
        let work = urgent.begin();
        drop(throttle.turn().await);
        assert!(began.elapsed() >= YIELD_MAX && began.elapsed() < YIELD_MAX * 2);
        drop(work);
        let again = Instant::now();
        let held = throttle.turn().await;
        assert_eq!(again.elapsed(), Duration::ZERO);
        assert!(tokio::time::timeout(YIELD_MAX, throttle.turn()).await.is_err(), "one at once");
        drop(held);
    }
}
