//! What a bucket does with bodies whose requests do not say: with a key of the sites, with one that is
//! named, or nothing.

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
use crate::encryption::{AskedKey, KeyName, no_such_method};

/// The default encryption of a bucket. Another method is a form that only a newer release knows, and until
/// then nothing is put into such a bucket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketEncryption {
    algorithm: Algorithm,
    /// Of `aws:kms`, if one is named. Whether it is there shows when something is put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyName>,
    /// Shown as it was set. It is of keys that come from elsewhere, and changes nothing here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bucket_key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
}

json_document!(BucketEncryption, attribute::ENCRYPTION);

impl BucketEncryption {
    /// `named`: whether there are keys that can be named.
    pub(crate) fn from_configuration(
        sent: ServerSideEncryptionConfiguration,
        named: bool,
    ) -> S3Result<Self> {
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
            ServerSideEncryption::AES256 => {
                Ok(Self { algorithm: Algorithm::Aes256, key: None, bucket_key })
            }
            ServerSideEncryption::AWS_KMS if named => {
                let key =
                    by_default.kms_master_key_id.as_deref().map(KeyName::parse).transpose()?;
                Ok(Self { algorithm: Algorithm::Kms, key, bucket_key })
            }
            ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE => {
                Err(no_such_method(by_default.sse_algorithm.as_str()))
            }
            other => Err(s3_error!(MalformedXML, "There is no encryption `{other}`")),
        }
    }

    /// The key that is asked for; `None`: one of the sites.
    pub(crate) fn key(&self) -> Option<AskedKey> {
        let (key, bucket_key) = (self.key.clone(), Some(self.bucket_key));
        let asked = AskedKey { key, context: None, bucket_key };
        (self.algorithm == Algorithm::Kms).then_some(asked)
    }

    /// Whether answers about objects under named keys say so.
    pub(crate) fn bucket_key(&self) -> bool {
        self.bucket_key && self.algorithm == Algorithm::Kms
    }

    pub(crate) fn to_configuration(&self) -> ServerSideEncryptionConfiguration {
        let sse_algorithm = ServerSideEncryption::from_static(match self.algorithm {
            Algorithm::Aes256 => ServerSideEncryption::AES256,
            Algorithm::Kms => ServerSideEncryption::AWS_KMS,
        });
        let kms_master_key_id = self.key.clone().map(String::from);
        let by_default = ServerSideEncryptionByDefault { kms_master_key_id, sse_algorithm };
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
            for (method, named) in
                [("AES256", None), ("aws:kms", None), ("aws:kms", Some("alias/k"))]
            {
                let sent_key = sent(method, named, key);
                let kept = BucketEncryption::from_configuration(sent_key, true).unwrap();
                assert_eq!(BucketEncryption::from_bytes(&kept.to_bytes()), Some(kept.clone()));
                assert_eq!(kept.key().is_some(), method == "aws:kms");
                assert_eq!(kept.bucket_key(), method == "aws:kms" && key == Some(true));
                let shown = kept.to_configuration();
                assert_eq!(shown, sent(method, named, Some(key == Some(true))));
            }
        }
        let other = bytes::Bytes::from_static(b"{\"algorithm\":\"aws:kms:dsse\"}");
        assert_eq!(BucketEncryption::from_bytes(&other), None);
    }

    #[test]
    fn a_default_that_nobody_here_can_keep_is_refused() {
        let code = |sent| {
            let refused = BucketEncryption::from_configuration(sent, false).expect_err("refused");
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
