//! What a put or a new bucket may ask for and cannot have here. It is refused, never ignored:
//! a client that asks for a lock, a key or a public object must not believe it has one.

use s3s::{
    S3Result,
    dto::{
        CopyObjectInput, CreateBucketInput, CreateMultipartUploadInput, PutObjectInput,
        UploadPartCopyInput, UploadPartInput,
    },
    s3_error,
};

/// Canned ACLs that change nothing where there are none.
const PRIVATE: [&str; 2] = ["private", "bucket-owner-full-control"];

/// Storage classes that promise no more than any object has here.
const CLASSES: [&str; 2] = ["STANDARD", "REDUCED_REDUNDANCY"];

/// What a new object is asked to be, in whichever request it is made.
struct Asked<'a> {
    encrypted: bool,
    locked: bool,
    tagged: bool,
    redirected: bool,
    granted: bool,
    acl: Option<&'a str>,
    class: Option<&'a str>,
}

macro_rules! asked {
    ($input:ident) => {
        Asked {
            encrypted: $input.sse_customer_algorithm.is_some()
                || $input.sse_customer_key.is_some()
                || $input.ssekms_key_id.is_some()
                || $input.server_side_encryption.is_some(),
            locked: $input.object_lock_mode.is_some()
                || $input.object_lock_legal_hold_status.is_some()
                || $input.object_lock_retain_until_date.is_some(),
            tagged: $input.tagging.is_some(),
            redirected: $input.website_redirect_location.is_some(),
            granted: $input.grant_full_control.is_some()
                || $input.grant_read.is_some()
                || $input.grant_read_acp.is_some()
                || $input.grant_write_acp.is_some(),
            acl: $input.acl.as_ref().map(|acl| acl.as_str()),
            class: $input.storage_class.as_ref().map(|class| class.as_str()),
        }
    };
}

pub(crate) fn put(input: &PutObjectInput) -> S3Result<()> {
    refuse(&[(input.write_offset_bytes.is_some(), "appending")])?;
    new_object(&asked!(input))
}

pub(crate) fn create_multipart(input: &CreateMultipartUploadInput) -> S3Result<()> {
    new_object(&asked!(input))
}

pub(crate) fn copy(input: &CopyObjectInput) -> S3Result<()> {
    refuse(&[(input.copy_source_sse_customer_key.is_some(), "server-side encryption")])?;
    new_object(&asked!(input))
}

pub(crate) fn part(input: &UploadPartInput) -> S3Result<()> {
    refuse(&[(input.sse_customer_key.is_some(), "server-side encryption")])
}

pub(crate) fn part_copy(input: &UploadPartCopyInput) -> S3Result<()> {
    let encrypted =
        input.sse_customer_key.is_some() || input.copy_source_sse_customer_key.is_some();
    refuse(&[(encrypted, "server-side encryption")])
}

fn new_object(asked: &Asked<'_>) -> S3Result<()> {
    refuse(&[
        (asked.encrypted, "server-side encryption"),
        (asked.locked, "object lock"),
        (asked.tagged, "tags"),
        (asked.redirected, "website redirects"),
    ])?;
    acl(asked.acl, asked.granted)?;
    match asked.class {
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
