use super::*;
use crate::conformance::{codec, event, heartbeat};
use crate::kafka::KafkaConfig;
use std::time::Duration;

const P: Partition = Partition(0);
const OTHER: Partition = Partition(1);

/// A producer whose brokers are not there: what is queued stays so.
fn producer(before: Option<&Producer>) -> Producer {
    let config = KafkaConfig {
        brokers: vec!["127.0.0.1:1".to_owned()],
        client_id: "towline-test".to_owned(),
        tls: None,
        linger: Duration::ZERO,
    };
    let end = End::new(config, "towline.nowhere".to_owned());
    Producer::connect(&end, before).expect("needs no broker")
}

fn tail(seq: u64) -> Tail {
    Tail::of(&event(P, 1, seq))
}

/// What a heartbeat of the partition would name.
fn named_end(producer: &Producer, partition: Partition) -> Option<Tail> {
    producer.ends().as_ref()?.get(&partition)?.tail
}

fn send(producer: &Producer, seq: u64, tail: Option<Tail>) -> Receipt {
    let queued = producer.send(P, &event(P, 1, seq), tail);
    queued.unwrap_or_else(|_| panic!("there is room"))
}

#[tokio::test]
async fn a_heartbeat_names_the_last_event_queued_or_nothing() {
    let producer = producer(None);
    producer.note_tail(P, Some(tail(4)));
    assert_eq!(named_end(&producer, P), Some(tail(4)));
    send(&producer, 5, None);
    assert_eq!(named_end(&producer, P), None, "more of its batch comes");
    send(&producer, 6, Some(tail(6)));
    producer.note_tail(P, Some(tail(4)));
    assert_eq!(named_end(&producer, P), Some(tail(6)), "the log was read before");
}

#[tokio::test]
async fn a_producer_takes_over_only_what_is_certain() {
    let old = producer(None);
    old.note_tail(P, Some(tail(4)));
    old.note_tail(OTHER, Some(tail(9)));
    send(&old, 5, Some(tail(5)));
    let new = producer(Some(&old));
    assert_eq!(named_end(&new, P), None, "the event may come or not");
    assert_eq!(named_end(&new, OTHER), Some(tail(9)));
    new.note_tail(OTHER, None);
    assert_eq!(named_end(&new, OTHER), None, "the log knows better");
    let late = old.send(P, &event(P, 1, 6), None);
    assert!(matches!(late, Err(Refused::Failed(BusError::Unavailable(_)))));
    let settled = producer(None);
    send(&settled, 1, Some(tail(1)));
    settled.settle(P);
    assert_eq!(named_end(&producer(Some(&settled)), P), Some(tail(1)));
}

#[tokio::test]
async fn nothing_is_queued_after_a_failure_and_nobody_waits() {
    let producer = producer(None);
    let receipt = send(&producer, 1, Some(tail(1)));
    assert!(!producer.is_over());
    producer.fail();
    assert!(producer.is_over());
    let told = producer.acknowledged(P, receipt).await;
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
    assert!(matches!(producer.broken().await, BusError::Unavailable(_)));
    let late = producer.send(P, &event(P, 1, 2), None);
    assert!(matches!(late, Err(Refused::Failed(BusError::Unavailable(_)))));
    let beat = producer.beat(&[heartbeat(P, 1, 2)], &codec());
    assert!(matches!(beat, Err(BusError::Unavailable(_))), "{beat:?}");
}

#[tokio::test]
async fn heartbeats_do_not_pile_up() {
    let producer = producer(None);
    let beats = [heartbeat(P, 1, 0), heartbeat(OTHER, 1, 0)];
    assert_eq!(producer.beat(&beats, &codec()), Ok(()));
    let told = producer.beat(&beats, &codec());
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
}

#[tokio::test]
async fn offsets_that_start_again_are_told() {
    let producer = producer(None);
    for offset in [7, 8, -1, 12] {
        assert_eq!(producer.check_offset(P, offset), Ok(()));
    }
    assert_eq!(producer.check_offset(OTHER, 0), Ok(()));
    let told = producer.check_offset(P, 3);
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let producer = producer(None);
    let mut large = event(P, 1, 1);
    large.payload = vec![7; model::EVENT_BYTES_MAX].into();
    let refused =
        std::iter::repeat_with(|| producer.send(P, &large, None)).take(64).find_map(Result::err);
    assert!(matches!(refused, Some(Refused::Full)));
}
