//! What a put may ask for and cannot have here. It is refused, never ignored: a client that asks for
//! something must not believe it has it.

use s3s::{
    S3Result,
    dto::{CopyObjectInput, CreateMultipartUploadInput, PutObjectInput},
    s3_error,
};

/// Storage classes that promise no more than any object has here.
const CLASSES: [&str; 2] = ["STANDARD", "REDUCED_REDUNDANCY"];

/// What a new object is asked to be, in whichever request it is made.
struct Asked<'a> {
    redirected: bool,
    class: Option<&'a str>,
}

macro_rules! asked {
    ($input:ident) => {
        Asked {
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
    new_object(&asked!(input))
}

fn new_object(asked: &Asked<'_>) -> S3Result<()> {
    refuse(&[(asked.redirected, "website redirects")])?;
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
