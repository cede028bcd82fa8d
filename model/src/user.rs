//! Users, and the keys that they sign their requests with.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Bucket, Quota, UserId};

/// A user as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// For people; need not be unique.
    pub name: String,
    /// While this is false, none of the keys lets anybody in.
    pub enabled: bool,
    pub keys: Vec<AccessKey>,
    /// Of all buckets that the user owns, together.
    pub quota: Quota,
}

/// A key pair of a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessKey {
    /// The public half, which requests name.
    pub id: String,
    pub secret: SealedSecret,
    pub enabled: bool,
}

/// The secret half of a key pair: sealed where it was drawn, under a class key that the sites
/// share. It travels and rests like this, so no record, event or log ever holds it in the clear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedSecret {
    /// The class key.
    pub key_id: String,
    /// Of XChaCha20-Poly1305.
    pub nonce: [u8; 24],
    pub sealed: Bytes,
}

/// Id of nobody.
const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

impl UserId {
    /// The root user of a deployment, whose keys stand in each site's configuration.
    #[must_use]
    pub fn root() -> Self {
        Self::try_from("root".to_owned()).expect("`root` keeps the rules")
    }

    /// Whoever has not signed, by the id that AWS shows for them. No user has it.
    #[must_use]
    pub fn anonymous() -> Self {
        let id = ANONYMOUS.to_owned();
        Self::try_from(id).expect("hexadecimal digits keep the rules")
    }

    /// Whether this is nobody who has signed.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.as_str() == ANONYMOUS
    }

    /// Whether this is the root user, who may do everything.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.as_str() == "root"
    }

    /// Whether this user may read, write and delete a bucket: its owner and the root user may.
    #[must_use]
    pub fn may_use(&self, bucket: &Bucket) -> bool {
        self.is_root() || *self == bucket.owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hlc, SiteId, Version};

    #[test]
    fn a_bucket_is_its_owners_and_the_root_users() {
        let user = |id: &str| UserId::try_from(id.to_owned()).expect("valid");
        let birth = Version { hlc: Hlc(1), site: SiteId([1; 16]) };
        let bucket = Bucket { birth, owner: user("main") };
        assert!(user("main").may_use(&bucket) && UserId::root().may_use(&bucket));
        assert!(!user("alt").may_use(&bucket));
        let of_root = Bucket { birth, owner: UserId::root() };
        assert!(!user("main").may_use(&of_root));
        let anonymous = UserId::anonymous();
        assert!(anonymous.is_anonymous() && !anonymous.is_root() && !anonymous.may_use(&bucket));
    }
}
