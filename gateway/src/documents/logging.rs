//! Where the access log of a bucket goes: into another bucket, or into itself.

use model::{BucketName, attribute};
use s3s::{
    S3Result,
    dto::{
        BucketLoggingStatus, BucketLogsPermission, Grant as ShownGrant, LoggingEnabled,
        PartitionDateSource, PartitionedPrefix, Permission as ShownPermission, SimplePrefix,
        TargetGrant, TargetObjectKeyFormat,
    },
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::{
    acl::{Grant, Known, Permission, read_grant, shown_grant},
    json_document,
};
use crate::{errors, names};

/// Characters of a prefix; the limit of S3, which leaves room for the rest of a key.
const PREFIX_MAX: usize = 800;

/// Grants of one setting, as of an ACL.
const GRANTS_MAX: usize = 100;

/// Where to, and how the objects with the records are named.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logging {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) grants: Vec<Grant>,
    pub(crate) format: KeyFormat,
}

json_document!(Logging, attribute::LOGGING);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyFormat {
    Simple,
    Partitioned(DateSource),
}

/// Whose date a partition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DateSource {
    EventTime,
    DeliveryTime,
}

impl Logging {
    #[cfg(test)]
    pub(crate) fn new(bucket: &str, prefix: &str) -> Self {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Self { bucket, prefix, grants: Vec::new(), format: KeyFormat::Simple }
    }

    /// What a request sets. `None`: nothing is logged any more.
    pub(crate) fn from_status(
        status: BucketLoggingStatus,
        known: &dyn Known,
    ) -> S3Result<Option<Self>> {
        let Some(enabled) = status.logging_enabled else { return Ok(None) };
        let LoggingEnabled { target_bucket, target_grants, target_prefix, .. } = enabled;
        if target_prefix.chars().count() > PREFIX_MAX {
            return Err(s3_error!(
                InvalidArgument,
                "TargetPrefix has up to {PREFIX_MAX} characters"
            ));
        }
        let format = enabled.target_object_key_format;
        let format = format.map_or(Ok(KeyFormat::Simple), KeyFormat::read)?;
        let grants = target_grants.unwrap_or_default();
        if grants.len() > GRANTS_MAX {
            return Err(s3_error!(MalformedXML, "There may be {GRANTS_MAX} TargetGrants"));
        }
        let grants = grants.into_iter().map(|grant| read(grant, known)).collect::<S3Result<_>>()?;
        let bucket = names::bucket(target_bucket)?.as_str().to_owned();
        Ok(Some(Self { bucket, prefix: target_prefix, grants, format }))
    }

    /// The target; `None` if it has a name that no bucket can have.
    pub(crate) fn target(&self) -> Option<BucketName> {
        self.bucket.clone().try_into().ok()
    }

    /// As it is shown.
    pub(crate) fn to_enabled(&self, known: &dyn Known) -> S3Result<LoggingEnabled> {
        let grants = self.grants.iter().map(|grant| shown(grant, known));
        let grants = grants.collect::<S3Result<Vec<_>>>()?;
        Ok(LoggingEnabled {
            target_bucket: self.bucket.clone(),
            target_grants: Some(grants).filter(|grants| !grants.is_empty()),
            target_object_key_format: Some(self.format.shown()),
            target_prefix: self.prefix.clone(),
        })
    }
}

impl KeyFormat {
    fn read(sent: TargetObjectKeyFormat) -> S3Result<Self> {
        match (sent.simple_prefix, sent.partitioned_prefix) {
            (Some(_), None) => Ok(Self::Simple),
            (None, Some(partitioned)) => {
                let source = partitioned.partition_date_source;
                match source.as_ref().map(PartitionDateSource::as_str) {
                    None | Some(PartitionDateSource::DELIVERY_TIME) => {
                        Ok(Self::Partitioned(DateSource::DeliveryTime))
                    }
                    Some(PartitionDateSource::EVENT_TIME) => {
                        Ok(Self::Partitioned(DateSource::EventTime))
                    }
                    Some(_) => Err(errors::malformed_xml()),
                }
            }
            _ => Err(errors::malformed_xml()),
        }
    }

    fn shown(self) -> TargetObjectKeyFormat {
        let (simple_prefix, partitioned_prefix) = match self {
            Self::Simple => (Some(SimplePrefix {}), None),
            Self::Partitioned(source) => {
                let source = PartitionDateSource::from_static(match source {
                    DateSource::EventTime => PartitionDateSource::EVENT_TIME,
                    DateSource::DeliveryTime => PartitionDateSource::DELIVERY_TIME,
                });
                (None, Some(PartitionedPrefix { partition_date_source: Some(source) }))
            }
        };
        TargetObjectKeyFormat { partitioned_prefix, simple_prefix }
    }
}

fn read(sent: TargetGrant, known: &dyn Known) -> S3Result<Grant> {
    let permission = sent.permission.ok_or_else(errors::malformed_xml)?;
    let permission = Some(ShownPermission::from(permission.as_str().to_owned()));
    let grant = read_grant(ShownGrant { grantee: sent.grantee, permission }, known)?;
    match grant.permission {
        Permission::FullControl | Permission::Read | Permission::Write => Ok(grant),
        Permission::ReadAcp | Permission::WriteAcp => Err(errors::malformed_xml()),
    }
}

