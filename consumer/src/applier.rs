//! What to do with each event and heartbeat: pure, one line of an origin after another.
//!
//! Law 2: whatever does not follow on what was handled is a hole with a reason, never a silent
//! step. The rules only decide; nothing has happened until the store has taken the steps.

use std::collections::BTreeMap;

use model::{Heartbeat, Hole, HoleReason, Line, Millis, Seq, progress::Handled};
use store::{LineProgress, Step};

use crate::decoded::Decoded;

/// How much may be in holes of a line before the applier lets the line wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Events of one line that cannot be read here.
    pub parked_max: usize,
    /// Holes of all kinds in one line.
    pub holes_max: usize,
}

impl Limits {
    /// Whether a line with so many holes, so many of them parked events, goes on.
    pub(crate) fn has_room(self, holes: usize, parked: usize) -> bool {
        holes < self.holes_max && parked < self.parked_max
    }
}

/// Something that a person must look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Events are missing in the log.
    Gap,
    /// An event does not name the one before it that was handled here.
    BrokenChain,
    /// An event cannot be read here.
    Parked,
    /// The origin has opened a new epoch.
    NewEpoch,
    /// A line has too many holes; it waits, the other lines go on.
    Stopped,
}

impl Alarm {
    /// Name in metrics and logs.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::BrokenChain => "broken_chain",
            Self::Parked => "parked",
            Self::NewEpoch => "new_epoch",
            Self::Stopped => "applier_stopped",
        }
    }
}

/// What follows from one message.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    pub steps: Vec<Step>,
    pub alarms: Vec<(Line, Alarm)>,
}

/// State of every line of one origin, as it will be when the steps so far are taken.
pub struct Applier {
    limits: Limits,
    cursors: BTreeMap<Line, Cursor>,
}

#[derive(Clone)]
struct Cursor {
    handled: Handled,
    parked: usize,
    holes: usize,
    /// It had too many holes when an event came: nothing after that is handled.
    stopped: bool,
    /// What an earlier heartbeat said was written, while nothing has come since.
    awaited: Option<(Seq, Millis)>,
}

/// A heartbeat may overtake the events before it on another way; after this long with nothing
/// handled, they are not coming and are asked for.
const STALL: u64 = 10_000;

impl Applier {
    /// Goes on from what the store holds.
    pub fn new(limits: Limits, lines: impl IntoIterator<Item = (Line, LineProgress)>) -> Self {
        let cursors = lines.into_iter().map(|(line, progress)| (line, Cursor::of(&progress)));
        Self { limits, cursors: cursors.collect() }
    }

    /// Whether some line waits for room for holes.
    pub fn waits(&self) -> bool {
        self.cursors.values().any(|cursor| cursor.stopped)
    }

    /// Whether a line that waits has room again, by what the store holds now: then the log must be
    /// read again from there.
    pub fn has_room_again(&self, progress: impl Fn(Line) -> LineProgress) -> bool {
        let mut waiting = self.cursors.iter().filter(|(_, cursor)| cursor.stopped);
        waiting.any(|(line, _)| Cursor::of(&progress(*line)).has_room(self.limits))
    }

    /// Decides about an event.
    pub fn event(&mut self, decoded: Decoded) -> Decision {
        let position = decoded.sealed.position;
        let (line, seq) = (position.line(), position.seq);
        let mut decision = Decision::default();
        let known = self.cursors.contains_key(&line);
        if !known && self.cursors.range(..line).next_back().is_some_and(|(l, _)| older(*l, line)) {
            decision.alarms.push((line, Alarm::NewEpoch));
        }
        let limits = self.limits;
        let cursor = self.cursors.entry(line).or_insert(Cursor::START);
        if seq <= cursor.handled.seq {
            if seq == cursor.handled.seq && decoded.digest != cursor.handled.digest {
                decision.alarms.push((line, Alarm::BrokenChain));
                decision.steps.push(cursor.doubt(line));
            }
            return decision;
        }
        if !cursor.has_room(limits) {
            if !std::mem::replace(&mut cursor.stopped, true) {
                decision.alarms.push((line, Alarm::Stopped));
            }
            return decision;
        }
        if seq > cursor.handled.seq.next() {
            decision.alarms.push((line, Alarm::Gap));
            let reason = match decoded.prev {
                Some(last) => HoleReason::Gap { after: cursor.handled.digest, last },
                None => HoleReason::LostAtOrigin,
            };
            let hole = Hole { first: cursor.handled.seq.next(), last: seq.before(), reason };
            decision.steps.push(cursor.open(line, hole));
        } else if decoded.prev.is_some_and(|prev| prev != cursor.handled.digest) {
            decision.alarms.push((line, Alarm::BrokenChain));
            decision.steps.push(cursor.doubt(line));
        }
        cursor.take(decoded, &mut decision);
        decision
    }

