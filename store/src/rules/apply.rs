//! Events of other sites, and what full sync finds. What was applied, how far it was handled and the
//! holes in it commit together (law 4); every change goes through the merge rule (law 3).

use model::{
    Bucket, BucketName, Change, Digest, Event, Hole, HoleReason, Line, Position, Seq, Slot, User,
    UserId, Version,
    merge::Decision,
    progress::Handled,
    tree::{Leaf, Scope},
};

use super::{
    attributes, floor, holes, lock, multipart,
    place::{self, Presence},
    quarantine, repair, users,
};
use crate::{
    errors::ApplyError,
    records::{AttributesRecord, BucketRecord, ObjectRecord, ObjectState, Record, UserRecord},
    section::{Section, SectionError},
    tree::leaves,
};

/// One thing for the store to take in. Steps of a batch are done in order, all or none.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Merge the change of an event.
    Apply(Box<Event>),
    /// Everything up to here is applied or in a hole. What is handled never goes back.
    Handle(Line, Handled),
    /// Open a hole, or change the reason of one.
    Open(Line, Hole),
    /// The events from `first` to `last` came, and the steps behind this one say what becomes of each:
    /// what began with the first of them is no hole any more up to the last, whose digest this is.
    Close { line: Line, first: Seq, last: Seq, digest: Digest },
    /// Merge what an entity was at its origin when full sync looked at it, at a cut of the line that
    /// its event stands on.
    Repair { event: Box<Event>, cut: Position },
    /// The origin deleted an entity so long ago that its tombstone is gone: take it away, if it is
    /// not newer than this.
    Remove { scope: Scope, leaf: Leaf },
    /// The origin never issued this version of an entity, or it cannot be read here: set its record
    /// aside, if it still is that version.
    Quarantine { scope: Scope, leaf: Leaf },
    /// Begin a line at a cut, if nothing of it is handled: full sync brings what lies below.
    Adopt { line: Line, handled: Handled },
    /// Full sync found no difference at a cut: what was not applied up to there is made up for.
    Prove { line: Line, up_to: Seq },
    /// The origin has trimmed its tombstones up to here, as its event says that may be among those that
    /// are lost here (law 6).
    Trimmed { line: Line, up_to: Seq },
}

/// What became of the steps of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    pub replaced: u64,
    pub stale: u64,
    pub duplicate: u64,
    /// The same version with other content: an alarm.
    pub conflict: u64,
    /// Of an entity that is absent, and may have been deleted since (law 6).
    pub ignored: u64,
    pub removed: u64,
    pub quarantined: u64,
}

impl Outcomes {
    fn count(&mut self, decision: Option<Decision>) {
        *match decision {
            Some(Decision::Replace) => &mut self.replaced,
            Some(Decision::Stale) => &mut self.stale,
            Some(Decision::Duplicate) => &mut self.duplicate,
            Some(Decision::Conflict { .. }) => &mut self.conflict,
            None => &mut self.ignored,
        } += 1;
    }
}

/// Takes a batch of steps.
pub(crate) fn apply(section: &mut Section<'_>, steps: Vec<Step>) -> Result<Outcomes, ApplyError> {
    section.room()?;
    let mut outcomes = Outcomes::default();
    let mut filled = Vec::new();
    for step in steps {
        match step {
            Step::Apply(event) => {
                let decision = apply_event(section, *event, &filled)?;
                outcomes.count(decision);
            }
            Step::Handle(line, handled) => {
                if handled.seq >= section.handled(line)?.seq {
                    section.set_handled(line, handled);
                }
            }
            Step::Open(line, hole) => holes::open(section, line, hole)?,
            Step::Close { line, first, last, digest } => {
                let seqs = holes::close(section, line, (first, last), digest)?;
                filled.extend(seqs.map(|seqs| (line, seqs)));
            }
            Step::Repair { event, cut } => outcomes.count(repair(section, *event, cut)?),
            Step::Remove { scope, leaf } => {
                outcomes.removed += u64::from(repair::remove(section, &scope, &leaf)?);
            }
            Step::Quarantine { scope, leaf } => {
                let done = quarantine::quarantine(section, &scope, &leaf)?;
                outcomes.quarantined += u64::from(done);
            }
            Step::Adopt { line, handled } => holes::adopt(section, line, handled)?,
            Step::Prove { line, up_to } => holes::prove(section, line, up_to)?,
            Step::Trimmed { line, up_to } => floor::hear(section, line, up_to)?,
        }
    }
    Ok(outcomes)
}

/// Merges an event. One that is ignored although it was to fill a hole leaves a hole: whether it
/// spoke of something that is gone, or of something that is missing, full sync can tell.
fn apply_event(
    section: &mut Section<'_>,
    event: Event,
    filled: &[(Line, (Seq, Seq))],
) -> Result<Option<Decision>, SectionError> {
    section.observe(event.version);
    let (request, position) = (event.request, event.position);
    let decision = merge(section, event, &Presence::Applied)?;
    tracing::debug!(%request, %position, ?decision, "an event was applied");
    let (line, seq) = (position.line(), position.seq);
    let fills =
        |(of, (first, last)): &(Line, (Seq, Seq))| *of == line && (*first..=*last).contains(&seq);
    if decision.is_none() && filled.iter().any(fills) {
        let reason = HoleReason::LostAtOrigin;
        holes::open(section, line, Hole { first: seq, last: seq, reason })?;
    }
    Ok(decision)
}

