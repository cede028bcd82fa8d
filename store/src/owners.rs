//! What stands in all buckets of each user together, kept in memory.
//!
//! Nothing of it is written: it follows from the counts of buckets and from who owns them. Nobody keeps
//! it before the first write to a bucket whose owner has a quota.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{Usage, UserId};

/// What stands in some buckets, by owner.
pub(crate) type Owned = Vec<(UserId, Usage)>;

#[derive(Default)]
pub(crate) struct Owners(Mutex<Option<BTreeMap<UserId, Usage>>>);

impl Owners {
    pub(crate) fn are_kept(&self) -> bool {
        self.sums().is_some()
    }

    /// Of one user, as of the last rule; `None`: it is not kept.
    pub(crate) fn usage(&self, user: &UserId) -> Option<Usage> {
        self.sums().as_ref().map(|sums| sums.get(user).copied().unwrap_or_default())
    }

    /// Keeps it from now on, given what there is.
    pub(crate) fn keep(&self, there: Owned) {
        *self.sums() = Some(BTreeMap::new());
        self.turn(Vec::new(), there);
    }

    /// What a rule has made of what there was.
    pub(crate) fn turn(&self, before: Owned, after: Owned) {
        let before = before.into_iter().map(|(owner, usage)| (owner, -usage));
        if let Some(sums) = self.sums().as_mut() {
            for (owner, change) in before.chain(after) {
                *sums.entry(owner).or_default() += change;
            }
            sums.retain(|_, usage| *usage != Usage::NONE);
        }
    }

    /// The next who asks makes it anew.
    pub(crate) fn forget(&self) {
        *self.sums() = None;
    }

    fn sums(&self) -> MutexGuard<'_, Option<BTreeMap<UserId, Usage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_changes_moves_from_owner_to_owner_once_it_is_kept() {
        let user = |id: &str| UserId::try_from(id.to_owned()).unwrap();
        let (owners, of) = (Owners::default(), Usage::of_version);
        owners.turn(Vec::new(), vec![(user("a"), of(1))]);
        assert_eq!(owners.usage(&user("a")), None, "nobody has asked for it");
        owners.keep(vec![(user("a"), of(1)), (user("a"), of(2))]);
        assert_eq!(owners.usage(&user("a")), Some(of(1) + of(2)));
        owners.turn(vec![(user("a"), of(2))], vec![(user("b"), of(2) + of(5))]);
        assert_eq!(owners.usage(&user("a")), Some(of(1)));
        assert_eq!(owners.usage(&user("b")), Some(of(2) + of(5)));
        owners.forget();
        assert!(!owners.are_kept());
    }
}
