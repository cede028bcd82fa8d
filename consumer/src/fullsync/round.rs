//! One comparison at one cut, from the cut to its end.

use std::{collections::BTreeMap, time::Duration};

use bus::wire::tree::{CutAsked, CutMade, End, RootsDigest};
use model::{
    Line, Partition, Seq,
    progress::Handled,
    tree::{Cut, Scope, Summary},
};
use tokio::time::Instant;

use super::{
    Fix, HereView, Phase, RunError,
    comparison::{Comparison, Stop},
    guard::{self, Known},
};
use crate::origin::OriginError;

/// So often a cut is asked about while it is waited for, so that it does not end.
const KEEP: Duration = Duration::from_secs(60);

type Roots = BTreeMap<Scope, Summary>;

/// A cut, and both sides of it.
pub(crate) struct Round {
    pub(crate) made: CutMade,
    pub(crate) cut: Cut,
    pub(crate) here: HereView,
    pub(crate) trimmed: BTreeMap<Partition, Seq>,
    /// Whether deletes are done as they are found, and how many in all of the run.
    pub(crate) deletes: bool,
    pub(crate) ceiling: u64,
}

/// What a round came to.
pub(crate) struct Compared {
    pub(crate) round: Round,
    /// The origin's, of what was compared.
    pub(crate) roots: Roots,
}

