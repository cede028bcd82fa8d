//! How the body of an object is encrypted where it rests.
//!
//! Each block, and an inline body, is sealed by itself under the object's data key; what is stored is
//! ciphertext, and a block's name is of what is stored. So whoever moves, checks or counts blocks
//! need not know of it, and only who presents the object to a client does.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Hasher, Parts, SealedSecret};

/// What sealing adds to a block: 16 bytes of salt in front, 16 of tag behind.
pub const SEAL_BYTES: u32 = 32;

/// What opens the body of one object version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Encryption {
    pub key: WrappedKey,
    /// The numbers up to that of the last part that no part has, in order: blocks are sealed by the
    /// number of their part, and a manifest lists parts without. As there are 10,000 numbers, these
    /// take less of an event than the parts that are not there.
    pub left_out: Vec<u16>,
}

/// A data key as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WrappedKey {
    /// Under a key of this very site (SSE-S3). On the way to other sites, under a class key.
    Site(SiteWrapped),
    /// Under a key that only the client has (SSE-C).
    Client(ClientWrapped),
    /// Under a key that the client named, which the sites share (SSE-KMS).
    Named(NamedWrapped),
}

/// A data key under a key of the site that has it. Each site wraps it anew, and may wrap it again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SiteWrapped {
    /// Made of the data key, and so the same at every site: all that identity counts of it (law 11).
    /// It tells nothing about the key, and nobody else has the like; so its beginning is the nonce.
    pub check: [u8; 32],
    pub key_id: String,
    pub sealed: Bytes,
}

/// A data key under a client's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientWrapped {
    /// Random: with it, the client's key makes the key that wraps, and the check.
    pub salt: [u8; 32],
    /// Tells the right key from another, and nothing about either.
    pub check: [u8; 32],
    pub sealed: Bytes,
}

/// A data key under a named key. It travels and rests like this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NamedWrapped {
    /// The named key as the client wrote it, which is how answers show it.
    pub shown: String,
    /// The client's own associated data: the key opens only with it.
    pub context: BTreeMap<String, String>,
    /// Shown as it was asked for; it changes nothing here.
    pub bucket_key: bool,
    pub sealed: SealedSecret,
}

impl Encryption {
    /// Of a body that was put whole.
    #[must_use]
    pub fn of_whole(key: WrappedKey) -> Self {
        Self { key, left_out: Vec::new() }
    }

    /// Of a body made of the parts with these numbers, in order.
    #[must_use]
    pub fn of_parts(key: WrappedKey, numbers: &[u16]) -> Self {
        let last = numbers.last().copied().unwrap_or_default();
        let left_out = (1..=last).filter(|number| numbers.binary_search(number).is_err());
        Self { key, left_out: left_out.collect() }
    }

    /// The numbers of the parts that a manifest lists, in order; of a body that was put whole, 0.
    pub fn numbers(&self, parts: &Parts) -> impl Iterator<Item = u16> {
        let (all, count) = match parts {
            Parts::Whole => (0..=0, 1),
            Parts::Listed(parts) => (1..=u16::MAX, parts.len()),
        };
        all.filter(|number| self.left_out.binary_search(number).is_err()).take(count)
    }

    pub(crate) fn hash(&self, hasher: &mut Hasher) {
        match &self.key {
            WrappedKey::Site(SiteWrapped { check, .. }) => {
                hasher.update(&[0]);
                hasher.update(check);
            }
            WrappedKey::Client(ClientWrapped { salt, check, sealed }) => {
                hasher.update(&[1]);
                hasher.update(salt);
                hasher.update(check);
                hasher.field(sealed);
            }
            WrappedKey::Named(NamedWrapped { shown, context, bucket_key, sealed }) => {
                hasher.update(&[2, u8::from(*bucket_key)]);
                hasher.field(shown.as_bytes());
                hasher.update(&(context.len() as u64).to_be_bytes());
                for (name, value) in context {
                    hasher.field(name.as_bytes());
                    hasher.field(value.as_bytes());
                }
                let SealedSecret { key_id, nonce, sealed } = sealed;
                hasher.field(key_id.as_bytes());
                hasher.update(nonce);
                hasher.field(sealed);
            }
        }
        hasher.update(&(self.left_out.len() as u64).to_be_bytes());
        for number in &self.left_out {
            hasher.update(&number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, proptest};

    use super::*;
    use crate::Part;

    fn site(check: u8, key_id: &str) -> WrappedKey {
        let sealed = Bytes::copy_from_slice(key_id.as_bytes());
        WrappedKey::Site(SiteWrapped { check: [check; 32], key_id: key_id.to_owned(), sealed })
    }

    fn named(shown: &str, context: &[(&str, &str)], bucket_key: bool) -> WrappedKey {
        let (key_id, sealed) = ("main".to_owned(), Bytes::new());
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        WrappedKey::Named(NamedWrapped {
            shown: shown.to_owned(),
            context: context.collect(),
            bucket_key,
            sealed: SealedSecret { key_id, nonce: [0; 24], sealed },
        })
    }

    fn digest(encryption: &Encryption) -> crate::Digest {
        let mut hasher = Hasher::new();
        encryption.hash(&mut hasher);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn any_numbers_of_parts_come_back(
            numbers in prop::collection::btree_set(1..200_u16, 0..40),
            others in prop::collection::btree_set(1..200_u16, 0..40),
        ) {
            let of = |numbers: &BTreeSet<u16>| {
                let numbers: Vec<u16> = numbers.iter().copied().collect();
                Encryption::of_parts(site(1, "a"), &numbers)
            };
            let parts = vec![Part { size: 1, md5: [0; 16] }; numbers.len()];
            let encryption = of(&numbers);
            assert!(encryption.numbers(&Parts::Listed(parts)).eq(numbers.iter().copied()));
            let same = encryption.left_out == of(&others).left_out;
            assert_eq!(digest(&encryption) == digest(&of(&others)), same);
        }
    }

    #[test]
    fn a_body_that_was_put_whole_is_its_only_part() {
        let encryption = Encryption::of_whole(site(1, "a"));
        assert!(encryption.numbers(&Parts::Whole).eq([0]));
    }

    #[test]
    fn law_11_a_digest_is_of_the_data_key_and_not_of_what_a_site_wraps_it_under() {
        let of = |key| digest(&Encryption::of_whole(key));
        assert_eq!(of(site(1, "a")), of(site(1, "b")));
        let client = ClientWrapped { salt: [0; 32], check: [0; 32], sealed: Bytes::new() };
        let others = [
            site(1, "a"),
            site(2, "a"),
            WrappedKey::Client(client),
            named("a", &[], false),
            named("a", &[], true),
            named("b", &[], false),
            named("a", &[("x", "y")], false),
            named("a", &[("xy", "")], false),
        ];
        let digests: BTreeSet<_> = others.into_iter().map(of).collect();
        assert_eq!(digests.len(), 8);
    }
}
