//! Ownership controls: whose an object is that somebody else puts into a bucket, and whether ACLs
//! mean anything there.

use model::attribute;
use s3s::{
    S3Result,
    dto::{ObjectOwnership, OwnershipControls, OwnershipControlsRule},
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::json_document;

/// Object ownership. A bucket without the setting is as with [`Ownership::ObjectWriter`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Ownership {
    /// Every object is the bucket owner's; ACLs are disabled.
    BucketOwnerEnforced,
    /// An object is the bucket owner's if it is put with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// An object is whose puts it.
    #[default]
    ObjectWriter,
}

json_document!(Ownership, attribute::OWNERSHIP);

impl Ownership {
    const ALL: [(&'static str, Self); 3] = [
        (ObjectOwnership::BUCKET_OWNER_ENFORCED, Self::BucketOwnerEnforced),
        (ObjectOwnership::BUCKET_OWNER_PREFERRED, Self::BucketOwnerPreferred),
        (ObjectOwnership::OBJECT_WRITER, Self::ObjectWriter),
    ];

    pub(crate) fn from_controls(controls: &OwnershipControls) -> S3Result<Self> {
        match controls.rules.as_slice() {
            [rule] => Self::named(&rule.object_ownership),
            _ => Err(s3_error!(MalformedXML, "Ownership controls have one rule")),
        }
    }

    pub(crate) fn named(name: &ObjectOwnership) -> S3Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name.as_str());
        found.map(|(_, ownership)| *ownership).ok_or_else(|| {
            let name = name.as_str();
            s3_error!(MalformedXML, "There is no object ownership `{name}`")
        })
    }

    pub(crate) fn to_controls(self) -> OwnershipControls {
        let found = Self::ALL.iter().find(|(_, ownership)| *ownership == self);
        let name = found.map_or(ObjectOwnership::OBJECT_WRITER, |(name, _)| *name);
        let object_ownership = ObjectOwnership::from_static(name);
        OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Document;

    #[test]
    fn every_ownership_comes_back_as_it_was_set() {
        for (name, ownership) in Ownership::ALL {
            let controls = ownership.to_controls();
            assert_eq!(controls.rules[0].object_ownership.as_str(), name);
            assert_eq!(Ownership::from_controls(&controls).unwrap(), ownership);
            assert_eq!(Ownership::from_bytes(&ownership.to_bytes()), Some(ownership));
        }
        assert_eq!(Ownership::BucketOwnerEnforced.to_bytes(), "\"BucketOwnerEnforced\"");
        let none = OwnershipControls { rules: Vec::new() };
        assert!(Ownership::from_controls(&none).is_err());
        assert!(Ownership::named(&ObjectOwnership::from_static("Nobody")).is_err());
    }
}
