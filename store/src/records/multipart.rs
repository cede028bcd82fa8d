//! Multipart uploads, which are local to a site. Keys, all in `multipart`: `u` bucket 0 key 0 id
//! (one under way), `v` id (its revision), `z` id (the bytes of its parts), `p` id number (a part), `s` id index (a segment that is
//! held for it), `e` id (one that has ended, whose parts the collector drops), `c` id (what a
//! completed one came to), `b` bucket (one that was deleted, whose uploads the collector ends).

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use model::{
    BucketName, Content, ETag, Millis, NamedWrapped, ObjectKey, SegmentRef, Slot, UserId, Version,
    WrappedKey,
};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// Id of a multipart upload: when it was begun, then random bits, so that the uploads of one key
/// sort by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MultipartId(pub u128);

impl MultipartId {
    /// Inverse of `Display`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for MultipartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Which checksum an upload is made with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MultipartChecksum {
    /// Its name, as in [`model::Manifest::checksums`].
    pub algorithm: String,
    /// Of the whole object, combined out of those of the parts; otherwise of their checksums.
    pub whole: bool,
}

/// An upload under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct MultipartRecord {
    /// Birth of the bucket it goes into: with the bucket it ends.
    pub(crate) birth: Version,
    pub(crate) initiator: UserId,
    pub(crate) initiated: Millis,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) checksum: Option<MultipartChecksum>,
    /// What the object is to begin with. Format 1 had none.
    pub(crate) attributes: BTreeMap<String, Bytes>,
    /// What its parts are sealed under. Formats 1 and 2 had none.
    pub(crate) sealed_under: Option<WrappedKey>,
}

impl super::Plain for MultipartRecord {}

super::record!(
    entity MultipartRecord, Table::Multipart, "multipart upload", format 3,
    before MultipartRecord::before
);

impl MultipartRecord {
    /// What a format added stands at the end: an empty map is one zero, and so is no key.
    fn before(format: u8, body: &Bytes) -> Option<Self> {
        let added: &[u8] = if format == 1 { &[0, 0] } else { &[0] };
        super::decode_postcard(&super::join(&[body, added]))
    }

    /// Of all uploads.
    pub(crate) const PREFIX: &'static [u8] = b"u";

    /// Of all uploads into a bucket.
    pub(crate) fn prefix(bucket: &BucketName) -> Bytes {
        super::join(&[Self::PREFIX, bucket.as_str().as_bytes(), &[0]])
    }

    pub(crate) fn key(bucket: &BucketName, key: &ObjectKey, id: MultipartId) -> Bytes {
        let prefix = Self::prefix(bucket);
        super::join(&[&prefix, key.as_str().as_bytes(), &[0], &id.bytes()])
    }

    /// The object key and the id inside a key of this record.
    pub(crate) fn split(row: &[u8]) -> Option<(&str, MultipartId)> {
        let (rest, id) = row.split_last_chunk::<16>()?;
        let names = rest.strip_prefix(Self::PREFIX)?.strip_suffix(&[0])?;
        let separator = names.iter().position(|&byte| byte == 0)?;
        let key = std::str::from_utf8(&names[separator + 1..]).ok()?;
        Some((key, MultipartId(u128::from_be_bytes(*id))))
    }
}

/// Counts the changes of an upload's parts, so that who puts them together can tell whether they
/// are still what it saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RevisionRecord(pub(crate) u64);

super::record!(RevisionRecord, Table::Multipart, "multipart revision", format 1);

impl RevisionRecord {
    pub(crate) fn key(id: MultipartId) -> Bytes {
        super::join(&[b"v", &id.bytes()])
    }
}

/// Bytes of all parts of an upload together; none of one without parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PartsBytesRecord(pub(crate) u64);

super::record!(PartsBytesRecord, Table::Multipart, "bytes of parts", format 1);

impl PartsBytesRecord {
    pub(crate) fn key(id: MultipartId) -> Bytes {
        super::join(&[b"z", &id.bytes()])
    }
}

