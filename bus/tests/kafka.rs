//! The log on a real cluster: the conformance suite, and what only Kafka can do to us.
//!
//! `TOWLINE_TEST_KAFKA` names the brokers, `TOWLINE_TEST_KAFKA_CA`, `_CERT` and `_KEY` the files
//! of mutual TLS. Without the first, each test says that it did not run.

#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "kafka/recovery.rs"]
mod recovery;
#[path = "kafka/refusal.rs"]
mod refusal;

use cluster::Cluster;

async fn make(check: &str) -> Option<Cluster> {
    Cluster::from_environment(check)
}

bus::conformance!(make);
