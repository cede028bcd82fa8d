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
}

impl Caller {
    /// The root user, with no request to name.
    #[must_use]
    pub fn root() -> Self {
        Self { user: UserId::root(), request: RequestId::NONE }
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
            Some(live) if self.user.may_use(live) => Ok(live.birth),
            Some(_) => Err(WriteError::Denied),
        }
    }

    fn is_enabled(&self, section: &Section<'_>) -> Result<bool, SectionError> {
        if self.user.is_root() {
            return Ok(true);
        }
        let record = section.get::<UserRecord>(&UserRecord::key(&self.user))?;
        Ok(record.and_then(|record| record.user).is_some_and(|user| user.enabled))
    }
}
