//! librdkafka's logs, errors and statistics, in our words: a broker that goes down is one line,
//! not one for every attempt to reach it.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use tracing::{debug, info, warn};

use super::error::advice;
use super::state::{KafkaState, Transition};

/// Context of every client of one end.
#[derive(Clone, Debug)]
pub(super) struct Observer(pub(super) Arc<KafkaState>);

impl ClientContext for Observer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let grave = matches!(
            level,
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical
        );
        if grave {
            warn!(facility, text, "librdkafka");
        } else {
            debug!(facility, text, "librdkafka");
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        tell(self.0.take_statistics(statistics), "");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        match code {
            Some(Code::AllBrokersDown) => tell(self.0.lost(), reason),
            Some(Code::SSL | Code::Authentication | Code::SaslAuthenticationFailed) => {
                if self.0.refused(reason) {
                    let advice = code.and_then(advice);
                    warn!(error = reason, advice, "the log's brokers refuse this site");
                }
            }
            _ => debug!(error = %ops::chain(&error), reason, "librdkafka"),
        }
    }
}

impl ConsumerContext for Observer {}

fn tell(transition: Transition, reason: &str) {
    match transition {
        Transition::None => {}
        Transition::Lost => warn!(reason, "no broker of the log can be reached"),
        Transition::Back => info!("the log's brokers can be reached"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_statistics_reach_the_state() {
        let state = Arc::new(KafkaState::default());
        let observer = Observer(Arc::clone(&state));
        observer.stats_raw(br#"{"brokers":{"a":{"nodeid":1,"state":"UP"}}}"#);
        assert!(state.status().reachable);
        observer.error(KafkaError::Global(Code::AllBrokersDown), "3/3 down");
        assert!(!state.status().reachable);
        observer.error(KafkaError::Global(Code::SSL), "unknown ca");
        assert_eq!(state.status().refusal.as_deref(), Some("unknown ca"));
        observer.error(KafkaError::Global(Code::Resolve), "no such host");
        observer.log(RDKafkaLogLevel::Critical, "FATAL", "text");
        observer.log(RDKafkaLogLevel::Error, "FAIL", "text");
    }
}
