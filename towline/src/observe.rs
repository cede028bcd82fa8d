//! What the admin API's status says of the roles of this process, in its words.

use std::{collections::BTreeMap, time::Duration};

use consumer::{
    Gap, LineStatus, OriginStatus, Replication,
    fullsync::{Jobs, Standing, State},
};
use gateway::admin::{
    Convergence, HoleShown, Lag, LastError, LogStatus, Observed, Origin, PartitionPositions,
    Positions, StatusSource, Wait,
};
use model::{Hole, HoleReason, Line, Millis, SiteId};
use ops::Metrics;
use producer::Heard;
use store::Store;

/// The roles that run.
pub(crate) struct Roles {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) replication: Option<Replication>,
    pub(crate) heard: Heard,
    pub(crate) jobs: Option<Jobs>,
    /// This site publishes to Kafka.
    pub(crate) publishes: bool,
}

impl StatusSource for Roles {
    fn observe(&self) -> Observed {
        let now = self.store.now();
        let origins = self.replication.iter().map(|it| self.origin(it.status(), now));
        let origins = origins.collect();
        // Before its first try the publisher is neither up nor down.
        let up = self.metrics.kafka_up.with_label_values(&["publisher"]).get() == 1;
        let log = LogStatus { up: up || self.metrics.publish_failures.get() == 0 };
        Observed { origins, log: self.publishes.then_some(log) }
    }

    fn silent(&self, site: SiteId) -> Duration {
        self.heard.silent(site, self.store.now())
    }
}

impl Roles {
    fn origin(&self, status: OriginStatus, now: Millis) -> Origin {
        // A store that cannot be read says so in everything else, too.
        let standing = self.jobs.as_ref().map(|jobs| jobs.standing().unwrap_or_default());
        let full_sync = standing.map(|standing| convergence(standing, now));
        Origin { full_sync, ..origin(status, now) }
    }
}

fn convergence(standing: Standing, now: Millis) -> Convergence {
    let (mut refused, mut failed) = (None, None);
    if let Some((state, error)) = standing.failed {
        let why = if state == State::Refused { &mut refused } else { &mut failed };
        *why = Some(error.what);
    }
    Convergence {
        converged: standing.converged,
        proved: standing.proved.map(|at| at.to_string()),
        proved_seconds_ago: standing.proved.map(|at| now.since(at).as_secs_f64()),
        running: standing.running.map(|id| id.0),
        waits: standing.waits,
        last: standing.last.map(|id| id.0),
        differ: standing.differ,
        deletes_held_back: standing.deletes_held_back,
        unrepaired: standing.unrepaired,
        refused,
        failed,
    }
}

fn origin(status: OriginStatus, now: Millis) -> Origin {
    let session = status.session;
    let ago = |time: Millis| now.since(time).as_secs_f64();
    let mut positions = Positions::default();
    for LineStatus { written, applied, complete, .. } in &status.lines {
        positions.written += written.0;
        positions.applied += applied.0;
        positions.complete += complete.0;
    }
    let lag = status.lag;
    let wait = |what: String, since: Millis, why: Option<String>| Wait {
        what,
        since: since.to_string(),
        seconds: ago(since),
        why,
    };
    let gap = status.gap.map(|Gap { line, first, last, since }| {
        let (partition, first, last) = (line.partition.0, first.0, last.0);
        wait(format!("the gap from event {first} to {last} of partition {partition}"), since, None)
    });
    let block = session
        .block
        .map(|block| wait(format!("block `{}`", block.hash), block.since, Some(block.why)));
    Origin {
        name: status.name.to_string(),
        id: status.site.map(|site| site.to_string()),
        realtime: status.realtime,
        connected: session.connected,
        since: session.since.to_string(),
        since_seconds: ago(session.since),
        applied_seconds_ago: session.applied.map(ago),
        pulled_seconds_ago: session.pulled.map(ago),
        lag: Lag { seconds: lag.seconds, events: lag.events, bytes: lag.bytes },
        positions,
        partitions: status.lines.iter().map(partition).collect(),
        stopped: status.lines.iter().filter(|line| line.stopped).count() as u64,
        wants: status.wants,
        puller_paused: status.puller_paused,
        holes: counted(&status.holes),
        some_holes: status.some_holes.into_iter().map(hole).collect(),
        waits: gap.into_iter().chain(block).collect(),
        last_error: session.last_error.map(|error| LastError {
            at: error.at.to_string(),
            seconds_ago: ago(error.at),
            what: error.what,
        }),
        full_sync: None,
    }
}

fn partition(status: &LineStatus) -> PartitionPositions {
    let LineStatus { line, written, applied, complete, .. } = status;
    PartitionPositions {
        epoch: line.epoch.0,
        partition: line.partition.0,
        positions: Positions { written: written.0, applied: applied.0, complete: complete.0 },
    }
}

fn counted(holes: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    holes.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

fn hole((line, hole): (Line, Hole)) -> HoleShown {
    let reason = hole.reason.label().to_owned();
    let why = match hole.reason {
        HoleReason::Parked { why, .. } => Some(why),
        HoleReason::BlocksMissing { count } => Some(format!("{count} blocks")),
        HoleReason::Gap { .. } | HoleReason::LostAtOrigin | HoleReason::Adopted => None,
    };
    let (epoch, partition) = (line.epoch.0, line.partition.0);
    HoleShown { epoch, partition, first: hole.first.0, last: hole.last.0, reason, why }
}
