//! One run: round after round, until a comparison finds nothing.

use std::time::Duration;

use model::{Line, Seq};
use rand::Rng;
use store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Fix, Parts, Phase, Proof, Report, Request, RunError, Told, Verified,
    checkpoint::Stand,
    comparison::{Comparison, Stop},
    round::{Compared, line, trimmed},
};

/// What one round mends, the next one finds equal; what it still finds then was written in
/// between. More rounds than this mean that something undoes the repairs.
const ROUNDS_MAX: usize = 5;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Failures without anything going well between them.
#[derive(Default)]
struct Retry {
    failures: u32,
    last: Option<Instant>,
}

/// Compares this site with its origin and repairs what differs, until nothing does or `cancelled`
/// says so. Waits for leaves only: blocks of what was repaired come as all blocks do. A deep run goes
/// on from its checkpoint.
///
/// # Errors
/// See [`RunError`]; what was repaired until then is.
pub async fn run(
    parts: &Parts,
    request: &Request,
    told: &Told,
    cancelled: &CancellationToken,
) -> Result<Report, RunError> {
    if request.prefix.is_some() && request.bucket.is_none() {
        return Err(RunError::Refused("a prefix is of a bucket: name the bucket too".to_owned()));
    }
    if request.deep && parts.blocks.is_none() {
        return Err(RunError::Refused("this site has no blocks to read back".to_owned()));
    }
    let comparison = Comparison::new(parts, request, told);
    let done = cancelled.run_until_cancelled(Box::pin(comparison.all())).await;
    done.unwrap_or(Err(RunError::Cancelled))
}

/// What a deep run reads again.
enum Part<'a> {
    Records,
    Blocks(&'a Store),
}

