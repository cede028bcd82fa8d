//! What is known of buckets, kept in memory: every request asks for its bucket, and few change one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use model::{Attributes, BucketName, visibility::BucketState};
use tokio::sync::watch;

/// Views that are kept, and what was set of their buckets together; beyond either, all are forgotten
/// and read anew.
const VIEWS_MAX: usize = 4_096;
const BYTES_MAX: usize = 64 << 20;

/// A bucket name, and what was set of the bucket that exists under it.
///
/// The same one is given out until anything of any bucket changes, so that who makes something out of
/// it can tell whether it still holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BucketView {
    pub state: BucketState,
    /// None without a bucket.
    pub attributes: Attributes,
}

impl BucketView {
    /// What was set of the bucket, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.attributes.0.iter().map(|(name, register)| name.len() + register.value.len()).sum()
    }
}

#[derive(Default)]
pub(crate) struct BucketViews {
    /// Counts the commits that changed a bucket.
    changes: watch::Sender<u64>,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    views: HashMap<BucketName, (u64, Arc<BucketView>)>,
    /// Of all of them, and of those that were replaced since they were last forgotten.
    bytes: usize,
}

impl BucketViews {
    /// A commit has changed a bucket. Called before anybody hears of that commit.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Changes after every commit that changed a bucket.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is known of a bucket; read only if it may have changed since it was read before.
    pub(crate) fn view<E>(
        &self,
        name: &BucketName,
        read: impl FnOnce() -> Result<BucketView, E>,
    ) -> Result<Arc<BucketView>, E> {
        // Before the read: what a commit changes meanwhile makes the view old, never too new.
        let now = *self.changes.borrow();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = kept.views.get(name).filter(|(changes, _)| *changes == now) {
            return Ok(Arc::clone(view));
        }
        drop(kept);
        let view = Arc::new(read()?);
        // Names without a bucket are the client's to make up, as many as it likes.
        if view.state.live.is_some() {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            if kept.views.len() >= VIEWS_MAX || kept.bytes >= BYTES_MAX {
                *kept = Kept::default();
            }
            kept.bytes += view.bytes();
            kept.views.insert(name.clone(), (now, Arc::clone(&view)));
        }
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use model::{Bucket, Hlc, Register, SiteId, UserId, Version};

    use super::*;

    fn view(live: bool) -> BucketView {
        let birth = Version { hlc: Hlc(1), site: SiteId([1; 16]) };
        let live = live.then(|| Bucket { birth, owner: UserId::root() });
        let state = BucketState { live, deleted: None };
        BucketView { state, ..BucketView::default() }
    }

    fn name(n: usize) -> BucketName {
        BucketName::try_from(format!("bucket-{n}")).unwrap()
    }

    fn read(views: &BucketViews, n: usize, live: bool) -> (Arc<BucketView>, bool) {
        let mut asked = false;
        let read = || {
            asked = true;
            Ok::<_, Infallible>(view(live))
        };
        let found = views.view(&name(n), read).unwrap();
        (found, asked)
    }

    #[test]
    fn a_bucket_is_read_again_once_any_has_changed_and_not_before() {
        let views = BucketViews::default();
        let (first, asked) = read(&views, 1, true);
        assert!(asked);
        let (again, asked) = read(&views, 1, true);
        assert!(!asked && Arc::ptr_eq(&first, &again));
        views.changed();
        let (third, asked) = read(&views, 1, true);
        assert!(asked && !Arc::ptr_eq(&first, &third));
    }

    #[test]
    fn a_change_while_a_bucket_is_being_read_is_seen_by_who_asks_next() {
        let views = BucketViews::default();
        let during = || {
            views.changed();
            Ok::<_, Infallible>(view(true))
        };
        views.view(&name(1), during).unwrap();
        assert!(read(&views, 1, true).1);
    }

    #[test]
    fn names_without_a_bucket_take_no_memory_and_buckets_a_bounded_one() {
        let views = BucketViews::default();
        read(&views, 0, false);
        assert!(views.kept.read().unwrap().views.is_empty());
        for n in 0..=VIEWS_MAX {
            read(&views, n, true);
        }
        assert_eq!(views.kept.read().unwrap().views.len(), 1);
        let large = || {
            let version = Version { hlc: Hlc(1), site: SiteId([1; 16]) };
            let register = Register { version, value: vec![0; BYTES_MAX / 4].into() };
            let mut large = view(true);
            large.attributes.0.insert("policy".to_owned(), register);
            Ok::<_, Infallible>(large)
        };
        for n in 0..=4 {
            views.view(&name(n + 1), large).unwrap();
        }
        let kept = views.kept.read().unwrap();
        assert_eq!(kept.views.len(), 1, "the four before it were too large together");
        assert!(kept.bytes < BYTES_MAX / 2);
    }
}
