//! Virtual-host style: the bucket stands in front of the endpoint's domain.
//!
//! A host that is not of the domain means nothing: the bucket is then in the path, which is how a
//! site is reached by its address or by the name of its machine.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderValue, Uri};
use memchr::memchr2_iter;
use s3s::{
    S3Result,
    host::{S3Host, VirtualHost},
};

/// What a request addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Addressed<'r> {
    Service,
    /// Hosted: it stands in front of the domain, and not in the path.
    Bucket {
        name: Cow<'r, str>,
        hosted: bool,
    },
    Object,
}

/// The domain of an endpoint, if it has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Option<Arc<str>>);

impl Hosts {
    /// The domain in lower case, without a port.
    pub(crate) fn new(domain: Option<&str>) -> Self {
        Self(domain.map(|domain| Arc::from(domain.to_ascii_lowercase())))
    }

    /// What a request addresses, by its host and path.
    pub(crate) fn addressed<'r>(
        &self,
        uri: &'r Uri,
        host: Option<&'r HeaderValue>,
    ) -> Addressed<'r> {
        let named = self.named(uri, host);
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let (first, rest) = split(path);
        match named {
            Some(name) if path.is_empty() => Addressed::Bucket { name, hosted: true },
            Some(_) => Addressed::Object,
            None if path.is_empty() => Addressed::Service,
            None if rest.is_empty() => Addressed::Bucket { name: first.into(), hosted: false },
            None => Addressed::Object,
        }
    }

    /// The bucket that a request names, as it stands in its host or at the head of its path.
    pub(crate) fn bucket_of<'r>(
        &self,
        uri: &'r Uri,
        host: Option<&'r HeaderValue>,
    ) -> Option<Cow<'r, str>> {
        let (first, _) = split(uri.path().strip_prefix('/').unwrap_or_default());
        self.named(uri, host)
            .or_else(|| Some(first).filter(|first| !first.is_empty()).map(Cow::from))
    }

    /// Bucket and key that a request names, as they stand in its host and its path.
    pub(crate) fn object_of<'r>(
        &self,
        uri: &'r Uri,
        host: Option<&'r HeaderValue>,
    ) -> (Option<Cow<'r, str>>, &'r str) {
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        match (self.named(uri, host), split(path)) {
            (Some(bucket), _) => (Some(bucket), path),
            (None, ("", _)) => (None, ""),
            (None, (bucket, key)) => (Some(bucket.into()), key),
        }
    }

    fn named<'r>(&self, uri: &'r Uri, host: Option<&'r HeaderValue>) -> Option<Cow<'r, str>> {
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let host = host.and_then(|host| host.to_str().ok()).or(authority);
        host.and_then(|host| self.bucket(host))
    }

    /// The bucket that a host names, in lower case: names of hosts have no case, and those of
    /// buckets only that. `None` if the bucket is in the path.
    fn bucket<'h>(&self, host: &'h str) -> Option<Cow<'h, str>> {
        let domain = self.0.as_deref()?;
        let name = without_port(host);
        let at = name.len().checked_sub(domain.len())?;
        let (before, behind) = name.split_at_checked(at)?;
        let bucket = before.strip_suffix('.').filter(|bucket| !bucket.is_empty())?;
        let lower = || match bucket.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(bucket.to_ascii_lowercase()),
            false => Cow::Borrowed(bucket),
        };
        behind.eq_ignore_ascii_case(domain).then(lower)
    }
}

/// Bucket and key of a path; a slash may be encoded, which s3s takes for one as well.
fn split(path: &str) -> (&str, &str) {
    for at in memchr2_iter(b'/', b'%', path.as_bytes()) {
        let (first, rest) = path.split_at(at);
        let behind = ["/", "%2F", "%2f"].into_iter().find_map(|slash| rest.strip_prefix(slash));
        if let Some(behind) = behind {
            return (first, behind);
        }
    }
    (path, "")
}

/// A port is all digits; an IPv6 address in brackets has none of these behind its last colon. The
/// dot behind a name that is complete means nothing more.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let named = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => named.with_bucket(bucket),
            None => named,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_stands_in_front_of_the_domain() {
        let hosts = Hosts::new(Some("S3.example.com"));
        for (host, bucket) in [
            ("photos.s3.example.com", Some("photos")),
            ("photos.s3.example.com:9000", Some("photos")),
            ("a.b.S3.Example.Com", Some("a.b")),
            ("Photos.s3.example.com", Some("photos")),
            ("photos.s3.example.com.:443", Some("photos")),
            ("s3.example.com", None),
            (".s3.example.com", None),
            ("photos3.example.com", None),
            ("example.com", None),
            ("localhost:9000", None),
            ("127.0.0.1:9000", None),
            ("[::1]:9000", None),
            ("", None),
        ] {
            assert_eq!(hosts.bucket(host).as_deref(), bucket, "{host}");
        }
        assert_eq!(Hosts::new(None).bucket("photos.s3.example.com"), None);
    }

    #[test]
    fn what_is_addressed_follows_from_host_and_path() {
        let hosts = Hosts::new(Some("s3.example.com"));
        let addressed = |host: &'static str, path: &str| {
            let (uri, host): (Uri, _) =
                (path.parse().expect("a path"), HeaderValue::from_static(host));
            match hosts.addressed(&uri, Some(&host)) {
                Addressed::Bucket { name, hosted } => format!("{name} {hosted}"),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(addressed("Photos.s3.example.com", "/"), "photos true");
        assert_eq!(addressed("photos.s3.example.com", "/a"), "Object");
        assert_eq!(addressed("s3.example.com", "/"), "Service");
        assert_eq!(addressed("s3.example.com", "/photos"), "photos false");
        assert_eq!(addressed("localhost", "/photos/"), "photos false");
        assert_eq!(addressed("localhost", "/photos//"), "Object");
        assert_eq!(addressed("localhost", "/photos%2Fa"), "Object");
        assert_eq!(addressed("localhost", "/photos/a%2fb"), "Object");
    }

    proptest! {
        #[test]
        fn any_host_is_taken(host in "\\PC{0,20}(\\.s3\\.example\\.com)?(:[0-9]{0,6})?") {
            let hosts = Hosts::new(Some("s3.example.com"));
            let lower = host.to_ascii_lowercase();
            prop_assert!(hosts.bucket(&host).is_none_or(|bucket| lower.starts_with(&*bucket)));
        }

        #[test]
        fn any_request_addresses_something(
            host in proptest::collection::vec(any::<u8>(), 0..30),
            path in "/[ -~]{0,20}",
        ) {
            let hosts = Hosts::new(Some("s3.example.com"));
            let host = HeaderValue::from_bytes(&host).ok();
            if let Ok(uri) = path.parse::<Uri>() {
                let _ = hosts.addressed(&uri, host.as_ref());
            }
        }
    }
}
