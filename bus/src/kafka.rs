//! The log on Apache Kafka: one topic per origin site, one Kafka partition per partition.
//!
//! What must stay true: Kafka never chooses where a subscription starts, its offsets leave this
//! folder only inside texts, and a topic that is not configured as the laws need is refused. The
//! publisher and the applier rely on it.

mod certificates;
mod client;
mod config;
mod error;
mod headers;
mod log;
mod observer;
mod probe;
mod producer;
mod publisher;
mod record;
mod retire;
mod search;
mod state;
mod subscriber;
mod topic;

pub use config::{KafkaConfig, KafkaTls};
pub use log::KafkaLog;
pub use publisher::KafkaPublisher;
pub use state::{KafkaState, KafkaStatus};
pub use topic::{TopicPlan, ensure_topic};
