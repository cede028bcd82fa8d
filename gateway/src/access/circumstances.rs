//! What the conditions of a policy can ask of a request.

use http::{HeaderMap, Uri, header};
use model::{Millis, UserId};

use super::guard::Peer;
use crate::{documents::tags::Tags, query::parameter};

/// A request, as far as conditions look at it.
pub(crate) struct Circumstances<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    /// `None`: not told, and no condition on it holds.
    pub(crate) peer: Option<Peer>,
    pub(crate) now: Millis,
    /// Of the object that is there already.
    pub(crate) tags: &'a dyn Fn() -> Option<Tags>,
}

impl Circumstances<'_> {
    /// The values of a condition key: in lower case, but for a tag's behind the slash.
    pub(crate) fn values(&self, key: &str) -> Option<Vec<String>> {
        let one = |value: Option<String>| value.map(|value| vec![value]);
        if let Some((name, tag)) = key.split_once('/') {
            let tags = match name {
                "s3:existingobjecttag" => (self.tags)(),
                "s3:requestobjecttag" => self.request_tags(),
                _ => None,
            };
            return one(tags?.0.remove(tag));
        }
        if key == "s3:requestobjecttagkeys" {
            return Some(self.request_tags()?.0.into_keys().collect());
        }
        one(match key.split_once(':')? {
            ("aws", name) => self.global(name),
            ("s3", name) => self.own(name),
            _ => None,
        })
    }

    /// Keys that all services of AWS have.
    fn global(&self, name: &str) -> Option<String> {
        let user = (!self.user.is_anonymous()).then_some(self.user);
        match name {
            "sourceip" => Some(self.peer?.ip.to_canonical().to_string()),
            "securetransport" => Some(self.peer?.secure.to_string()),
            "referer" => self.header(header::REFERER.as_str()),
            "useragent" => self.header(header::USER_AGENT.as_str()),
            "currenttime" => Some(self.now.to_string()),
            "epochtime" => Some((self.now.0 / 1_000).to_string()),
            "username" | "userid" | "principalaccount" => user.map(ToString::to_string),
            "principalarn" => user.map(|user| format!("arn:aws:iam::{user}:root")),
            "principaltype" => Some(if user.is_some() { "User" } else { "Anonymous" }.to_owned()),
            _ => None,
        }
    }

    /// Keys of S3.
    fn own(&self, name: &str) -> Option<String> {
        match name {
            "prefix" | "delimiter" | "max-keys" => parameter(self.uri, name),
            "versionid" => parameter(self.uri, "versionId"),
            "authtype" if self.user.is_anonymous() => None,
            "authtype" => {
                let presigned = parameter(self.uri, "X-Amz-Signature").is_some();
                Some(if presigned { "REST-QUERY-STRING" } else { "REST-HEADER" }.to_owned())
            }
            "signatureversion" if self.user.is_anonymous() => None,
            "signatureversion" => Some("AWS4-HMAC-SHA256".to_owned()),
            "x-amz-copy-source" => {
                let source = self.header(name)?;
                let source = crate::query::decoded_path(&source)?;
                Some(source.strip_prefix('/').unwrap_or(&source).to_owned())
            }
            "if-match" | "if-none-match" => self.header(name),
            // Not of the URL, where these are without effect: what a policy asks for must be done.
            _ if name.starts_with("x-amz-") => self.header(name),
            _ => None,
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    fn request_tags(&self) -> Option<Tags> {
        let header = self.header("x-amz-tagging");
        Tags::from_header(header.as_deref()).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr};

    use super::*;

    fn value(
        user: &UserId,
        uri: &'static str,
        headers: &[(&str, &str)],
        key: &str,
    ) -> Option<String> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            all.insert(name, value.parse().unwrap());
        }
        let tags = || Some(Tags(BTreeMap::from([("Team".to_owned(), "red".to_owned())])));
        let peer = Peer { ip: "::ffff:10.0.0.1".parse::<IpAddr>().unwrap(), secure: true };
        let circumstances = Circumstances {
            user,
            headers: &all,
            uri: &Uri::from_static(uri),
            peer: Some(peer),
            now: Millis(1_767_225_600_000),
            tags: &tags,
        };
        let values = circumstances.values(key)?;
        Some(values.join(","))
    }

    #[test]
    fn every_key_has_the_value_that_the_request_gives_it() {
        let (main, nobody) = (UserId::try_from("main".to_owned()).unwrap(), UserId::anonymous());
        let uri = "/photos?prefix=a%2F&max-keys=7&versionId=3&X-Amz-Signature=1\
                   &x-amz-storage-class=STANDARD";
        let headers = [
            ("referer", "http://page"),
            ("user-agent", "curl"),
            ("x-amz-copy-source", "/music/a%20b+c"),
            ("x-amz-tagging", "Team=blue&kind=x"),
            ("x-amz-grant-read", "id=alt"),
            ("x-amz-acl", "private"),
        ];
        let said = [
            ("aws:sourceip", "10.0.0.1"),
            ("aws:securetransport", "true"),
            ("aws:referer", "http://page"),
            ("aws:useragent", "curl"),
            ("aws:currenttime", "2026-01-01T00:00:00Z"),
            ("aws:epochtime", "1767225600"),
            ("aws:username", "main"),
            ("aws:principalarn", "arn:aws:iam::main:root"),
            ("aws:principaltype", "User"),
            ("s3:prefix", "a/"),
            ("s3:max-keys", "7"),
            ("s3:versionid", "3"),
            ("s3:authtype", "REST-QUERY-STRING"),
            ("s3:signatureversion", "AWS4-HMAC-SHA256"),
            ("s3:x-amz-acl", "private"),
            ("s3:x-amz-grant-read", "id=alt"),
            ("s3:x-amz-copy-source", "music/a b+c"),
            ("s3:existingobjecttag/Team", "red"),
            ("s3:requestobjecttag/Team", "blue"),
            ("s3:requestobjecttagkeys", "Team,kind"),
        ];
        for (key, expected) in said {
            assert_eq!(value(&main, uri, &headers, key).as_deref(), Some(expected), "{key}");
        }
        let absent = [
            "s3:delimiter",
            "s3:existingobjecttag/team",
            "s3:x-amz-storage-class",
            "aws:else",
            "s3:else",
            "else",
            "ec2:a",
        ];
        for key in absent {
            assert_eq!(value(&main, uri, &headers, key), None, "{key}");
        }
        assert_eq!(value(&main, "/", &[], "s3:authtype").as_deref(), Some("REST-HEADER"));
        for key in ["aws:username", "s3:authtype", "s3:signatureversion"] {
            assert_eq!(value(&nobody, uri, &headers, key), None, "{key}");
        }
        assert_eq!(value(&nobody, "/", &[], "aws:principaltype").as_deref(), Some("Anonymous"));
    }
}
