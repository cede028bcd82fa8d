//! Quantiles of measured times.

use std::time::Duration;

use serde_json::{Value, json};

/// p50, p95, p99 and the largest, in milliseconds, and how many there were.
pub(crate) fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len().saturating_sub(1)) as f64 * share;
        times.get(index.round() as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    json!({ "count": times.len(), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0) })
}
