//! Who is using which block's file, so that the collector never deletes a block which an upload,
//! a pull or a read counts on.
//!
//! Whoever writes a file or counts on one holds a [`Lease`] from before the first look until
//! after the commit. The collector takes a block only while nobody holds it, and whoever comes
//! meanwhile waits until the file is gone and then finds it absent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::BlockHash;
use tokio::sync::Notify;

#[derive(Clone, Copy)]
enum Use {
    Leased(usize),
    Collecting,
}

#[derive(Default)]
pub(crate) struct Pins {
    uses: Mutex<HashMap<BlockHash, Use>>,
    collected: Notify,
    /// Held by whoever frees blocks, or counts again who names them.
    pub(crate) counting: tokio::sync::Mutex<()>,
}

impl Pins {
    fn uses(&self) -> MutexGuard<'_, HashMap<BlockHash, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lease(&self, hash: BlockHash) -> bool {
        let mut uses = self.uses();
        match uses.entry(hash).or_insert(Use::Leased(0)) {
            Use::Leased(count) => {
                *count += 1;
                true
            }
            Use::Collecting => false,
        }
    }

    fn release(&self, hash: BlockHash) {
        let mut uses = self.uses();
        match uses.get_mut(&hash) {
            Some(Use::Leased(count)) if *count > 1 => *count -= 1,
            _ => {
                uses.remove(&hash);
            }
        }
    }

    /// Takes a block for collection; `None` while anyone uses it.
    pub(crate) fn collect(self: &Arc<Self>, hash: BlockHash) -> Option<Collecting> {
        let mut uses = self.uses();
        if uses.contains_key(&hash) {
            return None;
        }
        uses.insert(hash, Use::Collecting);
        Some(Collecting { pins: Arc::clone(self), hash })
    }
}

/// Blocks that cannot be collected while this lives.
pub(crate) struct Lease {
    pins: Arc<Pins>,
    held: Vec<BlockHash>,
}

impl Lease {
    pub(crate) fn new(pins: &Arc<Pins>) -> Self {
        Self { pins: Arc::clone(pins), held: Vec::new() }
    }

    /// Holds one more block, after a collection of it that is under way has ended.
    pub(crate) async fn add(&mut self, hash: BlockHash) {
        let pins = Arc::clone(&self.pins);
        loop {
            let mut collected = std::pin::pin!(pins.collected.notified());
            collected.as_mut().enable();
            if pins.try_lease(hash) {
                self.held.push(hash);
                return;
            }
            collected.await;
        }
    }

    /// Holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Hands all that it holds to another lease.
    pub(crate) fn take(&mut self) -> Self {
        Self { pins: Arc::clone(&self.pins), held: std::mem::take(&mut self.held) }
    }

    /// Takes over what another lease holds.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.held.append(&mut other.held);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        for &hash in &self.held {
            self.pins.release(hash);
        }
    }
}

/// A block that only the collector may touch while this lives.
pub(crate) struct Collecting {
    pins: Arc<Pins>,
    hash: BlockHash,
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.pins.release(self.hash);
        self.pins.collected.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_and_a_collection_exclude_each_other() {
        let pins = Arc::new(Pins::default());
        let hash = BlockHash::of(b"block");
        let mut lease = Lease::new(&pins);
        lease.add(hash).await;
        lease.add(hash).await;
        assert!(pins.collect(hash).is_none());
        drop(lease);

        let collecting = pins.collect(hash).expect("free again");
        let mut waiting = Lease::new(&pins);
        let mut add = std::pin::pin!(waiting.add(hash));
        assert!(futures::poll!(add.as_mut()).is_pending());
        drop(collecting);
        add.await;
        assert!(pins.collect(hash).is_none());
    }
}
