//! Listing of all versions, by seeking: keys in order, of each the newest first.

use std::ops::Bound;

use bytes::Bytes;
use model::{
    BucketName, ETag, Slot, Version,
    visibility::{self, BucketState},
};

use crate::{
    engine::{Snapshot, Table, prefix_range},
    errors::ReadError,
    records::{ObjectRecord, ObjectState, Record, SlotRecord},
    slots::{InSlot, SlotScan, key_of},
    tree::leaves,
};

/// What to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VersionQuery {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Keys that go on after the prefix up to this are shown as one common prefix.
    pub delimiter: Option<String>,
    /// Where to go on.
    pub after: Option<VersionCursor>,
    /// At most this many entries, versions and common prefixes together.
    pub limit: usize,
}

/// A place in a listing of versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionCursor {
    /// After every version of a key.
    Key(String),
    /// After what is, or was, in a slot of a key. Where the null one was, is not known once it is
    /// gone: then all of the key follows, so that nothing is left out.
    Slot(String, Slot),
    /// After every key of a common prefix.
    Prefix(String),
}

/// One line of a listing of versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionEntry {
    Version(ListedVersion),
    CommonPrefix(String),
}

/// A version as a listing shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedVersion {
    pub key: String,
    pub slot: Slot,
    /// It is the latest of its key.
    pub latest: bool,
    pub version: Version,
    /// Size and entity tag. `None`: it is a delete marker.
    pub object: Option<(u64, ETag)>,
}

impl VersionEntry {
    /// The place right after it.
    #[must_use]
    pub fn cursor(&self) -> VersionCursor {
        match self {
            Self::Version(listed) => VersionCursor::Slot(listed.key.clone(), listed.slot),
            Self::CommonPrefix(prefix) => VersionCursor::Prefix(prefix.clone()),
        }
    }
}

/// A page of a listing of versions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VersionListing {
    pub entries: Vec<VersionEntry>,
    /// There is more after the last entry.
    pub truncated: bool,
}

/// Lists the versions that show.
pub(crate) fn list(
    snapshot: &dyn Snapshot,
    (name, bucket): (&BucketName, &BucketState),
    query: &VersionQuery,
) -> Result<VersionListing, ReadError> {
    let mut listing = VersionListing::default();
    if query.limit == 0 {
        return Ok(listing);
    }
    let root = ObjectRecord::prefix(name);
    let prefix = [&root, query.prefix.as_bytes()].concat();
    let scan = SlotScan::new(snapshot, &prefix);
    let mut walk = Walk { query, bucket, root, scan, ahead: None, null: None, below: None };
    walk.begin(snapshot)?;
    while let Some(entry) = walk.next()? {
        if listing.entries.len() == query.limit {
            listing.truncated = true;
            break;
        }
        listing.entries.push(entry);
    }
    Ok(listing)
}

struct Walk<'a> {
    query: &'a VersionQuery,
    bucket: &'a BucketState,
    root: Vec<u8>,
    scan: SlotScan<'a>,
    /// Read, and to be looked at next.
    ahead: Option<InSlot>,
    /// What is in the null slot of a key, which stands before all others and comes when those that are
    /// newer have come.
    null: Option<(Version, ListedVersion)>,
    /// Of this key (its row in `objects`), only what is older.
    below: Option<(Bytes, Version)>,
}

