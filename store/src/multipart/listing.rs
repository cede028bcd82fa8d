//! The uploads under way into a bucket, by key and then by age.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{BucketName, Millis, UserId, Version};

use crate::{
    engine::{Table, prefix_range},
    errors::ReadError,
    records::{MultipartChecksum, MultipartId, MultipartRecord, Record},
    store::Store,
};

/// What to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MultipartQuery {
    /// Only uploads to keys that begin with this.
    pub prefix: String,
    /// Keys that go on after the prefix up to this are shown as one common prefix.
    pub delimiter: Option<String>,
    /// Where to go on.
    pub after: Option<MultipartCursor>,
    /// At most this many entries, uploads and common prefixes together.
    pub limit: usize,
}

/// A place in a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MultipartCursor {
    /// After all uploads to a key.
    Key(String),
    /// After one upload to a key.
    Upload(String, MultipartId),
    /// After all uploads to the keys of a common prefix.
    Prefix(String),
}

/// One line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MultipartEntry {
    Upload {
        key: String,
        id: MultipartId,
        initiator: UserId,
        initiated: Millis,
        checksum: Option<MultipartChecksum>,
    },
    CommonPrefix(String),
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MultipartListing {
    pub entries: Vec<MultipartEntry>,
    /// There is more after the last entry.
    pub truncated: bool,
}

impl MultipartQuery {
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }
}

/// Whether an upload comes behind a place.
fn is_behind(place: Option<&MultipartCursor>, key: &str, id: MultipartId) -> bool {
    match place {
        None => true,
        Some(MultipartCursor::Key(after)) => key > after.as_str(),
        Some(MultipartCursor::Upload(after, seen)) => (key, id) > (after.as_str(), *seen),
        Some(MultipartCursor::Prefix(after)) => {
            key > after.as_str() && !key.starts_with(after.as_str())
        }
    }
}

impl Store {
    /// A page of the uploads under way into a bucket.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn multipart_uploads(
        &self,
        bucket: &BucketName,
        query: &MultipartQuery,
    ) -> Result<MultipartListing, ReadError> {
        let Some(birth) = self.bucket(bucket)?.live.map(|live| live.birth) else {
            return Ok(MultipartListing::default());
        };
        let mut page = Page { query, birth, listing: MultipartListing::default(), failed: None };
        let all = MultipartRecord::prefix(bucket);
        let mut after = query.after.clone();
        // A common prefix is passed over by seeking, however many uploads it holds.
        while let Some(first) = start(&all, after.as_ref(), &query.prefix) {
            let prefix = [&all[..], query.prefix.as_bytes()].concat();
            let mut end = Vec::new();
            let (_, last) = prefix_range(&prefix, &mut end);
            if matches!(last, Bound::Excluded(end) if end <= first.as_slice()) {
                break;
            }
            let range = (Bound::Included(first.as_slice()), last);
            let mut seek = None;
            self.shared.engine.scan(Table::Multipart, range, &mut |row, value| {
                page.visit((row, value), after.as_ref(), &mut seek)
            })?;
            match seek {
                Some(prefix) => after = Some(MultipartCursor::Prefix(prefix)),
                None => break,
            }
        }
        page.failed.map_or(Ok(page.listing), Err)
    }
}

/// The row that a page begins at; `None` if there is nothing behind its place.
fn start(all: &[u8], after: Option<&MultipartCursor>, prefix: &str) -> Option<Vec<u8>> {
    let first = [all, prefix.as_bytes()].concat();
    let from = match after {
        None => return Some(first),
        Some(MultipartCursor::Key(key) | MultipartCursor::Upload(key, _)) => {
            [all, key.as_bytes()].concat()
        }
        Some(MultipartCursor::Prefix(passed)) => {
            let passed = [all, passed.as_bytes()].concat();
            let mut end = Vec::new();
            match prefix_range(&passed, &mut end).1 {
                Bound::Excluded(end) => end.to_vec(),
                _ => return None,
            }
        }
    };
    Some(from.max(first))
}

/// A page that is being filled.
struct Page<'a> {
    query: &'a MultipartQuery,
    birth: Version,
    listing: MultipartListing,
    failed: Option<ReadError>,
}

impl Page<'_> {
    /// Takes up a row; a common prefix ends the scan, and says what to seek past.
    fn visit(
        &mut self,
        (row, value): (&Bytes, &Bytes),
        after: Option<&MultipartCursor>,
        seek: &mut Option<String>,
    ) -> ControlFlow<()> {
        let Some((key, id)) = MultipartRecord::split(row) else {
            return ControlFlow::Continue(());
        };
        if !is_behind(after, key, id) {
            return ControlFlow::Continue(());
        }
        let record = match MultipartRecord::decode(value) {
            Ok(record) if record.birth == self.birth => record,
            Ok(_) => return ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error.into());
                return ControlFlow::Break(());
            }
        };
        if self.listing.entries.len() == self.query.limit {
            self.listing.truncated = self.query.limit > 0;
            return ControlFlow::Break(());
        }
        if let Some(prefix) = self.query.common_prefix(key).map(str::to_owned) {
            self.listing.entries.push(MultipartEntry::CommonPrefix(prefix.clone()));
            *seek = Some(prefix);
            return ControlFlow::Break(());
        }
        self.listing.entries.push(MultipartEntry::Upload {
            key: key.to_owned(),
            id,
            initiator: record.initiator,
            initiated: record.initiated,
            checksum: record.checksum,
        });
        ControlFlow::Continue(())
    }
}
