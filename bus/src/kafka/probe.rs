//! Reads single records here and there. Everything waits inside librdkafka: call it from
//! [`super::client::End::blocking`] only.

use std::collections::HashMap;
use std::time::Duration;

use model::Partition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::client::End;
use super::error::{classify, is_passing};
use super::observer::Observer;
use super::record::{Landmark, landmark, partition};
use super::retire::Retiring;
use super::search::Span;
use crate::BusError;

/// A whole search must end in this time: twenty rounds of a few milliseconds, and a scan over
/// foreign records.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(30);
/// A question to the brokers that is answered at once or never.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Enough to work through what is queued already.
const HEAR_TIME: Duration = Duration::from_millis(20);

/// Which landmark of a span is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pick {
    First,
    Last,
}

/// A landmark and the offset of its record.
pub(super) type Found = (i64, Landmark);

/// What the brokers say of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) partitions: usize,
    /// Partitions that have a leader.
    pub(super) led: usize,
    /// Copies of the partition that has fewest.
    pub(super) replication: Option<usize>,
}

impl Shape {
    /// Whether every partition can be written to.
    pub(super) fn is_led(&self) -> bool {
        self.partitions > 0 && self.led == self.partitions
    }
}

/// A consumer that jumps.
pub(super) struct Probe {
    consumer: Retiring<BaseConsumer<Observer>>,
    topic: String,
    deadline: Instant,
}

impl Probe {
    pub(super) fn new(end: &End) -> Result<Self, BusError> {
        Ok(Self {
            consumer: end.connect(&end.config.probe(), |observer| observer)?,
            topic: end.topic.clone(),
            deadline: Instant::now() + SEARCH_TIME_MAX,
        })
    }

    /// What the brokers say of the topic; `None` if there is none.
    pub(super) fn shape(&self) -> Result<Option<Shape>, BusError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(&self.topic), ANSWER_TIME_MAX)
            .inspect_err(|_| self.hear())
            .map_err(|error| classify("read the topic's metadata", &error))?;
        let topic = metadata.topics().iter().find(|t| t.name() == self.topic);
        Ok(topic.filter(|t| t.error().is_none()).map(|topic| {
            let partitions = topic.partitions();
            Shape {
                partitions: partitions.len(),
                led: partitions.iter().filter(|p| p.leader() >= 0).count(),
                replication: partitions.iter().map(|p| p.replicas().len()).min(),
            }
        }))
    }

    /// Hears why the brokers do not answer: the reasons wait in the queue until it is polled.
    fn hear(&self) {
        while self.consumer.poll(HEAR_TIME).is_some() {}
    }

    /// What each partition holds.
    pub(super) fn held(
        &self,
        partitions: &[Partition],
    ) -> Result<HashMap<Partition, Span>, BusError> {
        let low = self.edge(partitions, Offset::Beginning)?;
        let high = self.edge(partitions, Offset::End)?;
        let span = |(partition, from): (Partition, i64)| {
            let until = high.get(&partition).copied().unwrap_or(from).max(from);
            (partition, Span { from, until })
        };
        Ok(low.into_iter().map(span).collect())
    }

    /// The first or the last landmark of each span, where there is one.
    pub(super) fn find(
        &self,
        spans: &HashMap<Partition, Span>,
        pick: Pick,
    ) -> Result<HashMap<Partition, Found>, BusError> {
        let mut asked = TopicPartitionList::with_capacity(spans.len());
        for (partition, span) in spans {
            let partition = i32::from(partition.0);
            asked
                .add_partition_offset(&self.topic, partition, Offset::Offset(span.from))
                .map_err(|error| classify("choose an offset", &error))?;
        }
        self.consumer.assign(&asked).map_err(|error| classify("read the topic", &error))?;
        let mut open = spans.clone();
        let mut found = HashMap::new();
        while !open.is_empty() {
            self.step(&mut open, &mut found, pick)?;
        }
        Ok(found)
    }

    /// Reads one record. Spans that are decided leave `open`.
    fn step(
        &self,
        open: &mut HashMap<Partition, Span>,
        found: &mut HashMap<Partition, Found>,
        pick: Pick,
    ) -> Result<(), BusError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let record = match self.consumer.poll(left) {
            Some(Ok(record)) => record,
            Some(Err(error)) if is_passing(&error) && !left.is_zero() => return Ok(()),
            Some(Err(error)) => return Err(classify("read the topic", &error)),
            None => {
                let text = format!("read the topic: no answer within {SEARCH_TIME_MAX:?}");
                return Err(BusError::Unavailable(text));
            }
        };
        let partition = partition(&record);
        let Some(span) = open.get(&partition).copied() else {
            return Ok(());
        };
        let landmark = (record.offset() < span.until).then(|| landmark(&record));
        if let Some(landmark) = landmark.flatten() {
            found.insert(partition, (record.offset(), landmark));
        }
        let decided = pick == Pick::First && found.contains_key(&partition);
        if decided || record.offset() + 1 >= span.until {
            open.remove(&partition);
        }
        Ok(())
    }

    /// The offset of one end of each partition: one request to each broker.
    fn edge(
        &self,
        partitions: &[Partition],
        edge: Offset,
    ) -> Result<HashMap<Partition, i64>, BusError> {
        let failed = |error| classify("ask for the ends of the topic", &error);
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            asked
                .add_partition_offset(&self.topic, i32::from(partition.0), edge)
                .map_err(failed)?;
        }
        let answers = self.consumer.offsets_for_times(asked, ANSWER_TIME_MAX).map_err(failed)?;
        let mut edges = HashMap::with_capacity(partitions.len());
        for partition in partitions {
            let answer = answers.find_partition(&self.topic, i32::from(partition.0));
            let answer = answer.expect("invariant: the answer has what was asked");
            answer.error().map_err(failed)?;
            let Offset::Offset(offset) = answer.offset() else {
                let text = format!("partition {} has no {edge:?}", partition.0);
                return Err(BusError::Unavailable(text));
            };
            edges.insert(*partition, offset);
        }
        Ok(edges)
    }
}