fn repair(
    section: &mut Section<'_>,
    event: Event,
    cut: Position,
) -> Result<Option<Decision>, SectionError> {
    section.observe(event.version);
    let position = event.position;
    let decision = merge(section, event, &Presence::Repaired { cut })?;
    tracing::debug!(%position, ?decision, "a state of full sync was applied");
    if !matches!(decision, None | Some(Decision::Conflict { replace: false })) {
        holes::applied(section, position)?;
    }
    Ok(decision)
}

/// What the merge rule says. `None`: the event is ignored, its entity is absent (law 6).
fn merge(
    section: &mut Section<'_>,
    event: Event,
    presence: &Presence<'_>,
) -> Result<Option<Decision>, SectionError> {
    let (version, position) = (event.version, event.position);
    match event.change {
        Change::ObjectPut { bucket, key, slot, birth, manifest } => {
            let row = ObjectRecord::key(&bucket, &key);
            let state = ObjectState::Put(manifest);
            let record = ObjectRecord { version, position, birth, state, slot };
            place::place(section, &row, &record, presence)
        }
        Change::MarkerPut { bucket, key, slot, birth } => {
            let row = ObjectRecord::key(&bucket, &key);
            let state = ObjectState::Marker;
            let record = ObjectRecord { version, position, birth, state, slot };
            place::place(section, &row, &record, presence)
        }
        Change::ObjectDeleted { bucket, key, birth } => {
            let (row, slot) = (ObjectRecord::key(&bucket, &key), Slot::Null);
            let state = ObjectState::Deleted;
            let record = ObjectRecord { version, position, birth, state, slot };
            place::place(section, &row, &record, presence)
        }
        Change::VersionRemoved { bucket, key, of, birth } => {
            let (row, slot) = (ObjectRecord::key(&bucket, &key), Slot::Own(of));
            let state = ObjectState::Deleted;
            let record = ObjectRecord { version, position, birth, state, slot };
            place::place(section, &row, &record, presence)
        }
        Change::BucketPut { bucket, state } => {
            merge_bucket(section, &bucket, (version, position), Some(state)).map(Some)
        }
        Change::BucketDeleted { bucket } => {
            merge_bucket(section, &bucket, (version, position), None).map(Some)
        }
        Change::Attributes { bucket, key, of, attributes } => {
            let object = ObjectRecord::key(&bucket, &key);
            let absent = section.of_version(&object, of)?.is_none()
                && section.row(ObjectRecord::TABLE, &object)?.is_none();
            if absent && presence.is_ignored(section, (position, false))? {
                return Ok(None);
            }
            let row = AttributesRecord::key(&bucket, &key, of);
            let held = section.get::<AttributesRecord>(&row)?.unwrap_or_default();
            let mut record = held.clone();
            record.merge(&attributes, position);
            if record == held {
                return Ok(Some(Decision::Duplicate));
            }
            section.put_attributes((&bucket, &key), of, &record)?;
            if attributes.0.keys().any(|name| model::lock::is_of_lock(name)) {
                lock::reconsider(section, &object, of)?;
            }
            Ok(Some(Decision::Replace))
        }
        Change::BucketAttributes { bucket, birth, attributes: all } => {
            attributes::merge_of_bucket(section, &bucket, (birth, &all), position).map(Some)
        }
        Change::UserPut { user, state } => {
            merge_user(section, &user, (version, position), Some(state)).map(Some)
        }
        Change::UserDeleted { user } => {
            merge_user(section, &user, (version, position), None).map(Some)
        }
        Change::Trimmed { up_to, .. } => {
            // No event trims what comes behind it.
            let up_to = up_to.min(position.seq.before());
            let raised = floor::raise(section, position.line(), up_to)?;
            Ok(Some(if raised { Decision::Replace } else { Decision::Duplicate }))
        }
    }
}

fn merge_bucket(
    section: &mut Section<'_>,
    name: &BucketName,
    (version, position): (Version, Position),
    live: Option<Bucket>,
) -> Result<Decision, SectionError> {
    let row = BucketRecord::key(name);
    let held = quarantine::readable::<BucketRecord>(section, &row)?;
    let tombstone = live.is_none().then_some(version);
    let deleted = held.as_ref().and_then(|held| held.deleted).max(tombstone);
    let incoming = BucketRecord { version, live, deleted };
    let record = match &held {
        Some(held) if held.version > version => BucketRecord { deleted, ..held.clone() },
        Some(held) if held.version == version => {
            let same = held.live == incoming.live;
            return Ok(if same {
                Decision::Duplicate
            } else {
                Decision::Conflict { replace: false }
            });
        }
        _ => incoming,
    };
    let stale = record.version != version;
    if !stale && record.live.is_none() {
        multipart::bucket_deleted(section, name)?;
    }
    // A deletion that comes late moves `deleted` only: the newest state stays where it stands.
    let position = if stale { section.position_of_bucket(name)? } else { Some(position) };
    let position = position.unwrap_or_else(|| leaves::unknown(record.version));
    section.put_bucket(name, &record, position)?;
    attributes::drop_of_past(section, name, &record.state())?;
    Ok(if stale { Decision::Stale } else { Decision::Replace })
}

fn merge_user(
    section: &mut Section<'_>,
    id: &UserId,
    (version, position): (Version, Position),
    user: Option<User>,
) -> Result<Decision, SectionError> {
    let row = UserRecord::key(id);
    match quarantine::readable::<UserRecord>(section, &row)? {
        Some(held) if held.version > version => Ok(Decision::Stale),
        Some(held) if held.version == version && held.user == user => Ok(Decision::Duplicate),
        Some(held) if held.version == version => Ok(Decision::Conflict { replace: false }),
        held => {
            users::set(section, (id, position), held, UserRecord { version, user });
            Ok(Decision::Replace)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
