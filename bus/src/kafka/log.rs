//! The reading end.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Partition, SiteName};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::certificates::Certificates;
use super::client::End;
use super::config::KafkaConfig;
use super::error::classify;
use super::observer::Observer;
use super::probe::{Pick, Probe, Shape};
use super::retire::Retiring;
use super::search::{Span, StartSearch};
use super::state::KafkaState;
use super::subscriber::KafkaSubscriber;
use super::topic::topic_name;
use crate::{BusError, HeartbeatCodec, Log, Place, Start, Subscriber};

/// The topic of one origin site.
pub struct KafkaLog {
    end: End,
    codec: Arc<dyn HeartbeatCodec>,
}

impl KafkaLog {
    /// The log of the site `origin`. Connects when it is subscribed to.
    #[must_use]
    pub fn new(config: KafkaConfig, origin: &SiteName, codec: Arc<dyn HeartbeatCodec>) -> Self {
        Self { end: End::new(config, topic_name(origin)), codec }
    }

    /// How the brokers fare, for metrics.
    #[must_use]
    pub fn state(&self) -> Arc<KafkaState> {
        Arc::clone(&self.end.state)
    }

    /// A consumer of what follows these offsets.
    fn consume(
        &self,
        offsets: &HashMap<Partition, i64>,
    ) -> Result<Retiring<StreamConsumer<Observer>>, BusError> {
        let mut assigned = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let (partition, offset) = (i32::from(partition.0), Offset::Offset(*offset));
            assigned
                .add_partition_offset(&self.end.topic, partition, offset)
                .map_err(|error| classify("choose an offset", &error))?;
        }
        let consumer: Retiring<StreamConsumer<Observer>> =
            self.end.connect(&self.end.config.consumer(), |observer| observer)?;
        consumer.assign(&assigned).map_err(|error| classify("read the topic", &error))?;
        Ok(consumer)
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn subscribe(&self, starts: Vec<Start>) -> Result<Box<dyn Subscriber>, BusError> {
        let end = self.end.clone();
        let offsets = self.end.blocking(move || find_starts(&end, &starts));
        let certificates = Certificates::read(self.end.config.tls.as_ref());
        let consumer = self.consume(&offsets.await?)?;
        Ok(Box::new(KafkaSubscriber::new(consumer, certificates, Arc::clone(&self.codec))))
    }
}

/// Finds the offset at which each partition's subscription starts.
fn find_starts(end: &End, starts: &[Start]) -> Result<HashMap<Partition, i64>, BusError> {
    let probe = Probe::new(end)?;
    let topic = &end.topic;
    let Some(Shape { partitions: count, .. }) = probe.shape()? else {
        let text = format!("topic `{topic}` does not exist: its site makes it when it publishes");
        return Err(BusError::Unavailable(text));
    };
    if let Some(start) = starts.iter().find(|s| usize::from(s.partition.0) >= count) {
        return Err(BusError::Rejected(format!(
            "topic `{topic}` has {count} partitions, its site numbers them up to {} and more: \
             is this the cluster that the site publishes to?",
            start.partition.0
        )));
    }
    let partitions: Vec<_> = starts.iter().map(|start| start.partition).collect();
    let held = probe.held(&partitions)?;
    let mut searches = HashMap::with_capacity(starts.len());
    for start in starts {
        let target = Place { epoch: start.epoch, seq: start.after };
        let held = held.get(&start.partition).copied();
        let held = held.unwrap_or(Span { from: 0, until: 0 });
        searches.insert(start.partition, StartSearch::new(held, target));
    }
    loop {
        let spans: HashMap<Partition, Span> = searches
            .iter()
            .filter_map(|(partition, search)| Some((*partition, search.ask()?)))
            .collect();
        if spans.is_empty() {
            break;
        }
        let found = probe.find(&spans, Pick::First)?;
        for (partition, search) in &mut searches {
            if spans.contains_key(partition) {
                let landmark = found.get(partition);
                search.learn(landmark.map(|(offset, landmark)| (*offset, landmark.place)));
            }
        }
    }
    let starts = searches.into_iter();
    Ok(starts.map(|(p, search)| (p, search.start())).collect())
}
