//! How to reach the brokers, and the client settings that the laws and the latency need.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// Files of mutual TLS, PEM. Broker names are checked against their certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaTls {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// How to reach a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaConfig {
    /// `host:port` of some of the brokers; the rest are learned from them.
    pub brokers: Vec<String>,
    /// What the brokers' logs and quotas call us; also the name of the consumer group that
    /// librdkafka asks for and that we neither join nor commit to.
    pub client_id: String,
    /// `None`: plain TCP.
    pub tls: Option<KafkaTls>,
    /// How long the publisher waits for more events to share a batch; zero sends at once.
    pub linger: Duration,
}

/// Bytes of events waiting for acknowledgement: 16 MiB, 32 events of the largest size.
const PRODUCER_QUEUE_KIB: u32 = 16 * 1024;
/// Events waiting for acknowledgement.
const PRODUCER_QUEUE_EVENTS: u32 = 20_000;
/// Bytes fetched and not yet handed out. With one answer of [`FETCH_BYTES_MAX`] under way from
/// each of three brokers, a subscription holds about 16 MiB.
const CONSUMER_QUEUE_KIB: u32 = 10 * 1024;
const FETCH_BYTES_MAX: u32 = 2 * 1024 * 1024;
/// Most of one partition in one answer: the largest record, which a topic may hold.
const FETCH_PARTITION_BYTES_MAX: u32 = 1024 * 1024;
/// A probe reads one record: fetch no more than a batch, and hold up the next probe no longer.
const PROBE_FETCH_BYTES: u32 = 16 * 1024;
const PROBE_FETCH_WAIT_MS: u32 = 5;
/// How long the broker holds an idle fetch. Whatever comes in ends the wait, so it costs no
/// latency; fewer idle requests cost less.
const FETCH_WAIT_MS: u32 = 500;
/// Pause after a failed fetch, and when the queue was full.
const FETCH_BACKOFF_MS: u32 = 20;
/// A broker that does not answer for so long is given up: well above any healthy answer.
const SOCKET_TIMEOUT_MS: u32 = 10_000;
/// So quickly a broker that came back is used again.
const RECONNECT_BACKOFF_MAX_MS: u32 = 1_000;
/// How long a topic may be missing before its events fail: metadata spreads in less.
const TOPIC_MISSING_MS: u32 = 2_000;
/// How old the numbers of [`super::KafkaState`] are at most.
const STATISTICS_MS: u32 = 2_000;

impl KafkaConfig {
    /// What every client shares.
    pub(super) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", &self.client_id)
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", SOCKET_TIMEOUT_MS.to_string())
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX_MS.to_string())
            .set("topic.metadata.propagation.max.ms", TOPIC_MISSING_MS.to_string())
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        if let Some(tls) = &self.tls {
            config
                .set("security.protocol", "ssl")
                .set("ssl.endpoint.identification.algorithm", "https")
                .set("ssl.ca.location", tls.ca.to_string_lossy())
                .set("ssl.certificate.location", tls.cert.to_string_lossy())
                .set("ssl.key.location", tls.key.to_string_lossy());
        }
        config
    }

    /// The writing end: idempotent, acknowledged by all in sync, never given up by a timer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("message.timeout.ms", "0")
            .set("statistics.interval.ms", STATISTICS_MS.to_string())
            .set("linger.ms", self.linger.as_millis().to_string())
            .set("queue.buffering.max.kbytes", PRODUCER_QUEUE_KIB.to_string())
            .set("queue.buffering.max.messages", PRODUCER_QUEUE_EVENTS.to_string());
        config
    }

    /// The reading end of a subscription.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.reader();
        config
            .set("statistics.interval.ms", STATISTICS_MS.to_string())
            .set("fetch.wait.max.ms", FETCH_WAIT_MS.to_string())
            .set("fetch.max.bytes", FETCH_BYTES_MAX.to_string())
            .set("max.partition.fetch.bytes", FETCH_PARTITION_BYTES_MAX.to_string())
            .set("queued.max.messages.kbytes", CONSUMER_QUEUE_KIB.to_string());
        config
    }

    /// A reader of single records here and there.
    pub(super) fn probe(&self) -> ClientConfig {
        let mut config = self.reader();
        config
            .set("fetch.wait.max.ms", PROBE_FETCH_WAIT_MS.to_string())
            .set("max.partition.fetch.bytes", PROBE_FETCH_BYTES.to_string())
            .set("queued.max.messages.kbytes", CONSUMER_QUEUE_KIB.to_string());
        config
    }

    fn reader(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("group.id", &self.client_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("fetch.min.bytes", "1")
            .set("fetch.error.backoff.ms", FETCH_BACKOFF_MS.to_string())
            .set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS.to_string());
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(tls: Option<KafkaTls>) -> KafkaConfig {
        KafkaConfig {
            brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
            client_id: "towline".to_owned(),
            tls,
            linger: Duration::ZERO,
        }
    }

    #[test]
    fn librdkafka_knows_every_setting() {
        let config = config(None);
        for settings in [config.producer(), config.consumer(), config.probe()] {
            settings.create_native_config().expect("every name and value is valid");
        }
    }

    #[test]
    fn laws_stand_in_the_settings() {
        let config = config(None);
        let producer = config.producer();
        assert_eq!(producer.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(producer.get("acks"), Some("all"));
        assert_eq!(producer.get("enable.idempotence"), Some("true"));
        assert_eq!(producer.get("message.timeout.ms"), Some("0"));
        assert_eq!(producer.get("security.protocol"), None);
        for reader in [config.consumer(), config.probe()] {
            assert_eq!(reader.get("auto.offset.reset"), Some("error"));
            assert_eq!(reader.get("check.crcs"), Some("true"));
            assert_eq!(reader.get("enable.auto.commit"), Some("false"));
        }
    }

    #[test]
    fn tls_checks_the_brokers_names() {
        let tls = KafkaTls { ca: "ca.pem".into(), cert: "cert.pem".into(), key: "key.pem".into() };
        let common = config(Some(tls)).common();
        assert_eq!(common.get("security.protocol"), Some("ssl"));
        assert_eq!(common.get("ssl.endpoint.identification.algorithm"), Some("https"));
        assert_eq!(common.get("ssl.key.location"), Some("key.pem"));
    }
}
