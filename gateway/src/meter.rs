//! What the gateway counts.

use std::time::Duration;

use http::StatusCode;
use ops::Metrics;

use crate::operation::Operation;

/// Counts requests and the bytes of bodies. Clones count together.
#[derive(Clone)]
pub(crate) struct Meter(Metrics);

impl Meter {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self(metrics)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0
    }

    /// The head of an answer is on its way.
    pub(crate) fn answered(&self, operation: Operation, status: StatusCode, elapsed: Duration) {
        let name = operation.name();
        self.0.s3_requests.with_label_values(&[name, status.as_str()]).inc();
        self.0.s3_request_seconds.with_label_values(&[name]).observe(elapsed.as_secs_f64());
    }

    /// A limit held something back.
    pub(crate) fn limited(&self, limit: &str) {
        self.0.s3_limited.with_label_values(&[limit]).inc();
    }

    /// Bytes of a body have come in whole.
    pub(crate) fn received(&self, bytes: u64) {
        self.0.s3_body_bytes.with_label_values(&["in"]).inc_by(bytes);
    }

    /// Bytes of a body go out.
    pub(crate) fn sent(&self, bytes: u64) {
        self.0.s3_body_bytes.with_label_values(&["out"]).inc_by(bytes);
    }

    /// A block that was not here has been asked for elsewhere.
    pub(crate) fn read_miss(&self, served: bool) {
        let outcome = if served { "served" } else { "failed" };
        self.0.read_misses.with_label_values(&[outcome]).inc();
    }
}
