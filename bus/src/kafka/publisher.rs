//! The writing end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Heartbeat, Partition, SealedEvent};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::client::End;
use super::config::KafkaConfig;
use super::probe::{Pick, Probe};
use super::producer::{Producer, Refused};
use super::search::{Span, TailSearch};
use super::state::KafkaState;
use super::topic::{TopicPlan, ensure, topic_name};
use crate::{BusError, HeartbeatCodec, Publisher, Tail};

/// How long to wait for room when other partitions fill the queue.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Publishes a site's events to its topic. Connects when it is first used; makes a new producer
/// after every error.
pub struct KafkaPublisher {
    end: End,
    plan: TopicPlan,
    codec: Arc<dyn HeartbeatCodec>,
    producer: Mutex<Option<Arc<Producer>>>,
    closed: CancellationToken,
}

impl KafkaPublisher {
    /// A publisher of the topic that `plan` describes.
    #[must_use]
    pub fn new(config: KafkaConfig, plan: TopicPlan, codec: Arc<dyn HeartbeatCodec>) -> Self {
        Self {
            end: End::new(config, topic_name(&plan.site)),
            plan,
            codec,
            producer: Mutex::default(),
            closed: CancellationToken::new(),
        }
    }

    /// How the brokers fare, for metrics.
    #[must_use]
    pub fn state(&self) -> Arc<KafkaState> {
        Arc::clone(&self.end.state)
    }

    /// Ends what is under way and refuses what comes. What is not acknowledged is given up.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// The producer, a new one if there is none that works.
    async fn producer(&self) -> Result<Arc<Producer>, BusError> {
        let mut held = self.producer.lock().await;
        if let Some(producer) = held.as_ref().filter(|producer| !producer.is_over()) {
            return Ok(Arc::clone(producer));
        }
        if ensure(&self.end, &self.plan).await? {
            // What the producer before knows of the ends is not true of a new topic.
            *held = None;
        }
        let producer = Arc::new(Producer::connect(&self.end, held.as_deref())?);
        *held = Some(Arc::clone(&producer));
        Ok(producer)
    }

    async fn append(&self, partition: Partition, events: &[SealedEvent]) -> Result<(), BusError> {
        let producer = self.producer().await?;
        let unfinished = Unfinished(Some(&producer));
        let mut waiting = VecDeque::new();
        for (index, event) in events.iter().enumerate() {
            let tail = (index + 1 == events.len()).then(|| Tail::of(event));
            loop {
                match producer.send(partition, event, tail) {
                    Ok(receipt) => break waiting.push_back(receipt),
                    Err(Refused::Failed(error)) => return Err(error),
                    Err(Refused::Full) => match waiting.pop_front() {
                        Some(oldest) => producer.acknowledged(partition, oldest).await?,
                        None => tokio::select! {
                            error = producer.broken() => return Err(error),
                            () = tokio::time::sleep(FULL_PAUSE) => {}
                        },
                    },
                }
            }
        }
        for receipt in waiting {
            producer.acknowledged(partition, receipt).await?;
        }
        producer.settle(partition);
        unfinished.finish();
        Ok(())
    }

    /// Runs an operation until it ends or the publisher is closed.
    async fn unless_closed<R>(
        &self,
        operation: impl Future<Output = Result<R, BusError>>,
    ) -> Result<R, BusError> {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(BusError::Closed),
            outcome = operation => self.end.explain(outcome),
        }
    }
}

#[async_trait]
impl Publisher for KafkaPublisher {
    async fn tails(&self) -> Result<Vec<(Partition, Option<Tail>)>, BusError> {
        let partitions: Vec<_> = self.plan.partitions.iter().collect();
        let read = async {
            // A topic that was made just now is empty, and not every broker has heard of it yet:
            // asking for its ends would fail for a moment.
            let tails = if ensure(&self.end, &self.plan).await? {
                partitions.into_iter().map(|partition| (partition, None)).collect()
            } else {
                let end = self.end.clone();
                self.end.blocking(move || read_tails(&end, &partitions)).await?
            };
            let producer = self.producer().await?;
            for (partition, tail) in &tails {
                producer.note_tail(*partition, *tail);
            }
            Ok(tails)
        };
        self.unless_closed(read).await
    }

    async fn publish(&self, partition: Partition, events: &[SealedEvent]) -> Result<(), BusError> {
        self.unless_closed(self.append(partition, events)).await
    }

    async fn heartbeat(&self, heartbeats: &[Heartbeat]) -> Result<(), BusError> {
        if self.closed.is_cancelled() {
            return Err(BusError::Closed);
        }
        let held = self.producer.try_lock().ok();
        let producer = held.as_ref().and_then(|held| held.as_ref());
        match producer {
            Some(producer) => producer.beat(heartbeats, self.codec.as_ref()),
            None => Err(BusError::Unavailable(
                "no producer yet: heartbeats go out once `tails` or `publish` made one".to_owned(),
            )),
        }
    }
}

/// Ends the producer if a publish does not finish, so that its rest is not appended later than
/// it must be, nor piles up in the queue when the caller starts again.
struct Unfinished<'a>(Option<&'a Producer>);

impl Unfinished<'_> {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(producer) = self.0 {
            producer.fail();
        }
    }
}

/// Reads with what each partition ends.
fn read_tails(
    end: &End,
    partitions: &[Partition],
) -> Result<Vec<(Partition, Option<Tail>)>, BusError> {
    let probe = Probe::new(end)?;
    let held = probe.held(partitions)?;
    let mut searches: HashMap<_, _> =
        held.into_iter().map(|(partition, held)| (partition, TailSearch::new(held))).collect();
    let mut tails = HashMap::new();
    loop {
        let spans: HashMap<Partition, Span> = searches
            .iter()
            .filter(|(partition, _)| !tails.contains_key(*partition))
            .filter_map(|(partition, search)| Some((*partition, search.ask()?)))
            .collect();
        if spans.is_empty() {
            break;
        }
        let found = probe.find(&spans, Pick::Last)?;
        for partition in spans.keys() {
            match (found.get(partition), searches.get_mut(partition)) {
                (Some((_, landmark)), _) => {
                    let tail = Tail {
                        epoch: landmark.place.epoch,
                        seq: landmark.place.seq,
                        digest: landmark.digest,
                    };
                    tails.insert(*partition, tail);
                }
                (None, Some(search)) => search.learn_nothing(),
                (None, None) => {}
            }
        }
    }
    let tail = |partition: &Partition| (*partition, tails.get(partition).copied());
    Ok(partitions.iter().map(tail).collect())
}
