//! Stopping in order: one signal, tasks that are waited for, and the first failure kept.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of a site. Clones are the same.
#[derive(Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<Mutex<Option<String>>>,
}

impl Shutdown {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the site is to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task. If it fails or panics, everything stops and [`Shutdown::wait`] says why.
    pub fn spawn<E: Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let shutdown = self.clone();
        let task = self.tasks.spawn(async move { task.await.map_err(|error| error.to_string()) });
        self.tasks.spawn(async move {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => shutdown.fail(format!("{name}: {error}")),
                Err(panic) => shutdown.fail(format!("{name}: {panic}")),
            }
        });
    }

    /// Stops everything because of a failure.
    pub fn fail(&self, failure: String) {
        let mut held = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert(failure);
        self.token.cancel();
    }

    /// Stops everything in order.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Waits for the signal to stop, and then until every task has ended or `limit` has passed.
    ///
    /// # Errors
    /// The first failure, if it was one that stopped the site.
    pub async fn wait(&self, limit: Duration) -> Result<(), String> {
        self.token.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(?limit, "tasks did not end in time");
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    /// Stops everything in order on SIGTERM or SIGINT.
    ///
    /// # Errors
    /// If signals cannot be waited for.
    pub fn on_signal(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let token = self.token.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_task_that_fails_stops_the_others_and_is_named() {
        let shutdown = Shutdown::new();
        let token = shutdown.token();
        shutdown.spawn("waits", async move {
            token.cancelled().await;
            Ok::<(), String>(())
        });
        shutdown.spawn("fails", async { Err("broken") });
        assert_eq!(shutdown.wait(SECOND).await, Err("fails: broken".to_owned()));
    }

    #[tokio::test]
    async fn a_stop_in_order_is_no_failure() {
        let shutdown = Shutdown::new();
        shutdown.trigger();
        assert_eq!(shutdown.wait(SECOND).await, Ok(()));
    }
}
