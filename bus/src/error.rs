//! What can go wrong between us and the log.

use model::Partition;

/// Outcome of an operation on the log, by what the caller does next.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BusError {
    /// The log cannot be reached or does not answer: try again later, with backoff.
    #[error("log is unavailable: {0}")]
    Unavailable(String),
    /// The log answers and says no, or is not what we need: trying again changes nothing until
    /// an operator does what the text says. Still worth a slow retry.
    #[error("log does not serve us: {0}")]
    Rejected(String),
    /// The log no longer continues where this subscription read: records were trimmed or lost, or
    /// the log was made anew. Subscribe again; the search finds the earliest that is left.
    #[error("log{} no longer continues where it was read: {why}", of(*.partition))]
    Truncated {
        /// Which partition, where the log says so.
        partition: Option<Partition>,
        why: String,
    },
    /// This end was shut down; nothing more comes of it.
    #[error("the connection to the log was closed")]
    Closed,
}

fn of(partition: Option<Partition>) -> String {
    partition.map_or_else(String::new, |p| format!(" of partition {}", p.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_the_partition_where_it_is_known() {
        let why = "offset 7 is gone".to_owned();
        let known = BusError::Truncated { partition: Some(Partition(3)), why: why.clone() };
        let text = "log of partition 3 no longer continues where it was read: offset 7 is gone";
        assert_eq!(known.to_string(), text);
        let unknown = BusError::Truncated { partition: None, why };
        assert!(unknown.to_string().starts_with("log no longer"));
    }
}
