//! The writes of records that replicate: each with its leaf and its mark in the hash tree, in the
//! same commit (law 4). [`Section::put`] takes no such record, so none can be forgotten.
//!
//! A change writes one small row of the tree, a commit one more for all of them; what is read is the
//! attributes of an object alone.

use bytes::Bytes;
use model::{Bucket, BucketName, EntityHash, ObjectKey, Position, UserId, Version};

use super::{Section, SectionError};
use crate::{
    engine::Table,
    records::{
        AttributesRecord, BucketRecord, LeafRecord, ObjectRecord, RecordError, SlotRecord,
        UserRecord,
    },
    tree::leaves::{self, ENTITIES},
};

impl Section<'_> {
    /// Takes the row of a bucket or a user away, and with it its leaf.
    pub(crate) fn remove_entity(&mut self, row: &Bytes) {
        self.staged.rows.insert((Table::Entities, row.clone()), None);
        self.staged.buckets = true;
        if let Some(entity) = leaves::place_of_entity(row) {
            self.remove_leaf(ENTITIES, entity);
        }
    }

    /// Writes the attributes of an object version, whether or not it is here.
    pub(crate) fn put_attributes(
        &mut self,
        (bucket, key): (&BucketName, &ObjectKey),
        of: Version,
        record: &AttributesRecord,
    ) -> Result<(), SectionError> {
        let row = ObjectRecord::key(bucket, key);
        self.write(ObjectRecord::version_key(&row, of), record);
        if let Some(held) = self.of_version(&row, of)? {
            self.put_object_leaf(&row, &held, Some(record));
        }
        Ok(())
    }

    /// Writes what is known of a bucket name; its newest state was written at `position`.
    pub(crate) fn put_bucket(
        &mut self,
        name: &BucketName,
        record: &BucketRecord,
        position: Position,
    ) -> Result<(), SectionError> {
        let row = BucketRecord::key(name);
        self.write(row.clone(), record);
        self.staged.buckets = true;
        let attributes = |live: &Bucket| AttributesRecord::key_of_bucket(name, live.birth);
        let attributes = record.live.as_ref().map(attributes);
        let attributes = attributes.map(|row| self.attributes(&row)).transpose()?.flatten();
        self.put_entity_leaf(&leaves::of_bucket(record, attributes.as_ref(), position, row));
        Ok(())
    }

    /// Writes the attributes of a bucket's incarnation, whether or not it is the live one, or here.
    pub(crate) fn put_bucket_attributes(
        &mut self,
        (name, birth): (&BucketName, Version),
        record: &AttributesRecord,
    ) -> Result<(), SectionError> {
        self.write(AttributesRecord::key_of_bucket(name, birth), record);
        self.staged.buckets = true;
        let row = BucketRecord::key(name);
        let held = self.get::<BucketRecord>(&row)?;
        let live = |held: &BucketRecord| held.live.as_ref().map(|live| live.birth);
        if let Some(held) = held.filter(|held| live(held) == Some(birth)) {
            let position = self.position_of_bucket(name)?;
            let position = position.unwrap_or_else(|| leaves::unknown(held.version));
            self.put_entity_leaf(&leaves::of_bucket(&held, Some(record), position, row));
        }
        Ok(())
    }

    /// Takes attributes away whose entity, or whose version of it, is gone. No leaf says anything of
    /// those.
    pub(crate) fn remove_attributes(&mut self, row: Bytes) {
        self.staged.rows.insert((Table::Attributes, row), None);
    }

    /// Attributes that are to be merged with others; those that cannot be read count as none, and are
    /// replaced.
    pub(crate) fn attributes(&self, row: &Bytes) -> Result<Option<AttributesRecord>, SectionError> {
        match self.get(row) {
            Err(SectionError::Record(RecordError::Damaged { .. })) => {
                tracing::error!("attributes cannot be read, and are taken for none");
                Ok(None)
            }
            read => read,
        }
    }

    /// Writes a user's state, which was written at `position`.
    pub(crate) fn put_user(&mut self, id: &UserId, record: &UserRecord, position: Position) {
        let row = UserRecord::key(id);
        self.write(row.clone(), record);
        self.put_entity_leaf(&leaves::of_user(record, position, row));
    }

    /// Where the newest state of a bucket name was written, if its leaf says.
    pub(crate) fn position_of_bucket(
        &self,
        name: &BucketName,
    ) -> Result<Option<Position>, SectionError> {
        let place = leaves::place_of_entity(&BucketRecord::key(name));
        let leaf = place.map(|entity| self.leaf(ENTITIES, entity)).transpose()?.flatten();
        Ok(leaf.map(|leaf| leaf.position))
    }

    /// The row that names the entity of a leaf, if there is a leaf.
    pub(crate) fn row_of_leaf(
        &self,
        scope: &[u8],
        entity: EntityHash,
    ) -> Result<Option<(Table, Bytes)>, SectionError> {
        Ok(self.leaf(scope, entity)?.map(|leaf| leaf.row(scope)))
    }

    /// A leaf; one that cannot be read counts as none, and the next write mends it.
    fn leaf(&self, scope: &[u8], entity: EntityHash) -> Result<Option<LeafRecord>, SectionError> {
        match self.get::<LeafRecord>(&LeafRecord::key(scope, entity)) {
            Err(SectionError::Record(_)) => Ok(None),
            held => held,
        }
    }

    /// Takes a leaf away whose record is gone.
    pub(crate) fn remove_leaf(&mut self, scope: &[u8], entity: EntityHash) {
        self.mark(scope, entity);
        self.staged.rows.insert((Table::Tree, LeafRecord::key(scope, entity)), None);
    }

    /// Brings the leaf of the entity that this row names to what its record says. Returns whether
    /// anything had to be changed. Without a mark only while nobody folds: the tree is being built.
    pub(crate) fn rederive(
        &mut self,
        table: Table,
        row: &Bytes,
        marked: bool,
    ) -> Result<bool, SectionError> {
        let Some((scope, entity)) = leaves::place(table, row) else { return Ok(false) };
        let held = self.leaf(scope, entity)?;
        let get = |table, key: &Bytes| self.row(table, key);
        let Some(found) = leaves::find((table, row), get)? else {
            if held.is_some() {
                self.remove_leaf(scope, entity);
            }
            return Ok(held.is_some());
        };
        let derived = leaves::derive((table, row), &found.value, held.as_ref(), get)?;
        if held.as_ref() == Some(&derived) {
            return Ok(false);
        }
        self.put_leaf(scope, entity, &derived, marked);
        Ok(true)
    }

    /// Of the key with this row in `objects`.
    pub(super) fn put_object_leaf(
        &mut self,
        latest: &Bytes,
        record: &ObjectRecord,
        attributes: Option<&AttributesRecord>,
    ) {
        let row = SlotRecord::key(latest, record.slot);
        if let Some((scope, entity)) = leaves::place_of_object(&row) {
            let name = row.slice(scope.len()..);
            let leaf = leaves::of_object(record, attributes, name);
            self.put_leaf(scope, entity, &leaf, true);
        }
    }

    /// Writes the leaf of a record that moves to where the tree, which is still being built, has looked
    /// for records already.
    pub(super) fn ensure_leaf(
        &mut self,
        latest: &Bytes,
        record: &ObjectRecord,
    ) -> Result<(), SectionError> {
        let row = SlotRecord::key(latest, record.slot);
        let Some((scope, entity)) = leaves::place_of_object(&row) else { return Ok(()) };
        if self.leaf(scope, entity)?.is_none() {
            self.rederive(Table::Objects, &row, true)?;
        }
        Ok(())
    }

    fn put_entity_leaf(&mut self, leaf: &LeafRecord) {
        if let Some(entity) = leaves::place_of_entity(&leaf.name) {
            self.put_leaf(ENTITIES, entity, leaf, true);
        }
    }

    fn put_leaf(&mut self, scope: &[u8], entity: EntityHash, leaf: &LeafRecord, marked: bool) {
        if marked {
            self.mark(scope, entity);
        }
        self.write(LeafRecord::key(scope, entity), leaf);
    }

    /// The branches above a leaf do not say what it says.
    fn mark(&mut self, scope: &[u8], entity: EntityHash) {
        self.staged.marks.push((Bytes::copy_from_slice(scope), entity));
    }

    /// Objects that are put from here on have no leaf.
    pub(crate) fn stop_leaves(&mut self) {
        self.counters.leafless = true;
    }

    /// Writes what a fold came to: nodes, and away with the marks that it has read.
    pub(crate) fn fold(&mut self, nodes: Vec<(Bytes, Option<Bytes>)>, marks: Vec<Bytes>) {
        let marks = marks.into_iter().map(|key| (key, None));
        let rows = nodes.into_iter().chain(marks);
        self.staged.rows.extend(rows.map(|(key, row)| ((Table::Tree, key), row)));
    }
}
