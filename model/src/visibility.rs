//! Law 14: an object shows only with its bucket.

use crate::{Bucket, Version};

/// What the store knows of a bucket name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BucketState {
    /// The bucket, if it exists now.
    pub live: Option<Bucket>,
    /// Version of its last deletion.
    pub deleted: Option<Version>,
}

/// Whether an object version that was put under the bucket's incarnation `birth` shows.
#[must_use]
pub fn shows(bucket: &BucketState, birth: Version) -> bool {
    bucket.live.is_some() && bucket.deleted.is_none_or(|deleted| birth > deleted)
}

/// Whether the bucket's incarnation `birth` has ended: it was deleted, or another is newer. It never
/// shows again.
#[must_use]
pub fn is_over(bucket: &BucketState, birth: Version) -> bool {
    bucket.deleted.is_some_and(|deleted| birth <= deleted)
        || bucket.live.as_ref().is_some_and(|live| birth < live.birth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hlc, SiteId, UserId};

    #[test]
    fn law_14_an_object_shows_only_with_the_bucket_it_was_put_into() {
        let version = |n| Version { hlc: Hlc(n), site: SiteId([1; 16]) };
        let owner = UserId::try_from("root".to_owned()).expect("valid");
        let live = |n| Some(Bucket { birth: version(n), owner: owner.clone() });
        let absent = BucketState::default();
        let first = BucketState { live: live(1), deleted: None };
        let gone = BucketState { live: None, deleted: Some(version(5)) };
        let again = BucketState { live: live(7), deleted: Some(version(5)) };
        assert!(!shows(&absent, version(1)));
        assert!(shows(&first, version(1)));
        assert!(!shows(&gone, version(1)));
        assert!(!shows(&again, version(1)), "an object of the old incarnation stays hidden");
        assert!(shows(&again, version(7)));
    }
    #[test]
    fn law_14_an_incarnation_is_over_once_it_was_deleted_or_a_newer_one_is_known() {
        let version = |n| Version { hlc: Hlc(n), site: SiteId([1; 16]) };
        let owner = UserId::try_from("root".to_owned()).expect("valid");
        let live = |n| Some(Bucket { birth: version(n), owner: owner.clone() });
        let over = |bucket: BucketState| [4, 5, 6, 7, 8].map(|n| is_over(&bucket, version(n)));
        assert_eq!(over(BucketState::default()), [false; 5]);
        assert_eq!(over(BucketState { live: live(7), deleted: None })[2..], [true, false, false]);
        let gone = BucketState { live: None, deleted: Some(version(5)) };
        assert_eq!(over(gone), [true, true, false, false, false]);
        let again = BucketState { live: live(7), deleted: Some(version(5)) };
        assert_eq!(over(again), [true, true, true, false, false]);
    }
}
