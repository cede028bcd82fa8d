//! Attributes of an object version: registers with versions of their own.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Version;

/// One attribute's value and the version that set it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Register {
    pub version: Version,
    /// The attribute's whole state; its form belongs to the attribute.
    pub value: Bytes,
}

/// All attributes of one object version, by name (`tags`, `acl`, `retention`, `legal-hold`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Attributes(pub BTreeMap<String, Register>);

impl Attributes {
    /// Takes each register of `other` that is higher. Commutative, associative, idempotent:
    /// equal versions compare by value, so that even a broken writer cannot split two sites.
    pub fn merge(&mut self, other: &Self) {
        for (name, theirs) in &other.0 {
            match self.0.get(name) {
                Some(ours) if ours >= theirs => {}
                _ => {
                    self.0.insert(name.clone(), theirs.clone());
                }
            }
        }
    }

    /// No attribute was ever set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
