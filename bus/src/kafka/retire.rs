//! Dropping a Kafka client waits for its threads: that must not hold up the runtime.

use std::ops::Deref;

/// A client that is dropped on a thread of its own.
pub(super) struct Retiring<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Retiring<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for Retiring<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("invariant: held until the drop")
    }
}

impl<T: Send + 'static> Drop for Retiring<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // Without a thread left the closure, and the client with it, is dropped right here.
        let _ =
            std::thread::Builder::new().name("kafka-retire".to_owned()).spawn(move || drop(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    #[test]
    fn a_drop_that_waits_holds_up_nobody() {
        let (go, wait) = std::sync::mpsc::channel();
        let (tell, told) = std::sync::mpsc::channel();
        drop(Retiring::new(Slow(wait, tell)));
        go.send(()).expect("the drop waits elsewhere");
        told.recv().expect("and ends");
    }
}
