use super::*;
use crate::conformance::{event, events, heartbeat};
use crate::memory::MemoryLog;
use futures::FutureExt;
use model::{Epoch, PartitionCount, Seq};

const P: Partition = Partition(0);

fn faulty() -> Faulty<MemoryLog> {
    let one = PartitionCount::new(1).expect("a power of two");
    Faulty::new(MemoryLog::new(one))
}

fn held(log: &Faulty<MemoryLog>) -> usize {
    log.inner().events(P).len()
}

#[tokio::test]
async fn each_fault_of_publishing_leaves_what_it_says() {
    let log = faulty();
    let batch = events(P, 1, 1..=4);
    log.script_publish([
        PublishFault::Refuse,
        PublishFault::LoseAnswer,
        PublishFault::Tear,
        PublishFault::Pass,
    ]);
    for (fault, total) in [("Refuse", 0), ("LoseAnswer", 4), ("Tear", 6)] {
        let told = log.publish(P, &batch).await;
        let expected = format!("scripted fault `{fault}`");
        assert_eq!(told, Err(BusError::Unavailable(expected)));
        assert_eq!(held(&log), total);
    }
    assert_eq!(log.publish(P, &batch).await, Ok(()));
    assert_eq!(log.publish(P, &batch).await, Ok(()), "the script is over");
    assert_eq!(held(&log), 14);
    assert_eq!(log.tails().await, log.inner().tails().await);
    assert_eq!(log.heartbeat(&[heartbeat(P, 1, 4)]).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn held_and_slow_calls_end_when_they_should() {
    let log = faulty();
    let batch = events(P, 1, 1..=1);
    log.script_publish([PublishFault::Hold, PublishFault::Slow]);
    let mut publishing = std::pin::pin!(log.publish(P, &batch));
    assert!(publishing.as_mut().now_or_never().is_none());
    assert_eq!(held(&log), 0);
    log.release();
    assert_eq!(publishing.await, Ok(()));
    let before = tokio::time::Instant::now();
    assert_eq!(log.publish(P, &batch).await, Ok(()));
    assert!(before.elapsed() >= SLOW);
}

#[tokio::test]
async fn each_fault_of_reading_is_seen() {
    let log = faulty();
    let start = Start { partition: P, epoch: Epoch(1), after: Seq(0) };
    let mut subscriber = log.subscribe(vec![start]).await.expect("serves");
    let message = |seq| Message::Event(event(P, 1, seq));
    let cases: [(ReadFault, &[u64]); 4] = [
        (ReadFault::Duplicate, &[1, 2, 1, 2]),
        (ReadFault::Drop, &[2]),
        (ReadFault::Swap, &[2, 1]),
        (ReadFault::Pass, &[1, 2]),
    ];
    for (fault, seqs) in cases {
        log.script_read([fault]);
        log.publish(P, &events(P, 1, 1..=2)).await.expect("serves");
        let expected: Vec<_> = seqs.iter().copied().map(message).collect();
        assert_eq!(subscriber.next().await, Ok(expected), "{fault:?}");
    }
    log.script_read([ReadFault::Drop, ReadFault::Swap, ReadFault::Cut]);
    log.publish(P, &events(P, 1, 1..=1)).await.expect("serves");
    assert!(subscriber.next().now_or_never().is_none(), "it was dropped");
    log.publish(P, &events(P, 1, 2..=2)).await.expect("serves");
    assert_eq!(subscriber.next().await, Ok(vec![message(2)]), "alone it stays");
    log.publish(P, &events(P, 1, 3..=3)).await.expect("serves");
    let told = subscriber.next().await;
    assert!(matches!(told, Err(BusError::Unavailable(_))), "{told:?}");
}
