//! Holes that the origin's history can fill: gaps, and what could not be read when it came and
//! can be read now.

use bus::wire::Run;
use model::{Digest, Hole, HoleReason, Line, Seq};
use schemas::Codec;
use store::{ApplyError, Step, Store};

use crate::{
    decoded::Decoded,
    modes::Modes,
    origin::{Origin, OriginError},
};

/// Events asked for at once: bounds the memory of a refill to a few MiB of usual events.
const RUN_EVENTS: u64 = 256;

/// Why a hole was not filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefillError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("apply refilled events")]
    Apply(#[from] ApplyError),
}

/// The gaps of an origin's lines, each with its line.
pub(crate) fn gaps(store: &Store, site: model::SiteId) -> Vec<(Line, Hole)> {
    holes(store, site, |reason| matches!(reason, HoleReason::Gap { .. }))
}

/// What is parked of an origin's lines, each with its line.
pub(crate) fn parked(store: &Store, site: model::SiteId) -> Vec<(Line, Hole)> {
    holes(store, site, |reason| matches!(reason, HoleReason::Parked { .. }))
}

fn holes(
    store: &Store,
    site: model::SiteId,
    of_kind: impl Fn(&HoleReason) -> bool,
) -> Vec<(Line, Hole)> {
    let of_line = |line: Line, progress: &store::LineProgress| {
        let holes = progress.holes.values().filter(|hole| of_kind(&hole.reason)).cloned();
        holes.map(|hole| (line, hole)).collect::<Vec<_>>()
    };
    store.lines(of_line).into_iter().flatten().filter(|(line, _)| line.site == site).collect()
}

/// What to do with the events that came for the beginning of a gap: applied if they chain on
/// what was handled before it, and the hole shrinks. Pure.
pub(crate) fn plan(line: Line, hole: &Hole, came: Vec<Decoded>) -> Vec<Step> {
    let HoleReason::Gap { after, last } = hole.reason else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    // What came by full sync in front of the gap did not tell its digest.
    let begins = hole.first == Seq::NONE.next();
    let mut prev = (begins || after != Digest::ZERO).then_some(after);
    let (mut next, mut filled) = (hole.first, None);
    for decoded in came {
        let fits = decoded.sealed.position == line.at(next)
            && decoded.prev.is_none_or(|named| prev.is_none_or(|prev| named == prev))
            && (next < hole.last || decoded.digest == last);
        if !fits {
            break;
        }
        prev = Some(decoded.digest);
        filled = Some((next, decoded.digest));
        match decoded.event {
            Ok(event) => steps.push(Step::Apply(Box::new(event))),
            Err(why) => {
                let reason = HoleReason::Parked { digest: decoded.digest, why };
                let parked = Hole { first: next, last: next, reason };
                steps.push(Step::Open(line, parked));
            }
        }
        next = next.next();
    }
    match filled {
        Some(filled) => close(steps, line, hole.first, filled),
        // The origin's history is not what followed here: nobody has it any more.
        None => lost(line, hole),
    }
}

/// What to do with a parked event that came again: applied if it is the same and can be read now;
/// otherwise it stays where it is. Pure.
pub(crate) fn unpark(line: Line, hole: &Hole, came: Vec<Decoded>) -> Vec<Step> {
    let same = |decoded: &Decoded| {
        matches!(hole.reason, HoleReason::Parked { digest, .. } if digest == decoded.digest)
            && decoded.sealed.position == line.at(hole.first)
    };
    let Some(Decoded { event: Ok(event), digest, .. }) = came.into_iter().find(same) else {
        return Vec::new();
    };
    close(vec![Step::Apply(Box::new(event))], line, hole.first, (hole.first, digest))
}

fn close(mut steps: Vec<Step>, line: Line, first: Seq, (last, digest): (Seq, Digest)) -> Vec<Step> {
    // First, so that holes which the events open in its place are not closed with it.
    steps.insert(0, Step::Close { line, first, last, digest });
    steps
}

fn lost(line: Line, hole: &Hole) -> Vec<Step> {
    vec![Step::Open(line, Hole { reason: HoleReason::LostAtOrigin, ..hole.clone() })]
}

/// Fills the beginning of one gap, or tries one parked event again.
pub(crate) async fn refill(
    store: &Store,
    origin: &Origin,
    (codec, modes): (&Codec, &Modes),
    (line, hole): (Line, Hole),
) -> Result<(), RefillError> {
    let last = Seq(hole.last.0.min(hole.first.0 + RUN_EVENTS - 1));
    let run = Run { epoch: line.epoch, partition: line.partition, first: hole.first, last };
    let steps = match origin.history(run).await {
        Ok(events) => {
            let came = events.into_iter().map(|sealed| Decoded::new(codec, sealed)).collect();
            match hole.reason {
                HoleReason::Parked { .. } => unpark(line, &hole, came),
                _ => plan(line, &hole, came),
            }
        }
        Err(OriginError::Freed { .. }) => lost(line, &hole),
        Err(error) => return Err(error.into()),
    };
    let given_up = matches!(&steps[..], [Step::Open(_, hole)] if !hole.reason.is_applied());
    if given_up {
        tracing::error!(%line, first = hole.first.0, last = hole.last.0, "events are lost at the origin");
    }
    if !steps.is_empty() {
        store.apply(modes.realtime(steps).0).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
