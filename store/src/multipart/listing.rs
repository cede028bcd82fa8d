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
    /// Whether an upload comes behind the place where the page begins.
    fn is_behind(&self, key: &str, id: MultipartId) -> bool {
        match &self.after {
            None => true,
            Some(MultipartCursor::Key(after)) => key > after.as_str(),
            Some(MultipartCursor::Upload(after, seen)) => (key, id) > (after.as_str(), *seen),
            Some(MultipartCursor::Prefix(after)) => {
                key > after.as_str() && !key.starts_with(after.as_str())
            }
        }
    }

    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
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
        let all = MultipartRecord::prefix(bucket);
        let from = match &query.after {
            Some(
                MultipartCursor::Key(key)
                | MultipartCursor::Upload(key, _)
                | MultipartCursor::Prefix(key),
            ) => [&all[..], key.as_bytes()].concat(),
            None => Vec::new(),
        };
        let prefix = [&all[..], query.prefix.as_bytes()].concat();
        let mut end = Vec::new();
        let (_, last) = prefix_range(&prefix, &mut end);
        let first = if from > prefix { &from } else { &prefix };
        if matches!(last, Bound::Excluded(end) if end <= first.as_slice()) {
            return Ok(MultipartListing::default());
        }
        let mut page = Page { query, birth, listing: MultipartListing::default(), failed: None };
        let range = (Bound::Included(first.as_slice()), last);
        self.shared
            .engine
            .scan(Table::Multipart, range, &mut |row, value| page.visit(row, value))?;
        page.failed.map_or(Ok(page.listing), Err)
    }
}

/// A page that is being filled.
struct Page<'a> {
    query: &'a MultipartQuery,
    birth: Version,
    listing: MultipartListing,
    failed: Option<ReadError>,
}

impl Page<'_> {
    fn visit(&mut self, row: &Bytes, value: &Bytes) -> ControlFlow<()> {
        let Some((key, id)) = MultipartRecord::split(row) else {
            return ControlFlow::Continue(());
        };
        if !self.query.is_behind(key, id) {
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
        let entry = match self.query.common_prefix(key) {
            Some(prefix) => MultipartEntry::CommonPrefix(prefix.to_owned()),
            None => MultipartEntry::Upload {
                key: key.to_owned(),
                id,
                initiator: record.initiator,
                initiated: record.initiated,
                checksum: record.checksum,
            },
        };
        if self.listing.entries.last() == Some(&entry) {
            return ControlFlow::Continue(());
        }
        if self.listing.entries.len() == self.query.limit {
            self.listing.truncated = self.query.limit > 0;
            return ControlFlow::Break(());
        }
        self.listing.entries.push(entry);
        ControlFlow::Continue(())
    }
}