    /// Decides about a heartbeat: what it says is written should have come.
    pub fn heartbeat(&mut self, beat: &Heartbeat) -> Decision {
        let line = Line { site: beat.site, epoch: beat.epoch, partition: beat.partition };
        let mut decision = Decision::default();
        let cursor = self.cursors.entry(line).or_insert(Cursor::START);
        if cursor.stopped || beat.written <= cursor.handled.seq {
            cursor.awaited = None;
            return decision;
        }
        match cursor.awaited {
            Some((since, began)) if since == cursor.handled.seq => {
                if beat.time.0 < began.0 + STALL {
                    return decision;
                }
            }
            _ => {
                cursor.awaited = Some((cursor.handled.seq, beat.time));
                return decision;
            }
        }
        decision.alarms.push((line, Alarm::Gap));
        let reason = HoleReason::Gap { after: cursor.handled.digest, last: beat.digest };
        let hole = Hole { first: cursor.handled.seq.next(), last: beat.written, reason };
        decision.steps.push(cursor.open(line, hole));
        let Heartbeat { written: seq, digest, volume, time, .. } = *beat;
        cursor.handled = Handled { seq, digest, volume, time };
        cursor.awaited = None;
        decision.steps.push(Step::Handle(line, cursor.handled));
        decision
    }
}

impl Cursor {
    const START: Self =
        Self { handled: Handled::START, parked: 0, holes: 0, stopped: false, awaited: None };

    fn of(progress: &LineProgress) -> Self {
        let parked = |hole: &&Hole| matches!(hole.reason, HoleReason::Parked { .. });
        Self {
            handled: progress.handled,
            parked: progress.holes.values().filter(parked).count(),
            holes: progress.holes.len(),
            stopped: false,
            awaited: None,
        }
    }

    fn has_room(&self, limits: Limits) -> bool {
        limits.has_room(self.holes, self.parked)
    }

    fn open(&mut self, line: Line, hole: Hole) -> Step {
        self.holes += 1;
        Step::Open(line, hole)
    }

    /// What was handled is not what the origin has there, and how far back that is so nobody can tell:
    /// a hole from before the first event, which only a proof closes.
    fn doubt(&mut self, line: Line) -> Step {
        let (first, last) = (Seq::NONE, self.handled.seq);
        self.open(line, Hole { first, last, reason: HoleReason::LostAtOrigin })
    }

    /// The event follows: it is applied, or parked if it cannot be read.
    fn take(&mut self, decoded: Decoded, decision: &mut Decision) {
        let Decoded { sealed, digest, event, .. } = decoded;
        let (line, seq) = (sealed.position.line(), sealed.position.seq);
        let time = sealed.version.hlc.millis();
        let mut volume = self.handled.volume;
        match event {
            Ok(event) => {
                volume = event.volume;
                decision.steps.push(Step::Apply(Box::new(event)));
            }
            Err(why) => {
                decision.alarms.push((line, Alarm::Parked));
                self.parked += 1;
                let hole =
                    Hole { first: seq, last: seq, reason: HoleReason::Parked { digest, why } };
                decision.steps.push(self.open(line, hole));
            }
        }
        self.awaited = None;
        self.handled = Handled { seq, digest, volume, time };
        decision.steps.push(Step::Handle(line, self.handled));
    }
}

fn older(one: Line, other: Line) -> bool {
    one.site == other.site && one.epoch < other.epoch
}

#[cfg(test)]
mod tests;
