//! One idempotent producer from its making to its first error.
//!
//! What must stay true: after an error nothing more is appended through it, and everything that
//! waits for it ends; the publisher then makes a new one. Within one producer the brokers keep
//! the order, so that a heartbeat in the log proves the events that were appended before it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Digest, Heartbeat, Partition, Position, SealedEvent};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::client::End;
use super::error::classify;
use super::headers;
use super::observer::Observer;
use super::retire::Retiring;
use crate::{BusError, HeartbeatCodec, Tail};

/// What became of an event: its offset, or why it was not appended.
pub(super) type Receipt = oneshot::Receiver<Result<i64, KafkaError>>;

/// Who waits for a record.
enum Awaited {
    Event(oneshot::Sender<Result<i64, KafkaError>>),
    /// Counts the heartbeats under way.
    Heartbeat(Arc<AtomicUsize>),
}

/// Passes outcomes on to who waits for them.
struct Deliveries(Observer);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.0.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Awaited>;

    fn delivery(&self, outcome: &DeliveryResult<'_>, awaited: Box<Awaited>) {
        match *awaited {
            Awaited::Event(waiting) => {
                let outcome = match outcome {
                    Ok(record) => Ok(record.offset()),
                    Err((error, _)) => Err(error.clone()),
                };
                // Nobody waits any more if the publish was dropped.
                let _ = waiting.send(outcome);
            }
            Awaited::Heartbeat(under_way) => {
                under_way.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// What is known of a partition's end.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The last event that was queued, else what the log ended with before. `None` also while
    /// the events of a batch are being queued.
    tail: Option<Tail>,
    /// Offset of the last record that was acknowledged.
    offset: Option<i64>,
    /// Events were queued that are not known to be appended.
    open: bool,
    /// It was noted by the producer before, and the log itself knows better.
    carried: bool,
}

/// The producer of one generation.
pub(super) struct Producer {
    client: Retiring<ThreadedProducer<Deliveries>>,
    topic: String,
    schema: String,
    broken: CancellationToken,
    certificates: Mutex<Certificates>,
    /// `None` once another producer took over: nothing more may be queued here.
    ends: Mutex<Option<HashMap<Partition, Known>>>,
    heartbeats: Arc<AtomicUsize>,
}

/// Why a record did not enter the queue.
pub(super) enum Refused {
    /// Wait for acknowledgements, then try again.
    Full,
    Failed(BusError),
}

impl Producer {
    /// Takes over from `before`, if there was one.
    pub(super) fn connect(end: &End, before: Option<&Self>) -> Result<Self, BusError> {
        let certificates = Certificates::read(end.config.tls.as_ref());
        Ok(Self {
            client: end.connect(&end.config.producer(), Deliveries)?,
            topic: end.topic.clone(),
            schema: schemas::schema_id(),
            broken: CancellationToken::new(),
            certificates: Mutex::new(certificates),
            ends: Mutex::new(Some(before.map_or_else(HashMap::new, Self::hand_over))),
            heartbeats: Arc::default(),
        })
    }

    /// Whether another must take over: after an error, or to use renewed certificates.
    pub(super) fn is_over(&self) -> bool {
        let certificates = self.certificates.lock();
        let mut certificates = certificates.unwrap_or_else(PoisonError::into_inner);
        self.broken.is_cancelled() || certificates.renewed()
    }

    /// Refuses what comes from now on, and tells with what those partitions end of which nothing
    /// is open: the heartbeats of an idle partition keep naming its end.
    fn hand_over(&self) -> HashMap<Partition, Known> {
        let mut ends = self.ends().take().unwrap_or_default();
        ends.retain(|_, known| !known.open);
        for known in ends.values_mut() {
            (known.offset, known.carried) = (None, true);
        }
        ends
    }

    /// Ends it: what is queued or in flight is given up, though brokers may still append it.
    pub(super) fn fail(&self) {
        // Locked: what is queued before is given up below, and nothing is queued after, least of
        // all a heartbeat that names an event given up.
        let ends = self.ends();
        self.broken.cancel();
        drop(ends);
        self.client.purge(PurgeConfig::default().queue().inflight());
    }

    /// Notes with what the log ends, unless this producer has appended since.
    pub(super) fn note_tail(&self, partition: Partition, tail: Option<Tail>) {
        if let Some(ends) = self.ends().as_mut() {
            let known =
                ends.entry(partition).or_insert(Known { carried: true, ..Known::default() });
            if known.carried {
                known.tail = tail;
            }
        }
    }

    /// Queues an event. `tail` is the event's own place if no other of its batch follows.
    pub(super) fn send(
        &self,
        partition: Partition,
        event: &SealedEvent,
        tail: Option<Tail>,
    ) -> Result<Receipt, Refused> {
        let (tell, receipt) = oneshot::channel();
        let headers = headers::of_event(event, &self.schema);
        // Locked while it is queued: no heartbeat may come behind an event and not name it.
        let mut ends = self.ends();
        let ends = self.open(&mut ends).ok_or_else(|| Refused::Failed(given_up()))?;
        self.queue(partition, &event.payload, headers, Awaited::Event(tell)).map_err(|error| {
            match error.rdkafka_error_code() {
                Some(Code::QueueFull) => Refused::Full,
                _ => Refused::Failed(classify("publish", &error)),
            }
        })?;
        let known = ends.entry(partition).or_default();
        (known.tail, known.open, known.carried) = (tail, true, false);
        Ok(receipt)
    }

    /// Notes that everything queued for the partition was acknowledged.
    pub(super) fn settle(&self, partition: Partition) {
        if let Some(known) = self.ends().as_mut().and_then(|e| e.get_mut(&partition)) {
            known.open = false;
        }
    }

    /// Waits until an event is acknowledged.
    pub(super) async fn acknowledged(
        &self,
        partition: Partition,
        receipt: Receipt,
    ) -> Result<(), BusError> {
        let outcome = tokio::select! {
            biased;
            outcome = receipt => outcome,
            () = self.broken.cancelled() => return Err(given_up()),
        };
        match outcome {
            Ok(Ok(offset)) => self.check_offset(partition, offset),
            Ok(Err(error)) => Err(classify("publish", &error)),
            Err(_) => Err(given_up()),
        }
    }

    /// Waits until the producer is broken.
    pub(super) async fn broken(&self) -> BusError {
        self.broken.cancelled().await;
        given_up()
    }

    /// Queues a round of heartbeats, unless the last round is still under way.
    pub(super) fn beat(
        &self,
        heartbeats: &[Heartbeat],
        codec: &dyn HeartbeatCodec,
    ) -> Result<(), BusError> {
        if self.heartbeats.load(Ordering::Relaxed) > 0 {
            let text = "the heartbeats before these are not acknowledged yet".to_owned();
            return Err(BusError::Unavailable(text));
        }
        for heartbeat in heartbeats {
            let payload = codec.encode(heartbeat);
            self.beat_one(heartbeat, &payload)
                .map_err(|error| classify("send heartbeats", &error))?;
        }
        Ok(())
    }

    fn beat_one(&self, heartbeat: &Heartbeat, payload: &[u8]) -> Result<(), KafkaError> {
        // Locked while it is queued, as in `send`.
        let mut ends = self.ends();
        let Some(ends) = self.open(&mut ends) else {
            return Err(KafkaError::Canceled);
        };
        let known = ends.get(&heartbeat.partition).and_then(|known| known.tail);
        let last = known.map(|tail| named(heartbeat, tail));
        let headers = headers::of_heartbeat(last, &self.schema);
        let awaited = Awaited::Heartbeat(Arc::clone(&self.heartbeats));
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        let queued = self.queue(heartbeat.partition, payload, headers, awaited);
        queued.inspect_err(|_| {
            self.heartbeats.fetch_sub(1, Ordering::Relaxed);
        })
    }

    fn queue(
        &self,
        partition: Partition,
        payload: &[u8],
        headers: OwnedHeaders,
        awaited: Awaited,
    ) -> Result<(), KafkaError> {
        let record: BaseRecord<'_, (), [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, Box::new(awaited))
                .partition(i32::from(partition.0))
                .payload(payload)
                .headers(headers);
        self.client.send(record).map_err(|(error, _)| error)
    }

    /// What is known of the ends, while something may be queued.
    fn open<'a>(
        &self,
        ends: &'a mut Option<HashMap<Partition, Known>>,
    ) -> Option<&'a mut HashMap<Partition, Known>> {
        ends.as_mut().filter(|_| !self.broken.is_cancelled())
    }

    fn ends(&self) -> MutexGuard<'_, Option<HashMap<Partition, Known>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offsets only grow, unless the topic was deleted and made anew behind our back: then what
    /// was acknowledged before is gone, and the caller must look at the tails again.
    fn check_offset(&self, partition: Partition, offset: i64) -> Result<(), BusError> {
        if offset < 0 {
            // A repetition that the broker recognised has no offset.
            return Ok(());
        }
        let mut ends = self.ends();
        let known = ends.as_mut().map(|ends| ends.entry(partition).or_default());
        let before = known.and_then(|known| known.offset.replace(offset));
        match before {
            Some(before) if offset <= before => Err(BusError::Unavailable(format!(
                "partition {} of the log was made anew: offset {offset} came after {before}",
                partition.0
            ))),
            _ => Ok(()),
        }
    }
}

fn given_up() -> BusError {
    BusError::Unavailable("the producer was given up after an error".to_owned())
}

/// The event that the heartbeat's partition ends with.
fn named(heartbeat: &Heartbeat, tail: Tail) -> (Position, Digest) {
    let position = Position {
        site: heartbeat.site,
        epoch: tail.epoch,
        partition: heartbeat.partition,
        seq: tail.seq,
    };
    (position, tail.digest)
}

#[cfg(test)]
mod tests;
