//! A subscription of a log in memory.

use async_trait::async_trait;
use tokio::sync::watch;

use super::MemoryLog;
use super::partition::Cursor;
use crate::{BusError, Message, Subscriber};

/// Small, so that tests see batches end.
const BATCH_MESSAGES_MAX: usize = 64;

pub(super) struct MemorySubscriber {
    log: MemoryLog,
    cursors: Vec<Cursor>,
    changes: watch::Receiver<u64>,
}

impl MemorySubscriber {
    pub(super) fn new(log: MemoryLog, cursors: Vec<Cursor>) -> Self {
        let changes = log.changes();
        Self { log, cursors, changes }
    }

    /// What is ready, in order within a partition.
    fn ready(&mut self) -> Result<Vec<Message>, BusError> {
        let partitions = self.log.partitions();
        let mut batch = Vec::new();
        for cursor in &mut self.cursors {
            let records = &partitions[usize::from(cursor.partition.0)];
            while batch.len() < BATCH_MESSAGES_MAX {
                let read = records
                    .read(cursor)
                    .map_err(|why| BusError::Truncated { partition: Some(cursor.partition), why });
                match read {
                    Ok(Some(message)) => batch.push(message),
                    Ok(None) => break,
                    // What was read before is handed out first; the next call meets it again.
                    Err(_) if !batch.is_empty() => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(batch)
    }
}

#[async_trait]
impl Subscriber for MemorySubscriber {
    async fn next(&mut self) -> Result<Vec<Message>, BusError> {
        loop {
            self.changes.borrow_and_update();
            match self.log.check() {
                Err(BusError::Closed) => return Err(BusError::Closed),
                Err(_) => {}
                Ok(()) => {
                    let batch = self.ready()?;
                    if !batch.is_empty() {
                        // Partitions take turns, so that a busy one starves no other.
                        self.cursors.rotate_left(1);
                        return Ok(batch);
                    }
                }
            }
            self.changes.changed().await.map_err(|_| BusError::Closed)?;
        }
    }
}
