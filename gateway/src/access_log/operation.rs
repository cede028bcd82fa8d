//! What S3's access logs call an operation: `REST.GET.OBJECT`. Pure.
//!
//! It follows from the request alone, so that one which is refused, or not there at all, has its name
//! as well.

use http::{Method, Uri};

use crate::query::parameters;

/// Of several keys that one request deletes, each.
pub(super) const BATCH_DELETE: &str = "BATCH.DELETE.OBJECT";

/// Names in a query, and what they make of a bucket and of an object. In this order, where a request has
/// several.
const RESOURCES: [(&str, &str, &str); 37] = [
    ("uploadId", "UPLOAD", "UPLOAD"),
    ("uploads", "UPLOADS", "UPLOADS"),
    ("abac", "ABAC", "ABAC"),
    ("accelerate", "ACCELERATE", "ACCELERATE"),
    ("acl", "ACL", "ACL"),
    ("analytics", "ANALYTICS", "ANALYTICS"),
    ("attributes", "OBJECT_ATTRIBUTES", "OBJECT_ATTRIBUTES"),
    ("cors", "CORS", "CORS"),
    ("delete", "MULTI_OBJECT_DELETE", "MULTI_OBJECT_DELETE"),
    ("encryption", "ENCRYPTION", "ENCRYPTION"),
    ("intelligent-tiering", "INTELLIGENT_TIERING", "INTELLIGENT_TIERING"),
    ("inventory", "INVENTORY", "INVENTORY"),
    ("legal-hold", "OBJECT_LOCK_LEGALHOLD", "OBJECT_LOCK_LEGALHOLD"),
    ("lifecycle", "LIFECYCLE", "LIFECYCLE"),
    ("location", "LOCATION", "LOCATION"),
    ("logging", "LOGGING_STATUS", "LOGGING_STATUS"),
    ("metadataConfiguration", "METADATA_CONFIGURATION", "METADATA_CONFIGURATION"),
    ("metadataTable", "METADATA_TABLE", "METADATA_TABLE"),
    ("metrics", "METRICS", "METRICS"),
    ("notification", "NOTIFICATION", "NOTIFICATION"),
    ("object-lock", "OBJECT_LOCK_CONFIGURATION", "OBJECT_LOCK_CONFIGURATION"),
    ("ownershipControls", "OWNERSHIP_CONTROLS", "OWNERSHIP_CONTROLS"),
    ("policy", "BUCKETPOLICY", "BUCKETPOLICY"),
    ("policyStatus", "POLICY_STATUS", "POLICY_STATUS"),
    ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK", "PUBLIC_ACCESS_BLOCK"),
    ("renameObject", "RENAME", "RENAME"),
    ("replication", "REPLICATION", "REPLICATION"),
    ("requestPayment", "REQUEST_PAYMENT", "REQUEST_PAYMENT"),
    ("restore", "RESTORE", "RESTORE"),
    ("retention", "OBJECT_LOCK_RETENTION", "OBJECT_LOCK_RETENTION"),
    ("select", "SELECT", "SELECT"),
    ("session", "SESSION", "SESSION"),
    ("tagging", "TAGGING", "OBJECT_TAGGING"),
    ("torrent", "OBJECTTORRENT", "OBJECTTORRENT"),
    ("versioning", "VERSIONING", "VERSIONING"),
    ("versions", "BUCKETVERSIONS", "BUCKETVERSIONS"),
    ("website", "WEBSITE", "WEBSITE"),
];

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    Service,
    Bucket,
    Object,
}

/// An operation, by its two names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Operation {
    method: String,
    resource: &'static str,
}

impl Operation {
    /// Of a request; `copies`: it names a source.
    pub(super) fn of((method, uri): (&Method, &Uri), about: About, copies: bool) -> Self {
        let preflight = *method == Method::OPTIONS;
        let resource = match resource(uri, about) {
            _ if preflight => "PREFLIGHT",
            Some("UPLOAD") if *method == Method::PUT => "PART",
            Some(resource) => resource,
            None => match about {
                About::Service => "SERVICE",
                About::Bucket => "BUCKET",
                About::Object => "OBJECT",
            },
        };
        let copies = copies && *method == Method::PUT && ["OBJECT", "PART"].contains(&resource);
        let method = if copies { "COPY" } else { method.as_str() };
        Self { method: method.to_owned(), resource }
    }

    pub(super) fn name(&self) -> String {
        format!("REST.{}.{}", self.method, self.resource)
    }

    /// Of a copy: what it does with its source.
    pub(super) fn of_source(&self) -> Option<String> {
        (self.method == "COPY").then(|| format!("{}_GET", self.name()))
    }