impl Comparison<'_> {
    async fn all(&self) -> Result<Report, RunError> {
        if !self.request.deep {
            return Ok(self.done(self.rounds().await?));
        }
        // Before trees are compared: what they say must be what the records say.
        self.read_again(Part::Records).await?;
        let mut report = self.rounds().await?;
        let unrepaired = self.tally().progress.unrepaired;
        if let Some(store) = &self.parts.blocks {
            self.tell(|tally| tally.alive = Instant::now());
            self.read_again(Part::Blocks(store)).await?;
        }
        let tally = self.tally();
        // What is rotten and stays so is not equal to what is not.
        let listed = self.request.dry_run && tally.found > 0;
        report.converged &= !listed && tally.progress.unrepaired == unrepaired;
        drop(tally);
        Ok(self.done(report))
    }

    async fn read_again(&self, part: Part<'_>) -> Result<(), RunError> {
        let mut retry = Retry::default();
        loop {
            let read = match part {
                Part::Records => Box::pin(self.records()).await,
                Part::Blocks(store) => Box::pin(self.blocks(store)).await,
            };
            match read {
                Ok(()) => return Ok(()),
                Err(Stop::End(error)) => return Err(error),
                Err(Stop::Again(error)) => self.back_off(&mut retry, error).await?,
            }
        }
    }

    /// Compares the trees with the records that they speak of.
    async fn records(&self) -> Result<(), Stop> {
        self.phase(Phase::Scrubbing);
        let mut leaves = 0;
        let mut stand = self.tally().checkpoint.records.clone();
        while !stand.is_done() {
            let verified = self.parts.here.verify(stand.place(), self.request.dry_run).await?;
            let Verified { next, differ, rotten } = verified;
            leaves += differ;
            stand = Stand::behind(next);
            self.come_to(|checkpoint| {
                checkpoint.records = stand.clone();
                checkpoint.set_aside(rotten);
            });
        }
        if leaves > 0 {
            tracing::warn!(leaves, "the hash tree did not say what the records do");
        }
        Ok(())
    }

    async fn blocks(&self, store: &Store) -> Result<(), Stop> {
        self.scrub(store).await?;
        // After it: a rotten segment does not say what it names.
        self.recount(store).await
    }

    /// The report, with all that was counted.
    fn done(&self, report: Report) -> Report {
        self.phase(Phase::Done);
        let tally = self.tally();
        Report { progress: tally.progress.clone(), sample: tally.sample.clone(), ..report }
    }

    async fn rounds(&self) -> Result<Report, RunError> {
        let (mut rounds, mut retry, mut deletes) = (0, Retry::default(), false);
        loop {
            let ended = match Box::pin(self.round(deletes)).await {
                Ok(compared) => {
                    rounds += 1;
                    self.tell(|tally| tally.alive = Instant::now());
                    self.after(&compared, &mut deletes, rounds).await
                }
                Err(stop) => Err(stop),
            };
            match ended {
                Ok(Some(report)) => return Ok(report),
                Ok(None) => {}
                Err(Stop::End(error)) => return Err(error),
                Err(Stop::Again(error)) => self.back_off(&mut retry, error).await?,
            }
        }
    }

    /// What follows from a round: a report, or another round.
    async fn after(
        &self,
        compared: &Compared,
        deletes: &mut bool,
        rounds: usize,
    ) -> Result<Option<Report>, Stop> {
        let (found, mended, aside, deleted) = {
            let tally = self.tally();
            (tally.found, tally.mended, tally.deletes, tally.deleted)
        };
        if found == 0 {
            return self.prove(compared).await.map(Some);
        }
        let fits = deleted + aside <= compared.round.ceiling;
        if self.request.dry_run {
            return Ok(Some(self.report(false, if fits { 0 } else { aside })));
        }
        // Deletes that did not fit into memory are found again, and done as they are found.
        let more = aside > 0 && fits && !*deletes;
        if (mended > 0 || more) && rounds < ROUNDS_MAX {
            *deletes = aside > 0 && fits;
            return Ok(None);
        }
        if aside > 0 {
            let ceiling = compared.round.ceiling;
            tracing::error!(
                deletes = aside,
                ceiling,
                "full sync would delete more than it may; look at what the origin has lost, or \
                 run it with a higher --max-deletes"
            );
            self.parts.metrics.alarm("deletes_held_back");
        }
        Ok(Some(self.report(false, aside)))
    }

    /// Nothing differs: notes what follows from that.
    async fn prove(&self, compared: &Compared) -> Result<Report, Stop> {
        self.phase(Phase::Proving);
        let (here, round) = (&self.parts.here, &compared.round);
        let all = self.request.bucket.is_none() && self.parts.without.is_empty();
        let whole = all && !self.request.dry_run;
        let mut fixes = Vec::new();
        let lines = here.lines();
        for end in round.made.ends.iter().filter(|end| whole && end.seq > Seq::NONE) {
            let line = line(&round.made, end);
            let behind = lines.get(&line).is_none_or(|handled| handled.seq < end.seq);
            if behind && !self.parts.options.realtime {
                fixes.push(Fix::Handle { line, handled: end.handled() });
            }
            fixes.push(Fix::Prove { line, up_to: end.seq });
        }
        // Epochs that have ended are below every cut.
        let (site, epoch) = (round.cut.site, round.cut.epoch);
        let ended = |line: &&Line| whole && line.site == site && line.epoch < epoch;
        let past =
            lines.keys().filter(ended).map(|&line| Fix::Prove { line, up_to: Seq(u64::MAX) });
        fixes.extend(past);
        // What was not handled before is now, all of it.
        if whole {
            fixes.extend(trimmed(&round.made, &round.trimmed));
        }
        if !fixes.is_empty() {
            here.take(fixes).await?;
        }
        let (cut, at) = (&round.cut, here.now());
        let proofs = compared.roots.iter().map(|(scope, root)| {
            let (scope, cut) = (scope.clone(), cut.clone());
            Proof { scope, root: *root, cut, at }
        });
        let proofs = proofs.collect();
        Ok(Report { proofs, ..self.report(true, 0) })
    }

    fn report(&self, converged: bool, deletes_held_back: u64) -> Report {
        self.tell(|tally| tally.progress.deletes_held_back = deletes_held_back);
        Report { converged, ..Report::default() }
    }

    /// Waits before the next try, longer each time; gives up when nothing has gone well for long.
    async fn back_off(&self, retry: &mut Retry, error: RunError) -> Result<(), RunError> {
        let alive = self.tally().alive;
        if let Some(done) = error.building() {
            let mut tally = self.tally();
            // As long as it grows, a tree is worth waiting for.
            if tally.built.is_none_or(|built| done > built) {
                (tally.built, tally.alive) = (Some(done), Instant::now());
            }
        }
        if self.tally().alive.elapsed() >= self.parts.options.give_up {
            return Err(error);
        }
        if retry.last.is_some_and(|last| last < alive) {
            retry.failures = 0;
        }
        let failures = retry.failures;
        let why = ops::chain(&error);
        if failures == 0 {
            tracing::info!(why, "full sync waits and then takes a new cut");
        } else {
            tracing::debug!(why, failures, "full sync waits and then takes a new cut");
        }
        self.phase(Phase::Waiting);
        self.tell(|tally| tally.progress.waits = Some(why));
        let wait = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
        (retry.failures, retry.last) = (failures + 1, Some(Instant::now()));
        let wait = wait.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
