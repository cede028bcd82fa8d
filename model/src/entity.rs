//! What can change: objects, buckets, users, and how each is named.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Hasher, Partition, PartitionCount, Version};

/// A name that breaks the rules of its kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    #[error("site name `{0}` must be 1 to 32 characters of a-z, 0-9 and -")]
    Site(String),
    #[error("bucket name `{0}` must be 3 to 63 characters of a-z, 0-9, . and -, as S3 asks")]
    Bucket(String),
    #[error("object key of {0} bytes must have 1 to 1024 bytes and no NUL")]
    Key(usize),
    #[error("user id `{0}` must be 1 to 64 characters of A-Z, a-z, 0-9, - and _")]
    User(String),
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name! {
    /// Name of a bucket, by the rules of S3 for general purpose buckets.
    BucketName
}

text_name! {
    /// Key of an object: 1 to 1,024 bytes of UTF-8 without NUL.
    ///
    /// NUL separates the parts of a record's key in the store, and no XML answer can carry it.
    ObjectKey
}

text_name! {
    /// Identity of a user; the root user of a deployment is `root`.
    UserId
}

impl TryFrom<String> for BucketName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let edges = |n: &str| {
            n.bytes().next().is_some_and(alphanumeric) && n.bytes().last().is_some_and(alphanumeric)
        };
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(|b| alphanumeric(b) || b == b'.' || b == b'-')
            && edges(&name)
            && !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err();
        if fits { Ok(Self(name)) } else { Err(NameError::Bucket(name)) }
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = NameError;

    fn try_from(key: String) -> Result<Self, NameError> {
        let fits = (1..=1_024).contains(&key.len()) && !key.contains('\0');
        if fits { Ok(Self(key)) } else { Err(NameError::Key(key.len())) }
    }
}

impl TryFrom<String> for UserId {
    type Error = NameError;

    fn try_from(id: String) -> Result<Self, NameError> {
        let fits = (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(id)) } else { Err(NameError::User(id)) }
    }
}

/// Something that has versions. All events of one entity are in one partition, in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entity {
    /// What is in the null slot of a key.
    Object(BucketName, ObjectKey),
    /// A version of a key that has a slot of its own. It is in the partition of its key.
    Version(BucketName, ObjectKey, Version),
    Bucket(BucketName),
    User(UserId),
    /// A partition as a whole: what its origin says of the history in it. No leaf of a tree.
    Partition(Partition, PartitionCount),
}

/// SHA-256 of an entity's name: its place in the hash tree, whose top bits are its partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EntityHash(pub Digest);

impl Entity {
    /// SHA-256 over `bucket, 0, key`. A bucket has the empty key, a user the empty bucket:
    /// neither can be taken for an object. A version is placed by [`EntityHash::of_version`], a
    /// partition is its own first place.
    #[must_use]
    pub fn hash(&self) -> EntityHash {
        let (bucket, key) = match self {
            Self::Object(bucket, key) | Self::Version(bucket, key, _) => {
                (bucket.as_str(), key.as_str())
            }
            Self::Bucket(bucket) => (bucket.as_str(), ""),
            Self::User(user) => ("", user.as_str()),
            Self::Partition(partition, count) => return EntityHash::first_of(*partition, *count),
        };
        let mut hasher = Hasher::new();
        hasher.update(bucket.as_bytes());
        hasher.update(&[0]);
        hasher.update(key.as_bytes());
        let named = EntityHash(hasher.finish());
        match self {
            Self::Version(_, _, version) => named.of_version(*version),
            _ => named,
        }
    }
}

impl EntityHash {
    /// The first bytes are the same for all versions of a key: more than any partition has.
    pub const OF_KEY: usize = 2;

    /// The first place of a partition.
    #[must_use]
    pub fn first_of(partition: Partition, count: PartitionCount) -> Self {
        let bits = count.get().trailing_zeros();
        let top = partition.0.checked_shl(16 - bits).unwrap_or(0);
        let mut place = Digest::ZERO;
        place.0[..2].copy_from_slice(&top.to_be_bytes());
        Self(place)
    }

    /// The place of a version of the key that has this place: with its first bits, which say the
    /// partition, and otherwise anywhere.
    #[must_use]
    pub fn of_version(self, version: Version) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&self.0.0);
        hasher.update(&version.to_bytes());
        let mut place = hasher.finish();
        place.0[..Self::OF_KEY].copy_from_slice(&self.0.0[..Self::OF_KEY]);
        Self(place)
    }

    /// The top bits.
    #[must_use]
    pub fn partition(self, count: PartitionCount) -> Partition {
        let top = u16::from_be_bytes([self.0.0[0], self.0.0[1]]);
        let bits = count.get().trailing_zeros();
        Partition(top.checked_shr(16 - bits).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hlc, SiteId};

    fn bucket(name: &str) -> Result<BucketName, NameError> {
        BucketName::try_from(name.to_owned())
    }

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for good in ["abc", "a-b.c", "0aa", &"x".repeat(63)] {
            assert!(bucket(good).is_ok(), "{good}");
        }
        for bad in ["ab", "Abc", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", &"x".repeat(64), ""] {
            assert!(bucket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_any_text_without_nul() {
        let key = |text: &str| ObjectKey::try_from(text.to_owned());
        for good in ["a", "//", " ", "ünïcødé/🪢", &"k".repeat(1_024)] {
            assert!(key(good).is_ok(), "{good}");
        }
        for bad in ["", "a\0b", &"k".repeat(1_025)] {
            assert!(key(bad).is_err());
        }
    }

    #[test]
    fn partition_is_the_top_bits_for_every_count() {
        let hash = EntityHash(Digest([0xff; 32]));
        for count in [1, 2, 16, 1024] {
            let count = PartitionCount::new(count).expect("power of two");
            assert_eq!(hash.partition(count), Partition(count.get() - 1));
        }
        for count in [1, 2, 16, 1024] {
            let count = PartitionCount::new(count).expect("power of two");
            let own = |p: &Partition| Entity::Partition(*p, count).hash().partition(count) == *p;
            assert!(count.iter().all(|partition| own(&partition)));
        }
        assert_eq!(PartitionCount::new(3), None);
        assert_eq!(PartitionCount::new(2048), None);
    }

    #[test]
    fn versions_of_a_key_are_in_its_partition_and_each_at_a_place_of_its_own() {
        let names = (bucket("abc").expect("valid"), ObjectKey::try_from("k".to_owned()));
        let (bucket, key) = (names.0, names.1.expect("valid"));
        let object = Entity::Object(bucket.clone(), key.clone()).hash();
        let version = |hlc| Version { hlc: Hlc(hlc), site: SiteId([1; 16]) };
        let of = |hlc| Entity::Version(bucket.clone(), key.clone(), version(hlc)).hash();
        let most = PartitionCount::new(1024).expect("power of two");
        for hlc in 0..100 {
            assert_eq!(of(hlc).partition(most), object.partition(most));
            assert_ne!(of(hlc), object);
            assert_ne!(of(hlc), of(hlc + 1));
        }
    }

    #[test]
    fn no_two_kinds_of_entity_share_a_hash() {
        let name = bucket("abc").expect("valid");
        let user = UserId::try_from("abc".to_owned()).expect("valid");
        assert_ne!(Entity::Bucket(name).hash(), Entity::User(user).hash());
    }
}
