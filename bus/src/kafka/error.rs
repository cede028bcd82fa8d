//! One table from what librdkafka says to what the caller does next.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::BusError;

/// What an error of an operation means. `doing` is the operation, as a verb phrase.
pub(super) fn classify(doing: &str, error: &KafkaError) -> BusError {
    let code = match error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => {
            return BusError::Rejected(format!(
                "{doing}: {error}: check the `kafka` section of the configuration"
            ));
        }
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    match code.and_then(advice) {
        Some(advice) => BusError::Rejected(format!("{doing}: {error}: {advice}")),
        None if code.is_some_and(is_offset_gone) => {
            BusError::Truncated { partition: None, why: format!("{doing}: {error}") }
        }
        None => BusError::Unavailable(format!("{doing}: {error}")),
    }
}

/// What an operator must do; `None` if waiting may help.
pub(super) fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Some("allow this client's principal to read, write, create and describe the topic")
        }
        Code::GroupAuthorizationFailed => {
            Some("allow this client's principal to describe the group named like its client id")
        }
        Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => {
            Some("check `ca`, `cert` and `key`, and the names in the brokers' certificates")
        }
        Code::InvalidReplicationFactor => Some("add brokers, or ask for less replication"),
        Code::PolicyViolation | Code::InvalidConfig | Code::InvalidTopic => {
            Some("create the topic by hand as documented, or change the cluster's policy")
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => Some("upgrade the brokers"),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            Some("raise `max.message.bytes` of the topic to 1048576 or more")
        }
        _ => None,
    }
}

/// The offset is no longer, or not yet, in the log.
fn is_offset_gone(code: Code) -> bool {
    matches!(code, Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::LogTruncation)
}

/// Trouble that librdkafka mends by itself while a subscription waits.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::SSL
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::GroupAuthorizationFailed
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> BusError {
        classify("read", &KafkaError::MessageConsumption(code))
    }

    #[test]
    fn each_error_says_what_comes_next() {
        assert!(matches!(of(Code::BrokerTransportFailure), BusError::Unavailable(_)));
        assert!(matches!(of(Code::UnknownTopicOrPartition), BusError::Unavailable(_)));
        for gone in [Code::OffsetOutOfRange, Code::AutoOffsetReset] {
            assert!(matches!(of(gone), BusError::Truncated { .. }));
        }
        for no in [
            Code::TopicAuthorizationFailed,
            Code::SSL,
            Code::InvalidReplicationFactor,
            Code::PolicyViolation,
            Code::UnsupportedVersion,
            Code::MessageSizeTooLarge,
        ] {
            let BusError::Rejected(text) = of(no) else {
                panic!("{no:?} needs an operator");
            };
            assert!(text.ends_with(advice(no).expect("has advice")), "{text}");
        }
    }

    #[test]
    fn a_client_that_cannot_be_made_is_the_configuration() {
        let error = KafkaError::ClientCreation("no such file".to_owned());
        let BusError::Rejected(text) = classify("connect", &error) else {
            panic!("needs an operator");
        };
        assert!(text.contains("no such file") && text.contains("`kafka` section"));
    }

    #[test]
    fn outages_pass_and_lost_offsets_do_not() {
        let error = KafkaError::MessageConsumption;
        assert!(is_passing(&error(Code::AllBrokersDown)));
        assert!(!is_passing(&error(Code::OffsetOutOfRange)));
        assert!(!is_passing(&error(Code::UnknownTopicOrPartition)));
    }
}
