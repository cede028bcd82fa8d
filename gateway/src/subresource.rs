//! Names in a query that make a request another operation, as `acl` in `PUT /photos?acl`.
//!
//! s3s takes a request whose name it does not know, or not with that method, for the operation
//! without it: `DELETE /photos?abac` would delete the bucket, and `PUT /photos/a?renameObject`
//! overwrite the object. Such a request is refused here.

use http::{Method, Uri};
use s3s::{S3Error, S3Result, s3_error};

use crate::{
    host::Addressed,
    messages::plain,
    query::{Parameter, parameters},
};

/// Where functions that change objects on their way would answer: no name of a bucket.
const FUNCTIONS: &str = "WriteGetObjectResponse";

/// Each name, with the methods that s3s knows it with: of a bucket, and of an object.
const NAMES: [(&str, &str, &str); 42] = [
    ("abac", "", ""),
    ("accelerate", "GET PUT", ""),
    ("acl", "GET PUT", "GET PUT"),
    ("analytics", "GET PUT DELETE", ""),
    ("attributes", "", "GET"),
    ("cors", "GET PUT DELETE", ""),
    ("delete", "POST", ""),
    ("encryption", "GET PUT DELETE", ""),
    ("intelligent-tiering", "GET PUT DELETE", ""),
    ("inventory", "GET PUT DELETE", ""),
    ("legal-hold", "", "GET PUT"),
    ("lifecycle", "GET PUT DELETE", ""),
    ("list-type", "GET", ""),
    ("location", "GET", ""),
    ("logging", "GET PUT", ""),
    ("metadataConfiguration", "", ""),
    ("metadataInventoryTable", "", ""),
    ("metadataJournalTable", "", ""),
    ("metadataTable", "GET POST DELETE", ""),
    ("metrics", "GET PUT DELETE", ""),
    ("notification", "GET PUT", ""),
    ("object-lock", "GET PUT", ""),
    ("ownershipControls", "GET PUT DELETE", ""),
    ("partNumber", "", "GET PUT"),
    ("policy", "GET PUT DELETE", ""),
    ("policyStatus", "GET", ""),
    ("publicAccessBlock", "GET PUT DELETE", ""),
    ("renameObject", "", ""),
    ("replication", "GET PUT DELETE", ""),
    ("requestPayment", "GET PUT", ""),
    ("restore", "", "POST"),
    ("retention", "", "GET PUT"),
    ("select", "", "POST"),
    ("session", "GET", ""),
    ("tagging", "GET PUT DELETE", "GET PUT DELETE"),
    ("torrent", "", "GET"),
    ("uploadId", "", "GET PUT POST DELETE"),
    ("uploads", "GET", "POST"),
    ("versionId", "", "GET PUT POST DELETE"),
    ("versioning", "GET PUT", ""),
    ("versions", "GET", ""),
    ("website", "GET PUT DELETE", ""),
];

/// Refuses a request that would be taken for another. Only looks are free of danger, so that HEAD
/// passes with anything. Names are read as s3s reads them, so that no way of writing one hides it.
pub(crate) fn check(method: &Method, uri: &Uri, addressed: &Addressed<'_>) -> S3Result<()> {
    let of_bucket = match addressed {
        Addressed::Service => return Ok(()),
        Addressed::Bucket { name, .. } if name == FUNCTIONS => return Err(refusal(FUNCTIONS, "")),
        Addressed::Bucket { .. } => true,
        Addressed::Object => false,
    };
    if *method == Method::HEAD || *method == Method::OPTIONS {
        return Ok(());
    }
    let mut named = false;
    for name in parameters(uri).map(Parameter::name) {
        // As those of a signature do, of which a link has half a dozen.
        if name.starts_with("X-Amz-") {
            continue;
        }
        let Ok(at) = NAMES.binary_search_by_key(&&*name, |(known, _, _)| *known) else {
            continue;
        };
        named = true;
        let (_, bucket, object) = NAMES[at];
        let methods = if of_bucket { bucket } else { object };
        if !methods.split(' ').any(|known| known == method.as_str()) {
            return Err(refusal(&name, methods));
        }
    }
    if of_bucket && !named && *method == Method::POST {
        let message = "Bucket POST must be of the enclosure-type multipart/form-data";
        return Err(s3_error!(PreconditionFailed, "{message}"));
    }
    Ok(())
}

fn refusal(name: &str, methods: &str) -> S3Error {
    if methods.is_empty() {
        return s3_error!(NotImplemented, "There is no `{name}` here");
    }
    plain(s3s::S3ErrorCode::MethodNotAllowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Hosts;

    fn code(method: Method, uri: &str) -> Option<String> {
        let (uri, hosts): (Uri, _) = (uri.parse().expect("a URI"), Hosts::default());
        let outcome = check(&method, &uri, &hosts.addressed(&uri, None));
        outcome.err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted_by_key(|(name, _, _)| *name));
    }

    #[test]
    fn what_would_be_taken_for_another_operation_is_refused() {
        let no = Some("NotImplemented".to_owned());
        assert_eq!(code(Method::DELETE, "/photos?abac"), no);
        assert_eq!(code(Method::PUT, "/photos/a?renameObject"), no);
        assert_eq!(code(Method::PUT, "/photos/a?encryption=x"), no);
        assert_eq!(code(Method::GET, "/photos?prefix=a&metadataConfiguration"), no);
        let not_so = Some("MethodNotAllowed".to_owned());
        assert_eq!(code(Method::DELETE, "/photos?acl"), not_so);
        assert_eq!(code(Method::DELETE, "/photos/a?acl"), not_so);
        assert_eq!(code(Method::DELETE, "/photos?versioning="), not_so);
        assert_eq!(code(Method::PUT, "/photos?uploads"), not_so);
        assert_eq!(code(Method::DELETE, "/photos?%61cl"), not_so, "s3s reads it so");
        let no_form = Some("PreconditionFailed".to_owned());
        assert_eq!(code(Method::POST, "/photos?x-id=PostObject"), no_form);
        for (method, uri) in [
            (Method::DELETE, "/photos?policy"),
            (Method::PUT, "/photos/a?tagging"),
            (Method::HEAD, "/photos?abac"),
            (Method::PUT, "/photos/a?x-id=PutObject"),
            (Method::DELETE, "/photos/a?versionId=null"),
            (Method::GET, "/?abac"),
            (Method::PUT, "/photos/a"),
            (Method::POST, "/photos?delete"),
            (Method::POST, "/photos/a?uploads"),
        ] {
            assert_eq!(code(method, uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn any_query_passes_or_is_refused(query in "[a-zA-Z=&%-]{0,40}") {
            let _ = code(Method::DELETE, &format!("/photos/a?{query}"));
        }
    }
}
