//! Whether a bucket may be where another one's records go: asked when that is set, and again at
//! each delivery.

use model::{BucketName, Millis, UserId, lock::LockConfig};

use crate::settings::Settings;

/// Who delivers, as policies name it.
pub(crate) const SERVICE: &str = "logging.s3.amazonaws.com";

/// Why a bucket is none that records go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotATarget {
    #[error("The target bucket for logging does not exist")]
    Absent,
    #[error("The owner for the bucket to be logged and the target bucket must be the same")]
    OfAnother,
    #[error(
        "The target bucket for logging has a default retention, under which nothing is delivered"
    )]
    Retains,
    #[error(
        "Neither a policy of the target bucket lets {SERVICE} put objects, nor does its ACL give \
         the log-delivery group WRITE and READ_ACP"
    )]
    Closed,
}

/// Whether records of a bucket may be put under a key of the target.
pub(crate) fn check(
    target: Option<&Settings>,
    (source, owner): (&BucketName, &UserId),
    (bucket, key): (&BucketName, &str),
    now: Millis,
) -> Result<(), NotATarget> {
    let target = target.ok_or(NotATarget::Absent)?;
    if target.owner() != owner {
        return Err(NotATarget::OfAnother);
    }
    // What this release cannot read may be a default retention.
    let lock = target.document::<LockConfig>();
    if lock.is_err() || lock.is_ok_and(|lock| lock.is_some_and(|lock| lock.default.is_some())) {
        return Err(NotATarget::Retains);
    }
    let circumstance = |key: &str| {
        let value = match key {
            "aws:sourcearn" => format!("arn:aws:s3:::{source}"),
            "aws:sourceaccount" => owner.to_string(),
            "aws:securetransport" | "aws:principalisawsservice" => "true".to_owned(),
            "aws:principalservicename" => SERVICE.to_owned(),
            "aws:currenttime" => now.to_string(),
            "aws:epochtime" => (now.0 / 1_000).to_string(),
            _ => return None,
        };
        Some(vec![value])
    };
    let resource = format!("{bucket}/{key}");
    let open = target.rules.lets_service_put(SERVICE, &resource, &circumstance);
    if open { Ok(()) } else { Err(NotATarget::Closed) }
}
