//! The checks.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use model::{EVENT_BYTES_MAX, Epoch, Partition, SealedEvent, Seq};

use super::samples::{event, events, heartbeat};
use super::{Harness, partitions};
use crate::{Message, Publisher, Start, Subscriber, Tail};

const P: Partition = Partition(1);
const E: u64 = 1_700_000_000_000;

/// What is not delivered in this time is not delivered: far more than any implementation needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(epoch: u64, after: u64) -> Start {
    Start { partition: P, epoch: Epoch(epoch), after: Seq(after) }
}

/// The next messages, `count` or more.
async fn take(subscriber: &mut dyn Subscriber, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(PATIENCE, subscriber.next()).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} came", taken.len()));
        taken.extend(next.expect("the log serves"));
    }
    taken
}

/// The next events, `count` or more, whatever comes between them.
async fn take_events(subscriber: &mut dyn Subscriber, count: usize) -> Vec<SealedEvent> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for message in take(subscriber, 1).await {
            if let Message::Event(event) = message {
                taken.push(event);
            }
        }
    }
    taken
}

/// What a subscription from `start` delivers first.
async fn read(harness: &impl Harness, start: Start, count: usize) -> Vec<SealedEvent> {
    let mut subscriber = harness.log().subscribe(vec![start]).await.expect("serves");
    take_events(subscriber.as_mut(), count).await
}

async fn tail(harness: &impl Harness) -> Option<Tail> {
    let tails = harness.publisher().tails().await.expect("serves");
    assert_eq!(tails.len(), usize::from(partitions().get()));
    tails[usize::from(P.0)].1
}

/// Sends a heartbeat once the one before it is out of the way.
async fn beat(publisher: &dyn Publisher, written: u64) {
    let heartbeats = [heartbeat(P, E, written)];
    let sent = async {
        while publisher.heartbeat(&heartbeats).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let sent = tokio::time::timeout(PATIENCE, sent).await;
    sent.expect("the log serves");
}

/// An empty log has no tail, and a subscription of it waits for what comes.
pub async fn an_empty_log_has_no_tails_and_waits(harness: &impl Harness) {
    let publisher = harness.publisher();
    let tails = publisher.tails().await.expect("serves");
    let none: Vec<_> = partitions().iter().map(|p| (p, None)).collect();
    assert_eq!(tails, none);
    let mut subscriber = harness.log().subscribe(vec![start(E, 0)]).await.expect("serves");
    assert!(subscriber.next().now_or_never().is_none(), "nothing is there");
    publisher.publish(P, &[]).await.expect("nothing to do");
    publisher.publish(P, &events(P, E, 1..=1)).await.expect("serves");
    assert_eq!(take_events(subscriber.as_mut(), 1).await, events(P, E, 1..=1));
}

/// What was published in one order is delivered in it, batch after batch.
pub async fn order_holds_within_a_partition(harness: &impl Harness) {
    let publisher = harness.publisher();
    publisher.tails().await.expect("serves");
    let mut subscriber = harness.log().subscribe(vec![start(E, 0)]).await.expect("serves");
    let all = events(P, E, 1..=700);
    for batch in all.chunks(97) {
        publisher.publish(P, batch).await.expect("serves");
    }
    assert_eq!(take_events(subscriber.as_mut(), 700).await, all);
}

/// Once `publish` returns, a subscription made then delivers all of it.
pub async fn an_acknowledged_batch_is_readable(harness: &impl Harness) {
    let publisher = harness.publisher();
    for batch in [1..=1, 2..=50, 51..=60] {
        let last = *batch.end();
        publisher.publish(P, &events(P, E, batch.clone())).await.expect("serves");
        assert_eq!(
            read(harness, start(E, batch.start() - 1), 1).await[0],
            event(P, E, *batch.start())
        );
        assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E, last))));
    }
}

/// A subscription starts after any seq, also one that the log does not hold yet.
pub async fn restart_reads_from_any_position(harness: &impl Harness) {
    let publisher = harness.publisher();
    for batch in events(P, E, 1..=40).chunks(7) {
        publisher.publish(P, batch).await.expect("serves");
    }
    for after in [0, 1, 6, 7, 8, 20, 38, 39] {
        let rest = events(P, E, after + 1..=40);
        assert_eq!(read(harness, start(E, after), rest.len()).await, rest);
    }
    let mut ahead = harness.log().subscribe(vec![start(E, 40)]).await.expect("serves");
    publisher.publish(P, &events(P, E, 41..=42)).await.expect("serves");
    assert_eq!(take_events(ahead.as_mut(), 2).await, events(P, E, 41..=42));
}

/// What is published twice is delivered twice, and a start between the two misses nothing.
pub async fn repetitions_are_delivered(harness: &impl Harness) {
    let publisher = harness.publisher();
    publisher.publish(P, &events(P, E, 1..=9)).await.expect("serves");
    let again = harness.publisher();
    again.publish(P, &events(P, E, 5..=12)).await.expect("serves");
    let all = [events(P, E, 1..=9), events(P, E, 5..=12)].concat();
    assert_eq!(read(harness, start(E, 0), all.len()).await, all);
    for after in 1..12 {
        let subscribed = harness.log().subscribe(vec![start(E, after)]).await;
        let mut subscriber = subscribed.expect("serves");
        let mut delivered = Vec::new();
        while delivered.last() != Some(&event(P, E, 12)) {
            delivered.extend(take_events(subscriber.as_mut(), 1).await);
        }
        for seq in after + 1..=12 {
            assert!(delivered.contains(&event(P, E, seq)), "{seq} after {after}");
        }
    }
}

