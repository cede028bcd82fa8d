//! One subscription.
//!
//! What must stay true: what it hands out of a partition continues without a gap, or the
//! subscription ends. Kafka can continue elsewhere in silence only if the topic was deleted, made
//! anew and filled beyond our offset; then the seqs tell, and subscribing again finds the place.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use model::Partition;
use rdkafka::consumer::StreamConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

use super::certificates::Certificates;
use super::error::{classify, is_passing};
use super::headers::Label;
use super::observer::Observer;
use super::record::{label, message, partition};
use super::retire::Retiring;
use crate::{BusError, HeartbeatCodec, Message, Place, Subscriber};

/// Most messages handed out at once, and the payload bytes after which a batch ends.
const BATCH_MESSAGES_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A consumer that was assigned its offsets.
pub(super) struct KafkaSubscriber {
    consumer: Retiring<StreamConsumer<Observer>>,
    certificates: Certificates,
    codec: Arc<dyn HeartbeatCodec>,
    /// The highest place handed out of each partition.
    ends: HashMap<Partition, Place>,
    /// Why the subscription ended, told once everything before it was handed out.
    over: Option<BusError>,
}

impl KafkaSubscriber {
    pub(super) fn new(
        consumer: Retiring<StreamConsumer<Observer>>,
        certificates: Certificates,
        codec: Arc<dyn HeartbeatCodec>,
    ) -> Self {
        Self { consumer, certificates, codec, ends: HashMap::new(), over: None }
    }
}

#[async_trait]
impl Subscriber for KafkaSubscriber {
    async fn next(&mut self) -> Result<Vec<Message>, BusError> {
        if self.certificates.renewed() {
            let text = "certificates were renewed: subscribe again".to_owned();
            self.over = Some(BusError::Unavailable(text));
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while self.over.is_none() {
            let received = if batch.is_empty() {
                self.consumer.recv().await
            } else if batch.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
                match self.consumer.recv().now_or_never() {
                    Some(received) => received,
                    None => break,
                }
            } else {
                break;
            };
            match received.map(|record| take(&mut self.ends, &record, self.codec.as_ref())) {
                Ok(Ok((message, length))) => {
                    batch.push(message);
                    bytes += length;
                }
                Ok(Err(gap)) => self.over = Some(gap),
                Err(error) => self.over = ends_subscription(&error),
            }
        }
        match &self.over {
            Some(error) if batch.is_empty() => Err(error.clone()),
            _ => Ok(batch),
        }
    }
}

/// What an error of the consumer means, `None` if it passes by itself.
fn ends_subscription(error: &KafkaError) -> Option<BusError> {
    (!is_passing(error)).then(|| classify("read the topic", error))
}

/// Takes a record: the message it is and its length, or the gap before it.
fn take(
    ends: &mut HashMap<Partition, Place>,
    record: &BorrowedMessage<'_>,
    codec: &dyn HeartbeatCodec,
) -> Result<(Message, usize), BusError> {
    let label = label(record);
    if let Ok(label) = &label {
        check(ends, partition(record), label)?;
    }
    Ok((message(record, label, codec), record.payload_len()))
}

/// Compares a record's place with what its partition ended with before.
fn check(
    ends: &mut HashMap<Partition, Place>,
    partition: Partition,
    label: &Label,
) -> Result<(), BusError> {
    let before = ends.get(&partition).copied();
    let (place, continues) = match label {
        Label::Event { position, .. } => {
            let place = Place::from(*position);
            (place, before.is_none_or(|before| place.continues(before)))
        }
        // It names what was appended before it: that should have come.
        Label::Heartbeat(Some((position, _))) => {
            let place = Place::from(*position);
            (place, before.is_none_or(|before| place <= before))
        }
        Label::Heartbeat(None) => return Ok(()),
    };
    if let (false, Some(before)) = (continues, before) {
        return Err(BusError::Truncated {
            partition: Some(partition),
            why: format!("{place:?} came after {before:?}"),
        });
    }
    if matches!(label, Label::Event { .. }) && before.is_none_or(|before| place > before) {
        ends.insert(partition, place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Digest, EntityHash, Epoch, Hlc, Position, Seq, SiteId, Version};
    use rdkafka::types::RDKafkaErrorCode as Code;

    const SITE: SiteId = SiteId([1; 16]);

    fn position(epoch: u64, seq: u64) -> Position {
        Position { site: SITE, epoch: Epoch(epoch), partition: Partition(0), seq: Seq(seq) }
    }

    fn event(epoch: u64, seq: u64) -> Label {
        Label::Event {
            position: position(epoch, seq),
            version: Version { hlc: Hlc(1), site: SITE },
            entity: EntityHash(Digest::ZERO),
        }
    }

    fn beat(epoch: u64, seq: u64) -> Label {
        Label::Heartbeat(Some((position(epoch, seq), Digest::ZERO)))
    }

    /// Index of the first label that does not continue.
    fn gap(labels: &[Label]) -> Option<usize> {
        let mut ends = HashMap::new();
        let outcome = |label| check(&mut ends, Partition(0), label).is_err();
        labels.iter().position(outcome)
    }

    #[test]
    fn repetitions_and_new_epochs_continue() {
        let blank = Label::Heartbeat(None);
        let log = [event(1, 5), event(1, 6), blank, event(1, 5), event(1, 6)];
        assert_eq!(gap(&log), None);
        let log = [beat(1, 4), event(1, 5), beat(1, 5), event(2, 1), beat(2, 1)];
        assert_eq!(gap(&log), None);
    }

    #[test]
    fn a_gap_after_the_first_event_ends_the_subscription() {
        assert_eq!(gap(&[event(1, 5), event(1, 7)]), Some(1));
        assert_eq!(gap(&[event(1, 5), event(1, 4), event(1, 7)]), Some(2));
        assert_eq!(gap(&[event(1, 5), event(2, 2)]), Some(1));
        assert_eq!(gap(&[event(1, 5), beat(1, 6)]), Some(1));
        assert_eq!(gap(&[event(1, 5), beat(2, 1)]), Some(1));
    }

    #[test]
    fn outages_are_waited_out_and_a_deleted_topic_is_told() {
        let error = KafkaError::MessageConsumption;
        assert_eq!(ends_subscription(&error(Code::AllBrokersDown)), None);
        let deleted = ends_subscription(&error(Code::UnknownTopicOrPartition));
        assert!(matches!(deleted, Some(BusError::Unavailable(_))));
        let gone = ends_subscription(&error(Code::AutoOffsetReset));
        assert!(matches!(gone, Some(BusError::Truncated { .. })));
    }
}
