//! `x-amz-expiration`: what the lifecycle of a bucket has in store for an object.

use std::sync::Arc;

use model::{Attributes, BucketName, Millis, ObjectKey, Version};
use s3s::dto::TimestampFormat;

use crate::{
    documents::{Document, lifecycle::Candidate, tags::Tags},
    handler::{Handler, buckets::timestamp},
    listing::url_encode,
    settings::Settings,
};

/// An object that is going to be written into a bucket that has a lifecycle.
pub(crate) struct Expiring {
    settings: Arc<Settings>,
    bucket: BucketName,
    key: ObjectKey,
}

impl Expiring {
    /// `None`: its bucket has no lifecycle.
    pub(crate) fn new(
        settings: &Arc<Settings>,
        (bucket, key): (&BucketName, &ObjectKey),
    ) -> Option<Self> {
        settings.lifecycle.as_ref()?;
        let settings = Arc::clone(settings);
        Some(Self { settings, bucket: bucket.clone(), key: key.clone() })
    }

    /// As the answer shows it, once the object is written. What cannot be read is left out: the write is
    /// done all the same.
    pub(crate) fn shown(
        &self,
        handler: &Handler,
        (version, size): (Version, u64),
    ) -> Option<String> {
        let attributes =
            handler.store.object_attributes((&self.bucket, &self.key), version).ok()?;
        let modified = version.hlc.millis();
        let object = Candidate { key: self.key.as_str(), size: Some(size), modified };
        handler.expiration(&self.settings, &object, &attributes)
    }

    /// The same of an object whose size has to be looked up, unless another took its place.
    pub(crate) async fn shown_if_latest(
        &self,
        handler: &Handler,
        version: Version,
    ) -> Option<String> {
        let latest = handler.store.object(&self.bucket, &self.key).await.ok()??;
        let written = latest.version == version;
        written.then(|| self.shown(handler, (version, latest.manifest.size))).flatten()
    }
}

impl Handler {
    /// Of the latest version of a key, with what was set of it. `None`: it stays.
    pub(crate) fn expiration(
        &self,
        settings: &Settings,
        object: &Candidate<'_>,
        attributes: &Attributes,
    ) -> Option<String> {
        let lifecycle = settings.lifecycle.as_ref()?;
        let tags = Tags::of(attributes).ok()?.unwrap_or_default();
        let (due, rule) = lifecycle.expires(object, &tags, self.day)?;
        shown(due, rule)
    }
}

/// In S3's form.
fn shown(due: Millis, rule: &str) -> Option<String> {
    let mut date = Vec::new();
    timestamp(due).format(TimestampFormat::HttpDate, &mut date).ok()?;
    let date = String::from_utf8(date).ok()?;
    Some(format!("expiry-date=\"{date}\", rule-id=\"{}\"", url_encode(rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_named_so_that_it_fits_a_header() {
        let expected = "expiry-date=\"Fri, 02 Jan 1970 00:00:00 GMT\", rule-id=\"a%20%22b%22\"";
        assert_eq!(shown(Millis(24 * 60 * 60 * 1_000), "a \"b\"").as_deref(), Some(expected));
    }
}