/// Heartbeats are delivered in their place, and neither tails nor starts mind them.
pub async fn heartbeats_do_not_disturb_the_search(harness: &impl Harness) {
    let publisher = harness.publisher();
    publisher.tails().await.expect("serves");
    let mut witness = harness.log().subscribe(vec![start(E, 0)]).await.expect("serves");
    let mut seen = Vec::new();
    for seq in 1..=12 {
        // One that knows no event yet, then some behind each event.
        for _ in 0..seq % 4 {
            beat(publisher.as_ref(), seq - 1).await;
            let came = take(witness.as_mut(), 1).await;
            assert_eq!(came, [Message::Heartbeat(heartbeat(P, E, seq - 1))]);
        }
        publisher.publish(P, &events(P, E, seq..=seq)).await.expect("serves");
        seen.extend(take_events(witness.as_mut(), 1).await);
    }
    assert_eq!(seen, events(P, E, 1..=12));
    let late = harness.publisher();
    late.tails().await.expect("serves");
    for _ in 0..9 {
        beat(late.as_ref(), 12).await;
        take(witness.as_mut(), 1).await;
    }
    assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E, 12))));
    for after in 0..12 {
        let rest = events(P, E, after + 1..=12);
        assert_eq!(read(harness, start(E, after), rest.len()).await, rest);
    }
}

/// A publisher that was just started finds what the log ends with, and goes on.
pub async fn tails_survive_a_restart(harness: &impl Harness) {
    harness.publisher().publish(P, &events(P, E, 1..=5)).await.expect("serves");
    assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E, 5))));
    harness.publisher().publish(P, &events(P, E, 6..=6)).await.expect("serves");
    assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E, 6))));
    assert_eq!(read(harness, start(E, 4), 2).await, events(P, E, 5..=6));
}

/// Of a log that lost its beginning, a subscription delivers what is left.
pub async fn truncated_log_starts_at_its_earliest(harness: &impl Harness) {
    harness.publisher().publish(P, &events(P, E, 1..=20)).await.expect("serves");
    harness.truncate(P, Seq(8)).await;
    for after in [0, 3, 7] {
        assert_eq!(read(harness, start(E, after), 13).await, events(P, E, 8..=20));
    }
    assert_eq!(read(harness, start(E, 15), 5).await, events(P, E, 16..=20));
    assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E, 20))));
}

/// Of several epochs in the log, those before the start's are passed over and those after it
/// follow.
pub async fn epochs_come_in_order(harness: &impl Harness) {
    let publisher = harness.publisher();
    for epoch in [E, E + 7, E + 9] {
        publisher.publish(P, &events(P, epoch, 1..=4)).await.expect("serves");
    }
    let (second, third) = (events(P, E + 7, 1..=4), events(P, E + 9, 1..=4));
    let from_second = [second, third.clone()].concat();
    for (epoch, after) in [(E, 4), (E, 90), (E + 1, 0), (E + 7, 0)] {
        assert_eq!(read(harness, start(epoch, after), 8).await, from_second);
    }
    assert_eq!(read(harness, start(E + 7, 4), 4).await, third);
    assert_eq!(read(harness, start(E + 8, 1), 4).await, third);
    assert_eq!(tail(harness).await, Some(Tail::of(&event(P, E + 9, 4))));
}

/// Partitions are published to at once and delivered together, each in its order and each from
/// its own start.
pub async fn many_partitions_at_once(harness: &impl Harness) {
    let publisher = harness.publisher();
    let publish = partitions().iter().map(|p| {
        let publisher = &publisher;
        async move {
            for batch in events(p, E, 1..=60).chunks(9) {
                publisher.publish(p, batch).await.expect("serves");
            }
        }
    });
    join_all(publish).await;
    let starts = partitions().iter().map(|partition| Start {
        partition,
        epoch: Epoch(E),
        after: Seq(u64::from(partition.0) * 10),
    });
    let starts: Vec<_> = starts.collect();
    let expected: Vec<_> = starts
        .iter()
        .flat_map(|start| events(start.partition, E, start.after.0 + 1..=60))
        .collect();
    let mut subscriber = harness.log().subscribe(starts).await.expect("serves");
    let mut delivered = take_events(subscriber.as_mut(), expected.len()).await;
    // Stable: the order within a partition stays as it was delivered.
    delivered.sort_by_key(|event| event.position.partition);
    assert_eq!(delivered, expected);
}

/// Events of the largest size travel, several in a batch, and do not hide the small ones.
pub async fn largest_events_pass(harness: &impl Harness) {
    let mut all = events(P, E, 1..=6);
    for (number, event) in (1_u64..).zip(all.iter_mut().skip(1).step_by(2)) {
        event.payload = noise(number);
    }
    harness.publisher().publish(P, &all).await.expect("serves");
    assert_eq!(read(harness, start(E, 0), 6).await, all);
    assert_eq!(tail(harness).await, Some(Tail::of(&all[5])));
}

/// Bytes that no codec makes smaller.
fn noise(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..EVENT_BYTES_MAX / 8).flat_map(|_| next()).collect()
}
