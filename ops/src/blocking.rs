//! Work that keeps a thread.

use tokio::task;

/// Runs work on a thread that may block. A panic in it is the caller's; a runtime that ends, and
/// so does not begin the work, never answers: it is about to drop whoever waits, and no failure
/// of a disk must be made of that.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    #[tokio::test]
    #[should_panic(expected = "the cause")]
    async fn a_panic_is_the_callers() {
        blocking(|| panic!("the cause")).await;
    }

    #[test]
    fn a_runtime_that_ends_makes_no_failure_of_it() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.unwrap();
        let ((ending, ended), (answer, answers)) = (channel(), channel());
        runtime.spawn(begin_while_it_ends(ended, answer));
        // Whoever stops a runtime goes on while a task is in the middle of a step.
        runtime.shutdown_background();
        ending.send(()).unwrap();
        assert!(answers.recv().is_err(), "dropped, not answered");
    }

    async fn begin_while_it_ends(ended: Receiver<()>, answer: Sender<()>) {
        ended.recv().unwrap();
        blocking(|| ()).await;
        answer.send(()).unwrap();
    }
}
