//! The block of public access: what ACLs and policies may not open to everybody, whatever they say.

use model::attribute;
use s3s::dto::PublicAccessBlockConfiguration;
use serde::{Deserialize, Serialize};

use super::json_document;

/// A bucket without the setting blocks nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicAccessBlock {
    /// No ACL that opens anything to everybody is set any more.
    pub(crate) block_acls: bool,
    /// What ACLs open to everybody is not open.
    pub(crate) ignore_acls: bool,
    /// No policy that opens anything to everybody is set any more.
    pub(crate) block_policy: bool,
    /// What such a policy opens is open to the bucket's owner only.
    pub(crate) restrict: bool,
}

json_document!(PublicAccessBlock, attribute::PUBLIC_ACCESS_BLOCK);

impl From<PublicAccessBlockConfiguration> for PublicAccessBlock {
    fn from(configuration: PublicAccessBlockConfiguration) -> Self {
        Self {
            block_acls: configuration.block_public_acls == Some(true),
            ignore_acls: configuration.ignore_public_acls == Some(true),
            block_policy: configuration.block_public_policy == Some(true),
            restrict: configuration.restrict_public_buckets == Some(true),
        }
    }
}

impl From<PublicAccessBlock> for PublicAccessBlockConfiguration {
    fn from(block: PublicAccessBlock) -> Self {
        Self {
            block_public_acls: Some(block.block_acls),
            ignore_public_acls: Some(block.ignore_acls),
            block_public_policy: Some(block.block_policy),
            restrict_public_buckets: Some(block.restrict),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::documents::Document;

    #[test]
    fn each_setting_is_kept_by_itself_and_one_of_a_newer_release_is_not_misread() {
        for n in 0..16 {
            let bit = |bit: u8| n & bit != 0;
            let [block_acls, ignore_acls, block_policy, restrict] = [1, 2, 4, 8].map(bit);
            let block = PublicAccessBlock { block_acls, ignore_acls, block_policy, restrict };
            assert_eq!(PublicAccessBlock::from(PublicAccessBlockConfiguration::from(block)), block);
            assert_eq!(PublicAccessBlock::from_bytes(&block.to_bytes()), Some(block));
        }
        let newer = br#"{"block_acls":true,"ignore_acls":true,"block_policy":true,"restrict":true,"more":1}"#;
        assert_eq!(PublicAccessBlock::from_bytes(&Bytes::from_static(newer)), None);
    }
}
