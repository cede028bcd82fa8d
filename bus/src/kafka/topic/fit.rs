//! What a topic must be like, and what of one is not. Decided without I/O.

use std::collections::HashMap;

use super::TopicPlan;

/// Largest batch that a topic must take: twice the largest event.
const MESSAGE_BYTES_MIN: u64 = 2 * model::EVENT_BYTES_MAX as u64;
/// Kafka's word for "without end".
const UNBOUNDED: &str = "-1";

/// How a setting is compared with what is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compare {
    Equal,
    /// As a number, or [`UNBOUNDED`].
    AtLeast,
}

/// One setting of the topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) wanted: String,
    pub(super) compare: Compare,
}

/// A topic as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) topic: String,
    pub(super) partitions: usize,
    pub(super) replication: usize,
    pub(super) settings: HashMap<String, String>,
}

/// The settings that a topic is created with and checked against.
pub(super) fn rules(plan: &TopicPlan) -> Vec<Rule> {
    let rule = |key, wanted: String, compare| Rule { key, wanted, compare };
    let equal = |key, wanted: &str| rule(key, wanted.to_owned(), Compare::Equal);
    let at_least = |key, wanted: String| rule(key, wanted, Compare::AtLeast);
    let window = plan.history_window.as_millis();
    vec![
        equal("cleanup.policy", "delete"),
        equal("message.timestamp.type", "LogAppendTime"),
        equal("unclean.leader.election.enable", "false"),
        at_least("min.insync.replicas", plan.min_in_sync.to_string()),
        at_least("max.message.bytes", MESSAGE_BYTES_MIN.to_string()),
        at_least("retention.ms", window.to_string()),
        // A bound on size would cut retention short.
        equal("retention.bytes", UNBOUNDED),
    ]
}

/// What is wrong with a topic, each with the value it must have and what to do.
pub(super) fn misfits(found: &Found, plan: &TopicPlan) -> Vec<String> {
    let mut misfits = Vec::new();
    let partitions = usize::from(plan.partitions.get());
    if found.partitions != partitions {
        misfits.push(format!(
            "it has {} partitions, must have {partitions} (they are fixed for an epoch: set \
             `partitions` to what it was, or delete the topic, which is then made anew)",
            found.partitions
        ));
    }
    if found.replication < usize::from(plan.replication) {
        misfits.push(format!(
            "a partition has {} replicas, must have {} (kafka-reassign-partitions)",
            found.replication, plan.replication
        ));
    }
    let (bad, wanted): (Vec<_>, Vec<_>) =
        rules(plan).iter().filter_map(|rule| unlike(rule, found)).unzip();
    if !bad.is_empty() {
        misfits.extend(bad);
        misfits.push(format!(
            "change it with `kafka-configs --alter --entity-type topics --entity-name {} \
             --add-config {}`",
            found.topic,
            wanted.join(",")
        ));
    }
    misfits
}

/// How the topic breaks the rule, and the assignment that mends it.
fn unlike(rule: &Rule, found: &Found) -> Option<(String, String)> {
    let Rule { key, wanted, compare } = rule;
    let value = found.settings.get(*key).map_or("not set", String::as_str);
    let fits = match compare {
        Compare::Equal => value == wanted,
        Compare::AtLeast => value == UNBOUNDED || value.parse::<u128>().ok() >= wanted.parse().ok(),
    };
    let least = if *compare == Compare::AtLeast { " at least" } else { "" };
    (!fits).then(|| {
        (format!("`{key}` is {value}, must be{least} {wanted}"), format!("{key}={wanted}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PartitionCount, SiteName};
    use std::time::Duration;

    fn plan() -> TopicPlan {
        TopicPlan {
            site: SiteName::try_from("a".to_owned()).expect("valid"),
            partitions: PartitionCount::DEFAULT,
            replication: 3,
            min_in_sync: 2,
            history_window: Duration::from_secs(60),
        }
    }

    fn fitting() -> Found {
        let settings = rules(&plan()).into_iter();
        Found {
            topic: "towline.a".to_owned(),
            partitions: 16,
            replication: 3,
            settings: settings.map(|r| (r.key.to_owned(), r.wanted)).collect(),
        }
    }

    #[test]
    fn what_we_create_fits_and_more_is_welcome() {
        let mut found = fitting();
        assert_eq!(misfits(&found, &plan()), Vec::<String>::new());
        let more = [
            ("retention.ms", "-1"),
            ("max.message.bytes", "9999999"),
            ("min.insync.replicas", "3"),
        ];
        for (key, value) in more {
            found.settings.insert(key.to_owned(), value.to_owned());
        }
        found.replication = 5;
        assert_eq!(misfits(&found, &plan()), Vec::<String>::new());
    }

    #[test]
    fn every_misfit_is_listed_with_what_to_do() {
        let mut found = fitting();
        found.partitions = 8;
        found.replication = 1;
        let bad = [
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "CreateTime"),
            ("unclean.leader.election.enable", "true"),
            ("min.insync.replicas", "1"),
            ("max.message.bytes", "1000"),
            ("retention.ms", "59999"),
            ("retention.bytes", "1000000"),
        ];
        for (key, value) in bad {
            found.settings.insert(key.to_owned(), value.to_owned());
        }
        let misfits = misfits(&found, &plan());
        assert_eq!(misfits.len(), 2 + bad.len() + 1);
        assert!(misfits[0].starts_with("it has 8 partitions, must have 16"));
        assert!(misfits[1].starts_with("a partition has 1 replicas, must have 3"));
        assert!(misfits.contains(&"`retention.ms` is 59999, must be at least 60000".to_owned()));
        assert!(misfits.contains(&"`cleanup.policy` is compact, must be delete".to_owned()));
        let advice = misfits.last().expect("not empty");
        assert!(advice.contains("--entity-name towline.a --add-config cleanup.policy=delete,"));
        assert!(advice.contains("max.message.bytes=1048576,retention.ms=60000"));
    }

    #[test]
    fn a_setting_that_is_missing_does_not_fit() {
        let mut found = fitting();
        found.settings.clear();
        let misfits = misfits(&found, &plan());
        assert_eq!(misfits[0], "`cleanup.policy` is not set, must be delete");
        assert_eq!(misfits.len(), rules(&plan()).len() + 1);
    }
}
