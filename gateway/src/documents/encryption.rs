//! What a bucket does with bodies whose requests do not say: with the key of the sites, or nothing.

use model::attribute;
use s3s::{
    S3Result,
    dto::{
        ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
        ServerSideEncryptionRule,
    },
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::json_document;
use crate::encryption::no_such_method;

/// The default encryption of a bucket. There is one method: another is a form that only a newer
/// release knows, and until then nothing is put into such a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketEncryption {
    algorithm: Algorithm,
    /// Shown as it was set. It is of keys that come from elsewhere, and changes nothing here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bucket_key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "AES256")]
    Aes256,
}

json_document!(BucketEncryption, attribute::ENCRYPTION);

impl BucketEncryption {
    pub(crate) fn from_configuration(sent: ServerSideEncryptionConfiguration) -> S3Result<Self> {
        let [rule] = <[ServerSideEncryptionRule; 1]>::try_from(sent.rules)
            .map_err(|_| s3_error!(MalformedXML, "The encryption of a bucket has one rule"))?;
        let bucket_key = rule.bucket_key_enabled.unwrap_or_default();
        let Some(by_default) = rule.apply_server_side_encryption_by_default else {
            return Err(s3_error!(MalformedXML, "The rule does not say how to encrypt"));
        };
        match by_default.sse_algorithm.as_str() {
            ServerSideEncryption::AES256 if by_default.kms_master_key_id.is_some() => {
                Err(s3_error!(
                    InvalidArgument,
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms"
                ))
            }
            ServerSideEncryption::AES256 => Ok(Self { algorithm: Algorithm::Aes256, bucket_key }),
            ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE => {
                Err(no_such_method(by_default.sse_algorithm.as_str()))
            }
            other => Err(s3_error!(MalformedXML, "There is no encryption `{other}`")),
        }
    }

    pub(crate) fn to_configuration(self) -> ServerSideEncryptionConfiguration {
        let sse_algorithm = match self.algorithm {
            Algorithm::Aes256 => ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let by_default = ServerSideEncryptionByDefault { kms_master_key_id: None, sse_algorithm };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(self.bucket_key),
        };
        ServerSideEncryptionConfiguration { rules: vec![rule] }
    }
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;
    use crate::documents::Document;

    fn sent(
        method: &'static str,
        key: Option<&str>,
        bucket_key: Option<bool>,
    ) -> ServerSideEncryptionConfiguration {
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: key.map(str::to_owned),
            sse_algorithm: ServerSideEncryption::from_static(method),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: bucket_key,
        };
        ServerSideEncryptionConfiguration { rules: vec![rule] }
    }

    #[test]
    fn a_default_comes_back_as_it_was_set() {
        for key in [None, Some(false), Some(true)] {
            let kept = BucketEncryption::from_configuration(sent("AES256", None, key)).unwrap();
            assert_eq!(BucketEncryption::from_bytes(&kept.to_bytes()), Some(kept));
            let shown = kept.to_configuration();
            assert_eq!(shown, sent("AES256", None, Some(key == Some(true))));
        }
        let other = bytes::Bytes::from_static(b"{\"algorithm\":\"aws:kms\"}");
        assert_eq!(BucketEncryption::from_bytes(&other), None);
    }

    #[test]
    fn a_default_that_nobody_here_can_keep_is_refused() {
        let code = |sent| {
            let refused = BucketEncryption::from_configuration(sent).expect_err("refused");
            refused.code().clone()
        };
        assert_eq!(code(sent("aws:kms", None, None)), S3ErrorCode::NotImplemented);
        assert_eq!(code(sent("aws:kms:dsse", None, None)), S3ErrorCode::NotImplemented);
        assert_eq!(code(sent("AES128", None, None)), S3ErrorCode::MalformedXML);
        assert_eq!(code(sent("AES256", Some("k"), None)), S3ErrorCode::InvalidArgument);
        let none = ServerSideEncryptionConfiguration { rules: Vec::new() };
        assert_eq!(code(none), S3ErrorCode::MalformedXML);
        let mut empty = sent("AES256", None, None);
        empty.rules[0].apply_server_side_encryption_by_default = None;
        assert_eq!(code(empty), S3ErrorCode::MalformedXML);
    }
}
