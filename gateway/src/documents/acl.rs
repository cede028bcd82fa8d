//! Access control lists: whom a bucket or an object is open to, beside its owner.
//!
//! An object without one is its bucket owner's, and private; so is a bucket.

use model::{UserId, attribute};
use serde::{Deserialize, Serialize};

use super::json_document;
pub(crate) use wire::{Known, Sent, group_uri, read_grant, shown_grant, shown_grants, shown_owner};

mod wire;

/// Grants of one list; the limit of S3.
const GRANTS_MAX: usize = 100;

/// Who owns a bucket or an object, and who else may do what with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acl {
    pub(crate) owner: UserId,
    pub(crate) grants: Vec<Grant>,
}

json_document!(Acl, attribute::ACL);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) to: Grantee,
    pub(crate) permission: Permission,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Grantee {
    User(UserId),
    /// Also those who have not signed.
    Everybody,
    /// Everybody who has signed.
    Authenticated,
    /// Nobody here: what AWS writes its access logs as.
    LogDelivery,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Permission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

/// What a list is of: not every permission means something of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Of<'a> {
    Bucket,
    /// With the owner of its bucket.
    Object(&'a UserId),
}

impl Acl {
    /// Of what is its owner's alone.
    pub(crate) fn private(owner: UserId) -> Self {
        let grant = Grant::user(owner.clone(), Permission::FullControl);
        Self { owner, grants: vec![grant] }
    }

    /// One of the lists that have names. `None`: there is none of this name.
    pub(crate) fn canned(name: &str, owner: &UserId, of: Of<'_>) -> Option<Self> {
        use Permission::{FullControl, Read, ReadAcp, Write};

        let group = |to: Grantee, permission| Grant { to, permission };
        let mut grants = match (name, of) {
            ("private", _) | ("aws-exec-read", _) => Vec::new(),
            ("public-read", _) => vec![group(Grantee::Everybody, Read)],
            ("public-read-write", _) => {
                vec![group(Grantee::Everybody, Read), group(Grantee::Everybody, Write)]
            }
            ("authenticated-read", _) => vec![group(Grantee::Authenticated, Read)],
            ("log-delivery-write", Of::Bucket) => {
                vec![group(Grantee::LogDelivery, Write), group(Grantee::LogDelivery, ReadAcp)]
            }
            ("bucket-owner-read", Of::Object(bucket_owner)) => {
                vec![Grant::user(bucket_owner.clone(), Read)]
            }
            ("bucket-owner-full-control", Of::Object(bucket_owner)) => {
                vec![Grant::user(bucket_owner.clone(), FullControl)]
            }
            // Of a bucket these two say nothing.
            ("bucket-owner-read" | "bucket-owner-full-control", Of::Bucket) => Vec::new(),
            _ => return None,
        };
        let own = Grant::user(owner.clone(), FullControl);
        if !grants.contains(&own) {
            grants.push(own);
        }
        Some(Self { owner: owner.clone(), grants })
    }

    /// Whether it opens anything to everybody, or to all who have signed, whoever they are.
    pub(crate) fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.to.is_public())
    }

    /// Whether it gives anything to anybody but one user.
    pub(crate) fn is_only_for(&self, user: &UserId) -> bool {
        self.grants.iter().all(|grant| grant.to == Grantee::User(user.clone()))
    }

    /// Whether what writes access logs may put objects and look at the list, as S3 asks of it.
    pub(crate) fn lets_deliver(&self) -> bool {
        let has = |permission| {
            self.grants.iter().any(|grant| {
                grant.to == Grantee::LogDelivery
                    && [permission, Permission::FullControl].contains(&grant.permission)
            })
        };
        has(Permission::Write) && has(Permission::ReadAcp)
    }

    /// Whether it gives a user a permission. Without `public`, what it opens to everybody is not open.
    pub(crate) fn gives(&self, user: &UserId, permission: Permission, public: bool) -> bool {
        let has = |grant: &&Grant| {
            grant.permission == permission || grant.permission == Permission::FullControl
        };
        let mut grants = self.grants.iter().filter(has);
        grants.any(|grant| grant.to.is(user) && (public || !grant.to.is_public()))
    }
}

