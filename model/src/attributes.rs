//! Attributes of an object version, or of one incarnation of a bucket: registers with versions of
//! their own.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Digest, Hasher, Version, lock};

/// Names of attributes. Sites of other releases may know more; whoever does not know a name keeps
/// its register all the same.
pub mod attribute {
    pub const TAGS: &str = "tags";
    pub const ACL: &str = "acl";

    // Of buckets only.
    pub const CORS: &str = "cors";
    pub const ENCRYPTION: &str = "encryption";
    pub const LIFECYCLE: &str = "lifecycle";
    pub const LOGGING: &str = "logging";
    pub const OBJECT_LOCK: &str = "object-lock";
    pub const OWNERSHIP: &str = "ownership";
    pub const POLICY: &str = "policy";
    pub const PUBLIC_ACCESS_BLOCK: &str = "public-access-block";
    pub const QUOTA: &str = "quota";
    pub const VERSIONING: &str = "versioning";
}

/// One attribute's value and the version that set it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Register {
    pub version: Version,
    /// The attribute's whole state; its form belongs to the attribute. Empty: it was taken away,
    /// which must win over what was set before wherever the two meet.
    pub value: Bytes,
}

/// All attributes of one object version or bucket, by name: see [`attribute`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Attributes(pub BTreeMap<String, Register>);

impl Attributes {
    /// Takes each register of `other` that is higher. Commutative, associative, idempotent:
    /// equal versions compare by value, so that even a broken writer cannot split two sites. Some
    /// registers of a lock take the greater value instead, whoever set it last.
    pub fn merge(&mut self, other: &Self) {
        for (name, theirs) in &other.0 {
            match self.0.get(name) {
                Some(ours) if lock::only_grows(name) => {
                    let grown = lock::grown(ours, theirs);
                    self.0.insert(name.clone(), grown);
                }
                Some(ours) if ours >= theirs => {}
                _ => {
                    self.0.insert(name.clone(), theirs.clone());
                }
            }
        }
    }

    /// The value of an attribute, if it is set.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Bytes> {
        self.0.get(name).map(|register| &register.value).filter(|value| !value.is_empty())
    }

    /// When the last of them was set or taken away.
    #[must_use]
    pub fn newest(&self) -> Option<Version> {
        self.0.values().map(|register| register.version).max()
    }

    /// No attribute was ever set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Digest of every register, its version included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (name, register) in &self.0 {
            hasher.field(name.as_bytes());
            hasher.update(&register.version.to_bytes());
            hasher.field(&register.value);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, proptest};

    use super::*;
    use crate::{Hlc, SiteId};

    /// Few names, versions and values, so that registers meet.
    fn attributes() -> impl Strategy<Value = Attributes> {
        let names = ["tags", "acl", "lock-compliance", "lock-lifted/lock-hold/east"];
        let register = (0..names.len(), 0u64..3, 0u8..2, 0u8..2);
        let register = register.prop_map(move |(name, hlc, site, value)| {
            let version = Version { hlc: Hlc(hlc), site: SiteId([site; 16]) };
            (names[name].to_owned(), Register { version, value: Bytes::from(vec![value]) })
        });
        let all = prop::collection::vec(register, 0..4);
        all.prop_map(|all| Attributes(all.into_iter().collect()))
    }

    fn merged<'a>(all: impl IntoIterator<Item = &'a Attributes>) -> Attributes {
        let mut merged = Attributes::default();
        all.into_iter().for_each(|attributes| merged.merge(attributes));
        merged
    }

    proptest! {
        #[test]
        fn law_3_registers_merge_in_any_order_any_number_of_times(
            a in attributes(),
            b in attributes(),
            c in attributes(),
        ) {
            let all = merged([&a, &b, &c]);
            assert_eq!(merged([&c, &a, &b, &a]), all);
            assert_eq!(merged([&merged([&c, &b]), &a]), all, "in whatever company they come");
            assert_eq!(merged([&all, &b]), all);
            assert_eq!(all.newest(), a.newest().max(b.newest()).max(c.newest()));
        }

        #[test]
        fn law_9_digests_are_equal_if_and_only_if_registers_are(
            a in attributes(),
            b in attributes(),
        ) {
            assert_eq!(a.digest() == b.digest(), a == b);
        }
    }

    #[test]
    fn what_was_taken_away_has_no_value_and_wins_over_what_was_set_before() {
        let set = |hlc, value: &'static str| {
            let version = Version { hlc: Hlc(hlc), site: SiteId([1; 16]) };
            let register = Register { version, value: Bytes::from_static(value.as_bytes()) };
            Attributes(BTreeMap::from([(attribute::TAGS.to_owned(), register)]))
        };
        let held = merged(&[set(2, ""), set(1, "a=b")]);
        assert_eq!(held.value(attribute::TAGS), None);
        assert!(!held.is_empty());
        let held = merged(&[held, set(3, "c=d")]);
        assert_eq!(held.value(attribute::TAGS), Some(&Bytes::from_static(b"c=d")));
        assert_eq!(held.value(attribute::ACL), None);
    }
}
