//! A topic of one's own on the cluster under test.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::conformance::{Harness, codec, partitions};
use bus::kafka::{KafkaConfig, KafkaLog, KafkaPublisher, KafkaTls, TopicPlan};
use bus::{Log, Publisher};
use model::{Partition, Seq, SiteName};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) config: KafkaConfig,
    pub(crate) plan: TopicPlan,
}

impl Cluster {
    /// `None`, and a line that says so, if there is no cluster to test with.
    pub(crate) fn from_environment(test: &str) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(brokers) = variable("TOWLINE_TEST_KAFKA") else {
            println!("{test} did not run: TOWLINE_TEST_KAFKA is not set");
            return None;
        };
        let tls = variable("TOWLINE_TEST_KAFKA_CA").map(|ca| KafkaTls {
            ca: ca.into(),
            cert: variable("TOWLINE_TEST_KAFKA_CERT").expect("set with _CA").into(),
            key: variable("TOWLINE_TEST_KAFKA_KEY").expect("set with _CA").into(),
        });
        Some(Self {
            config: KafkaConfig {
                brokers: brokers.split(',').map(str::to_owned).collect(),
                client_id: "towline-test".to_owned(),
                tls,
                linger: Duration::ZERO,
            },
            plan: plan(),
        })
    }

    pub(crate) fn kafka_publisher(&self) -> KafkaPublisher {
        KafkaPublisher::new(self.config.clone(), self.plan.clone(), Arc::new(codec()))
    }

    pub(crate) fn topic(&self) -> String {
        format!("towline.{}", self.plan.site)
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.config.brokers.join(","));
        if let Some(tls) = &self.config.tls {
            client
                .set("security.protocol", "ssl")
                .set("ssl.ca.location", tls.ca.to_string_lossy())
                .set("ssl.certificate.location", tls.cert.to_string_lossy())
                .set("ssl.key.location", tls.key.to_string_lossy());
        }
        client
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("the settings are right")
    }

    pub(crate) async fn delete_topic(&self) {
        let (admin, options) = (self.admin(), options());
        let deleted = admin.delete_topics(&[&self.topic()], &options).await;
        deleted.expect("answers")[0].as_ref().expect("deletes");
    }

    /// Makes the topic as somebody would who does not know what it is for.
    pub(crate) async fn create_topic(&self, partitions: i32, settings: &[(&str, &str)]) {
        let topic = self.topic();
        let mut new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let created = self.admin().create_topics([&new], &options()).await;
        created.expect("answers")[0].as_ref().expect("creates");
    }

    /// Writes a record that is not ours.
    pub(crate) async fn write_foreign(&self, partition: Partition) {
        let producer: FutureProducer = self.client().create().expect("the settings are right");
        let topic = self.topic();
        let record =
            FutureRecord::<(), _>::to(&topic).partition(i32::from(partition.0)).payload("hello");
        producer.send(record, PATIENCE).await.expect("writes");
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

/// A topic that nobody else has.
fn plan() -> TopicPlan {
    let unique = RandomState::new().build_hasher().finish();
    TopicPlan {
        site: SiteName::try_from(format!("test-{unique:x}")).expect("valid"),
        partitions: partitions(),
        replication: 3,
        min_in_sync: 2,
        history_window: Duration::from_secs(3_600),
    }
}

#[async_trait]
impl Harness for Cluster {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(self.kafka_publisher())
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog::new(self.config.clone(), &self.plan.site, Arc::new(codec())))
    }

    async fn truncate(&self, partition: Partition, before: Seq) {
        // Only events were published, so that the event of seq 1 has the offset 0.
        let before = i64::try_from(before.0 - 1).expect("small");
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&self.topic(), i32::from(partition.0), Offset::Offset(before))
            .expect("valid");
        let done = self.admin().delete_records(&offsets, &options()).await;
        done.expect("answers").elements()[0].error().expect("deletes");
    }
}
