//! A topic that goes away and comes back, and records that are not ours.

use bus::conformance::{Harness, event, events, heartbeat};
use bus::{BusError, Log, Message, Publisher, Start, Subscriber, Tail};
use model::{Epoch, Partition, Seq};

use crate::cluster::{Cluster, PATIENCE};

const P: Partition = Partition(2);

async fn subscribe(log: &dyn Log, after: u64) -> Box<dyn Subscriber> {
    let start = Start { partition: P, epoch: Epoch(1), after: Seq(after) };
    log.subscribe(vec![start]).await.expect("serves")
}

async fn next(subscriber: &mut dyn Subscriber) -> Result<Vec<Message>, BusError> {
    let next = tokio::time::timeout(PATIENCE, subscriber.next()).await;
    next.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_recover_when_the_topic_is_made_anew() {
    let Some(cluster) = Cluster::from_environment("a topic made anew") else {
        return;
    };
    let publisher = cluster.kafka_publisher();
    publisher.tails().await.expect("serves");
    let log = cluster.log();
    let mut subscriber = subscribe(log.as_ref(), 0).await;
    publisher.publish(P, &events(P, 1, 1..=5)).await.expect("serves");
    assert_eq!(next(subscriber.as_mut()).await.expect("serves").len(), 5);

    cluster.delete_topic().await;
    let told = next(subscriber.as_mut()).await;
    assert!(matches!(told, Err(BusError::Unavailable(_) | BusError::Truncated { .. })), "{told:?}");
    let told = log.subscribe(vec![]).await.map(|_| ());
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
    let told = publisher.publish(P, &events(P, 1, 6..=6)).await;
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");

    let tails = publisher.tails().await.expect("the topic is made anew");
    assert_eq!(tails[usize::from(P.0)], (P, None));
    publisher.publish(P, &events(P, 1, 4..=6)).await.expect("serves");
    let mut again = subscribe(log.as_ref(), 5).await;
    let delivered = next(again.as_mut()).await.expect("serves");
    assert_eq!(delivered, [Message::Event(event(P, 1, 6))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_others_made_anew_at_once_is_noticed() {
    let Some(cluster) = Cluster::from_environment("a topic made anew by others") else {
        return;
    };
    let publisher = cluster.kafka_publisher();
    let (log, other) = (cluster.log(), cluster.kafka_publisher());
    publisher.publish(P, &events(P, 1, 1..=5)).await.expect("serves");
    let mut subscriber = subscribe(log.as_ref(), 0).await;
    assert_eq!(next(subscriber.as_mut()).await.expect("serves").len(), 5);

    cluster.delete_topic().await;
    other.tails().await.expect("the topic is made anew");
    // Told at the first publish, or once offsets start again: never acknowledged in silence.
    let told = publisher.publish(P, &events(P, 1, 6..=6)).await;
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
    let tails = publisher.tails().await.expect("serves");
    let tail = tails[usize::from(P.0)].1;
    assert!(tail.is_none_or(|tail| tail == Tail::of(&event(P, 1, 6))), "{tail:?}");
    publisher.publish(P, &events(P, 1, 1..=7)).await.expect("serves");
    let told = loop {
        match next(subscriber.as_mut()).await {
            // What was already published again before it noticed.
            Ok(_) => {}
            Err(told) => break told,
        }
    };
    assert!(matches!(told, BusError::Unavailable(_) | BusError::Truncated { .. }), "{told:?}");
    let mut again = subscribe(log.as_ref(), 6).await;
    let delivered = next(again.as_mut()).await.expect("serves");
    assert!(delivered.contains(&Message::Event(event(P, 1, 7))), "{delivered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_records_surface_and_hide_nothing() {
    let Some(cluster) = Cluster::from_environment("foreign records") else {
        return;
    };
    let publisher = cluster.kafka_publisher();
    let log = cluster.log();
    publisher.publish(P, &events(P, 1, 1..=3)).await.expect("serves");
    cluster.write_foreign(P).await;
    publisher.publish(P, &events(P, 1, 4..=4)).await.expect("serves");
    for _ in 0..3 {
        cluster.write_foreign(P).await;
    }
    let tails = cluster.kafka_publisher().tails().await.expect("serves");
    assert_eq!(tails[usize::from(P.0)].1, Some(Tail::of(&event(P, 1, 4))));
    let mut subscriber = subscribe(log.as_ref(), 2).await;
    let mut delivered = Vec::new();
    while delivered.len() < 6 {
        delivered.extend(next(subscriber.as_mut()).await.expect("serves"));
    }
    let foreign =
        |offset| Message::Unreadable { partition: P, offset, why: "it has no headers".to_owned() };
    let expected = [
        Message::Event(event(P, 1, 3)),
        foreign(3),
        Message::Event(event(P, 1, 4)),
        foreign(5),
        foreign(6),
        foreign(7),
    ];
    assert_eq!(delivered, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_heartbeats_name_the_end_after_the_events_are_gone() {
    let Some(cluster) = Cluster::from_environment("idle heartbeats") else {
        return;
    };
    let publisher = cluster.kafka_publisher();
    publisher.publish(P, &events(P, 1, 1..=3)).await.expect("serves");
    publisher.heartbeat(&[heartbeat(P, 1, 3)]).await.expect("sends");
    let mut subscriber = subscribe(cluster.log().as_ref(), 2).await;
    let beat = Message::Heartbeat(heartbeat(P, 1, 3));
    while next(subscriber.as_mut()).await.expect("serves").last() != Some(&beat) {}
    cluster.truncate(P, Seq(4)).await;
    let tails = cluster.kafka_publisher().tails().await.expect("serves");
    assert_eq!(tails[usize::from(P.0)].1, Some(Tail::of(&event(P, 1, 3))));
    assert!(publisher.state().status().reachable);
}