fn shown(grant: &Grant, known: &dyn Known) -> S3Result<TargetGrant> {
    let ShownGrant { grantee, permission } = shown_grant(grant, known)?;
    let permission = permission.map(|one| BucketLogsPermission::from(one.as_str().to_owned()));
    Ok(TargetGrant { grantee, permission })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::UserId;
    use s3s::{
        S3ErrorCode,
        dto::{Grantee as ShownGrantee, Type},
    };

    use super::*;
    use crate::documents::Document;

    struct Everybody;

    impl Known for Everybody {
        fn has(&self, user: &UserId) -> S3Result<bool> {
            Ok(user.as_str() != "nobody")
        }

        fn display_name(&self, user: &UserId) -> S3Result<String> {
            Ok(format!("the {user}"))
        }
    }

    fn sent() -> LoggingEnabled {
        LoggingEnabled {
            target_bucket: "logs".to_owned(),
            target_grants: None,
            target_object_key_format: None,
            target_prefix: "log/".to_owned(),
        }
    }

    fn read(enabled: LoggingEnabled) -> S3Result<Option<Logging>> {
        let status = BucketLoggingStatus { logging_enabled: Some(enabled) };
        Logging::from_status(status, &Everybody)
    }

    fn partitioned(source: Option<&'static str>) -> Option<TargetObjectKeyFormat> {
        let partition_date_source = source.map(PartitionDateSource::from_static);
        let partitioned_prefix = Some(PartitionedPrefix { partition_date_source });
        Some(TargetObjectKeyFormat { partitioned_prefix, simple_prefix: None })
    }

    fn grant(user: &str, permission: &'static str) -> Option<Vec<TargetGrant>> {
        let grantee = ShownGrantee {
            display_name: None,
            email_address: None,
            id: Some(user.to_owned()),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        };
        let permission = Some(BucketLogsPermission::from_static(permission));
        Some(vec![TargetGrant { grantee: Some(grantee), permission }])
    }

    #[test]
    fn a_setting_is_kept_and_shown_as_it_was_sent() {
        let nothing = Logging::from_status(BucketLoggingStatus::default(), &Everybody);
        assert_eq!(nothing.unwrap(), None);
        let kept = read(sent()).unwrap().unwrap();
        assert_eq!(kept, Logging::new("logs", "log/"));
        let bytes = Bytes::from_static(br#"{"bucket":"logs","prefix":"log/","format":"simple"}"#);
        assert_eq!(kept.to_bytes(), bytes);
        let format = partitioned(Some("EventTime"));
        let all = LoggingEnabled {
            target_object_key_format: format.clone(),
            target_grants: grant("main", "FULL_CONTROL"),
            ..sent()
        };
        let kept = read(all).unwrap().unwrap();
        assert_eq!(Logging::from_bytes(&kept.to_bytes()).as_ref(), Some(&kept));
        let shown = kept.to_enabled(&Everybody).unwrap();
        assert_eq!(shown.target_object_key_format, format);
        let grants = shown.target_grants.unwrap();
        assert_eq!(grants[0].grantee.as_ref().unwrap().display_name.as_deref(), Some("the main"));
        assert_eq!(grants[0].permission.as_ref().unwrap().as_str(), "FULL_CONTROL");
    }

    #[test]
    fn a_partition_without_a_source_of_its_date_has_that_of_the_delivery() {
        let sent = LoggingEnabled { target_object_key_format: partitioned(None), ..sent() };
        let kept = read(sent).unwrap().unwrap();
        assert_eq!(kept.format, KeyFormat::Partitioned(DateSource::DeliveryTime));
    }

    #[test]
    fn what_s3_would_not_take_is_refused() {
        let none = TargetObjectKeyFormat { partitioned_prefix: None, simple_prefix: None };
        let both = TargetObjectKeyFormat {
            simple_prefix: Some(SimplePrefix {}),
            ..partitioned(Some("EventTime")).unwrap()
        };
        let format = |format| LoggingEnabled { target_object_key_format: format, ..sent() };
        let grants = |grants| LoggingEnabled { target_grants: grants, ..sent() };
        for (sent, code) in [
            (format(Some(none)), S3ErrorCode::MalformedXML),
            (format(Some(both)), S3ErrorCode::MalformedXML),
            (format(partitioned(Some("Tomorrow"))), S3ErrorCode::MalformedXML),
            (grants(grant("main", "WRITE_ACP")), S3ErrorCode::MalformedXML),
            (grants(grant("nobody", "READ")), S3ErrorCode::InvalidArgument),
            (grants(Some(vec![TargetGrant::default(); GRANTS_MAX + 1])), S3ErrorCode::MalformedXML),
            (
                LoggingEnabled { target_prefix: "x".repeat(801), ..sent() },
                S3ErrorCode::InvalidArgument,
            ),
            (
                LoggingEnabled { target_bucket: "No Bucket".to_owned(), ..sent() },
                S3ErrorCode::InvalidBucketName,
            ),
        ] {
            assert_eq!(read(sent).unwrap_err().code(), &code);
        }
    }
}
