//! What a put may ask for and cannot have here. It is refused, never ignored: a client that asks for
//! a key must not believe it has one.

use s3s::{
    S3Result,
    dto::{
        CopyObjectInput, CreateMultipartUploadInput, PutObjectInput, UploadPartCopyInput,
        UploadPartInput,
    },
    s3_error,
};

/// Storage classes that promise no more than any object has here.
const CLASSES: [&str; 2] = ["STANDARD", "REDUCED_REDUNDANCY"];

/// What a new object is asked to be, in whichever request it is made.
struct Asked<'a> {
    encrypted: bool,
    redirected: bool,
    class: Option<&'a str>,
}

macro_rules! asked {
    ($input:ident) => {
        Asked {
            encrypted: $input.sse_customer_algorithm.is_some()
                || $input.sse_customer_key.is_some()
                || $input.ssekms_key_id.is_some()
                || $input.server_side_encryption.is_some(),
            redirected: $input.website_redirect_location.is_some(),
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
        (asked.redirected, "website redirects"),
    ])?;
    match asked.class {
        Some(class) if !CLASSES.contains(&class) => {
            Err(s3_error!(InvalidStorageClass, "Storage class `{class}` is not available"))
        }
        _ => Ok(()),
    }
}

fn refuse(asked: &[(bool, &str)]) -> S3Result<()> {
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(s3_error!(NotImplemented, "There are no {what} here")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