impl Grant {
    pub(crate) fn user(user: UserId, permission: Permission) -> Self {
        Self { to: Grantee::User(user), permission }
    }
}

impl Grantee {
    fn is(&self, user: &UserId) -> bool {
        match self {
            Self::User(id) => id == user,
            Self::Everybody => true,
            Self::Authenticated => !user.is_anonymous(),
            Self::LogDelivery => false,
        }
    }

    fn is_public(&self) -> bool {
        matches!(self, Self::Everybody | Self::Authenticated)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::documents::Document;

    fn user(id: &str) -> UserId {
        UserId::try_from(id.to_owned()).unwrap()
    }

    #[test]
    fn every_canned_list_gives_what_its_name_says() {
        use Permission::{Read, ReadAcp, Write, WriteAcp};

        let (owner, bucket_owner) = (user("main"), user("boss"));
        let (other, anonymous) = (user("alt"), UserId::anonymous());
        let given = |name, of, who: &UserId| {
            let acl = Acl::canned(name, &owner, of).unwrap();
            assert_eq!(acl.owner, owner);
            [Read, Write, ReadAcp, WriteAcp].map(|permission| acl.gives(who, permission, true))
        };
        let (object, none, all) = (Of::Object(&bucket_owner), [false; 4], [true; 4]);
        for name in ["private", "public-read", "authenticated-read", "bucket-owner-read"] {
            assert_eq!(given(name, object, &owner), all, "{name}");
            assert_eq!(given(name, Of::Bucket, &owner), all, "{name}");
        }
        let read = [true, false, false, false];
        assert_eq!(given("private", Of::Bucket, &other), none);
        assert_eq!(given("public-read", Of::Bucket, &anonymous), read);
        assert_eq!(given("public-read-write", object, &anonymous), [true, true, false, false]);
        assert_eq!(given("authenticated-read", object, &other), read);
        assert_eq!(given("authenticated-read", object, &anonymous), none);
        assert_eq!(given("bucket-owner-read", object, &bucket_owner), read);
        assert_eq!(given("bucket-owner-full-control", object, &bucket_owner), all);
        assert_eq!(given("bucket-owner-full-control", object, &other), none);
        assert_eq!(given("log-delivery-write", Of::Bucket, &other), none);
        assert_eq!(Acl::canned("open", &owner, object), None);
        assert_eq!(Acl::canned("log-delivery-write", &owner, object), None);
        assert_eq!(Acl::canned("private", &owner, object), Some(Acl::private(owner.clone())));
    }

    #[test]
    fn what_is_open_to_everybody_can_be_ignored() {
        let public = Acl::canned("public-read", &user("main"), Of::Bucket).unwrap();
        assert!(public.is_public() && !public.is_only_for(&user("main")));
        assert!(public.gives(&user("alt"), Permission::Read, true));
        assert!(!public.gives(&user("alt"), Permission::Read, false));
        assert!(public.gives(&user("main"), Permission::Read, false), "who is named stays");
        let private = Acl::private(user("main"));
        assert!(!private.is_public() && private.is_only_for(&user("main")));
    }

    #[test]
    fn logs_are_delivered_where_the_group_may_write_and_look() {
        let of = |name| Acl::canned(name, &user("main"), Of::Bucket).unwrap();
        assert!(of("log-delivery-write").lets_deliver());
        assert!(!of("public-read-write").lets_deliver());
        let mut only_write = of("log-delivery-write");
        only_write.grants.retain(|grant| grant.permission != Permission::ReadAcp);
        assert!(!only_write.lets_deliver());
    }

    #[test]
    fn a_list_comes_back_as_it_was_set() {
        let acl = Acl::canned("public-read", &user("main"), Of::Bucket).unwrap();
        let kept = acl.to_bytes();
        let text = concat!(
            r#"{"owner":"main","grants":[{"to":"everybody","permission":"read"},"#,
            r#"{"to":{"user":"main"},"permission":"full-control"}]}"#
        );
        assert_eq!(kept, text);
        assert_eq!(Acl::from_bytes(&kept), Some(acl));
        let newer = br#"{"owner":"main","grants":[{"to":"nobody","permission":"read"}]}"#;
        assert_eq!(Acl::from_bytes(&Bytes::from_static(newer)), None);
    }
}
