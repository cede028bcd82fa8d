//! One run: what it was asked, what it has counted, and how it tells of it.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{
    EntityHash,
    tree::{Scope, Verdict},
};
use ops::config::MaxDeletes;
use store::{ApplyError, KeepBlockError, UploadError};
use tokio::time::Instant;

use super::{
    Difference, HereError, Parts, Phase, Progress, Reason, Request, RunError, Told,
    checkpoint::Checkpoint, walker::Found,
};
use crate::origin::{Origin, OriginError};

/// Differences that a report lists.
pub(super) const SAMPLE: usize = 1_000;
/// Deletes that wait in memory for the end of a round; more are found again in the next.
const HELD: usize = 1_024;

/// Why a round ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A link that broke, a cut that ended, a disk that is full: a new cut may do better.
    Again(RunError),
    End(RunError),
}

impl From<OriginError> for Stop {
    fn from(error: OriginError) -> Self {
        Self::Again(error.into())
    }
}

impl From<HereError> for Stop {
    fn from(error: HereError) -> Self {
        let full = matches!(
            error,
            HereError::Apply(ApplyError::DiskFull(_))
                | HereError::Block(KeepBlockError::Room(UploadError::DiskFull(_)))
        );
        let error = RunError::from(error);
        if full || error.building().is_some() { Self::Again(error) } else { Self::End(error) }
    }
}

impl From<model::tree::TreeError> for Stop {
    fn from(error: model::tree::TreeError) -> Self {
        HereError::from(error).into()
    }
}

/// A run.
pub(crate) struct Comparison<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) request: &'a Request,
    pub(crate) origin: Origin,
    /// Blocks that had come when it began.
    pulled: u64,
    told: &'a Told,
    tally: Mutex<Tally>,
}

/// What a run has counted.
pub(crate) struct Tally {
    pub(crate) progress: Progress,
    pub(crate) sample: Vec<Difference>,
    sampled: HashSet<(Scope, EntityHash)>,
    /// Deletes that wait for the end of the round, and how many there were in it.
    pub(crate) held: Vec<Found>,
    pub(crate) deletes: u64,
    /// Deletes done in the run.
    pub(crate) deleted: u64,
    /// Differences found in this round, and repairs in it and before it.
    pub(crate) found: u64,
    pub(crate) mended: u64,
    pub(crate) mended_before: u64,
    /// Content of repaired objects that came with their states.
    inline: u64,
    /// Of a deep run.
    pub(crate) checkpoint: Checkpoint,
    /// When something last went well.
    pub(crate) alive: Instant,
    /// Records that have their place in a tree that is still being built, when last heard.
    pub(crate) built: Option<u64>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(parts: &'a Parts, request: &'a Request, told: &'a Told) -> Self {
        let tally = Tally {
            progress: Progress::default(),
            sample: Vec::new(),
            sampled: HashSet::new(),
            held: Vec::new(),
            deletes: 0,
            deleted: 0,
            found: 0,
            mended: 0,
            mended_before: 0,
            inline: 0,
            checkpoint: match request.dry_run {
                true => Checkpoint::default(),
                false => Checkpoint::from_bytes(&told.checkpoint.borrow()),
            },
            alive: Instant::now(),
            built: None,
        };
        Self {
            parts,
            request,
            origin: parts.origin.metered(),
            pulled: parts.metrics.blocks_pulled_bytes.get(),
            told,
            tally: Mutex::new(tally),
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what has been counted, and tells of it.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally();
        change(&mut tally);
        tally.progress.differ = tally.mended_before + tally.found;
        tally.progress.wire_bytes = self.origin.meter().bytes();
        tally.progress.round_trips = self.origin.meter().requests();
        let pulled = self.parts.metrics.blocks_pulled_bytes.get() - self.pulled;
        // Blocks of others come meanwhile too, and are not told apart.
        tally.progress.bytes_moved = (tally.inline + pulled).min(tally.progress.bytes_to_move);
        self.told.progress.send_replace(tally.progress.clone());
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.tell(|tally| {
            tally.progress.phase = phase;
            tally.progress.waits = None;
        });
    }

    /// Takes note of how far a deep run has come.
    pub(crate) fn come_to(&self, change: impl FnOnce(&mut Checkpoint)) {
        let mut tally = self.tally();
        tally.alive = Instant::now();
        change(&mut tally.checkpoint);
        if !self.request.dry_run {
            self.told.checkpoint.send_replace(tally.checkpoint.to_bytes());
        }
    }

    /// Why something is mended.
    pub(crate) fn reason(&self, found: &Found) -> Reason {
        let name = ((*found.scope).clone(), found.entity());
        if self.tally().checkpoint.rotten.contains(&name) { Reason::Rotten } else { found.reason() }
    }

    /// How many entities may be deleted in all, of so many here.
    pub(crate) fn ceiling(&self, here: u64) -> u64 {
        match self.request.max_deletes {
            MaxDeletes::Default => (here / 20).max(1_000),
            MaxDeletes::Count(count) => count,
            MaxDeletes::Percent(percent) => {
                u64::try_from(u128::from(here) * u128::from(percent) / 100).unwrap_or(u64::MAX)
            }
        }
    }
}

impl Tally {
    /// A new round: what it compares is counted anew.
    pub(crate) fn begin_round(&mut self) {
        self.mended_before += self.mended;
        (self.found, self.mended, self.deletes) = (0, 0, 0);
        self.held.clear();
        let progress = &mut self.progress;
        (progress.scopes, progress.scopes_total, progress.compared) = (0, 0, 0);
        (progress.unrepaired, progress.deletes_held_back) = (0, 0);
    }

    /// Puts a delete aside.
    pub(crate) fn hold(&mut self, found: Found) {
        self.deletes += 1;
        if self.held.len() < HELD {
            self.held.push(found);
        }
    }

    /// Takes note of what a repair was about. `inline`: content that came with it.
    pub(crate) fn note(&mut self, difference: Difference, inline: u64) {
        self.progress.bytes_to_move += difference.bytes;
        self.inline += inline;
        let name = (difference.scope.clone(), difference.entity);
        if self.sample.len() < SAMPLE && self.sampled.insert(name) {
            self.sample.push(difference);
        }
    }
}

impl Found {
    /// Of whom it speaks.
    pub(crate) fn entity(&self) -> EntityHash {
        let leaf = self.source.or(self.here);
        leaf.map_or(EntityHash(model::Digest::ZERO), |leaf| leaf.entity)
    }

    /// Whether mending it takes away what is here.
    pub(crate) fn is_delete(&self) -> bool {
        self.here.is_some_and(|leaf| !leaf.deleted) && self.source.is_none_or(|leaf| leaf.deleted)
    }

    /// Why it is mended, as far as its leaves say.
    fn reason(&self) -> Reason {
        match (self.verdict, self.source, self.here) {
            (Verdict::Foreign, _, _) => Reason::Foreign,
            (Verdict::Attributes, _, _) => Reason::Attributes,
            (_, _, Some(_)) if self.is_delete() => Reason::Deleted,
            (_, _, None) => Reason::Missing,
            (Verdict::Deleted, _, _) => Reason::Deleted,
            _ => Reason::Older,
        }
    }

    /// As a report lists it.
    pub(crate) fn difference(&self, name: Option<String>, bytes: u64) -> Difference {
        let scope = (*self.scope).clone();
        Difference { scope, entity: self.entity(), name, verdict: self.verdict, bytes }
    }
}