/// A part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    /// By the upload's algorithm, as S3 writes it.
    pub(crate) checksum: Option<String>,
    pub(crate) modified: Millis,
    pub(crate) content: Content,
}

super::record!(PartRecord, Table::Multipart, "part", format 1);

impl PartRecord {
    /// Of all parts of all uploads.
    pub(crate) const PREFIX: &'static [u8] = b"p";

    pub(crate) fn prefix(id: MultipartId) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes()])
    }

    pub(crate) fn key(id: MultipartId, number: u16) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes(), &number.to_be_bytes()])
    }

    pub(crate) fn number(row: &[u8]) -> Option<u16> {
        row.last_chunk::<2>().map(|number| u16::from_be_bytes(*number))
    }
}

/// A segment made out of an upload's parts, held until the object's manifest names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct HeldSegmentRecord(pub(crate) SegmentRef);

super::record!(HeldSegmentRecord, Table::Multipart, "held segment", format 1);

impl HeldSegmentRecord {
    /// Of all segments of all uploads.
    pub(crate) const PREFIX: &'static [u8] = b"s";

    pub(crate) fn prefix(id: MultipartId) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes()])
    }

    pub(crate) fn key(id: MultipartId, index: u32) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes(), &index.to_be_bytes()])
    }
}

/// What a completed upload came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Completed {
    pub version: Version,
    pub etag: ETag,
    pub checksums: BTreeMap<String, String>,
    /// Its id. `None`: versioning was not enabled.
    pub id: Option<Slot>,
    /// How it is encrypted, if it is. Formats 1 and 2 did not say.
    pub sealed: Option<SealedAs>,
}

/// How the body of an object is encrypted, as far as answers say it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SealedAs {
    /// Under a key of the site.
    Site,
    /// Under one that only the client has.
    Client,
    Named {
        /// As the client wrote it.
        key: String,
        bucket_key: bool,
    },
}

impl SealedAs {
    /// Of what a data key is kept as.
    #[must_use]
    pub fn of(key: &WrappedKey) -> Self {
        match key {
            WrappedKey::Site(_) => Self::Site,
            WrappedKey::Client(_) => Self::Client,
            WrappedKey::Named(NamedWrapped { shown, bucket_key, .. }) => {
                Self::Named { key: shown.clone(), bucket_key: *bucket_key }
            }
        }
    }
}

/// The answer of a completed upload, kept for a while for clients who did not hear it and ask
/// again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct CompletedRecord {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) at: Millis,
    pub(crate) completed: Completed,
}

impl super::Plain for CompletedRecord {}

impl super::Record for CompletedRecord {
    const TABLE: Table = Table::Multipart;
    const NAME: &'static str = "completed upload";
    const FORMAT: u8 = 3;

    fn encode_body(&self, body: &mut Vec<u8>) {
        super::encode_postcard(self, body);
    }

    fn decode_body(body: &Bytes) -> Option<Self> {
        super::decode_postcard(body)
    }

    /// What a format added stands at the end, the id and then the encryption: none is one zero.
    fn decode_before(format: u8, body: &Bytes) -> Option<Self> {
        let added: &[u8] = if format == 1 { &[0, 0] } else { &[0] };
        super::decode_postcard(&super::join(&[body, added]))
    }
}

impl CompletedRecord {
    pub(crate) const PREFIX: &'static [u8] = b"c";

    pub(crate) fn key(id: MultipartId) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes()])
    }

    /// Before the keys of all uploads that were begun at `time` or later.
    pub(crate) fn begun_at(time: Millis) -> Bytes {
        Self::key(MultipartId(u128::from(time.0) << 64))
    }
}

/// An upload that has ended, whose parts are still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct EndedRecord;

super::record!(EndedRecord, Table::Multipart, "ended upload", format 1);

impl EndedRecord {
    pub(crate) const PREFIX: &'static [u8] = b"e";

    pub(crate) fn key(id: MultipartId) -> Bytes {
        super::join(&[Self::PREFIX, &id.bytes()])
    }

