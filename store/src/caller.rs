//! On whose behalf a client's change is made.

use model::{RequestId, UserId, Version, visibility::BucketState};

use crate::{
    errors::WriteError,
    records::UserRecord,
    section::{Section, SectionError},
};

/// Who asks for a change, and with which request.
///
/// The commit section checks it again: a user who was disabled, or a bucket that was made anew by
/// somebody else, between the request's arrival and its commit, stops the write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub user: UserId,
    pub request: RequestId,
    /// Birth of the bucket that whoever let the request in found open to this user, though it is
    /// somebody else's.
    pub granted: Option<Version>,
    /// Of uploads in parts, only those that they began themselves are open to them.
    pub own_uploads: bool,
    /// Asks to pass over GOVERNANCE retention, and whoever let the request in found that they may.
    pub bypass: bool,
}

impl Caller {
    /// The root user, with no request to name.
    #[must_use]
    pub fn root() -> Self {
        Self::of(UserId::root(), RequestId::NONE)
    }

    /// A user who may do what is theirs to do.
    #[must_use]
    pub fn of(user: UserId, request: RequestId) -> Self {
        Self { user, request, granted: None, own_uploads: false, bypass: false }
    }

    /// Begins a rule: from here on the section logs under this request. A rule that adds anything
    /// asks for room besides.
    pub(crate) fn enter(&self, section: &mut Section<'_>) -> Result<(), WriteError> {
        section.may_change()?;
        section.caused_by(self.request);
        if self.is_enabled(section)? { Ok(()) } else { Err(WriteError::Denied) }
    }

    /// Birth of the bucket, if it exists and this caller may use it.
    pub(crate) fn may_use(&self, bucket: &BucketState) -> Result<Version, WriteError> {
        match &bucket.live {
            None => Err(WriteError::NoSuchBucket),
            Some(live) if self.user.may_use(live) || self.granted == Some(live.birth) => {
                Ok(live.birth)
            }
            Some(_) => Err(WriteError::Denied),
        }
    }

    /// Whether an upload in parts is open to this caller, who may use its bucket.
    #[must_use]
    pub fn may_go_on(&self, initiator: &UserId) -> bool {
        !self.own_uploads || self.user == *initiator
    }

    fn is_enabled(&self, section: &Section<'_>) -> Result<bool, SectionError> {
        // Who has not signed may do what somebody granted, which is asked of the bucket.
        if self.user.is_root() || self.user.is_anonymous() {
            return Ok(true);
        }
        let record = section.get::<UserRecord>(&UserRecord::key(&self.user))?;
        Ok(record.and_then(|record| record.user).is_some_and(|user| user.enabled))
    }
}
