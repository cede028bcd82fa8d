//! Where the versions of a key are kept. What must stay true, for whoever reads one row a key:
//! * `objects` holds the highest of what stands in the key's slots; if nothing does, the tombstone of
//!   the null slot, if there is one;
//! * `slots` holds the rest: other versions that stand, and tombstones. No slot has two records.

use std::ops::ControlFlow;

use bytes::Bytes;
use model::{Slot, Version};

use super::{Section, SectionError};
use crate::{
    engine::{Table, prefix_range},
    records::{AttributesRecord, LeafRecord, ObjectRecord, Record, RecordError, SlotRecord},
    tree::leaves,
};

impl Section<'_> {
    /// What is in a slot of the key with this row in `objects`.
    pub(crate) fn in_slot(
        &self,
        latest: &Bytes,
        slot: Slot,
    ) -> Result<Option<ObjectRecord>, SectionError> {
        match self.get::<ObjectRecord>(latest) {
            Ok(Some(held)) if held.slot == slot => Ok(Some(held)),
            // What is in the null slot is in `objects` unless a version stands there.
            Ok(None) if slot == Slot::Null => Ok(None),
            Ok(_) => self.apart(latest, slot),
            // Whose that is nobody knows, unless what is looked for is elsewhere.
            Err(error @ SectionError::Record(RecordError::Damaged { .. })) => {
                self.apart(latest, slot)?.map(Some).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn apart(&self, latest: &Bytes, slot: Slot) -> Result<Option<ObjectRecord>, SectionError> {
        let held = self.get::<SlotRecord>(&SlotRecord::key(latest, slot))?;
        Ok(held.map(|SlotRecord(held)| held))
    }

    /// The record of a version, in whichever slot it is.
    pub(crate) fn of_version(
        &self,
        latest: &Bytes,
        version: Version,
    ) -> Result<Option<ObjectRecord>, SectionError> {
        for slot in [Slot::Null, Slot::Own(version)] {
            let held = self.in_slot(latest, slot)?;
            if let Some(held) = held.filter(|held| held.version == version) {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// Writes what is in a slot now; `held` is what `objects` holds of the key, `apart` what else is
    /// in that slot.
    pub(crate) fn put_object(
        &mut self,
        latest: &Bytes,
        record: &ObjectRecord,
        (held, apart): (Option<&ObjectRecord>, Option<&ObjectRecord>),
    ) -> Result<(), SectionError> {
        let next;
        let now = match held {
            Some(held) if held.slot == record.slot && !record.stands() => {
                next = self.succeed(latest, Some(record))?;
                next.as_ref()
            }
            Some(held) if held.slot == record.slot => {
                self.write_latest(latest, record);
                Some(record)
            }
            Some(held) if leads(record, held) => {
                self.write_apart(latest, held);
                self.remove_apart(latest, record.slot);
                self.write_latest(latest, record);
                Some(record)
            }
            None if record.stands() || record.slot == Slot::Null => {
                self.write_latest(latest, record);
                Some(record)
            }
            _ => {
                self.write_apart(latest, record);
                held
            }
        };
        let before = held.filter(|held| held.slot == record.slot).or(apart);
        self.account(latest, (before, Some(record)), (held, now))?;
        if self.counters.leafless {
            return Ok(());
        }
        let attributes = ObjectRecord::version_key(latest, record.version);
        let attributes = self.get::<AttributesRecord>(&attributes)?;
        self.put_object_leaf(latest, record, attributes.as_ref());
        Ok(())
    }

    /// Takes what is in a slot away altogether, tombstone and all, and with it its leaf; `row` is that
    /// of the slot. What a manifest names is for the caller to let go of.
    pub(crate) fn remove_object(&mut self, row: &Bytes) -> Result<(), SectionError> {
        let Some((latest, slot)) = SlotRecord::split(row) else { return Ok(()) };
        match readable(self.get::<ObjectRecord>(&latest))? {
            Some(held) if held.slot == slot => {
                let next = self.succeed(&latest, None)?;
                self.account(&latest, (Some(&held), None), (Some(&held), next.as_ref()))?;
            }
            _ => {
                match self.apart(&latest, slot) {
                    Err(SectionError::Record(RecordError::Damaged { .. })) => {
                        self.recount_bucket_of(&latest)?;
                    }
                    held => self.account(&latest, (held?.as_ref(), None), (None, None))?,
                }
                self.remove_apart(&latest, slot);
            }
        }
        if let Some((scope, entity)) = leaves::place_of_object(row) {
            self.remove_leaf(scope, entity);
        }
        Ok(())
    }

    /// Takes a row of `objects` away that cannot be read, and so does not say which slot it is of: the
    /// leaves of its key do that have no record any more.
    pub(crate) fn remove_unreadable(&mut self, latest: &Bytes) -> Result<(), SectionError> {
        let next = self.succeed(latest, None)?;
        self.account(latest, (None, None), (None, next.as_ref()))?;
        self.recount_bucket_of(latest)?;
        let Some((scope, entity)) = leaves::place_of_object(latest) else { return Ok(()) };
        let scope = Bytes::copy_from_slice(scope);
        let (mut found, mut end) = (Vec::new(), Vec::new());
        let prefix = LeafRecord::first_of_key(&scope, entity);
        self.scan(Table::Tree, prefix_range(&prefix, &mut end), &mut |key, value| {
            if let Ok(leaf) = LeafRecord::decode(value) {
                found.push((key.clone(), leaf.row(&scope).1));
            }
            ControlFlow::Continue(())
        })?;
        for (key, row) in found {
            let Some((of, slot)) = SlotRecord::split(&row).filter(|(of, _)| of == latest) else {
                continue;
            };
            let place = leaves::place_of_object(&row)
                .filter(|(scope, place)| LeafRecord::key(scope, *place) == key);
            if let Some((scope, place)) = place
                && self.in_slot(&of, slot)?.is_none()
            {
                self.remove_leaf(scope, place);
            }
        }
        Ok(())
    }

    /// Fills the place of the latest: what was there is `left` now, which does not stand, or gone.
    /// Returns the next of what stands, which has taken its place.
    fn succeed(
        &mut self,
        latest: &Bytes,
        left: Option<&ObjectRecord>,
    ) -> Result<Option<ObjectRecord>, SectionError> {
        let null = |record: &&ObjectRecord| record.slot == Slot::Null;
        let next = match self.highest_apart(latest)? {
            Some(highest) => Some(highest),
            None if left.is_some_and(|left| left.slot == Slot::Null) => None,
            None => readable(self.apart(latest, Slot::Null))?,
        };
        match (&next, left.filter(null)) {
            (Some(next), _) => {
                self.remove_apart(latest, next.slot);
                self.write_latest(latest, next);
                self.ensure_leaf(latest, next)?;
            }
            (None, Some(left)) => self.write_latest(latest, left),
            (None, None) => {
                self.staged.rows.insert((Table::Objects, latest.clone()), None);
            }
        }
        match left {
            Some(left) if next.is_some() || left.slot != Slot::Null => {
                self.write_apart(latest, left);
            }
            _ => {}
        }
        Ok(next)
    }

    /// The highest of what stands beside the latest. What cannot be read is for others to find.
    fn highest_apart(&self, latest: &Bytes) -> Result<Option<ObjectRecord>, SectionError> {
        let null = readable(self.apart(latest, Slot::Null))?.filter(ObjectRecord::stands);
        let (own, mut end) = (SlotRecord::own(latest), Vec::new());
        let (mut first, mut failed) = (None, None);
        self.scan(Table::Slots, prefix_range(&own, &mut end), &mut |_, value| {
            match SlotRecord::decode(value) {
                Ok(SlotRecord(held)) if held.stands() => first = Some(held),
                Ok(_) | Err(RecordError::Damaged { .. }) => {}
                Err(newer) => failed = Some(newer),
            }
            let on = first.is_none() && failed.is_none();
            if on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        Ok(null.into_iter().chain(first).max_by_key(|record| record.version))
    }

    fn write_apart(&mut self, latest: &Bytes, record: &ObjectRecord) {
        let key = SlotRecord::key(latest, record.slot);
        let value = self.resting(record).encode();
        self.staged.rows.insert((Table::Slots, key), Some(value));
    }

    fn write_latest(&mut self, latest: &Bytes, record: &ObjectRecord) {
        let value = self.resting(record).encode();
        self.staged.rows.insert((Table::Objects, latest.clone()), Some(value));
    }

    /// Keeps a version that nobody can ask for any more.
    pub(crate) fn keep_version(&mut self, key: Bytes, record: &ObjectRecord) {
        let value = self.resting(record).encode();
        self.move_row(Table::Versions, key, Some(value));
    }

    fn remove_apart(&mut self, latest: &Bytes, slot: Slot) {
        self.staged.rows.insert((Table::Slots, SlotRecord::key(latest, slot)), None);
    }
}

/// Whether a version takes the place of the latest from what is there, which is in another slot.
fn leads(record: &ObjectRecord, held: &ObjectRecord) -> bool {
    record.stands() && (!held.stands() || record.version > held.version)
}

/// A record that cannot be read counts as none.
fn readable<T>(read: Result<Option<T>, SectionError>) -> Result<Option<T>, SectionError> {
    match read {
        Err(SectionError::Record(RecordError::Damaged { .. })) => Ok(None),
        read => read,
    }
}
