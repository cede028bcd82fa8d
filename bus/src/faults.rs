//! A log with scripted faults, for tests of those who publish and subscribe.
//!
//! Each call takes the next step of its script; a script that is used up lets everything pass.
//! After [`PublishFault::LoseAnswer`] an unknown outcome is never an absent one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Heartbeat, Partition, SealedEvent};
use tokio::sync::Semaphore;

use crate::{BusError, Log, Message, Publisher, Start, Subscriber, Tail};

/// How long [`PublishFault::Slow`] takes: longer than any patience of a caller.
pub const SLOW: Duration = Duration::from_secs(120);

/// What happens to a call of [`Publisher::publish`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublishFault {
    Pass,
    /// Nothing is appended, and the caller is told.
    Refuse,
    /// All is appended, and the caller is told that it was not.
    LoseAnswer,
    /// Half is appended, and the caller is told that nothing was.
    Tear,
    /// Nothing happens before [`Faulty::release`].
    Hold,
    /// It takes [`SLOW`].
    Slow,
}

/// What happens to a batch of [`Subscriber::next`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadFault {
    Pass,
    /// The batch comes twice.
    Duplicate,
    /// Its first event never comes.
    Drop,
    /// Its first two messages change places.
    Swap,
    /// The subscription ends instead.
    Cut,
}

type Script<F> = Arc<Mutex<VecDeque<F>>>;

/// A publisher, a log or both, with faults.
pub struct Faulty<P> {
    inner: P,
    publish: Script<PublishFault>,
    read: Script<ReadFault>,
    released: Semaphore,
}

impl<P> Faulty<P> {
    /// Without a script, and so without faults.
    pub fn new(inner: P) -> Self {
        Self {
            inner,
            publish: Script::default(),
            read: Script::default(),
            released: Semaphore::new(0),
        }
    }

    /// What is behind the faults.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    /// Adds steps to the script of publishing.
    pub fn script_publish(&self, steps: impl IntoIterator<Item = PublishFault>) {
        let mut script = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        script.extend(steps);
    }

    /// Adds steps to the script of reading, which all subscriptions share.
    pub fn script_read(&self, steps: impl IntoIterator<Item = ReadFault>) {
        let mut script = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        script.extend(steps);
    }

    /// Lets one held call go on, now or when it comes.
    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

fn next_step<F>(script: &Script<F>) -> Option<F> {
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    script.pop_front()
}

fn unavailable(fault: impl std::fmt::Debug) -> BusError {
    BusError::Unavailable(format!("scripted fault `{fault:?}`"))
}

#[async_trait]
impl<P: Publisher> Publisher for Faulty<P> {
    async fn tails(&self) -> Result<Vec<(Partition, Option<Tail>)>, BusError> {
        self.inner.tails().await
    }

    async fn publish(&self, partition: Partition, events: &[SealedEvent]) -> Result<(), BusError> {
        let fault = next_step(&self.publish).unwrap_or(PublishFault::Pass);
        let appended = match fault {
            PublishFault::Refuse => return Err(unavailable(fault)),
            PublishFault::Tear => &events[..events.len() / 2],
            PublishFault::Hold => {
                let released = self.released.acquire().await;
                released.map_err(|_| BusError::Closed)?.forget();
                events
            }
            PublishFault::Slow => {
                tokio::time::sleep(SLOW).await;
                events
            }
            PublishFault::Pass | PublishFault::LoseAnswer => events,
        };
        self.inner.publish(partition, appended).await?;
        match fault {
            PublishFault::LoseAnswer | PublishFault::Tear => Err(unavailable(fault)),
            _ => Ok(()),
        }
    }

    async fn heartbeat(&self, heartbeats: &[Heartbeat]) -> Result<(), BusError> {
        self.inner.heartbeat(heartbeats).await
    }
}

#[async_trait]
impl<L: Log> Log for Faulty<L> {
    async fn subscribe(&self, starts: Vec<Start>) -> Result<Box<dyn Subscriber>, BusError> {
        Ok(Box::new(FaultySubscriber {
            inner: self.inner.subscribe(starts).await?,
            script: Arc::clone(&self.read),
        }))
    }
}

struct FaultySubscriber {
    inner: Box<dyn Subscriber>,
    script: Script<ReadFault>,
}

#[async_trait]
impl Subscriber for FaultySubscriber {
    async fn next(&mut self) -> Result<Vec<Message>, BusError> {
        loop {
            let mut batch = self.inner.next().await?;
            let fault = next_step(&self.script).unwrap_or(ReadFault::Pass);
            match fault {
                ReadFault::Pass => {}
                ReadFault::Duplicate => batch.extend_from_within(..),
                ReadFault::Drop => {
                    let event = |message: &Message| matches!(message, Message::Event(_));
                    if let Some(first) = batch.iter().position(event) {
                        batch.remove(first);
                    }
                }
                ReadFault::Swap if batch.len() > 1 => batch.swap(0, 1),
                ReadFault::Swap => {}
                ReadFault::Cut => return Err(unavailable(fault)),
            }
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
