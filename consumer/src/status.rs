//! What is known of one origin, all in one look.

use std::collections::BTreeMap;

use model::{Hole, HoleReason, Line, Seq, SiteId, SiteName};
use store::LineProgress;

use crate::{
    applier::Limits,
    gaps::Gap,
    lag::{LagNow, Measured},
    pulse::Session,
};

/// Holes that are told one by one; the others are counted.
const HOLES_TOLD: usize = 50;

/// How far this site is with one origin, and what stands in the way.
#[derive(Clone, PartialEq, Debug)]
pub struct OriginStatus {
    pub name: SiteName,
    /// `None` before its first word.
    pub site: Option<SiteId>,
    /// Its events are followed; otherwise full sync alone brings what it has.
    pub realtime: bool,
    pub session: Session,
    pub lag: LagNow,
    /// Blocks and segments that are not here yet.
    pub wants: u64,
    pub puller_paused: bool,
    pub lines: Vec<LineStatus>,
    /// Of all lines, by reason.
    pub holes: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub some_holes: Vec<(Line, Hole)>,
    /// The gap that has not become smaller for the longest.
    pub gap: Option<Gap>,
}

/// How far one line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineStatus {
    pub line: Line,
    /// What the origin last said, or what is handled, if it has not said anything.
    pub written: Seq,
    pub applied: Seq,
    pub complete: Seq,
    /// It has too many holes: nothing more of it is handled until there are fewer.
    pub stopped: bool,
}

impl OriginStatus {
    pub(crate) fn new(
        (name, session): (SiteName, Session),
        (limits, puller_paused): (Limits, bool),
        gap: Option<Gap>,
        measured: Option<Measured>,
    ) -> Self {
        let mut status = Self {
            name,
            site: None,
            realtime: true,
            session,
            lag: LagNow::default(),
            wants: 0,
            puller_paused,
            lines: Vec::new(),
            holes: BTreeMap::new(),
            some_holes: Vec::new(),
            gap,
        };
        if let Some(Measured { site, lag, lines, written }) = measured {
            status.site = Some(site);
            status.lag = lag;
            for (line, progress) in &lines {
                let written = written.get(line).copied().unwrap_or(progress.handled.seq);
                status.add(*line, written, progress, limits);
            }
        }
        status
    }

    fn add(&mut self, line: Line, written: Seq, progress: &LineProgress, limits: Limits) {
        let mut parked = 0;
        for hole in progress.holes.values() {
            *self.holes.entry(hole.reason.label()).or_default() += 1;
            match hole.reason {
                HoleReason::BlocksMissing { count } => self.wants += u64::from(count),
                HoleReason::Parked { .. } => parked += 1,
                HoleReason::Gap { .. } | HoleReason::LostAtOrigin | HoleReason::Adopted => {}
            }
            if self.some_holes.len() < HOLES_TOLD {
                self.some_holes.push((line, hole.clone()));
            }
        }
        let (applied, complete) = (progress.applied(), progress.complete());
        let full = !limits.has_room(progress.holes.len(), parked);
        let stopped = full && written > progress.handled.seq;
        self.lines.push(LineStatus { line, written, applied, complete, stopped });
    }
}

#[cfg(test)]
mod tests {
    use model::{Digest, Epoch, Partition, progress::Handled};

    use super::*;

    #[test]
    fn law_12_a_line_with_too_many_holes_is_stopped_only_while_more_is_written() {
        let line = Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(0) };
        let reason = HoleReason::Parked { digest: Digest::ZERO, why: "no key".to_owned() };
        let hole = Hole { first: Seq(2), last: Seq(2), reason };
        let handled = Handled { seq: Seq(3), ..Handled::START };
        let progress = LineProgress { handled, holes: [(Seq(2), hole.clone())].into() };
        let status = |written, parked_max| {
            let measured = Measured {
                site: line.site,
                lag: LagNow::default(),
                lines: [(line, progress.clone())].into(),
                written: [(line, Seq(written))].into(),
            };
            let limits = Limits { parked_max, holes_max: 9 };
            let name = SiteName::try_from("east".to_owned()).unwrap();
            OriginStatus::new((name, Session::default()), (limits, false), None, Some(measured))
        };
        let told = status(4, 1);
        assert_eq!((told.holes["parked"], &told.some_holes[..]), (1, &[(line, hole.clone())][..]));
        assert_eq!((told.lines[0].applied, told.lines[0].stopped), (Seq(1), true));
        assert!(!status(3, 1).lines[0].stopped, "nothing waits");
        assert!(!status(4, 2).lines[0].stopped, "there is room");
    }
}
