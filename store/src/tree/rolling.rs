//! Verifying while a site runs: one step at a time, all around the store in about a day, so that a
//! proof can say when the tree was last known to be what the records are. It only tells: which of a
//! record and its leaf is right, a full sync finds out.

use std::time::Duration;

use model::Millis;
use tokio_util::sync::CancellationToken;

use super::verify::{ROWS, Stage, TreeCounts, TreeDifference};
use crate::{
    errors::KeepError,
    open::millis,
    records::{Round, VerifiedRecord},
    section::Section,
    store::Store,
};

/// Time of a round.
const ROUND: Duration = Duration::from_hours(24);
/// Between two steps at the most, so that a small store is known soon, and at the least.
const STEPS_APART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));

/// When the whole tree was last compared with the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeVerified {
    pub began: Millis,
    pub ended: Millis,
    /// What was found to differ.
    pub differ: u64,
}

/// Verifies a step at a time, round after round, until cancelled.
///
/// # Errors
/// If the store failed.
pub async fn verify_forever(store: Store, cancelled: CancellationToken) -> Result<(), KeepError> {
    store.show_verified()?;
    loop {
        let Some(pause) = cancelled.run_until_cancelled(store.verify_on()).await else {
            return Ok(());
        };
        let pause = pause?;
        if cancelled.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}

/// What to do next, and how long to rest after it. Pure.
fn plan(now: Millis, record: &VerifiedRecord, leaves: u64) -> (Option<Round>, Duration) {
    let (shortest, longest) = STEPS_APART;
    let next_round = Millis(record.began.0.saturating_add(millis(ROUND)));
    let round = match &record.round {
        Some(round) => round.clone(),
        None if record.ended != Millis(0) && now < next_round => {
            return (None, next_round.since(now).clamp(shortest, longest));
        }
        None => Round { began: now, differ: 0, stage: Stage::START },
    };
    // Records and leaves, and a step for the nodes of each scope, of which there are fewer.
    let steps = 2 * leaves / ROWS as u64 + 2;
    let pause = ROUND / u32::try_from(steps).unwrap_or(u32::MAX);
    (Some(round), pause.clamp(shortest, longest))
}

impl Store {
    /// When the tree was last compared with all records, if it was.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tree_verified(&self) -> Result<Option<TreeVerified>, crate::ReadError> {
        let record = self.shared.get::<VerifiedRecord>(&VerifiedRecord::key())?;
        let record = record.filter(|record| record.ended != Millis(0));
        Ok(record.map(|VerifiedRecord { began, ended, differ, .. }| TreeVerified {
            began,
            ended,
            differ,
        }))
    }

    /// Does the next step, if it is time. Returns how long to rest.
    pub(super) async fn verify_on(&self) -> Result<Duration, KeepError> {
        if !self.shared.tree.is_built() {
            return Ok(STEPS_APART.1);
        }
        let record = self.shared.get::<VerifiedRecord>(&VerifiedRecord::key())?;
        let record = record.unwrap_or_default();
        let (round, pause) = plan(self.now(), &record, self.leaves_in_all()?);
        let Some(mut round) = round else { return Ok(pause) };
        let (next, found) = self.verify_step(round.stage, ROWS).await?;
        self.tell(&found.counts, &found.differences);
        round.differ += found.counts.differ();
        let record = match next {
            Some(stage) => VerifiedRecord { round: Some(Round { stage, ..round }), ..record },
            None => {
                let Round { began, differ, .. } = round;
                VerifiedRecord { began, ended: self.now(), differ, round: None }
            }
        };
        let rule = move |section: &mut Section<'_>| {
            section.put(VerifiedRecord::key(), &record);
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(rule).await?;
        self.show_verified()?;
        Ok(pause)
    }

    /// About as many as there are: from nodes that may wait for a fold.
    pub(crate) fn leaves_in_all(&self) -> Result<u64, KeepError> {
        let roots = match self.tree_view() {
            Ok(view) => view.roots()?,
            Err(crate::ReadError::Tree(_)) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        Ok(roots.values().map(|root| root.leaves).sum())
    }

    fn show_verified(&self) -> Result<(), KeepError> {
        if let Some(verified) = self.tree_verified()? {
            let seconds = i64::try_from(verified.ended.0 / 1_000).unwrap_or(i64::MAX);
            self.shared.metrics.tree_verified.set(seconds);
        }
        Ok(())
    }

    fn tell(&self, counts: &TreeCounts, differences: &[TreeDifference]) {
        if counts.differ() == 0 {
            return;
        }
        self.shared.metrics.tree_differences.inc_by(counts.differ());
        self.shared.metrics.alarm("tree_differs");
        let first = differences.first().map(|first| format!("{}: {}", first.scope, first.why));
        tracing::error!(
            differ = counts.differ(),
            first = first.unwrap_or_else(|| "nodes are not what their leaves say".to_owned()),
            "the hash tree and the records differ; a deep full sync, or `towline store verify`, \
             says where"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_round_takes_about_a_day_and_the_next_begins_a_day_after() {
        let (round, pause) = plan(Millis(5), &VerifiedRecord::default(), 0);
        assert_eq!(round.unwrap().stage, Stage::START, "what was never compared is compared now");
        assert_eq!(pause, Duration::from_mins(10));
        let stage = Stage::Leaves(b"l".to_vec());
        let round = Some(Round { began: Millis(5), differ: 1, stage });
        let under_way = VerifiedRecord { round: round.clone(), ..VerifiedRecord::default() };
        let (next, pause) = plan(Millis(9 * HOUR), &under_way, 10_000_000);
        assert_eq!(next, round, "a site that starts again goes on from where it was");
        assert_eq!(pause.as_secs(), 4);
        let (_, pause) = plan(Millis(9 * HOUR), &under_way, u64::MAX / 4);
        assert_eq!(pause.as_secs(), 1);
        let began = Millis(HOUR);
        let done = VerifiedRecord { began, ended: Millis(20 * HOUR), ..VerifiedRecord::default() };
        assert_eq!(plan(Millis(24 * HOUR), &done, 1), (None, Duration::from_mins(10)));
        assert!(plan(Millis(25 * HOUR), &done, 1).0.is_some());
    }
}
