//! Events of other sites. What was applied, how far it was handled and the holes in it commit
//! together (law 4); every change goes through the merge rule (law 3).

use model::{
    Bucket, BucketName, Change, Event, Hole, HoleReason, Line, Seq, User, UserId, Version,
    merge::Decision, progress::Handled,
};

use super::{
    multipart,
    place::{self, Presence},
    users,
};
use crate::{
    errors::ApplyError,
    records::{AttributesRecord, BucketRecord, ObjectRecord, UserRecord},
    section::{Section, SectionError},
};

/// One thing for the store to take in. Steps of a batch are done in order, all or none.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Merge the change of an event.
    Apply(Box<Event>),
    /// Everything up to here is applied or in a hole.
    Handle(Line, Handled),
    /// Open a hole, or change the reason of one.
    Open(Line, Hole),
    /// What began here is no hole any more; `rest` is what remains of it.
    Close { line: Line, first: Seq, rest: Option<Hole> },
}

/// What the merge rule said of each event of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    pub replaced: u64,
    pub stale: u64,
    pub duplicate: u64,
    /// The same version with other content: an alarm.
    pub conflict: u64,
}

/// Takes a batch of steps.
pub(crate) fn apply(section: &mut Section<'_>, steps: Vec<Step>) -> Result<Outcomes, ApplyError> {
    section.room()?;
    let mut outcomes = Outcomes::default();
    for step in steps {
        match step {
            Step::Apply(event) => {
                section.observe(event.version);
                let (request, position) = (event.request, event.position);
                let decision = merge(section, *event)?;
                tracing::debug!(%request, %position, ?decision, "an event was applied");
                match decision {
                    Decision::Replace => outcomes.replaced += 1,
                    Decision::Stale => outcomes.stale += 1,
                    Decision::Duplicate => outcomes.duplicate += 1,
                    Decision::Conflict { .. } => outcomes.conflict += 1,
                }
            }
            Step::Handle(line, handled) => section.set_handled(line, handled),
            Step::Open(line, hole) => open(section, line, hole)?,
            Step::Close { line, first, rest } => {
                let hole = section.hole(line.at(first))?;
                // An applied event of the hole may have opened its own there: blocks missing.
                if hole.is_some_and(|hole| !hole.reason.is_applied()) {
                    section.close_hole(line, first);
                }
                if let Some(rest) = rest {
                    section.open_hole(line, rest);
                }
            }
        }
    }
    Ok(outcomes)
}

fn open(section: &mut Section<'_>, line: Line, hole: Hole) -> Result<(), SectionError> {
    let held = section.hole(line.at(hole.first))?;
    let keep = held.is_some_and(|held| matches!(held.reason, HoleReason::BlocksMissing { .. }));
    if !keep {
        section.open_hole(line, hole);
    }
    Ok(())
}

fn merge(section: &mut Section<'_>, event: Event) -> Result<Decision, SectionError> {
    let (version, position) = (event.version, event.position);
    match event.change {
        Change::ObjectPut { bucket, key, birth, manifest } => {
            let row = ObjectRecord::key(&bucket, &key);
            let record = ObjectRecord { version, position, birth, manifest: Some(*manifest) };
            place::place(section, &row, &record, &Presence::Applied)
        }
        Change::ObjectDeleted { bucket, key, birth } => {
            let row = ObjectRecord::key(&bucket, &key);
            let record = ObjectRecord { version, position, birth, manifest: None };
            place::place(section, &row, &record, &Presence::Applied)
        }
        Change::BucketPut { bucket, state } => merge_bucket(section, &bucket, version, Some(state)),
        Change::BucketDeleted { bucket } => merge_bucket(section, &bucket, version, None),
        Change::Attributes { bucket, key, of, attributes } => {
            let row = AttributesRecord::key(&bucket, &key, of);
            let mut record = section.get::<AttributesRecord>(&row)?.unwrap_or_default();
            record.0.merge(&attributes);
            section.put(row, &record);
            Ok(Decision::Replace)
        }
        Change::UserPut { user, state } => merge_user(section, &user, version, Some(state)),
        Change::UserDeleted { user } => merge_user(section, &user, version, None),
    }
}

fn merge_bucket(
    section: &mut Section<'_>,
    name: &BucketName,
    version: Version,
    live: Option<Bucket>,
) -> Result<Decision, SectionError> {
    let row = BucketRecord::key(name);
    let held = section.get::<BucketRecord>(&row)?;
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
    section.put(row, &record);
    Ok(if stale { Decision::Stale } else { Decision::Replace })
}

fn merge_user(
    section: &mut Section<'_>,
    id: &UserId,
    version: Version,
    user: Option<User>,
) -> Result<Decision, SectionError> {
    let row = UserRecord::key(id);
    match section.get::<UserRecord>(&row)? {
        Some(held) if held.version > version => Ok(Decision::Stale),
        Some(held) if held.version == version && held.user == user => Ok(Decision::Duplicate),
        Some(held) if held.version == version => Ok(Decision::Conflict { replace: false }),
        held => {
            users::set(section, id, held, UserRecord { version, user });
            Ok(Decision::Replace)
        }
    }
}
