//! Names as clients send them, checked.

use model::{BucketName, NameError, ObjectKey, Slot};
use s3s::{S3Error, S3Result, s3_error, validation::NameValidation};

/// Lets the router refuse what is no bucket name.
pub(crate) struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        BucketName::try_from(name.to_owned()).is_ok()
    }
}

pub(crate) fn bucket(name: String) -> S3Result<BucketName> {
    BucketName::try_from(name).map_err(refused)
}

/// The name of a bucket that is to be: one that a host can name as well.
///
/// Buckets of earlier releases may have names in which a label ends or begins with a dash; they
/// stay.
pub(crate) fn new_bucket(name: String) -> S3Result<BucketName> {
    if name.contains(".-") || name.contains("-.") {
        return Err(refused(NameError::Bucket(name)));
    }
    bucket(name)
}

pub(crate) fn key(key: String) -> S3Result<ObjectKey> {
    ObjectKey::try_from(key).map_err(refused)
}

/// Which version of a key a client names, if it names one.
pub(crate) fn version(id: Option<&str>) -> S3Result<Option<Slot>> {
    match id {
        None => Ok(None),
        Some("") => Err(s3_error!(InvalidArgument, "Version id cannot be the empty string")),
        Some(id) => slot(id).map(Some),
    }
}

/// The slot with an id.
pub(crate) fn slot(id: &str) -> S3Result<Slot> {
    id.parse().map_err(|_| s3_error!(InvalidArgument, "Invalid version id specified"))
}

fn refused(error: NameError) -> S3Error {
    let code = match error {
        NameError::Bucket(_) => s3s::S3ErrorCode::InvalidBucketName,
        NameError::Key(length) if length > 1_024 => s3s::S3ErrorCode::KeyTooLongError,
        _ => s3s::S3ErrorCode::InvalidArgument,
    };
    S3Error::with_message(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    #[test]
    fn names_that_break_the_rules_have_the_codes_of_s3() {
        let code = |error: S3Error| error.code().clone();
        let bucket = |name: &str| bucket(name.to_owned()).map_err(code);
        let key = |name: &str| key(name.to_owned()).map_err(code);
        assert!(bucket("photos").is_ok());
        assert_eq!(bucket("Photos"), Err(S3ErrorCode::InvalidBucketName));
        assert!(key("a").is_ok());
        assert_eq!(key(&"k".repeat(1_025)), Err(S3ErrorCode::KeyTooLongError));
        assert_eq!(key("a\0"), Err(S3ErrorCode::InvalidArgument));
        assert!(!BucketNames.validate_bucket_name("a_b"));
    }

    #[test]
    fn an_id_that_none_is_given_is_refused() {
        let id = "00".repeat(model::Version::LEN);
        assert_eq!(version(None).unwrap(), None);
        assert_eq!(version(Some("null")).unwrap(), Some(Slot::Null));
        assert!(matches!(version(Some(&id)), Ok(Some(Slot::Own(_)))));
        for bad in ["", "3HL4", &id[2..]] {
            let error = version(Some(bad)).expect_err("no id");
            assert_eq!(*error.code(), S3ErrorCode::InvalidArgument);
        }
    }
}
