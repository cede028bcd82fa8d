//! What an operation is in the language of policies, and which permission of an ACL it needs.

use crate::documents::acl::Permission;

/// One action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
}

/// Who may do it, if no policy says anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// The bucket's owner alone.
    Owner,
    /// Whom the bucket's ACL gives this.
    Bucket(Permission),
    /// Whom the object's ACL gives this.
    Object(Permission),
    /// Whom the bucket's ACL lets write: of uploads in parts, those that they began themselves.
    Upload,
}

/// The keys of a request that deletes several are asked for one by one.
pub(crate) const DELETE_OBJECT: Action = bucket("s3:DeleteObject", Permission::Write);
pub(crate) const DELETE_VERSION: Action = owner("s3:DeleteObjectVersion");
/// What passes over GOVERNANCE retention is asked for beside what it is done with.
pub(crate) const BYPASS_GOVERNANCE: Action = owner("s3:BypassGovernanceRetention");
/// The source of a copy is read.
pub(crate) const GET_OBJECT: Action = object("s3:GetObject", Permission::Read);
pub(crate) const GET_VERSION: Action = object("s3:GetObjectVersion", Permission::Read);
/// What else a request is that no bucket's ACL gives: a lock may bind the bucket's owner for years.
pub(crate) const LOCKS: [&str; 2] = ["s3:PutObjectRetention", "s3:PutObjectLegalHold"];
/// How many tags an object has, and what they are in a copy of it.
pub(crate) const GET_TAGS: Action = owner("s3:GetObjectTagging");
pub(crate) const GET_VERSION_TAGS: Action = owner("s3:GetObjectVersionTagging");
/// Who may not list a bucket does not learn which keys there are.
pub(crate) const LIST_BUCKET: Action = bucket("s3:ListBucket", Permission::Read);

const fn owner(name: &'static str) -> Action {
    Action { name, needs: Needs::Owner }
}

const fn bucket(name: &'static str, permission: Permission) -> Action {
    Action { name, needs: Needs::Bucket(permission) }
}

const fn object(name: &'static str, permission: Permission) -> Action {
    Action { name, needs: Needs::Object(permission) }
}

const fn upload(name: &'static str) -> Action {
    Action { name, needs: Needs::Upload }
}

impl Action {
    /// Of an operation of S3; `versioned`: the request names a version. What is not listed is the
    /// owner's, and of whoever a policy lets do everything.
    pub(crate) fn of(operation: &str, versioned: bool) -> Self {
        use Permission::{Read, ReadAcp, Write, WriteAcp};

        let of_version = |without: Self, with: Self| if versioned { with } else { without };
        match operation {
            "GetObject" | "HeadObject" | "GetObjectAttributes" => {
                of_version(GET_OBJECT, GET_VERSION)
            }
            "PutObject" | "PostObject" | "CopyObject" | "CreateMultipartUpload" => {
                bucket("s3:PutObject", Write)
            }
            "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload" => upload("s3:PutObject"),
            "DeleteObject" => of_version(DELETE_OBJECT, DELETE_VERSION),
            "ListObjects" | "ListObjectsV2" | "HeadBucket" => LIST_BUCKET,
            "ListObjectVersions" => bucket("s3:ListBucketVersions", Read),
            "ListMultipartUploads" => bucket("s3:ListBucketMultipartUploads", Read),
            "AbortMultipartUpload" => upload("s3:AbortMultipartUpload"),
            "ListParts" => upload("s3:ListMultipartUploadParts"),
            "GetObjectTagging" => of_version(GET_TAGS, GET_VERSION_TAGS),
            "PutObjectTagging" => {
                of_version(owner("s3:PutObjectTagging"), owner("s3:PutObjectVersionTagging"))
            }
            "DeleteObjectTagging" => {
                of_version(owner("s3:DeleteObjectTagging"), owner("s3:DeleteObjectVersionTagging"))
            }
            "GetObjectAcl" => of_version(
                object("s3:GetObjectAcl", ReadAcp),
                object("s3:GetObjectVersionAcl", ReadAcp),
            ),
            "PutObjectAcl" => of_version(
                object("s3:PutObjectAcl", WriteAcp),
                object("s3:PutObjectVersionAcl", WriteAcp),
            ),
            "GetBucketAcl" => bucket("s3:GetBucketAcl", ReadAcp),
            "PutBucketAcl" => bucket("s3:PutBucketAcl", WriteAcp),
            other => owner(of_bucket(other)),
        }
    }

    /// Whether it reads, sets or deletes the bucket's policy.
    pub(crate) fn is_of_policy(self) -> bool {
        ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&self.name)
    }
}

/// Actions that no ACL opens.
fn of_bucket(operation: &str) -> &'static str {
    match operation {
        "DeleteBucket" => "s3:DeleteBucket",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetBucketTagging" => "s3:GetBucketTagging",
        "PutBucketTagging" | "DeleteBucketTagging" => "s3:PutBucketTagging",
        "GetBucketCors" => "s3:GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "s3:PutBucketCORS",
        "GetBucketPolicy" => "s3:GetBucketPolicy",
        "PutBucketPolicy" => "s3:PutBucketPolicy",
        "DeleteBucketPolicy" => "s3:DeleteBucketPolicy",
        "GetBucketPolicyStatus" => "s3:GetBucketPolicyStatus",
        "GetBucketOwnershipControls" => "s3:GetBucketOwnershipControls",
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => {
            "s3:PutBucketOwnershipControls"
        }
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            "s3:PutLifecycleConfiguration"
        }
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        "GetObjectRetention" => "s3:GetObjectRetention",
        "PutObjectRetention" => "s3:PutObjectRetention",
        "GetObjectLegalHold" => "s3:GetObjectLegalHold",
        "PutObjectLegalHold" => "s3:PutObjectLegalHold",
        "GetBucketLogging" => "s3:GetBucketLogging",
        "PutBucketLogging" => "s3:PutBucketLogging",
        "GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        "GetBucketReplication" => "s3:GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "s3:PutReplicationConfiguration",
        "GetBucketRequestPayment" => "s3:GetBucketRequestPayment",
        "PutBucketRequestPayment" => "s3:PutBucketRequestPayment",
        "GetBucketWebsite" => "s3:GetBucketWebsite",
        "PutBucketWebsite" => "s3:PutBucketWebsite",
        "DeleteBucketWebsite" => "s3:DeleteBucketWebsite",
        // Each key by itself.
        "DeleteObjects" => "s3:DeleteObjects",
        _ => "s3:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_named_is_another_action() {
        assert_eq!(Action::of("GetObject", false).name, "s3:GetObject");
        assert_eq!(Action::of("HeadObject", true).name, "s3:GetObjectVersion");
        assert_eq!(Action::of("DeleteObject", true), DELETE_VERSION);
        assert_eq!(Action::of("PutObjectAcl", true).name, "s3:PutObjectVersionAcl");
    }

    #[test]
    fn what_nobody_has_thought_of_is_the_owners() {
        let unknown = Action::of("SelectObjectContent", false);
        assert_eq!((unknown.needs, unknown.name), (Needs::Owner, "s3:"));
        assert!(Action::of("PutBucketPolicy", false).is_of_policy());
        assert!(!Action::of("PutBucketAcl", false).is_of_policy());
    }
}