    pub(crate) fn id(row: &[u8]) -> Option<MultipartId> {
        let id = row.strip_prefix(Self::PREFIX)?.try_into().ok()?;
        Some(MultipartId(u128::from_be_bytes(id)))
    }
}

/// A bucket that was deleted while there were uploads into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DeletedBucketRecord;

super::record!(DeletedBucketRecord, Table::Multipart, "deleted bucket", format 1);

impl DeletedBucketRecord {
    pub(crate) const PREFIX: &'static [u8] = b"b";

    pub(crate) fn key(bucket: &BucketName) -> Bytes {
        super::join(&[Self::PREFIX, bucket.as_str().as_bytes()])
    }

    pub(crate) fn bucket(row: &[u8]) -> Option<BucketName> {
        let name = std::str::from_utf8(row.strip_prefix(Self::PREFIX)?).ok()?;
        BucketName::try_from(name.to_owned()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_release_completed_has_no_id_and_no_encryption() {
        use crate::records::Record;

        let bucket = BucketName::try_from("photos".to_owned()).unwrap();
        let key = ObjectKey::try_from("k".to_owned()).unwrap();
        let version = Version { hlc: model::Hlc(7), site: model::SiteId([1; 16]) };
        let (etag, checksums) = (ETag("e-1".to_owned()), BTreeMap::new());
        let completed = Completed { version, etag, checksums, id: None, sealed: None };
        let mut record = CompletedRecord { bucket, key, at: Millis(5), completed };
        let encoded = record.encode();
        for (format, added) in [(1, 2), (2, 1)] {
            let before = super::super::join(&[&[format], &encoded[1..encoded.len() - added]]);
            assert_eq!(CompletedRecord::decode(&before).unwrap(), record);
        }
        record.completed.id = Some(Slot::Own(version));
        record.completed.sealed = Some(SealedAs::Named { key: "k".to_owned(), bucket_key: true });
        assert_eq!(CompletedRecord::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn keys_split_into_what_they_were_made_of() {
        let bucket = BucketName::try_from("photos".to_owned()).unwrap();
        let key = ObjectKey::try_from("a/ü\u{1}".to_owned()).unwrap();
        // An id with a NUL in it, where the parts of the key are told apart.
        let id = MultipartId(0x0011_0000_2233 << 64);
        let row = MultipartRecord::key(&bucket, &key, id);
        assert_eq!(MultipartRecord::split(&row), Some((key.as_str(), id)));
        assert_eq!(PartRecord::number(&PartRecord::key(id, 10_000)), Some(10_000));
        assert_eq!(EndedRecord::id(&EndedRecord::key(id)), Some(id));
        assert_eq!(MultipartId::parse(&id.to_string()), Some(id));
        for bad in ["", "xyz", &"0".repeat(31), &format!("+{}", "0".repeat(31))] {
            assert_eq!(MultipartId::parse(bad), None);
        }
    }
    #[test]
    fn an_upload_that_an_earlier_release_began_has_no_attributes_and_no_key() {
        use crate::records::Record;

        let birth = Version { hlc: model::Hlc(7), site: model::SiteId([1; 16]) };
        let (initiator, initiated) = (UserId::root(), Millis(5));
        let headers = BTreeMap::from([("content-type".to_owned(), "text/plain".to_owned())]);
        let (metadata, checksum, attributes) = (BTreeMap::new(), None, BTreeMap::new());
        let mut record = MultipartRecord {
            birth,
            initiator,
            initiated,
            headers,
            metadata,
            checksum,
            attributes,
            sealed_under: None,
        };
        let encoded = record.encode();
        let before =
            |format, added| super::super::join(&[&[format], &encoded[1..encoded.len() - added]]);
        for (format, added) in [(1, 2), (2, 1)] {
            assert_eq!(MultipartRecord::decode(&before(format, added)).unwrap(), record);
        }
        record.attributes.insert("tags".to_owned(), Bytes::from_static(b"{}"));
        assert_eq!(MultipartRecord::decode(&record.encode()).unwrap(), record);
    }
}
