//! What those who handle a request find out that its record shows: left here on the way.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use http::Extensions;
use model::UserId;
use tokio::time::Instant;

/// Of one request that is recorded; others have none. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Noted(Arc<Notes>);

#[derive(Default)]
struct Notes {
    requester: OnceLock<UserId>,
    by_acl: AtomicBool,
    key: OnceLock<String>,
    object_size: OnceLock<u64>,
    deleted: OnceLock<Vec<DeletedKey>>,
    received: OnceLock<Instant>,
}

/// One of several keys that a request deletes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DeletedKey {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    /// Status and code, if it was not deleted.
    pub(crate) error: Option<(u16, String)>,
}

impl Noted {
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// Who has signed.
    pub(crate) fn requester(&self, user: &UserId) {
        if !user.is_anonymous() {
            let _first = self.0.requester.set(user.clone());
        }
    }

    /// Without an ACL, the request would have been refused.
    pub(crate) fn by_acl(&self) {
        self.0.by_acl.store(true, Ordering::Relaxed);
    }

    /// The key of a form, which its path does not name.
    pub(crate) fn key(&self, key: &str) {
        let _first = self.0.key.set(key.to_owned());
    }

    /// Size of the object that was made.
    pub(crate) fn object_size(&self, size: u64) {
        let _first = self.0.object_size.set(size);
    }

    pub(crate) fn deleted(&self, keys: Vec<DeletedKey>) {
        let _first = self.0.deleted.set(keys);
    }

    /// The body has come whole.
    pub(super) fn received(&self, now: Instant) {
        let _first = self.0.received.set(now);
    }

    pub(super) fn get_requester(&self) -> Option<&UserId> {
        self.0.requester.get()
    }

    pub(super) fn is_by_acl(&self) -> bool {
        self.0.by_acl.load(Ordering::Relaxed)
    }

    pub(super) fn get_key(&self) -> Option<&str> {
        self.0.key.get().map(String::as_str)
    }

    pub(super) fn get_object_size(&self) -> Option<u64> {
        self.0.object_size.get().copied()
    }

    pub(super) fn get_deleted(&self) -> &[DeletedKey] {
        self.0.deleted.get().map_or(&[], Vec::as_slice)
    }

    pub(super) fn get_received(&self) -> Option<Instant> {
        self.0.received.get().copied()
    }
}