impl Comparison<'_> {
    /// Compares at a new cut and mends what differs.
    pub(crate) async fn round(&self, deletes: bool) -> Result<Compared, Stop> {
        self.tell(super::comparison::Tally::begin_round);
        // Before the cut, which then is at or above all of it: real time goes on meanwhile.
        let handled = self.parts.here.lines();
        let made = self.cut().await?;
        self.phase(Phase::Waiting);
        let id = made.id;
        let compared = self.compare(made, &handled, deletes).await;
        // It would end by itself, later.
        if let Err(error) = self.origin.end_cut(id).await {
            tracing::debug!(error = %ops::chain(&error), "a cut was not given back");
        }
        compared
    }

    async fn cut(&self) -> Result<CutMade, Stop> {
        let site = self.parts.here.site();
        let asked = CutAsked { site, release: env!("CARGO_PKG_VERSION").to_owned() };
        match self.origin.make_cut(&asked).await {
            Ok(made) => Ok(made),
            Err(OriginError::Unknown { peer }) => Err(Stop::End(RunError::Refused(format!(
                "site `{peer}` runs a release without full sync; upgrade it"
            )))),
            Err(error) => Err(error.into()),
        }
    }

    async fn compare(
        &self,
        made: CutMade,
        handled: &BTreeMap<Line, Handled>,
        deletes: bool,
    ) -> Result<Compared, Stop> {
        let here = &self.parts.here;
        let before = here.view().await?;
        let floors = before.trimmed_of(made.site.site, made.site.epoch);
        self.guard(&made, handled, before).await?;
        if self.parts.options.realtime {
            self.wait(&made).await?;
        }
        // Before anything is compared: what comes meanwhile to fill a hole, and speaks of what was
        // deleted since, must not bring it back behind the comparison.
        let trimmed = trimmed(&made, &floors);
        if !self.request.dry_run && !trimmed.is_empty() {
            here.take(trimmed).await?;
        }
        // After the cut was handled: what is missing here does not merely come later.
        let here = here.view().await?;
        let cut = made.cut();
        let trimmed = here.trimmed_of(cut.site, cut.epoch);
        let passed = |(partition, seq): (&Partition, &Seq)| {
            cut.written.get(partition).is_some_and(|written| seq > written)
        };
        // What is absent here may have been deleted above the cut: it tells nothing any more.
        if trimmed.iter().any(passed) {
            return Err(Stop::Again(RunError::Passed));
        }
        let ours = self.ours(&here).await?;
        let ceiling = self.ceiling(ours.values().map(|root| root.leaves).sum());
        let round = Round { made, cut, here, trimmed, deletes, ceiling };
        self.phase(Phase::Comparing);
        if let Some(bucket) = &self.request.bucket {
            self.compare_bucket(&round, bucket).await?;
        }
        let roots = match (&self.request.bucket, &self.request.prefix) {
            (Some(bucket), Some(prefix)) => {
                self.tell(|tally| tally.progress.scopes_total = 1);
                self.compare_keys(&round, bucket, prefix).await?;
                self.tell(|tally| tally.progress.scopes = 1);
                Roots::new()
            }
            _ => self.compare_trees(&round, ours).await?,
        };
        self.finish_deletes(&round).await?;
        Ok(Compared { round, roots })
    }

    async fn guard(
        &self,
        made: &CutMade,
        lines: &BTreeMap<Line, Handled>,
        here: HereView,
    ) -> Result<(), Stop> {
        let roots = ops::blocking(move || here.view.roots()).await?;
        let leaves = roots.values().map(|root| root.leaves).sum();
        let known = Known {
            origin: self.origin.name(),
            site: self.parts.here.site(),
            keys: self.parts.codec.fingerprints(),
            lines,
            leaves,
        };
        match guard::refuse(&known, made) {
            Some(why) => Err(Stop::End(RunError::Refused(why))),
            None => Ok(()),
        }
    }

    /// Until everything up to the cut is handled, or real time stands still.
    async fn wait(&self, made: &CutMade) -> Result<(), Stop> {
        let here = &self.parts.here;
        let mut changed = here.lines_changed();
        let (mut kept, mut since) = (Instant::now(), Instant::now());
        let mut before = None;
        loop {
            changed.mark_unchanged();
            let lines = here.lines();
            let handled = |end: &End| lines.get(&line(made, end)).map_or(0, |line| line.seq.0);
            let missing: u64 =
                made.ends.iter().map(|end| end.seq.0.saturating_sub(handled(end))).sum();
            if missing == 0 {
                return Ok(());
            }
            if before != Some(missing) {
                (before, since) = (Some(missing), Instant::now());
                self.tell(|tally| tally.alive = since);
            }
            if since.elapsed() >= self.parts.options.wait_max {
                tracing::info!(missing, "real time stands still; full sync goes on without it");
                return Ok(());
            }
            if kept.elapsed() >= KEEP {
                self.origin.roots_digest(made.id, Some(&Scope::Entities)).await?;
                kept = Instant::now();
            }
            let until = (since + self.parts.options.wait_max).min(kept + KEEP);
            let _ = tokio::time::timeout_at(until, changed.changed()).await;
        }
    }

    /// Roots of this site that are to be compared.
    async fn ours(&self, here: &HereView) -> Result<Roots, Stop> {
        let view = std::sync::Arc::clone(&here.view);
        let mut roots = ops::blocking(move || view.roots()).await?;
        roots.retain(|scope, _| self.looks_at(scope));
        Ok(roots)
    }

    /// The only scope, if there is one.
    fn scope(&self) -> Option<Scope> {
        self.request.bucket.clone().map(Scope::Bucket)
    }

    fn looks_at(&self, found: &Scope) -> bool {
        match (self.scope(), found) {
            (Some(scope), found) => scope == *found,
            (None, Scope::Bucket(bucket)) => !self.parts.without.contains(bucket),
            (None, Scope::Entities) => true,
        }
    }

    /// Compares all trees, buckets and users before objects; returns the origin's roots.
    async fn compare_trees(&self, round: &Round, ours: Roots) -> Result<Roots, Stop> {
        let theirs = self.theirs(round, &ours).await?;
        let scopes = ours.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>();
        let of = |roots: &Roots, scope: &Scope| roots.get(scope).copied().unwrap_or(Summary::EMPTY);
        let pairs = scopes.iter().map(|scope| {
            let scope = Scope::clone(scope);
            let (theirs, ours) = (of(&theirs, &scope), of(&ours, &scope));
            (scope, theirs, ours)
        });
        let total = scopes.len() as u64;
        let (equal, differing): (Vec<_>, Vec<_>) =
            pairs.partition(|(_, theirs, ours)| theirs == ours);
        self.tell(|tally| {
            tally.progress.scopes_total = total;
            tally.progress.scopes = equal.len() as u64;
            tally.progress.compared += equal.iter().map(|(_, root, _)| root.leaves).sum::<u64>();
        });
        let (first, then): (Vec<_>, Vec<_>) =
            differing.into_iter().partition(|(scope, ..)| *scope == Scope::Entities);
        for stage in [first, then] {
            let scopes = stage.len() as u64;
            self.walk(round, stage).await?;
            self.tell(|tally| tally.progress.scopes += scopes);
        }
        Ok(theirs)
    }

    /// The origin's roots; of equal sites only one digest over all of them crosses the link.
    async fn theirs(&self, round: &Round, ours: &Roots) -> Result<Roots, Stop> {
        let (id, scope) = (round.made.id, self.scope());
        let digest = self.origin.roots_digest(id, scope.as_ref()).await?;
        if digest == RootsDigest::of(ours) {
            return Ok(ours.clone());
        }
        let mut theirs = Roots::new();
        loop {
            let after = theirs.last_key_value().map(|(scope, _)| scope.clone());
            let page = self.origin.roots(id, scope.as_ref(), after.clone()).await?;
            theirs.extend(page.roots);
            let last = theirs.last_key_value().map(|(scope, _)| scope);
            // One that says there is more and gives nothing would never end.
            if !page.more || last == after.as_ref() {
                theirs.retain(|scope, _| self.looks_at(scope));
                return Ok(theirs);
            }
        }
    }

    /// Does what was put aside, if all of it fits in memory and below the ceiling.
    async fn finish_deletes(&self, round: &Round) -> Result<(), Stop> {
        let dry_run = self.request.dry_run;
        let held = {
            let mut tally = self.tally();
            let all = tally.deletes == tally.held.len() as u64;
            let fits = tally.deleted + tally.deletes <= round.ceiling;
            if all && fits && !dry_run { std::mem::take(&mut tally.held) } else { Vec::new() }
        };
        if held.is_empty() {
            return Ok(());
        }
        self.tell(|tally| {
            tally.deleted += std::mem::take(&mut tally.deletes);
        });
        self.mend_now(round, held).await?;
        Ok(())
    }
}

/// What this site has not heard yet of what the origin has trimmed.
pub(crate) fn trimmed(made: &CutMade, floors: &BTreeMap<Partition, Seq>) -> Vec<Fix> {
    let news = |end: &&End| end.trimmed > floors.get(&end.partition).copied().unwrap_or(Seq::NONE);
    let ends = made.ends.iter().filter(news);
    ends.map(|end| Fix::Trimmed { line: line(made, end), up_to: end.trimmed }).collect()
}

/// The line of a cut's partition.
pub(crate) fn line(made: &CutMade, end: &End) -> Line {
    Line { site: made.site.site, epoch: made.site.epoch, partition: end.partition }
}
