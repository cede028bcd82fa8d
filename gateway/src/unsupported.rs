//! What a put or a new bucket may ask for and cannot have here. It is refused, never ignored:
//! a client that asks for a lock, a key or a public object must not believe it has one.

use s3s::{
    S3Result,
    dto::{CreateBucketInput, DeleteObjectInput, ObjectIdentifier, PutObjectInput},
    s3_error,
};

/// Canned ACLs that change nothing where there are none.
const PRIVATE: [&str; 2] = ["private", "bucket-owner-full-control"];

/// Storage classes that promise no more than any object has here.
const CLASSES: [&str; 2] = ["STANDARD", "REDUCED_REDUNDANCY"];

pub(crate) fn put(input: &PutObjectInput) -> S3Result<()> {
    let encrypted = input.sse_customer_algorithm.is_some()
        || input.sse_customer_key.is_some()
        || input.ssekms_key_id.is_some()
        || input.server_side_encryption.is_some();
    let locked = input.object_lock_mode.is_some()
        || input.object_lock_legal_hold_status.is_some()
        || input.object_lock_retain_until_date.is_some();
    let granted = input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write_acp.is_some();
    let asked = [
        (encrypted, "server-side encryption"),
        (locked, "object lock"),
        (input.tagging.is_some(), "tags"),
        (input.website_redirect_location.is_some(), "website redirects"),
        (input.write_offset_bytes.is_some(), "appending"),
    ];
    refuse(&asked)?;
    acl(input.acl.as_ref().map(|acl| acl.as_str()), granted)?;
    match input.storage_class.as_ref().map(|class| class.as_str()) {
        Some(class) if !CLASSES.contains(&class) => {
            Err(s3_error!(InvalidStorageClass, "Storage class `{class}` is not available"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn create_bucket(input: &CreateBucketInput) -> S3Result<()> {
    let granted = input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write.is_some()
        || input.grant_write_acp.is_some();
    refuse(&[(input.object_lock_enabled_for_bucket == Some(true), "object lock")])?;
    acl(input.acl.as_ref().map(|acl| acl.as_str()), granted)
}

pub(crate) fn delete_object(input: &DeleteObjectInput) -> S3Result<()> {
    let conditional = input.if_match.is_some()
        || input.if_match_last_modified_time.is_some()
        || input.if_match_size.is_some();
    refuse(&[(conditional, "conditions on deletes")])
}

pub(crate) fn delete_of_many(object: &ObjectIdentifier) -> S3Result<()> {
    let conditional =
        object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some();
    refuse(&[(conditional, "conditions on deletes")])
}

fn refuse(asked: &[(bool, &str)]) -> S3Result<()> {
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(s3_error!(NotImplemented, "There are no {what} here")),
        None => Ok(()),
    }
}

fn acl(canned: Option<&str>, granted: bool) -> S3Result<()> {
    if granted || canned.is_some_and(|canned| !PRIVATE.contains(&canned)) {
        return Err(s3_error!(AccessControlListNotSupported, "There are no ACLs here"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
