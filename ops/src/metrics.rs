//! Every metric of a site: name, labels, unit and meaning in this one file.
//!
//! All names begin with `towline_`; durations are seconds, sizes bytes. A site has a registry of
//! its own, so that two sites in one process do not mix.

use std::{sync::Arc, time::Duration};

use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

/// Handles to a site's metrics. Clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<All>);

/// The metrics, by name without prefix.
pub struct All {
    registry: Registry,
    /// Requests of S3 clients, by operation and status.
    pub s3_requests: IntCounterVec,
    /// Time from the head of a request to the head of its answer.
    pub s3_request_seconds: HistogramVec,
    /// Body bytes of S3 clients, `in` or `out`.
    pub s3_body_bytes: IntCounterVec,
    /// What a limit of the S3 endpoint held back, by limit.
    pub s3_limited: IntCounterVec,
    /// Records of the access log, by where they are: `file` or `bucket`.
    pub access_log_records: IntCounterVec,
    /// Records of the access log that were lost, by why.
    pub access_log_lost: IntCounterVec,
    /// Deliveries of records into buckets, by outcome.
    pub access_log_deliveries: IntCounterVec,
    /// Rules in a commit.
    pub commit_rules: Histogram,
    /// Time of a commit, disk sync included.
    pub commit_seconds: Histogram,
    /// Where a partition stands: trimmed, fenced, complete, applied, published, written.
    pub position: IntGaugeVec,
    /// Events in history that a peer has not acknowledged as applied.
    pub history_depth: IntGaugeVec,
    /// Time that a peer was not heard of, since this site started.
    pub peer_silent_seconds: GaugeVec,
    /// Age of the oldest event that a peer has not acknowledged as applied.
    pub history_age_seconds: GaugeVec,
    /// How long ago this site last held everything that its origin had written.
    pub lag_seconds: GaugeVec,
    /// Events of an origin that are not applied here.
    pub lag_events: IntGaugeVec,
    /// Content bytes of the events that are not handled here.
    pub lag_bytes: IntGaugeVec,
    /// Holes in what is handled, by reason.
    pub holes: IntGaugeVec,
    /// Blocks that are wanted and not here.
    pub wants: IntGauge,
    /// Blocks pulled and kept.
    pub blocks_pulled: IntCounter,
    /// Bytes of them.
    pub blocks_pulled_bytes: IntCounter,
    /// Pulls that failed and will be tried again, by reason.
    pub block_pull_failures: IntCounterVec,
    /// Reads that found a block missing, by outcome.
    pub read_misses: IntCounterVec,
    /// Events taken in, by what the merge rule said.
    pub events_applied: IntCounterVec,
    /// Whether the change feed or log of an origin is connected: 1 or 0.
    pub link_connected: IntGaugeVec,
    /// Whether Kafka answers: 1 or 0. Absent in direct mode.
    pub kafka_up: IntGaugeVec,
    /// Events published and acknowledged by Kafka.
    pub events_published: IntCounter,
    /// Publishing attempts that failed and will be repeated.
    pub publish_failures: IntCounter,
    /// Keys whose latest version is an object.
    pub objects: IntGauge,
    /// Bytes of all versions of objects.
    pub object_bytes: IntGauge,
    /// Unix time at which the hash tree was last known to say what the records say.
    pub tree_verified: IntGauge,
    /// What did not.
    pub tree_differences: IntCounter,
    /// Data keys that were wrapped again under another key of the site.
    pub data_keys_rewrapped: IntCounter,
    /// 1 while all of them are gone through.
    pub data_keys_rewrapping: IntGauge,
    /// Those that no key of the site opened.
    pub data_keys_unopened: IntGauge,
    /// What a person must look at, by kind.
    pub alarms: IntCounterVec,
    /// 1 while clients' writes are refused, by reason.
    pub writes_refused: IntGaugeVec,
    /// Unix time at which a certificate of this site expires: `link` or `s3`.
    pub certificate_expiry: IntGaugeVec,
    /// Times that the configuration was read again because it had changed, by outcome.
    pub config_reloads: IntCounterVec,
    /// Cuts that peers hold.
    pub tree_cuts: IntGauge,
    /// Branches told to peers that compare.
    pub tree_nodes: IntCounter,
    /// States given to peers that compare.
    pub tree_states: IntCounter,
    /// Whether the last full sync of everything found this site equal to its origin: 1 or 0.
    pub converged: IntGaugeVec,
    /// Age of the oldest of the newest proofs of every bucket.
    pub proof_age_seconds: GaugeVec,
    /// Entities that the last full sync found to differ and that still do.
    pub keys_differ: IntGaugeVec,
    /// Entities and blocks that full sync repaired, by reason.
    pub keys_repaired: IntCounterVec,
    /// Bytes that full syncs took of the link, by what for.
    pub full_sync_bytes: IntCounterVec,
    /// Records that are set aside, by reason.
    pub quarantined: IntGaugeVec,
    /// Deletes that the last full sync held back.
    pub deletes_held_back: IntGaugeVec,
    /// Whether a full sync is under way: 1 or 0.
    pub full_sync_running: IntGaugeVec,
    /// Full syncs that came to an end, by how.
    pub full_syncs: IntCounterVec,
    /// How long the last one took, waits included.
    pub full_sync_seconds: GaugeVec,
    /// Resident memory of the process.
    pub resident_bytes: IntGauge,
    /// CPU time of the process, in seconds.
    pub cpu_seconds: GaugeVec,
}

