//! Clusters and topics that do not serve us.

use std::sync::Arc;
use std::time::Duration;

use bus::conformance::{Harness, codec, events, heartbeat};
use bus::kafka::{KafkaLog, KafkaPublisher, ensure_topic};
use bus::{BusError, Publisher, Start};
use model::{Epoch, Partition, Seq};

use crate::cluster::Cluster;

const P: Partition = Partition(0);

fn rejected(outcome: Result<(), BusError>) -> String {
    match outcome {
        Err(BusError::Rejected(text)) => text,
        other => panic!("{other:?} needs no operator"),
    }
}

#[tokio::test]
async fn a_topic_is_made_once_and_fits() {
    let Some(cluster) = Cluster::from_environment("making a topic") else {
        return;
    };
    let (first, second) = tokio::join!(
        ensure_topic(&cluster.config, &cluster.plan),
        ensure_topic(&cluster.config, &cluster.plan)
    );
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(ensure_topic(&cluster.config, &cluster.plan).await, Ok(()));
}

#[tokio::test]
async fn a_topic_that_does_not_fit_is_refused_with_every_misfit() {
    let Some(cluster) = Cluster::from_environment("a misfit topic") else {
        return;
    };
    // Each is set, whatever the cluster's own defaults are.
    let settings = [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "CreateTime"),
        ("min.insync.replicas", "1"),
        ("max.message.bytes", "1000"),
        ("retention.ms", "1000"),
    ];
    cluster.create_topic(3, &settings).await;
    let publisher = cluster.kafka_publisher();
    let text = rejected(publisher.tails().await.map(|_| ()));
    for part in [
        "it has 3 partitions, must have 4",
        "a partition has 1 replicas, must have 3",
        "`cleanup.policy` is compact, must be delete",
        "`message.timestamp.type` is CreateTime, must be LogAppendTime",
        "`min.insync.replicas` is 1, must be at least 2",
        "`max.message.bytes` is 1000, must be at least 1048576",
        "`retention.ms` is 1000, must be at least 3600000",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    assert!(!text.contains('\n'), "{text}");
    let published = publisher.publish(P, &events(P, 1, 1..=1)).await;
    assert_eq!(rejected(published), text);
}

#[tokio::test]
async fn more_replicas_than_brokers_are_refused() {
    let Some(mut cluster) = Cluster::from_environment("too few brokers") else {
        return;
    };
    cluster.plan.replication = 99;
    let text = rejected(ensure_topic(&cluster.config, &cluster.plan).await);
    assert!(text.contains("with replication 99"), "{text}");
    assert!(text.ends_with("add brokers, or ask for less replication"), "{text}");
}

#[tokio::test]
async fn a_partition_that_the_topic_does_not_have_is_refused() {
    let Some(cluster) = Cluster::from_environment("an unknown partition") else {
        return;
    };
    assert_eq!(ensure_topic(&cluster.config, &cluster.plan).await, Ok(()));
    let start = Start { partition: Partition(4), epoch: Epoch(1), after: Seq(0) };
    let text = rejected(cluster.log().subscribe(vec![start]).await.map(|_| ()));
    assert!(text.contains("has 4 partitions"), "{text}");
}

#[tokio::test]
async fn a_broker_whose_certificate_we_do_not_know_is_refused() {
    let Some(mut cluster) = Cluster::from_environment("an unknown certificate") else {
        return;
    };
    let Some(tls) = cluster.config.tls.as_mut() else {
        println!("an unknown certificate did not run: the cluster has no TLS");
        return;
    };
    // Our own certificate signs nothing.
    tls.ca = tls.cert.clone();
    let text = rejected(ensure_topic(&cluster.config, &cluster.plan).await);
    assert!(text.contains("certificate"), "{text}");
}

/// Needs no cluster: nobody listens there.
fn nowhere() -> (bus::kafka::KafkaConfig, bus::kafka::TopicPlan) {
    let config = bus::kafka::KafkaConfig {
        brokers: vec!["127.0.0.1:1".to_owned()],
        client_id: "towline-test".to_owned(),
        tls: None,
        linger: Duration::ZERO,
    };
    let plan = bus::kafka::TopicPlan {
        site: "nowhere".to_owned().try_into().expect("valid"),
        partitions: bus::conformance::partitions(),
        replication: 1,
        min_in_sync: 1,
        history_window: Duration::from_secs(60),
    };
    (config, plan)
}

#[tokio::test]
async fn brokers_that_are_not_there_are_unavailable() {
    let (config, plan) = nowhere();
    let log = KafkaLog::new(config.clone(), &plan.site, Arc::new(codec()));
    let publisher = KafkaPublisher::new(config, plan, Arc::new(codec()));
    let beat = publisher.heartbeat(&[heartbeat(P, 1, 0)]).await;
    assert!(matches!(beat, Err(BusError::Unavailable(_))), "{beat:?}");
    let batch = events(P, 1, 1..=1);
    let (published, subscribed, tails) = tokio::join!(
        publisher.publish(P, &batch),
        bus::Log::subscribe(&log, vec![]),
        publisher.tails()
    );
    assert!(matches!(published, Err(BusError::Unavailable(_))), "{published:?}");
    assert!(matches!(subscribed.map(|_| ()), Err(BusError::Unavailable(_))));
    assert!(matches!(tails, Err(BusError::Unavailable(_))), "{tails:?}");
    assert!(!publisher.state().status().reachable);
}

#[tokio::test]
async fn closing_ends_what_waits() {
    let (config, plan) = nowhere();
    let publisher = KafkaPublisher::new(config, plan, Arc::new(codec()));
    let batch = events(P, 1, 1..=1);
    let close = async {
        tokio::task::yield_now().await;
        publisher.close();
    };
    let (published, ()) = tokio::join!(publisher.publish(P, &batch), close);
    assert_eq!(published, Err(BusError::Closed));
    assert_eq!(publisher.tails().await, Err(BusError::Closed));
    assert_eq!(publisher.heartbeat(&[]).await, Err(BusError::Closed));
}
