//! Who was let in, for those who answer.

use std::sync::Arc;

use http::Extensions;
use model::{BucketName, ObjectKey, Slot};
use s3s::{S3Request, S3Result};
use store::Caller;

use super::{Resource, Standing, Verdict, action};
use crate::{documents::acl::Acl, errors, settings::Settings};

/// Who uses an object, and how far they are let in.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    pub(super) standing: Option<Standing>,
}

impl Reader {
    /// Who sent a request that is about an object.
    pub(crate) fn of<I>(request: &S3Request<I>) -> S3Result<Self> {
        request.extensions.get::<Self>().cloned().ok_or_else(errors::denied)
    }

    /// Leaves who asks for those who answer.
    pub(crate) fn leave(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }

    /// The caller, let into the bucket: for those whom an object's own list lets change it.
    pub(crate) fn let_in(&self) -> Caller {
        let granted = self.standing.as_ref().map(|standing| standing.settings.bucket.birth);
        Caller { granted, ..self.caller.clone() }
    }

    /// Settings of the bucket, if it exists.
    pub(crate) fn settings(&self) -> S3Result<&Arc<Settings>> {
        let standing = self.standing.as_ref().ok_or_else(errors::no_such_bucket)?;
        Ok(&standing.settings)
    }

    /// Whether an object with this list may be used as the request asks.
    pub(crate) fn may_use(&self, acl: Option<&Acl>) -> bool {
        self.standing.as_ref().is_some_and(|standing| {
            let Standing { settings, verdict, permission, .. } = standing;
            let of_object = |permission| {
                settings.rules.decide_object(*verdict, (&self.caller.user, permission), acl)
            };
            permission.map_or(*verdict == Verdict::Granted, of_object)
        })
    }

    /// Whether they may be told of the tags of an object that they may read.
    pub(crate) fn may_read_tags(
        &self,
        (bucket, key): (&BucketName, &ObjectKey),
        slot: Option<Slot>,
    ) -> bool {
        let Some(Standing { settings, asker, .. }) = &self.standing else { return true };
        asker.as_ref().is_none_or(|asker| {
            let action = if slot.is_some() { action::GET_VERSION_TAGS } else { action::GET_TAGS };
            let resource = Resource { bucket: bucket.as_str(), key: Some(key.as_str()), slot };
            asker.ask(settings, (action, &[]), &resource) == Verdict::Granted
        })
    }

    /// Whether they may be told that a key is not there.
    pub(crate) fn may_list(&self, bucket: &BucketName) -> bool {
        let Some(Standing { settings, asker, .. }) = &self.standing else { return true };
        asker.as_ref().is_none_or(|asker| {
            let action = (action::LIST_BUCKET, [].as_slice());
            let resource = Resource { bucket: bucket.as_str(), key: None, slot: None };
            asker.ask(settings, action, &resource) == Verdict::Granted
        })
    }
}
