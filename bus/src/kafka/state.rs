//! What librdkafka says of itself, readable for metrics and status at any time.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// A reading of [`KafkaState`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KafkaStatus {
    /// Whether the brokers could be reached when they were last spoken to.
    pub reachable: bool,
    /// Brokers connected to now, of those known.
    pub brokers_up: u64,
    pub brokers_known: u64,
    /// Records and bytes that wait for acknowledgement, or were fetched and not yet handed out.
    pub queue_records: u64,
    pub queue_bytes: u64,
    /// Why the brokers refuse us, if they do: an operator must act.
    pub refusal: Option<String>,
}

/// Shared by the clients of one end. Set by them; never persisted.
#[derive(Debug, Default)]
pub struct KafkaState(Mutex<KafkaStatus>);

/// A change that is worth a line in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transition {
    None,
    Lost,
    Back,
}

/// The part of librdkafka's statistics that is read.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    msg_cnt: u64,
    #[serde(default)]
    msg_size: u64,
    #[serde(default)]
    brokers: std::collections::HashMap<String, Broker>,
    #[serde(default)]
    topics: std::collections::HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i32,
    state: String,
}

#[derive(Deserialize)]
struct Topic {
    partitions: std::collections::HashMap<String, Fetched>,
}

#[derive(Deserialize)]
struct Fetched {
    #[serde(default)]
    fetchq_cnt: u64,
    #[serde(default)]
    fetchq_size: u64,
}

impl KafkaState {
    /// The reading of now.
    #[must_use]
    pub fn status(&self) -> KafkaStatus {
        self.lock().clone()
    }

    /// Takes librdkafka's statistics, JSON. What cannot be read changes nothing.
    pub(super) fn take_statistics(&self, json: &[u8]) -> Transition {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(json) else {
            return Transition::None;
        };
        let brokers = statistics.brokers.values().filter(|b| b.nodeid >= 0);
        let (up, known) = brokers
            .fold((0, 0), |(up, known), broker| (up + u64::from(broker.state == "UP"), known + 1));
        let fetched = statistics.topics.values().flat_map(|t| t.partitions.values());
        let (fetched, fetched_bytes) = fetched
            .fold((0, 0), |(records, bytes), f| (records + f.fetchq_cnt, bytes + f.fetchq_size));
        let mut status = self.lock();
        status.brokers_up = up;
        status.brokers_known = known;
        status.queue_records = statistics.msg_cnt + fetched;
        status.queue_bytes = statistics.msg_size + fetched_bytes;
        if up > 0 { reached(&mut status) } else { Transition::None }
    }

    /// A broker answered.
    pub(super) fn reached(&self) -> Transition {
        reached(&mut self.lock())
    }

    /// No broker can be reached.
    pub(super) fn lost(&self) -> Transition {
        let mut status = self.lock();
        status.brokers_up = 0;
        if std::mem::take(&mut status.reachable) { Transition::Lost } else { Transition::None }
    }

    /// A broker refuses us. Whether that is news.
    pub(super) fn refused(&self, why: &str) -> bool {
        let mut status = self.lock();
        let news = status.refusal.is_none();
        status.refusal = Some(why.to_owned());
        news
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KafkaStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached(status: &mut KafkaStatus) -> Transition {
    let refused = status.refusal.take().is_some();
    let was = std::mem::replace(&mut status.reachable, true);
    if was && !refused { Transition::None } else { Transition::Back }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: &[u8] = br#"{"name":"x","msg_cnt":3,"msg_size":30,"brokers":{
        "a":{"nodeid":1,"state":"UP"},"b":{"nodeid":2,"state":"DOWN"},
        "bootstrap":{"nodeid":-1,"state":"UP"}},"topics":{}}"#;
    const CONSUMER: &[u8] = br#"{"brokers":{"a":{"nodeid":1,"state":"DOWN"}},"topics":{
        "t":{"partitions":{"0":{"fetchq_cnt":2,"fetchq_size":9},"-1":{}}}}}"#;

    #[test]
    fn statistics_count_brokers_and_queues() {
        let state = KafkaState::default();
        assert_eq!(state.take_statistics(PRODUCER), Transition::Back);
        let status = state.status();
        assert_eq!((status.brokers_up, status.brokers_known), (1, 2));
        assert_eq!((status.queue_records, status.queue_bytes), (3, 30));
        assert_eq!(state.take_statistics(CONSUMER), Transition::None);
        let status = state.status();
        assert_eq!((status.brokers_up, status.brokers_known), (0, 1));
        assert_eq!((status.queue_records, status.queue_bytes), (2, 9));
        assert_eq!(state.take_statistics(b"junk"), Transition::None);
        assert_eq!(state.status(), status);
    }

    #[test]
    fn each_transition_is_told_once() {
        let state = KafkaState::default();
        assert_eq!(state.lost(), Transition::None);
        assert_eq!(state.reached(), Transition::Back);
        assert_eq!(state.reached(), Transition::None);
        assert_eq!(state.lost(), Transition::Lost);
        assert_eq!(state.lost(), Transition::None);
        assert!(state.refused("bad certificate"));
        assert!(!state.refused("bad certificate"));
        assert_eq!(state.status().refusal.as_deref(), Some("bad certificate"));
        assert_eq!(state.reached(), Transition::Back);
        assert_eq!(state.status().refusal, None);
    }
}
