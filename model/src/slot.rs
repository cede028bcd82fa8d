//! Slots of a key: where its versions live, and the ids by which clients name them.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Attributes, BucketName, Entity, ObjectKey, Version, attribute};

/// The id of what is in the null slot.
const NULL: &str = "null";

/// Where a version of a key lives. Each slot is an entity of its own, with one state: a key's latest
/// version is the highest among what stands in its slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Slot {
    /// Of what is written while versioning was never enabled, or is suspended. There is one a key,
    /// and in it the highest version wins.
    #[default]
    Null,
    /// Of what was written, as this version, while versioning was enabled. Nothing ever replaces
    /// it; it can only be removed.
    Own(Version),
}

impl Slot {
    /// Whose state it holds.
    #[must_use]
    pub fn entity(self, bucket: BucketName, key: ObjectKey) -> Entity {
        match self {
            Self::Null => Entity::Object(bucket, key),
            Self::Own(version) => Entity::Version(bucket, key, version),
        }
    }
}

/// In the order in which they are kept: the null slot, then the newest first.
impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, Self::Own(_)) => Ordering::Less,
            (Self::Own(_), Self::Null) => Ordering::Greater,
            (Self::Own(one), Self::Own(other)) => other.cmp(one),
        }
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The id that clients are shown, and name it by: fit for a URL, and the same at every site.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str(NULL),
            Self::Own(version) => version.fmt(f),
        }
    }
}

/// It is no id of a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an id of a version")]
pub struct NoVersionId;

impl FromStr for Slot {
    type Err = NoVersionId;

    fn from_str(id: &str) -> Result<Self, NoVersionId> {
        if id == NULL {
            return Ok(Self::Null);
        }
        let mut bytes = [0; Version::LEN];
        hex::decode_to_slice(id, &mut bytes).map_err(|_| NoVersionId)?;
        let slot = Version::from_bytes(&bytes).map(Self::Own).ok_or(NoVersionId)?;
        // Two spellings would be two ids of one version.
        if slot.to_string() == id { Ok(slot) } else { Err(NoVersionId) }
    }
}

/// A slot by its name in a bucket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SlotName {
    pub key: ObjectKey,
    pub slot: Slot,
}

/// Whether a bucket keeps the versions before the latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Versioning {
    /// It never did.
    #[default]
    Off,
    Enabled,
    /// It did once: what it kept stays, and what is written goes to the null slot.
    Suspended,
}

impl Versioning {
    /// What is set of a bucket.
    #[must_use]
    pub fn of(attributes: &Attributes) -> Self {
        // Whoever suspended it had not heard of the lock, which needs all versions.
        if attributes.value(attribute::OBJECT_LOCK).is_some() {
            return Self::Enabled;
        }
        match attributes.value(attribute::VERSIONING).map(AsRef::as_ref) {
            None => Self::Off,
            Some(b"Suspended") => Self::Suspended,
            // Also what a later release may say: to keep too much is safe.
            Some(_) => Self::Enabled,
        }
    }

    /// As it is set, and as S3 calls it; none of a bucket that never had any.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Enabled => Some("Enabled"),
            Self::Suspended => Some("Suspended"),
        }
    }

    /// Where what is written as this version goes.
    #[must_use]
    pub fn slot(self, version: Version) -> Slot {
        match self {
            Self::Enabled => Slot::Own(version),
            Self::Off | Self::Suspended => Slot::Null,
        }
    }

    /// The id that clients are told of what is in a slot: none of a bucket that never had any.
    #[must_use]
    pub fn id(self, slot: Slot) -> Option<Slot> {
        (self != Self::Off).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::{Hlc, Register, SiteId};

    fn own(hlc: u64) -> Slot {
        Slot::Own(Version { hlc: Hlc(hlc), site: SiteId([0xab; 16]) })
    }

    #[test]
    fn an_id_reads_back_and_has_one_spelling() {
        for slot in [Slot::Null, own(0), own(u64::MAX)] {
            assert_eq!(slot.to_string().parse(), Ok(slot));
        }
        let id = own(7).to_string();
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "fit for a URL");
        for other in ["", "Null", "nul", &id[1..], &id.to_uppercase(), &format!("{id}0")] {
            assert_eq!(other.parse::<Slot>(), Err(NoVersionId), "{other}");
        }
    }

    #[test]
    fn slots_are_in_order_with_the_newest_first() {
        let mut slots = [own(1), Slot::Null, own(3), own(2)];
        slots.sort();
        assert_eq!(slots, [Slot::Null, own(3), own(2), own(1)]);
    }

    #[test]
    fn versioning_is_what_was_set_last() {
        for versioning in [Versioning::Off, Versioning::Enabled, Versioning::Suspended] {
            let value = Bytes::from_static(versioning.as_str().unwrap_or_default().as_bytes());
            let register = Register { version: Version::NONE, value };
            let set = BTreeMap::from([(attribute::VERSIONING.to_owned(), register)]);
            assert_eq!(Versioning::of(&Attributes(set)), versioning);
        }
        assert_eq!(Versioning::of(&Attributes::default()), Versioning::Off);
        let register = |value: &'static str| Register {
            version: Version::NONE,
            value: Bytes::from_static(value.as_bytes()),
        };
        let lock = (attribute::OBJECT_LOCK.to_owned(), register("Enabled"));
        let suspended = (attribute::VERSIONING.to_owned(), register("Suspended"));
        let both = Attributes([lock, suspended].into());
        assert_eq!(Versioning::of(&both), Versioning::Enabled, "a lock keeps it enabled");
    }

    #[test]
    fn only_what_is_written_while_versioning_is_enabled_has_a_slot_of_its_own() {
        let Slot::Own(version) = own(5) else { panic!() };
        assert_eq!(Versioning::Off.slot(version), Slot::Null);
        assert_eq!(Versioning::Suspended.slot(version), Slot::Null);
        assert_eq!(Versioning::Enabled.slot(version), own(5));
        assert_eq!(Versioning::Off.id(Slot::Null), None);
        assert_eq!(Versioning::Suspended.id(Slot::Null), Some(Slot::Null));
    }
}
