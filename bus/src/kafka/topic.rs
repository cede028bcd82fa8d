//! The topic of a site: made as the laws need it, or refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{PartitionCount, SiteName};
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::time::Instant;

use self::fit::{Found, Rule, misfits, rules};
use super::client::End;
use super::config::KafkaConfig;
use super::error::classify;
use super::observer::Observer;
use super::probe::{Probe, Shape};
use super::retire::Retiring;
use crate::BusError;

mod fit;

/// A question to the brokers that is answered at once or never.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a new topic may take until every broker knows it and each partition has a leader.
const SPREAD_TIME_MAX: Duration = Duration::from_secs(15);
const SPREAD_POLL: Duration = Duration::from_millis(50);

/// The topic that a site's log needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPlan {
    /// The origin; its topic is `towline.<site>`.
    pub site: SiteName,
    pub partitions: PartitionCount,
    /// Copies of each partition, on different brokers.
    pub replication: u16,
    /// Copies that must have an event before it is acknowledged.
    pub min_in_sync: u16,
    /// How long the origin keeps its history at least; the topic must keep events as long.
    pub history_window: Duration,
}

/// Name of a site's topic.
pub(super) fn topic_name(site: &SiteName) -> String {
    format!("towline.{site}")
}

/// Makes the topic, or checks the one that is there.
///
/// # Errors
/// [`BusError::Rejected`] names every misfit of a topic that exists, with the value it must have
/// and what to do, or why none can be made.
pub async fn ensure_topic(config: &KafkaConfig, plan: &TopicPlan) -> Result<(), BusError> {
    let end = End::new(config.clone(), topic_name(&plan.site));
    ensure(&end, plan).await.map(|_| ())
}

/// [`ensure_topic`] on behalf of an end. Whether the topic is new, and so empty.
pub(super) async fn ensure(end: &End, plan: &TopicPlan) -> Result<bool, BusError> {
    let outcome = Admin::connect(end)?.ensure(plan).await;
    end.explain(outcome)
}

/// An admin client and the topic it looks after.
struct Admin<'a> {
    client: Retiring<AdminClient<Observer>>,
    probe: Arc<Probe>,
    end: &'a End,
    options: AdminOptions,
}

impl<'a> Admin<'a> {
    fn connect(end: &'a End) -> Result<Self, BusError> {
        let client = end.connect(&end.config.common(), |observer| observer)?;
        let options = AdminOptions::new()
            .request_timeout(Some(ANSWER_TIME_MAX))
            .operation_timeout(Some(ANSWER_TIME_MAX));
        Ok(Self { client, probe: Arc::new(Probe::new(end)?), end, options })
    }

    async fn ensure(&self, plan: &TopicPlan) -> Result<bool, BusError> {
        let (shape, new) = match self.shape().await? {
            Some(shape) => (shape, false),
            None => (self.create(plan).await?, true),
        };
        let misfits = misfits(&self.found(shape).await?, plan);
        if misfits.is_empty() {
            return Ok(new);
        }
        Err(BusError::Rejected(format!(
            "topic `{}` does not fit: {}",
            self.end.topic,
            misfits.join("; ")
        )))
    }

    /// Creates the topic and waits until it can be written to. Somebody else may be faster.
    async fn create(&self, plan: &TopicPlan) -> Result<Shape, BusError> {
        let topic = &self.end.topic;
        let rules: Vec<(&str, String)> =
            rules(plan).into_iter().map(|Rule { key, wanted, .. }| (key, wanted)).collect();
        let count = i32::from(plan.partitions.get());
        let replication = TopicReplication::Fixed(i32::from(plan.replication));
        let mut new = NewTopic::new(topic, count, replication);
        for (key, value) in &rules {
            new = new.set(key, value);
        }
        let doing = format!("create topic `{topic}` with replication {}", plan.replication);
        let outcome = self.client.create_topics([&new], &self.options).await;
        match outcome.map_err(|error| classify(&doing, &error))?.pop() {
            Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => self.wait_for_leaders(plan).await,
            Some(Err((_, code))) => Err(classify(&doing, &KafkaError::AdminOp(code))),
            None => Err(BusError::Unavailable(format!("{doing}: no answer"))),
        }
    }

    async fn wait_for_leaders(&self, plan: &TopicPlan) -> Result<Shape, BusError> {
        let deadline = Instant::now() + SPREAD_TIME_MAX;
        loop {
            let shape = self.shape().await?;
            if let Some(shape) = shape.filter(Shape::is_led) {
                return Ok(shape);
            }
            if Instant::now() > deadline {
                let text = format!(
                    "topic `{}` was made, but not all of its {} partitions have a leader",
                    self.end.topic,
                    plan.partitions.get()
                );
                return Err(BusError::Unavailable(text));
            }
            tokio::time::sleep(SPREAD_POLL).await;
        }
    }

    /// What the brokers say of the topic, `None` if there is none.
    async fn shape(&self) -> Result<Option<Shape>, BusError> {
        let probe = Arc::clone(&self.probe);
        self.end.blocking(move || probe.shape()).await
    }

    /// The topic as it is. A broker that has not heard of a new topic knows no settings of it.
    async fn found(&self, shape: Shape) -> Result<Found, BusError> {
        let deadline = Instant::now() + SPREAD_TIME_MAX;
        loop {
            let settings = self.settings().await?;
            if !settings.is_empty() {
                return Ok(Found {
                    topic: self.end.topic.clone(),
                    partitions: shape.partitions,
                    replication: shape.replication.unwrap_or(0),
                    settings,
                });
            }
            if Instant::now() > deadline {
                let text = format!("a broker knows no settings of topic `{}`", self.end.topic);
                return Err(BusError::Unavailable(text));
            }
            tokio::time::sleep(SPREAD_POLL).await;
        }
    }

    /// The topic's settings, none if the broker that was asked does not know the topic.
    async fn settings(&self) -> Result<HashMap<String, String>, BusError> {
        let doing = format!("read the settings of topic `{}`", self.end.topic);
        let failed = |error| classify(&doing, &error);
        let asked = ResourceSpecifier::Topic(&self.end.topic);
        let answer = self.client.describe_configs([&asked], &self.options).await;
        let entries = match answer.map_err(failed)?.pop() {
            Some(Ok(resource)) => resource.entries,
            Some(Err(Code::UnknownTopicOrPartition)) | None => Vec::new(),
            Some(Err(code)) => return Err(failed(KafkaError::AdminOp(code))),
        };
        let set = |entry: ConfigEntry| Some((entry.name, entry.value?));
        Ok(entries.into_iter().filter_map(set).collect())
    }
}
