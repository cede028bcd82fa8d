//! Mending what differs: the origin's states come as events, and go the way of all events.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bus::wire::tree::Asked;
use model::{
    Change, Content, Entity, EntityHash, Event, Position,
    tree::{Leaf, Verdict},
};

use super::{
    Fix, Phase, Reason,
    comparison::{Comparison, Stop},
    round::Round,
    walker::Found,
};

/// Of one commit: enough to share its disk sync, little enough to let others in between.
const BATCH_FIXES: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// What goes into one commit.
#[derive(Default)]
struct Batch {
    fixes: Vec<Fix>,
    bytes: usize,
    reasons: BTreeMap<Reason, u64>,
}

impl Comparison<'_> {
    /// Mends what was found, or puts aside what may not be done now.
    pub(crate) async fn mend(&self, round: &Round, found: Vec<Found>) -> Result<(), Stop> {
        let mut now = Vec::with_capacity(found.len());
        self.tell(|tally| {
            tally.found += found.len() as u64;
            for found in found {
                let may = round.deletes && tally.deleted < round.ceiling;
                match (found.is_delete(), self.request.dry_run) {
                    (true, true) => tally.deletes += 1,
                    // At once, since others are mended beside these.
                    (true, false) if may => tally.deleted += 1,
                    (true, false) => {
                        tally.hold(found);
                        continue;
                    }
                    (false, _) => {}
                }
                now.push(found);
            }
        });
        self.mend_now(round, now).await
    }

    /// Mends without asking whether it may.
    pub(crate) async fn mend_now(&self, round: &Round, found: Vec<Found>) -> Result<(), Stop> {
        if !self.request.dry_run && !found.is_empty() {
            self.phase(Phase::Repairing);
        }
        let (ask, local): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.source.is_some());
        self.remove(round, local).await?;
        if !ask.is_empty() {
            self.take_over(round, ask).await?;
        }
        Ok(())
    }

    /// What the origin does not have.
    async fn remove(&self, round: &Round, found: Vec<Found>) -> Result<(), Stop> {
        let mut batch = Batch::default();
        for found in found {
            let name = self.name_here(round, &found).await;
            self.tell(|tally| tally.note(found.difference(name, 0), 0));
            let Some(leaf) = found.here else { continue };
            let scope = (*found.scope).clone();
            batch.push(match found.verdict {
                Verdict::Foreign => Fix::Quarantine { scope, leaf },
                _ => Fix::Remove { scope, leaf },
            });
            batch.done(self.reason(&found));
            self.take_full(&mut batch).await?;
        }
        self.take(&mut batch).await
    }

    /// The name of what is here; read only as long as a report lists it.
    async fn name_here(&self, round: &Round, found: &Found) -> Option<String> {
        if self.tally().sample.len() >= super::comparison::SAMPLE {
            return None;
        }
        let (view, scope) = (Arc::clone(&round.here.view), Arc::clone(&found.scope));
        let entity = found.entity();
        let change = ops::blocking(move || view.change(&scope, entity)).await;
        // What cannot be read has no name; it goes all the same.
        change.ok()?.first().map(|event| name(&event.change))
    }

    /// What the origin has: its states come in the order in which they are asked for.
    async fn take_over(&self, round: &Round, found: Vec<Found>) -> Result<(), Stop> {
        let throttle = &self.parts.throttle;
        let _turn = throttle.turn().await;
        let places = found.iter().map(|found| ((*found.scope).clone(), found.entity()));
        let mut states = self.origin.states(&Asked::new(round.made.id, places)).await?;
        let mut wanted: HashMap<EntityHash, Found> =
            found.into_iter().map(|found| (found.entity(), found)).collect();
        let mut batch = Batch::default();
        while let Some(payload) = states.next().await? {
            let (opened, bytes) = (self.parts.codec.open(&payload), payload.len());
            let content = opened.as_ref().map_or(0, inline);
            self.origin.meter().carried(content.min(bytes));
            throttle.spend(bytes).await;
            let event = match opened {
                Ok(event) => event,
                Err(error) => {
                    let envelope = self.parts.codec.envelope(&payload);
                    let position = envelope.ok().map(|envelope| envelope.position);
                    tracing::warn!(?position, error = %ops::chain(&error), "a state of the origin cannot be read");
                    continue;
                }
            };
            // After its state come the attributes of a version, whichever slot it is in, or of a bucket.
            if are_attributes(&event.change) {
                if !self.request.dry_run {
                    batch.state(round, event, bytes);
                }
                continue;
            }
            let entity = event.change.entity().hash();
            let Some(found) = wanted.get(&entity) else { continue };
            if let (Verdict::Foreign, Some(leaf)) = (found.verdict, found.here) {
                let quarantine = Fix::Quarantine { scope: (*found.scope).clone(), leaf };
                if !batch.fixes.contains(&quarantine) {
                    batch.push(quarantine);
                }
            }
            if is_state(&event, found.source) {
                self.note(found, &event);
                batch.done(self.reason(found));
                wanted.remove(&entity);
            }
            batch.state(round, event, bytes);
            self.take_full(&mut batch).await?;
        }
        self.take(&mut batch).await?;
        if !wanted.is_empty() {
            let missing = wanted.len() as u64;
            tracing::warn!(missing, "states that the origin names did not come");
            self.tell(|tally| tally.progress.unrepaired += missing);
        }
        Ok(())
    }

    fn note(&self, found: &Found, event: &Event) {
        let name = name(&event.change);
        if found.verdict == Verdict::Attributes {
            return self.tell(|tally| tally.note(found.difference(Some(name), 0), 0));
        }
        let difference = found.difference(Some(name), event.change.volume());
        self.tell(|tally| tally.note(difference, inline(event) as u64));
    }

    async fn take_full(&self, batch: &mut Batch) -> Result<(), Stop> {
        if batch.fixes.len() < BATCH_FIXES && batch.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.take(batch).await
    }

    /// Commits a batch and counts what it mended.
    async fn take(&self, batch: &mut Batch) -> Result<(), Stop> {
        let Batch { fixes, reasons, .. } = std::mem::take(batch);
        if self.request.dry_run || fixes.is_empty() {
            return Ok(());
        }
        self.parts.here.take(fixes).await?;
        self.tell(|tally| {
            for (reason, count) in reasons {
                *tally.progress.repaired.entry(reason).or_default() += count;
                tally.mended += count;
            }
            tally.alive = tokio::time::Instant::now();
        });
        Ok(())
    }
}

