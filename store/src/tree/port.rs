//! A view as full sync reads it: behind the port of [`model::tree::View`].

use std::collections::BTreeMap;

use model::{
    EntityHash, Event, Line, ObjectKey, Seq, SlotName,
    tree::{Leaf, Node, Path, Scope, Span, Summary, TreeError, View},
};

use super::{TreeView, leaves, rows};
use crate::{
    engine::{Table, prefix_range},
    errors::ReadError,
    records::{FloorRecord, ObjectRecord, Record, SlotRecord},
    slots::{InSlot, SlotScan, key_of},
};

impl TreeView {
    /// Up to where each site's tombstones were trimmed here, by partition (law 6).
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn floors(&self) -> Result<BTreeMap<Line, Seq>, ReadError> {
        let (mut floors, mut end) = (BTreeMap::new(), Vec::new());
        let range = (Table::Meta, prefix_range(FloorRecord::PREFIX, &mut end));
        rows::each(self.snapshot(), range, usize::MAX, |row, value| {
            let floor = FloorRecord::decode(value)?;
            floors.extend(floor.line(row).map(|line| (line, floor.seq)));
            Ok(())
        })?;
        Ok(floors)
    }

    fn span(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, ReadError> {
        let scope = Scope::Bucket(span.bucket.clone());
        let prefix = [&ObjectRecord::prefix(&span.bucket), span.prefix.as_bytes()].concat();
        let mut scan = SlotScan::new(self.snapshot(), &prefix);
        if let Some(SlotName { key, slot }) = &span.after {
            let latest = ObjectRecord::key(&span.bucket, key);
            scan.skip_past_slot(&latest, &SlotRecord::key(&latest, *slot));
        }
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(InSlot { row, .. }) = scan.next()?
        {
            let Some((_, slot, key)) = key_of(&row) else { continue };
            let Ok(key) = ObjectKey::try_from(key.to_owned()) else { continue };
            let name = SlotName { key, slot };
            // The latest of the first key may stand before it.
            if span.after.as_ref().is_some_and(|after| name <= *after) {
                continue;
            }
            if !span.holds(&name) {
                break;
            }
            // A record without a leaf is for the verification of the tree to find.
            let Some((_, entity)) = leaves::place_of_object(&row) else { continue };
            found.extend(self.leaf(&scope, entity)?.map(|leaf| (name, leaf)));
        }
        Ok(found)
    }
}

fn tree_error(error: ReadError) -> TreeError {
    TreeError(Box::new(error))
}

impl View for TreeView {
    fn roots(&self) -> Result<BTreeMap<Scope, Summary>, TreeError> {
        Self::roots(self).map_err(tree_error)
    }

    fn node(&self, scope: &Scope, path: Path) -> Result<Node, TreeError> {
        Self::node(self, scope, path).map_err(tree_error)
    }

    fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, TreeError> {
        Self::leaf(self, scope, entity).map_err(tree_error)
    }

    fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, TreeError> {
        Self::change(self, scope, entity).map_err(tree_error)
    }

    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, TreeError> {
        self.span(span, limit).map_err(tree_error)
    }
}
