//! Finding the object that a request is about, for those who may use it.

use model::{Attributes, BucketName, ObjectKey};
use s3s::S3Result;
use store::Object;

use super::Handler;
use crate::{
    access::Reader,
    documents::{Document, acl::Acl},
    errors,
};

impl Handler {
    /// An object, and what was set of it: if whoever reads may use that very version of it. Who may
    /// not list the bucket does not learn that a key is not there.
    pub(super) async fn object(
        &self,
        reader: &Reader,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> S3Result<(Object, Attributes)> {
        reader.settings()?;
        let object = self.store.object(bucket, key).await.map_err(|error| errors::read(&error))?;
        let Some(object) = object else {
            let listed = reader.may_list(bucket);
            return Err(if listed { errors::no_such_key() } else { errors::denied() });
        };
        let attributes = self.store.object_attributes((bucket, key), object.version);
        let attributes = attributes.map_err(|error| errors::read(&error))?;
        let acl = Acl::of(&attributes).map_err(|error| errors::internal(&error))?;
        if reader.may_use(acl.as_ref()) { Ok((object, attributes)) } else { Err(errors::denied()) }
    }
}
