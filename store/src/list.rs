//! Ordered listing by seeking: a common prefix costs one seek, however many keys it holds.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{
    BucketName, ETag, Millis,
    visibility::{self, BucketState},
};

use crate::{
    engine::{Engine, Table, prefix_range},
    errors::ReadError,
    records::{ObjectRecord, ObjectState, Record, split_object_key},
};

/// What to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListQuery {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Keys that go on after the prefix up to this are shown as one common prefix.
    pub delimiter: Option<String>,
    /// Where to go on.
    pub after: Option<ListCursor>,
    /// At most this many entries, keys and common prefixes together.
    pub limit: usize,
}

/// A place in a listing: after a key, or after every key of a common prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListCursor {
    Key(String),
    Prefix(String),
}

/// One line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListEntry {
    Object { key: String, size: u64, etag: ETag, modified: Millis },
    CommonPrefix(String),
}

impl ListEntry {
    /// The place right after it.
    #[must_use]
    pub fn cursor(&self) -> ListCursor {
        match self {
            Self::Object { key, .. } => ListCursor::Key(key.clone()),
            Self::CommonPrefix(prefix) => ListCursor::Prefix(prefix.clone()),
        }
    }
}

/// A page of a listing, in order of the bytes of keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    pub entries: Vec<ListEntry>,
    /// There is more after the last entry.
    pub truncated: bool,
}

enum Found {
    Entry(ListEntry),
    Failed(ReadError),
}

/// Lists the keys that show.
pub(crate) fn list(
    engine: &dyn Engine,
    (name, bucket): (&BucketName, &BucketState),
    query: &ListQuery,
) -> Result<Listing, ReadError> {
    let root = [name.as_str().as_bytes(), &[0]].concat();
    let mut listing = Listing::default();
    if query.limit == 0 {
        return Ok(listing);
    }
    let mut after = query.after.clone();
    loop {
        let found = next(engine, &root, query, after.as_ref(), bucket, &mut listing)?;
        match found {
            None => return Ok(listing),
            Some(Found::Failed(error)) => return Err(error),
            Some(Found::Entry(_)) if listing.entries.len() == query.limit => {
                listing.truncated = true;
                return Ok(listing);
            }
            Some(Found::Entry(entry)) => {
                after = Some(entry.cursor());
                listing.entries.push(entry);
            }
        }
    }
}

/// Adds objects to the listing up to the next common prefix, which is returned, or the entry
/// that has no place any more.
fn next(
    engine: &dyn Engine,
    root: &[u8],
    query: &ListQuery,
    after: Option<&ListCursor>,
    bucket: &BucketState,
    listing: &mut Listing,
) -> Result<Option<Found>, ReadError> {
    let prefix = [root, query.prefix.as_bytes()].concat();
    let (mut end, mut past) = (Vec::new(), Vec::new());
    let (first, last) = prefix_range(&prefix, &mut end);
    let cursor = after
        .map(|(ListCursor::Key(text) | ListCursor::Prefix(text))| [root, text.as_bytes()].concat());
    let start = match (after, &cursor) {
        (Some(ListCursor::Key(_)), Some(key)) => Bound::Excluded(key.as_slice()),
        (Some(ListCursor::Prefix(_)), Some(prefix)) => match prefix_range(prefix, &mut past).1 {
            Bound::Excluded(end) => Bound::Included(end),
            _ => return Ok(None),
        },
        _ => Bound::Unbounded,
    };
    let range = (later(first, start), last);
    if is_empty(range) {
        return Ok(None);
    }
    let mut found = None;
    engine.scan(
        Table::Objects,
        range,
        &mut |row, value| match entry(row, value, query, bucket) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(entry @ ListEntry::Object { .. })) if listing.entries.len() < query.limit => {
                listing.entries.push(entry);
                ControlFlow::Continue(())
            }
            Ok(Some(entry)) => {
                found = Some(Found::Entry(entry));
                ControlFlow::Break(())
            }
            Err(error) => {
                found = Some(Found::Failed(error));
                ControlFlow::Break(())
            }
        },
    )?;
    Ok(found)
}

fn entry(
    row: &Bytes,
    value: &Bytes,
    query: &ListQuery,
    bucket: &BucketState,
) -> Result<Option<ListEntry>, ReadError> {
    let Some(key) = split_object_key(row) else {
        return Ok(None);
    };
    let object = ObjectRecord::decode(value)?;
    let shown = visibility::shows(bucket, object.birth);
    let ObjectState::Put(manifest) = object.state else { return Ok(None) };
    if !shown {
        return Ok(None);
    }
    let rest = key.get(query.prefix.len()..).unwrap_or_default();
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    if let Some((delimiter, at)) = delimiter.and_then(|d| rest.find(d).map(|at| (d, at))) {
        let end = query.prefix.len() + at + delimiter.len();
        return Ok(Some(ListEntry::CommonPrefix(key[..end].to_owned())));
    }
    let (key, modified) = (key.to_owned(), object.version.hlc.millis());
    Ok(Some(ListEntry::Object { key, size: manifest.size, etag: manifest.etag, modified }))
}

fn later<'a>(first: Bound<&'a [u8]>, start: Bound<&'a [u8]>) -> Bound<&'a [u8]> {
    let key = |bound: Bound<&'a [u8]>| match bound {
        Bound::Included(key) | Bound::Excluded(key) => key,
        Bound::Unbounded => &[],
    };
    if key(start) >= key(first) && !matches!(start, Bound::Unbounded) { start } else { first }
}

fn is_empty((start, end): (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match (start, end) {
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        _ => false,
    }
}