impl Walk<'_> {
    fn begin(&mut self, snapshot: &dyn Snapshot) -> Result<(), ReadError> {
        match &self.query.after {
            None => {}
            // No key has a NUL, so what is at or above this is of keys behind it.
            Some(VersionCursor::Key(key)) => self.scan.skip_to(&self.row(key, &[1])),
            Some(VersionCursor::Prefix(prefix)) => self.skip_prefix(&prefix.clone()),
            Some(VersionCursor::Slot(key, slot)) => {
                let latest = Bytes::from(self.row(key, &[]));
                let null = null_of(snapshot, &latest)?;
                let version = match slot {
                    Slot::Own(version) => Some(*version),
                    Slot::Null => null.as_ref().map(|(null, _)| null.version),
                };
                let Some(version) = version else {
                    self.scan.skip_to(&latest);
                    return Ok(());
                };
                let row = SlotRecord::key(&latest, Slot::Own(version));
                self.scan.skip_past_slot(&latest, &row);
                // It stands before where the scan begins, unless it is the latest.
                let held = null
                    .filter(|(null, latest)| !latest && null.version < version && self.shows(null));
                self.null = held.map(|(null, _)| (null.version, listed(key.clone(), &null, false)));
                self.below = Some((latest, version));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<VersionEntry>, ReadError> {
        loop {
            let found = match self.ahead.take() {
                Some(ahead) => Some(ahead),
                None => self.scan.next()?,
            };
            let Some(found) = found else { return Ok(self.take_null()) };
            let Some((latest, _, key)) = key_of(&found.row) else { continue };
            let record = ObjectRecord::decode(&found.value)?;
            let is_first = |(version, null): &(Version, ListedVersion)| {
                null.key != key || *version > record.version
            };
            if self.null.as_ref().is_some_and(is_first) {
                self.ahead = Some(found);
                return Ok(self.take_null());
            }
            let below = self.below.as_ref().filter(|(of, _)| *of == latest);
            if !self.shows(&record) || below.is_some_and(|(_, below)| record.version >= *below) {
                continue;
            }
            if let Some(prefix) = self.common_prefix(key) {
                self.skip_prefix(&prefix);
                return Ok(Some(VersionEntry::CommonPrefix(prefix)));
            }
            let version = listed(key.to_owned(), &record, found.latest);
            if record.slot == Slot::Null && !found.latest {
                self.null = Some((record.version, version));
                continue;
            }
            return Ok(Some(VersionEntry::Version(version)));
        }
    }

    fn take_null(&mut self) -> Option<VersionEntry> {
        self.null.take().map(|(_, null)| VersionEntry::Version(null))
    }

    fn shows(&self, record: &ObjectRecord) -> bool {
        record.stands() && visibility::shows(self.bucket, record.birth)
    }

    fn row(&self, key: &str, more: &[u8]) -> Vec<u8> {
        [&self.root, key.as_bytes(), more].concat()
    }

    fn common_prefix(&self, key: &str) -> Option<String> {
        let rest = key.get(self.query.prefix.len()..)?;
        let delimiter = self.query.delimiter.as_deref().filter(|text| !text.is_empty())?;
        let end = self.query.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..end].to_owned())
    }

    fn skip_prefix(&mut self, prefix: &str) {
        let (prefix, mut end) = (self.row(prefix, &[]), Vec::new());
        // A bucket's rows end before those of all bytes do.
        if let (_, Bound::Excluded(end)) = prefix_range(&prefix, &mut end) {
            self.scan.skip_to(end);
        }
    }
}

/// What is in the null slot of a key, and whether it is in `objects`.
fn null_of(
    snapshot: &dyn Snapshot,
    latest: &Bytes,
) -> Result<Option<(ObjectRecord, bool)>, ReadError> {
    let get = |table, key: &Bytes| Ok::<_, ReadError>(snapshot.get(table, key)?);
    let Some(found) = leaves::find((Table::Slots, latest), get)? else { return Ok(None) };
    Ok(Some((ObjectRecord::decode(&found.value)?, found.table == Table::Objects)))
}

fn listed(key: String, record: &ObjectRecord, latest: bool) -> ListedVersion {
    let object = match &record.state {
        ObjectState::Put(manifest) => Some((manifest.size, manifest.etag.clone())),
        ObjectState::Marker | ObjectState::Deleted => None,
    };
    ListedVersion { key, slot: record.slot, latest, version: record.version, object }
}