/// From a quarter of a millisecond, which one disk sync takes at best, to half a minute.
const SECONDS: [f64; 15] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 5.0,
    30.0,
];
const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::ops::Deref for Metrics {
    type Target = All;

    fn deref(&self) -> &All {
        &self.0
    }
}

struct Maker(Registry);

impl Maker {
    fn register<C: Collector + Clone + 'static>(&self, metric: Result<C, prometheus::Error>) -> C {
        let metric = metric.expect("names and labels of this file are valid, a test says");
        self.0.register(Box::new(metric.clone())).expect("names of this file are distinct");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(Opts::new(name, help).namespace("towline")))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help).namespace("towline"), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(Opts::new(name, help).namespace("towline")))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help).namespace("towline"), labels))
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help).namespace("towline"), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).namespace("towline").buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).namespace("towline").buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(opts, labels))
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table, one row a metric")]
    pub fn new() -> Self {
        let make = Maker(Registry::new());
        Self(Arc::new(All {
            s3_requests: make.counters("s3_requests_total", "S3 requests", &["op", "status"]),
            s3_request_seconds: make.histograms("s3_request_seconds", "S3 request time", &["op"]),
            s3_body_bytes: make.counters("s3_body_bytes_total", "S3 body bytes", &["direction"]),
            s3_limited: make.counters("s3_limited_total", "Held back by a limit", &["limit"]),
            access_log_records: make.counters("access_log_records_total", "Records", &["to"]),
            access_log_lost: make.counters("access_log_lost_total", "Lost records", &["reason"]),
            access_log_deliveries: make.counters(
                "access_log_deliveries_total",
                "Deliveries",
                &["outcome"],
            ),
            commit_rules: make.histogram("commit_rules", "Rules in a commit", &COUNTS),
            commit_seconds: make.histogram("commit_seconds", "Time of a commit", &SECONDS),
            position: make.gauges("position", "Positions", &["origin", "partition", "point"]),
            history_depth: make.gauges("history_depth_events", "Events not at peer", &["peer"]),
            peer_silent_seconds: make.seconds(
                "peer_silent_seconds",
                "Not heard of peer",
                &["peer"],
            ),
            history_age_seconds: make.seconds("history_age_seconds", "Oldest of them", &["peer"]),
            lag_seconds: make.seconds("lag_seconds", "Time since in sync", &["origin"]),
            lag_events: make.gauges("lag_events", "Events not applied", &["origin"]),
            lag_bytes: make.gauges("lag_bytes", "Content not handled", &["origin"]),
            holes: make.gauges("holes", "Holes", &["origin", "reason"]),
            wants: make.gauge("wants", "Blocks and segments not complete here"),
            blocks_pulled: make.counter("blocks_pulled_total", "Blocks pulled"),
            blocks_pulled_bytes: make.counter("blocks_pulled_bytes_total", "Bytes of them"),
            block_pull_failures: make.counters("block_pull_failures_total", "Failed", &["reason"]),
            read_misses: make.counters("read_misses_total", "Reads of absent blocks", &["outcome"]),
            events_applied: make.counters("events_applied_total", "Events applied", &["outcome"]),
            link_connected: make.gauges("link_connected", "Feed is connected", &["origin"]),
            kafka_up: make.gauges("kafka_up", "Kafka answers", &["role"]),
            events_published: make.counter("events_published_total", "Events published"),
            publish_failures: make.counter("publish_failures_total", "Publishing failures"),
            objects: make.gauge("objects", "Keys that have an object"),
            object_bytes: make.gauge("object_bytes", "Bytes of all versions of objects"),
            tree_verified: make.gauge(
                "tree_verified_timestamp_seconds",
                "Unix time of the last full check of the hash tree",
            ),
            tree_differences: make
                .counter("tree_differences_total", "What these checks found to differ"),
            data_keys_rewrapped: make.counter("data_keys_rewrapped_total", "Data keys rewrapped"),
            data_keys_rewrapping: make.gauge("data_keys_rewrapping", "It is under way"),
            data_keys_unopened: make.gauge("data_keys_unopened", "Data keys that do not open"),
            alarms: make.counters("alarms_total", "What a person must look at", &["kind"]),
            writes_refused: make.gauges("writes_refused", "Writes are refused", &["reason"]),
            certificate_expiry: make.gauges(
                "certificate_expiry_timestamp_seconds",
                "Unix time at which it expires",
                &["certificate"],
            ),
            config_reloads: make.counters("config_reloads_total", "Reloads", &["outcome"]),
            tree_cuts: make.gauge("tree_cuts", "Cuts that peers hold"),
            tree_nodes: make.counter("tree_nodes_total", "Branches told to peers"),
            tree_states: make.counter("tree_states_total", "States given to peers"),
            converged: make.gauges("converged", "Equal to the origin", &["origin"]),
            proof_age_seconds: make.seconds("proof_age_seconds", "Oldest proof", &["origin"]),
            keys_differ: make.gauges("keys_differ", "Keys that differ", &["origin"]),
            keys_repaired: make.counters(
                "keys_repaired_total",
                "Keys repaired by full sync",
                &["origin", "reason"],
            ),
            full_sync_bytes: make.counters("full_sync_bytes_total", "Taken", &["origin", "what"]),
            quarantined: make.gauges("quarantined", "Records set aside", &["reason"]),
            deletes_held_back: make.gauges("deletes_held_back", "Over a ceiling", &["origin"]),
            full_sync_running: make.gauges("full_sync_running", "One is under way", &["origin"]),
            full_syncs: make.counters("full_syncs_total", "Full syncs", &["origin", "state"]),
            full_sync_seconds: make.seconds("full_sync_seconds", "Of the last one", &["origin"]),
            resident_bytes: make.gauge("process_resident_bytes", "Resident memory"),
            cpu_seconds: make.seconds("process_cpu_seconds", "CPU time", &["mode"]),
            registry: make.0,
        }))
    }

    /// Takes note of a commit.
    pub fn commit(&self, rules: usize, elapsed: Duration) {
        self.commit_rules.observe(rules as f64);
        self.commit_seconds.observe(elapsed.as_secs_f64());
    }

    /// Raises an alarm: something that a person must look at has happened.
    pub fn alarm(&self, kind: &str) {
        self.alarms.with_label_values(&[kind]).inc();
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.read_process();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(error = %crate::chain(&error), "metrics were not rendered whole");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads `/proc/self/stat`: fields 14, 15 (ticks of 10 ms) and 24 (pages of 4 KiB), proc(5).
    fn read_process(&self) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
            return;
        };
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
        let set = |mode: &str, ticks: Option<u32>| {
            let seconds = f64::from(ticks.unwrap_or_default()) / 100.0;
            self.cpu_seconds.with_label_values(&[mode]).set(seconds);
        };
        set("user", field(14));
        set("system", field(15));
        self.resident_bytes.set(i64::from(field(24).unwrap_or_default()) * 4096);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_in_the_document() {
        let document = include_str!("../../docs/metrics.md");
        let source = include_str!("metrics.rs");
        let made = source.split(": make.").skip(1).filter_map(|call| call.split('"').nth(1));
        let names: Vec<&str> = made.filter(|name| !name.contains(' ')).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(document.contains(&format!("`{name}`")), "`{name}` is not in docs/metrics.md");
        }
    }

    #[test]
    fn every_metric_renders_under_its_name() {
        let metrics = Metrics::new();
        metrics.commit(3, Duration::from_millis(1));
        metrics.alarm("test");
        let text = metrics.render();
        assert!(text.contains("towline_alarms_total{kind=\"test\"} 1"));
        assert!(text.contains("towline_commit_seconds_count 1"));
        assert!(!text.contains("towline_process_resident_bytes 0\n"));
    }
}
