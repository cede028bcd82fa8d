//! From the log into the store: one subscription after another, each from what the store holds.

use std::sync::Arc;

use bus::{BusError, Log, Message, Start};
use model::{Epoch, Partition, PartitionCount, Seq, SiteId};
use ops::Metrics;
use schemas::Codec;
use store::{ApplyError, LineProgress, Store};

use crate::{
    applier::{Alarm, Applier, Decision, Limits},
    decoded::Decoded,
    lag::Lag,
    modes::Modes,
    pulse::Pulse,
};

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Log(#[from] BusError),
    #[error("apply events")]
    Apply(#[from] ApplyError),
    #[error("a line that waited has room for holes again")]
    RoomAgain,
    #[error("a full sync took lines over, which go on from there")]
    Adopted,
}

/// What following needs.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) store: Store,
    pub(crate) codec: Codec,
    pub(crate) metrics: Metrics,
    pub(crate) lag: Lag,
    pub(crate) pulse: Pulse,
    pub(crate) limits: Limits,
    pub(crate) modes: Modes,
}

/// Where to start in each partition of an origin: after what is handled of its newest epoch.
pub(crate) fn starts(store: &Store, site: SiteId, partitions: PartitionCount) -> Vec<Start> {
    let lines = store.lines(|line, progress| (line, progress.handled.seq));
    let start = |partition: Partition| {
        let of_partition = lines.iter().filter(|(line, handled)| {
            line.site == site && line.partition == partition && *handled > Seq::NONE
        });
        let newest = of_partition.max_by_key(|(line, _)| line.epoch);
        let (epoch, after) = newest.map_or((Epoch(0), Seq::NONE), |(l, seq)| (l.epoch, *seq));
        Start { partition, epoch, after }
    };
    partitions.iter().map(start).collect()
}

impl Follower {
    /// Follows until something stands in the way; what was applied by then is in the store.
    pub(crate) async fn follow(
        &self,
        log: &Arc<dyn Log>,
        site: SiteId,
        partitions: PartitionCount,
    ) -> Result<(), FollowError> {
        // Before looking at the lines, so that no adoption falls in between.
        let mut adoptions = self.store.adoptions();
        let lines = self.store.lines(|line, progress: &LineProgress| (line, progress.clone()));
        let lines = lines.into_iter().filter(|(line, _)| line.site == site);
        let mut applier = Applier::new(self.limits, lines);
        let mut subscriber = log.subscribe(starts(&self.store, site, partitions)).await?;
        loop {
            let messages = tokio::select! {
                messages = subscriber.next() => messages?,
                () = self.room_again(&applier), if applier.waits() => {
                    return Err(FollowError::RoomAgain);
                }
                _ = adoptions.changed() => return Err(FollowError::Adopted),
            };
            let mut whole = Decision::default();
            let mut beats = Vec::new();
            for message in messages {
                let decision = match message {
                    Message::Event(sealed) if sealed.position.site == site => {
                        applier.event(Decoded::new(&self.codec, sealed))
                    }
                    Message::Heartbeat(beat) if beat.site == site => {
                        beats.push(beat);
                        applier.heartbeat(&beat)
                    }
                    Message::Event(_) | Message::Heartbeat(_) => continue,
                    Message::Unreadable { partition, offset, why } => {
                        tracing::error!(
                            partition = partition.0,
                            offset,
                            why,
                            "not a record of ours"
                        );
                        self.metrics.alarm("unreadable_record");
                        continue;
                    }
                };
                whole.steps.extend(decision.steps);
                whole.alarms.extend(decision.alarms);
            }
            self.alarm(&whole.alarms);
            if !whole.steps.is_empty() {
                ops::crash::point(ops::crash::APPLY_BEFORE);
                let (steps, left) = self.modes.realtime(whole.steps);
                let outcomes = self.store.apply(steps).await?;
                self.metrics.events_applied.with_label_values(&["left"]).inc_by(left);
                self.pulse.applied(self.store.now());
                self.count(outcomes);
            }
            for beat in &beats {
                self.lag.heartbeat(&self.store, beat);
            }
        }
    }

    /// Ends when a line that waits may go on.
    async fn room_again(&self, applier: &Applier) {
        let mut changed = self.store.lines_changed();
        while !applier.has_room_again(|line| self.store.line(line)) {
            if changed.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn alarm(&self, alarms: &[(model::Line, Alarm)]) {
        for (line, alarm) in alarms {
            self.metrics.alarm(alarm.kind());
            tracing::warn!(%line, kind = alarm.kind(), "alarm while applying");
        }
    }

    fn count(&self, outcomes: store::Outcomes) {
        let counter = &self.metrics.events_applied;
        counter.with_label_values(&["replaced"]).inc_by(outcomes.replaced);
        counter.with_label_values(&["stale"]).inc_by(outcomes.stale);
        counter.with_label_values(&["duplicate"]).inc_by(outcomes.duplicate);
        counter.with_label_values(&["conflict"]).inc_by(outcomes.conflict);
        counter.with_label_values(&["ignored"]).inc_by(outcomes.ignored);
        if outcomes.conflict > 0 {
            self.metrics.alarm("conflict");
            tracing::error!(count = outcomes.conflict, "same version with other content");
        }
    }
}