impl Batch {
    fn push(&mut self, fix: Fix) {
        self.fixes.push(fix);
    }

    fn state(&mut self, round: &Round, event: Event, bytes: usize) {
        let cut = round.place_of(&event);
        self.bytes += bytes;
        self.fixes.push(Fix::Repair { event: Box::new(event), cut });
    }

    fn done(&mut self, reason: Reason) {
        *self.reasons.entry(reason).or_default() += 1;
    }
}

impl Round {
    /// The cut in the partition of an event; an event of elsewhere is its own.
    fn place_of(&self, event: &Event) -> Position {
        let position = event.position;
        let own = position.site == self.cut.site;
        let written = self.cut.written.get(&position.partition).filter(|_| own);
        let at = |&seq| Position { epoch: self.cut.epoch, seq, ..position };
        written.map_or(position, at)
    }
}

/// Content that comes with an event.
fn inline(event: &Event) -> usize {
    match &event.change {
        Change::ObjectPut { manifest, .. } => match &manifest.content {
            Content::Inline(body) => body.len(),
            Content::Blocks(_) | Content::Segments(_) => 0,
        },
        _ => 0,
    }
}

/// Whether an event is the one that the leaf stands for: of what comes before it (a deleted bucket
/// that was made again), nothing is counted.
fn is_state(event: &Event, source: Option<Leaf>) -> bool {
    source.is_some_and(|leaf| leaf.version == event.version)
}

fn are_attributes(change: &Change) -> bool {
    matches!(change, Change::Attributes { .. } | Change::BucketAttributes { .. })
}

/// As a person calls it.
fn name(change: &Change) -> String {
    match change.entity() {
        Entity::Object(_, key) => key.to_string(),
        Entity::Version(_, key, of) => format!("{key} (version {of})"),
        Entity::Bucket(bucket) => format!("bucket {bucket}"),
        Entity::User(user) => format!("user {user}"),
        Entity::Partition(partition, _) => format!("partition {}", partition.0),
    }
}
