//! A view as full sync reads it: behind the port of [`model::tree::View`].

use std::collections::BTreeMap;

use model::{
    BucketName, Digest, EntityHash, Event, Line, ObjectKey, Seq,
    tree::{Leaf, Node, Path, Scope, Span, Summary, TreeError, View},
};

use super::{TreeView, rows};
use crate::{
    engine::{Table, prefix_range},
    errors::ReadError,
    records::{FloorRecord, ObjectRecord, Record, split_object_key},
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

    fn span(&self, span: &Span, limit: usize) -> Result<Vec<(ObjectKey, Leaf)>, ReadError> {
        let scope = Scope::Bucket(span.bucket.clone());
        let prefix = start(&span.bucket, &span.prefix);
        let after = span.after.as_ref().map(|key| start(&span.bucket, key.as_str()));
        let (mut after, mut found) = (after.unwrap_or_default(), Vec::new());
        while found.len() < limit {
            let wanted = limit - found.len();
            let rows = rows::after(self.snapshot(), (Table::Objects, &prefix), &after, wanted)?;
            for (row, _) in &rows {
                let key = split_object_key(row).map(|key| ObjectKey::try_from(key.to_owned()));
                let Some(Ok(key)) = key else { continue };
                if span.up_to.as_ref().is_some_and(|last| key > *last) {
                    return Ok(found);
                }
                // A record without a leaf is for the verification of the tree to find.
                let leaf = self.leaf(&scope, EntityHash(Digest::of(row)))?;
                found.extend(leaf.map(|leaf| (key, leaf)));
            }
            match rows.last() {
                Some((last, _)) if rows.len() == wanted => after = last.to_vec(),
                _ => break,
            }
        }
        Ok(found)
    }
}

/// The beginning of the rows of keys that begin so.
fn start(bucket: &BucketName, prefix: &str) -> Vec<u8> {
    [&ObjectRecord::prefix(bucket), prefix.as_bytes()].concat()
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

    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(ObjectKey, Leaf)>, TreeError> {
        self.span(span, limit).map_err(tree_error)
    }
}
