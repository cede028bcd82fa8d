//! Access control lists of buckets and objects, and what a new object begins with.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{UserId, attribute};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        GetBucketAclInput, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput, Owner,
        PutBucketAclInput, PutBucketAclOutput, PutObjectAclInput, PutObjectAclOutput,
    },
    s3_error,
};
use store::VersionName;

use super::{Handler, caller};
use crate::{
    access::{Reader, Rules},
    documents::{
        Document,
        acl::{Acl, Known, Of, Sent, shown_grants, shown_owner},
        object_lock,
        ownership::Ownership,
        tags::Tags,
    },
    errors, names,
};

const BUCKET_OWNER_FULL_CONTROL: &str = "bucket-owner-full-control";

/// What a request says of who may do what. Of a new object nobody is given `WRITE`, which would mean
/// nothing.
macro_rules! sent {
    ($input:expr) => {
        crate::handler::acl::sent!($input, write: None, xml: None)
    };
    ($input:expr, write: $write:expr, xml: $xml:expr) => {
        crate::documents::acl::Sent {
            canned: $input.acl.take().map(|acl| acl.as_str().to_owned()),
            granted: [
                $input.grant_read.take(),
                $write,
                $input.grant_read_acp.take(),
                $input.grant_write_acp.take(),
                $input.grant_full_control.take(),
            ],
            xml: $xml,
        }
    };
}
pub(super) use sent;

impl Known for Handler {
    fn has(&self, user: &UserId) -> S3Result<bool> {
        let found = self.store.user(user).map_err(|error| errors::read(&error))?;
        Ok(user.is_root() || found.is_some())
    }

    fn display_name(&self, user: &UserId) -> S3Result<String> {
        let found = self.store.user(user).map_err(|error| errors::read(&error))?;
        Ok(found.map_or_else(|| user.to_string(), |user| user.name))
    }
}

impl Handler {
    /// A user as S3 shows one.
    pub(super) fn owner(&self, user: &UserId) -> S3Result<Owner> {
        shown_owner(user, self)
    }

    /// What a new object begins with: its list, if it is not simply the bucket owner's own, tags, and
    /// the lock that was asked for.
    pub(super) fn begins_with(
        &self,
        reader: &Reader,
        sent: Sent,
        (tags, lock): (Option<Tags>, object_lock::Sent),
    ) -> S3Result<BTreeMap<String, Bytes>> {
        let mut attributes = lock.registers(self.store.identity().site, self.store.now())?;
        let rules = &reader.settings()?.rules;
        if let Some(acl) = self.first_acl(rules, &reader.caller.user, sent)? {
            attributes.insert(attribute::ACL.to_owned(), acl.to_bytes());
        }
        if let Some(tags) = tags.filter(|tags| !tags.0.is_empty()) {
            attributes.insert(attribute::TAGS.to_owned(), tags.to_bytes());
        }
        Ok(attributes)
    }

    fn first_acl(&self, rules: &Rules, writer: &UserId, sent: Sent) -> S3Result<Option<Acl>> {
        let gives_all = sent.canned.as_deref() == Some(BUCKET_OWNER_FULL_CONTROL);
        if rules.ownership == Ownership::BucketOwnerEnforced {
            let fine = sent.is_nothing() || gives_all;
            return if fine { Ok(None) } else { Err(errors::acls_disabled()) };
        }
        // The root user acts for whoever owns the bucket.
        let theirs =
            writer.is_root() || gives_all && rules.ownership == Ownership::BucketOwnerPreferred;
        let owner = if theirs { &rules.owner } else { writer };
        let acl = sent.read(owner, Of::Object(&rules.owner), self)?;
        let acl = acl.unwrap_or_else(|| Acl::private(owner.clone()));
        check_public(rules, &acl)?;
        Ok(Some(acl).filter(|acl| *acl != Acl::private(rules.owner.clone())))
    }
}

/// The list that a new bucket begins with, if it is not simply its owner's own.
pub(super) fn of_new_bucket(
    handler: &Handler,
    (owner, ownership): (&UserId, Option<Ownership>),
    sent: Sent,
) -> S3Result<Option<Acl>> {
    let acl = sent.read(owner, Of::Bucket, handler)?;
    let acl = acl.filter(|acl| *acl != Acl::private(owner.clone()));
    if acl.is_some() && ownership == Some(Ownership::BucketOwnerEnforced) {
        return Err(errors::acl_with_ownership());
    }
    Ok(acl)
}

