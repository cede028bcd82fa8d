//! Finding the object that a request is about, for those who may use it.

use model::{Attributes, BucketName, ObjectKey, Slot};
use s3s::{S3ErrorCode, S3Result};
use store::Object;

use super::{Handler, versions};
use crate::{
    access::Reader,
    documents::{Document, acl::Acl},
    errors,
};

impl Handler {
    /// The latest of a key, or the version that is named, and what was set of it: if whoever reads may
    /// use that very version. Who may not list the bucket does not learn that a key is not there.
    pub(super) async fn object(
        &self,
        reader: &Reader,
        (bucket, key): (&BucketName, &ObjectKey),
        slot: Option<Slot>,
    ) -> S3Result<(Object, Attributes)> {
        reader.settings()?;
        let object = match versions::find(self, (bucket, key), slot).await {
            Err(error) if *error.code() == S3ErrorCode::MethodNotAllowed => {
                // A delete marker is named: it has no list of its own.
                return Err(if reader.may_use(None) { error } else { errors::denied() });
            }
            Err(error)
                if matches!(error.code(), S3ErrorCode::NoSuchKey | S3ErrorCode::NoSuchVersion)
                    && !reader.may_list(bucket) =>
            {
                return Err(errors::denied());
            }
            found => found?,
        };
        let attributes = self.store.object_attributes((bucket, key), object.version);
        let attributes = attributes.map_err(|error| errors::read(&error))?;
        let acl = Acl::of(&attributes).map_err(|error| errors::internal(&error))?;
        if reader.may_use(acl.as_ref()) { Ok((object, attributes)) } else { Err(errors::denied()) }
    }
}
