//! Buckets (key: `b` name), users (key: `u` id), and who holds an access key (key: `k` access key, 0,
//! user id).

use bytes::Bytes;
use model::{AccessKey, Bucket, BucketName, Quota, User, UserId, Version, visibility::BucketState};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A bucket name's newest state, and the newest of its deletions, which may be older.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) version: Version,
    pub(crate) live: Option<Bucket>,
    pub(crate) deleted: Option<Version>,
}

super::record!(entity BucketRecord, Table::Entities, "bucket", format 1);

impl BucketRecord {
    pub(crate) const PREFIX: &'static [u8] = b"b";

    pub(crate) fn key(bucket: &BucketName) -> Bytes {
        super::join(&[Self::PREFIX, bucket.as_str().as_bytes()])
    }

    /// The bucket inside a key of this record.
    pub(crate) fn bucket(row: &[u8]) -> Option<BucketName> {
        let name = std::str::from_utf8(row.strip_prefix(Self::PREFIX)?).ok()?;
        BucketName::try_from(name.to_owned()).ok()
    }

    pub(crate) fn state(self) -> BucketState {
        BucketState { live: self.live, deleted: self.deleted }
    }
}

/// A user's newest state; `None`: deleted. Format 2 added the quota.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) version: Version,
    pub(crate) user: Option<User>,
}

/// As format 1 had it.
#[derive(Deserialize)]
struct Format1 {
    version: Version,
    user: Option<UserOfFormat1>,
}

#[derive(Deserialize)]
struct UserOfFormat1 {
    name: String,
    enabled: bool,
    keys: Vec<AccessKey>,
}

super::record!(
    entity UserRecord, Table::Entities, "user", format 2, before UserRecord::before
);

impl UserRecord {
    pub(crate) const PREFIX: &'static [u8] = b"u";

    /// Format 1 knew no quota.
    fn before(_format: u8, body: &Bytes) -> Option<Self> {
        let Format1 { version, user } = super::decode_postcard(body)?;
        let quota = Quota::default();
        let user =
            user.map(|UserOfFormat1 { name, enabled, keys }| User { name, enabled, keys, quota });
        Some(Self { version, user })
    }

    pub(crate) fn key(user: &UserId) -> Bytes {
        super::join(&[Self::PREFIX, user.as_str().as_bytes()])
    }

    /// The user inside a key of this record.
    pub(crate) fn id(row: &[u8]) -> Option<UserId> {
        let id = std::str::from_utf8(row.strip_prefix(Self::PREFIX)?).ok()?;
        UserId::try_from(id.to_owned()).ok()
    }
}

/// Says that a user's record holds an access key: found by the key, which requests name.
///
/// Sites that write at the same time may give one key to two users. Then there is a row for each,
/// whichever came first, so that rows are the same wherever users are, and the first user id in
/// order has the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct KeyHolderRecord;

super::record!(KeyHolderRecord, Table::Entities, "key holder", format 1);

impl KeyHolderRecord {
    /// Of every row.
    pub(crate) const PREFIX: &'static [u8] = b"k";

    pub(crate) fn key(access_key: &str, user: &UserId) -> Bytes {
        super::join(&[&Self::prefix(access_key), user.as_str().as_bytes()])
    }

    /// What the rows of an access key begin with.
    pub(crate) fn prefix(access_key: &str) -> Vec<u8> {
        [Self::PREFIX, access_key.as_bytes(), &[0]].concat()
    }

    /// What the rows of a user end with.
    pub(crate) fn suffix(user: &UserId) -> Vec<u8> {
        [&[0], user.as_str().as_bytes()].concat()
    }

    /// The user in a row that begins with `prefix`; `None` if it is of a longer access key.
    pub(crate) fn user(row: &[u8], prefix: &[u8]) -> Option<UserId> {
        let id = std::str::from_utf8(row.strip_prefix(prefix)?).ok()?;
        UserId::try_from(id.to_owned()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;

    fn user(id: &str) -> UserId {
        UserId::try_from(id.to_owned()).unwrap()
    }

    #[test]
    fn rows_of_a_key_are_told_from_those_of_a_longer_one() {
        let prefix = KeyHolderRecord::prefix("AK");
        assert_eq!(&KeyHolderRecord::key("AK", &user("main"))[..], b"kAK\0main");
        let found = |access_key: &str| {
            KeyHolderRecord::user(&KeyHolderRecord::key(access_key, &user("main")), &prefix)
        };
        assert_eq!(found("AK"), Some(user("main")));
        assert_eq!(found("AKB"), None);
        // No key that this release makes has a NUL; one of another release must not confuse it.
        assert_eq!(found("AK\0B"), None);
    }

    #[test]
    fn a_user_whom_the_release_before_wrote_has_no_quota() {
        let version = Version { hlc: model::Hlc(7), site: model::SiteId([3; 16]) };
        let quota = Quota { bytes: Some(300), objects: None };
        let user = User { name: "A".to_owned(), enabled: true, keys: Vec::new(), quota };
        for user in [Some(user), None] {
            let mut record = UserRecord { version, user };
            let encoded = record.encode();
            assert_eq!(UserRecord::decode(&encoded).unwrap(), record);
            // What format 2 added stands at the end: `Some`, 300 in two bytes, `None`.
            let added = if record.user.is_some() { 4 } else { 0 };
            let before = super::super::join(&[&[1], &encoded[1..encoded.len() - added]]);
            if let Some(user) = &mut record.user {
                user.quota = Quota::default();
            }
            assert_eq!(UserRecord::decode(&before).unwrap(), record);
        }
    }

    #[test]
    fn a_key_holder_is_its_format_and_nothing_else() {
        assert_eq!(&KeyHolderRecord.encode()[..], [1]);
        assert_eq!(KeyHolderRecord::decode(&Bytes::from_static(&[1])).unwrap(), KeyHolderRecord);
        assert!(KeyHolderRecord::decode(&Bytes::from_static(&[2])).is_err());
    }
}