fn check_public(rules: &Rules, acl: &Acl) -> S3Result<()> {
    if acl.is_public() && rules.block.block_acls {
        return Err(s3_error!(
            AccessDenied,
            "Public ACLs are blocked by the BlockPublicAcls setting of the bucket"
        ));
    }
    Ok(())
}

/// A list that takes the place of another.
fn replacing(
    handler: &Handler,
    rules: &Rules,
    (owner, of): (&UserId, Of<'_>),
    sent: Sent,
) -> S3Result<Acl> {
    if rules.ownership == Ownership::BucketOwnerEnforced {
        return Err(errors::acls_disabled());
    }
    let acl = sent.read(owner, of, handler)?;
    let acl = acl.ok_or_else(|| {
        s3_error!(MissingSecurityHeader, "An ACL comes in the body, or in headers")
    })?;
    check_public(rules, &acl)?;
    Ok(acl)
}

pub(super) async fn get_bucket_acl(
    handler: &Handler,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    let caller = caller(&request)?;
    handler.bucket(&names::bucket(request.input.bucket.clone())?, &caller)?;
    let reader = Reader::of(&request)?;
    let rules = &reader.settings()?.rules;
    let acl = rules.acl.clone().filter(|_| rules.ownership != Ownership::BucketOwnerEnforced);
    let acl = acl.unwrap_or_else(|| Acl::private(rules.owner.clone()));
    let owner = Some(shown_owner(&acl.owner, handler)?);
    let grants = Some(shown_grants(&acl, handler)?);
    Ok(S3Response::new(GetBucketAclOutput { grants, owner }))
}

pub(super) async fn put_bucket_acl(
    handler: &Handler,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<S3Response<PutBucketAclOutput>> {
    let (caller, reader) = (caller(&request)?, Reader::of(&request)?);
    let mut input = request.input;
    let write = input.grant_write.take();
    let sent = sent!(input, write: write, xml: input.access_control_policy.take());
    let rules = &reader.settings()?.rules;
    let acl = replacing(handler, rules, (&rules.owner, Of::Bucket), sent)?;
    handler.set_document(caller, input.bucket, Some(&acl)).await?;
    Ok(S3Response::new(PutBucketAclOutput::default()))
}

pub(super) async fn get_object_acl(
    handler: &Handler,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let reader = Reader::of(&request)?;
    let input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let (_, attributes) = handler.object(&reader, (&bucket, &key), slot).await?;
    let rules = &reader.settings()?.rules;
    let acl = Acl::of(&attributes).map_err(|error| errors::internal(&error))?;
    let acl = acl.filter(|_| rules.ownership != Ownership::BucketOwnerEnforced);
    let acl = acl.unwrap_or_else(|| Acl::private(rules.owner.clone()));
    let owner = Some(shown_owner(&acl.owner, handler)?);
    let grants = Some(shown_grants(&acl, handler)?);
    Ok(S3Response::new(GetObjectAclOutput { grants, owner, request_charged: None }))
}

pub(super) async fn put_object_acl(
    handler: &Handler,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<S3Response<PutObjectAclOutput>> {
    let reader = Reader::of(&request)?;
    let mut input = request.input;
    let slot = names::version(input.version_id.as_deref())?;
    let write = input.grant_write.take();
    let sent = sent!(input, write: write, xml: input.access_control_policy.take());
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    handler.writable()?;
    let (object, attributes) = handler.object(&reader, (&bucket, &key), slot).await?;
    let rules = &reader.settings()?.rules;
    let held = Acl::of(&attributes).map_err(|error| errors::internal(&error))?;
    let owner = held.map_or_else(|| rules.owner.clone(), |held| held.owner);
    let acl = replacing(handler, rules, (&owner, Of::Object(&rules.owner)), sent)?;
    let value = Some(acl.to_bytes());
    let name = VersionName { bucket, key, of: Some(object.version) };
    let caller = reader.let_in();
    let set = handler.store.set_object_attribute(name, attribute::ACL, value, caller).await;
    set.map_err(errors::write)?;
    Ok(S3Response::new(PutObjectAclOutput::default()))
}
