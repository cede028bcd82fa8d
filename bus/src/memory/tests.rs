use super::*;
use crate::conformance::{Harness, events, heartbeat};
use futures::FutureExt;
use model::Epoch;

#[async_trait]
impl Harness for MemoryLog {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(self.clone())
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.clone())
    }

    async fn truncate(&self, partition: Partition, before: Seq) {
        Self::truncate(self, partition, before);
    }
}

async fn make(_: &str) -> Option<MemoryLog> {
    Some(MemoryLog::new(crate::conformance::partitions()))
}

crate::conformance!(make);

const P: Partition = Partition(0);

fn log() -> MemoryLog {
    MemoryLog::new(PartitionCount::new(1).expect("a power of two"))
}

async fn subscribe(log: &MemoryLog) -> Box<dyn Subscriber> {
    let start = Start { partition: P, epoch: Epoch(1), after: Seq(0) };
    log.subscribe(vec![start]).await.expect("serves")
}

#[tokio::test]
async fn a_subscriber_behind_a_truncation_or_a_wipe_is_told() {
    let log = log();
    log.publish(P, &events(P, 1, 1..=9)).await.expect("serves");
    let mut subscriber = subscribe(&log).await;
    log.truncate(P, Seq(4));
    let told = subscriber.next().await;
    assert!(matches!(told, Err(BusError::Truncated { .. })), "{told:?}");
    let mut again = subscribe(&log).await;
    assert_eq!(again.next().await.expect("serves").len(), 6);
    log.wipe();
    let told = again.next().await;
    assert!(matches!(told, Err(BusError::Truncated { .. })), "{told:?}");
    assert_eq!(log.tails().await, Ok(vec![(P, None)]));
    assert_eq!(log.events(P), []);
}

#[tokio::test]
async fn an_outage_fails_calls_and_holds_subscribers() {
    let log = log();
    let mut subscriber = subscribe(&log).await;
    log.set_up(false);
    let beat = log.heartbeat(&[heartbeat(P, 1, 0)]).await;
    assert!(matches!(beat, Err(BusError::Unavailable(_))));
    assert!(subscriber.next().now_or_never().is_none());
    log.set_up(true);
    log.publish(P, &events(P, 1, 1..=1)).await.expect("serves");
    assert_eq!(subscriber.next().await.expect("serves").len(), 1);
    log.close();
    assert_eq!(subscriber.next().await, Err(BusError::Closed));
    assert_eq!(log.tails().await, Err(BusError::Closed));
}

#[tokio::test]
async fn foreign_records_surface_and_foreign_partitions_are_refused() {
    let log = log();
    let mut subscriber = subscribe(&log).await;
    log.append_unreadable(P, "it has no headers");
    let unreadable =
        Message::Unreadable { partition: P, offset: 0, why: "it has no headers".to_owned() };
    assert_eq!(subscriber.next().await, Ok(vec![unreadable]));
    let outside = Partition(1);
    let published = log.publish(outside, &[]).await;
    assert!(matches!(published, Err(BusError::Rejected(_))));
    let start = Start { partition: outside, epoch: Epoch(1), after: Seq(0) };
    let subscribed = log.subscribe(vec![start]).await.map(|_| ());
    assert!(matches!(subscribed, Err(BusError::Rejected(_))));
}