    /// Whether it reads an object.
    pub(super) fn reads(&self) -> bool {
        self.resource == "OBJECT" && ["GET", "HEAD"].contains(&self.method.as_str())
    }

    /// Whether it brings bytes of an object.
    pub(super) fn brings(&self) -> bool {
        self.method == "PUT" && ["OBJECT", "PART"].contains(&self.resource)
    }
}

fn resource(uri: &Uri, about: About) -> Option<&'static str> {
    if about == About::Service {
        return None;
    }
    let place = |name: &str| RESOURCES.iter().position(|(known, _, _)| *known == name);
    let first = parameters(uri).filter_map(|one| place(&one.name())).min()?;
    let (_, bucket, object) = RESOURCES[first];
    Some(if about == About::Bucket { bucket } else { object })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    fn operation(request: &str, copies: bool) -> Operation {
        let (method, target) = request.split_once(' ').unwrap();
        let uri: Uri = target.parse().unwrap();
        let about = match uri.path().matches('/').count() {
            1 if uri.path().len() == 1 => About::Service,
            1 => About::Bucket,
            _ => About::Object,
        };
        Operation::of((&method.parse().unwrap(), &uri), about, copies)
    }

    #[test]
    fn every_operation_has_the_name_that_it_has_in_s3() {
        for (request, name) in [
            ("GET /", "REST.GET.SERVICE"),
            ("PUT /b", "REST.PUT.BUCKET"),
            ("HEAD /b", "REST.HEAD.BUCKET"),
            ("GET /b?list-type=2&prefix=acl", "REST.GET.BUCKET"),
            ("GET /b?versions", "REST.GET.BUCKETVERSIONS"),
            ("GET /b?uploads", "REST.GET.UPLOADS"),
            ("GET /b?logging", "REST.GET.LOGGING_STATUS"),
            ("PUT /b?policy", "REST.PUT.BUCKETPOLICY"),
            ("PUT /b?tagging=", "REST.PUT.TAGGING"),
            ("POST /b?delete", "REST.POST.MULTI_OBJECT_DELETE"),
            ("POST /b", "REST.POST.BUCKET"),
            ("GET /b?website", "REST.GET.WEBSITE"),
            ("GET /b?object-lock", "REST.GET.OBJECT_LOCK_CONFIGURATION"),
            ("GET /b/k", "REST.GET.OBJECT"),
            ("HEAD /b/k?versionId=1", "REST.HEAD.OBJECT"),
            ("PUT /b/k", "REST.PUT.OBJECT"),
            ("DELETE /b/k?versionId=1", "REST.DELETE.OBJECT"),
            ("GET /b/k?acl&versionId=1", "REST.GET.ACL"),
            ("PUT /b/k?tagging", "REST.PUT.OBJECT_TAGGING"),
            ("GET /b/k?attributes", "REST.GET.OBJECT_ATTRIBUTES"),
            ("POST /b/k?uploads", "REST.POST.UPLOADS"),
            ("PUT /b/k?partNumber=1&uploadId=2", "REST.PUT.PART"),
            ("GET /b/k?uploadId=2", "REST.GET.UPLOAD"),
            ("POST /b/k?uploadId=2", "REST.POST.UPLOAD"),
            ("DELETE /b/k?uploadId=2", "REST.DELETE.UPLOAD"),
            ("OPTIONS /b/k", "REST.OPTIONS.PREFLIGHT"),
            ("BREW /b/k", "REST.BREW.OBJECT"),
        ] {
            let operation = operation(request, false);
            assert_eq!((operation.name(), operation.of_source()), (name.to_owned(), None));
        }
        assert!(operation("HEAD /b/k", false).reads() && !operation("GET /b", false).reads());
        assert!(operation("PUT /b/k", false).brings() && !operation("PUT /b/k", true).brings());
    }

    #[test]
    fn a_copy_is_one_of_its_target_and_one_of_its_source() {
        let part = operation("PUT /b/k?partNumber=1&uploadId=2", true);
        assert_eq!(part.name(), "REST.COPY.PART");
        let copy = operation("PUT /b/k", true);
        assert_eq!(copy.name(), "REST.COPY.OBJECT");
        assert_eq!(copy.of_source().as_deref(), Some("REST.COPY.OBJECT_GET"));
        assert_eq!(operation("PUT /b/k?acl", true).of_source(), None);
        assert_eq!(operation("GET /b/k", true).of_source(), None);
    }

    proptest! {
        #[test]
        fn any_query_has_a_name(query in "[a-zA-Z=&%-]{0,40}") {
            operation(&format!("PUT /b/k?{query}"), true).name();
        }
    }
}
