//! Law 10: how far behind this site is, by the clock: it rises while nothing comes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use model::{Heartbeat, HoleReason, Line, Millis, Seq, SiteId};
use ops::Metrics;
use store::{LineProgress, Store};

/// One comes each second: later than this, it is missed, and what it would say is not known.
const HEARTBEAT_LATE: Duration = Duration::from_millis(2_500);

/// What the origin last said of each line, and when this site last held all of it.
#[derive(Clone, Default)]
pub(crate) struct Lag {
    seen: Arc<Mutex<BTreeMap<Line, Seen>>>,
}

#[derive(Clone, Copy)]
struct Seen {
    written: Seq,
    volume: u64,
    in_sync: Millis,
}

impl Lag {
    /// Takes note of a heartbeat. They come over the log and over the link, in any order: of a line
    /// the newest counts.
    pub(crate) fn heartbeat(&self, store: &Store, beat: &Heartbeat) {
        let line = Line { site: beat.site, epoch: beat.epoch, partition: beat.partition };
        let progress = store.line(line);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Seen { written: Seq::NONE, volume: 0, in_sync: progress.handled.time };
        let seen = seen.entry(line).or_insert(fresh);
        if progress.applied() >= beat.written {
            seen.in_sync = seen.in_sync.max(beat.time);
        }
        seen.written = seen.written.max(beat.written);
        seen.volume = seen.volume.max(beat.volume);
    }

    /// Writes the lag of one origin into the metrics: the worst line's seconds, all lines' events
    /// and bytes.
    pub(crate) fn report(&self, store: &Store, metrics: &Metrics, name: &str) {
        let Some(Measured { lag, lines, .. }) = self.measure(store) else { return };
        metrics.lag_seconds.with_label_values(&[name]).set(lag.seconds);
        metrics.lag_events.with_label_values(&[name]).set(lag.events.cast_signed());
        metrics.lag_bytes.with_label_values(&[name]).set(lag.bytes.cast_signed());
        report_lines(metrics, name, &lines);
    }

    /// How far behind this site is now; `None` before the first word of the origin.
    pub(crate) fn measure(&self, store: &Store) -> Option<Measured> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = store.now();
        let known = store.lines(|line, _| line.site).into_iter().chain(seen.keys().map(|l| l.site));
        // A site has one origin. Full sync may bring back what this one wrote itself.
        let site = known.into_iter().find(|site| *site != store.identity().site)?;
        let start = LineProgress::START;
        let (mut events, mut bytes, mut oldest) = (0, 0, None::<Millis>);
        let lines = store.lines(|line, progress| (line, progress.clone()));
        let lines: BTreeMap<Line, LineProgress> =
            lines.into_iter().filter(|(line, _)| line.site == site).collect();
        let newest = lines.keys().chain(seen.keys()).map(|line| line.epoch).max();
        for (line, said) in seen.iter().filter(|(line, _)| Some(line.epoch) == newest) {
            let progress = lines.get(line).unwrap_or(&start);
            events += said.written.0.saturating_sub(progress.applied().0);
            bytes += said.volume.saturating_sub(progress.handled.volume);
            let in_sync = said.in_sync.max(match progress.applied() >= said.written {
                true => said.in_sync,
                false => progress.handled.time,
            });
            oldest = Some(oldest.map_or(in_sync, |oldest| oldest.min(in_sync)));
        }
        let since = oldest.or_else(|| lines.values().map(|l| l.handled.time).max());
        let seconds = since.map_or(0.0, |since| seconds(since, now, events));
        let written = seen.into_iter().map(|(line, said)| (line, said.written)).collect();
        Some(Measured { site, lag: LagNow { seconds, events, bytes }, lines, written })
    }
}

/// How far behind its origin this site is.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LagNow {
    pub seconds: f64,
    pub events: u64,
    pub bytes: u64,
}

/// Lag, and what it was measured on.
pub(crate) struct Measured {
    pub(crate) site: SiteId,
    pub(crate) lag: LagNow,
    pub(crate) lines: BTreeMap<Line, LineProgress>,
    /// What the origin last said is written.
    pub(crate) written: BTreeMap<Line, Seq>,
}

/// Lag of a site that held everything at `in_sync` and now misses so many events that it knows of.
fn seconds(in_sync: Millis, now: Millis, events: u64) -> f64 {
    let since = now.since(in_sync);
    if events == 0 && since < HEARTBEAT_LATE { 0.0 } else { since.as_secs_f64() }
}

fn report_lines(metrics: &Metrics, name: &str, lines: &BTreeMap<Line, LineProgress>) {
    let mut holes: BTreeMap<&str, i64> = HoleReason::LABELS.map(|reason| (reason, 0)).into();
    let mut wants = 0;
    for (line, progress) in lines {
        for hole in progress.holes.values() {
            if let HoleReason::BlocksMissing { count } = hole.reason {
                wants += i64::from(count);
            }
            *holes.entry(hole.reason.label()).or_default() += 1;
        }
        let partition = line.partition.0.to_string();
        for (point, seq) in [("applied", progress.applied()), ("complete", progress.complete())] {
            let labels = [name, &partition, point];
            metrics.position.with_label_values(&labels).set(seq.0.cast_signed());
        }
    }
    metrics.wants.set(wants);
    for (reason, count) in holes {
        metrics.holes.with_label_values(&[name, reason]).set(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_10_lag_is_zero_in_sync_and_rises_by_the_clock_when_nothing_is_heard() {
        assert_eq!(seconds(Millis(10_000), Millis(11_200), 0), 0.0);
        assert_eq!(seconds(Millis(10_000), Millis(13_000), 0), 3.0);
        assert_eq!(seconds(Millis(10_000), Millis(10_400), 1), 0.4);
    }
}
