//! Tags of objects and buckets.

use std::collections::BTreeMap;

use model::attribute;
use s3s::{
    S3Result,
    dto::{Tag, TagSet},
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::json_document;
use crate::query::decoded;

/// Tags of one object; the limit of S3.
pub(crate) const OF_OBJECT_MAX: usize = 10;
/// Tags of one bucket; the limit of S3.
pub(crate) const OF_BUCKET_MAX: usize = 50;
/// Characters of a key and of a value; the limits of S3.
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;
/// Keys that begin so are AWS's own.
const RESERVED: &str = "aws:";

/// Tags by key.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tags(pub(crate) BTreeMap<String, String>);

json_document!(Tags, attribute::TAGS);

impl Tags {
    /// Of the XML of a request.
    pub(crate) fn from_set(set: TagSet, max: usize) -> S3Result<Self> {
        let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
        let pairs = set
            .into_iter()
            .map(|tag| pair(tag).ok_or_else(|| s3_error!(MalformedXML, "A tag needs a key")));
        Self::new(pairs.collect::<S3Result<Vec<_>>>()?, max)
    }

    /// Of the header `x-amz-tagging`, which has the form of a URL's query. `None`: it has none.
    pub(crate) fn from_header(header: Option<&str>) -> S3Result<Option<Self>> {
        let Some(text) = header.filter(|text| !text.is_empty()) else { return Ok(None) };
        let malformed =
            || s3_error!(InvalidArgument, "x-amz-tagging is not in the form of a query");
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = decoded(key).zip(decoded(value)).ok_or_else(malformed)?;
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(s3_error!(InvalidArgument, "x-amz-tagging has a key twice"));
            }
            pairs.push((key, value));
        }
        Self::new(pairs, OF_OBJECT_MAX).map(Some)
    }

    fn new(pairs: Vec<(String, String)>, max: usize) -> S3Result<Self> {
        if pairs.len() > max {
            return Err(s3_error!(InvalidTag, "There are {} tags, {max} are allowed", pairs.len()));
        }
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            check(&key, &value)?;
            if tags.insert(key, value).is_some() {
                return Err(s3_error!(InvalidTag, "Two tags have the same key"));
            }
        }
        Ok(Self(tags))
    }

    /// In the order of their keys.
    pub(crate) fn to_set(&self) -> TagSet {
        let tag = |(key, value): (&String, &String)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        self.0.iter().map(tag).collect()
    }

    /// How many there are, as answers count them: nothing is said of none.
    pub(crate) fn count(&self) -> Option<i32> {
        i32::try_from(self.0.len()).ok().filter(|count| *count > 0)
    }
}

fn check(key: &str, value: &str) -> S3Result<()> {
    let refused = |what| Err(s3_error!(InvalidTag, "{what}"));
    if !(1..=KEY_MAX).contains(&key.chars().count()) {
        return refused("The key of a tag has 1 to 128 characters");
    }
    if value.chars().count() > VALUE_MAX {
        return refused("The value of a tag has up to 256 characters");
    }
    if key.to_ascii_lowercase().starts_with(RESERVED) {
        return refused("Keys that begin with aws: are reserved");
    }
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c);
    if !key.chars().chain(value.chars()).all(allowed) {
        return refused("A tag has letters, digits, spaces and + - = . _ : / @");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{any, prop, proptest};
    use s3s::S3ErrorCode;

    use super::*;
    use crate::documents::Document;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
    }

    fn refusal(set: TagSet) -> Option<S3ErrorCode> {
        Tags::from_set(set, OF_OBJECT_MAX).err().map(|error| error.code().clone())
    }

    #[test]
    fn tags_come_back_as_they_were_set_in_the_order_of_their_keys() {
        let set = vec![tag("b", "2"), tag("a", ""), tag("ünï cödé", "x/y@z")];
        let tags = Tags::from_set(set, OF_OBJECT_MAX).unwrap();
        assert_eq!(tags.to_set(), [tag("a", ""), tag("b", "2"), tag("ünï cödé", "x/y@z")]);
        assert_eq!(tags.count(), Some(3));
        let kept = tags.to_bytes();
        assert_eq!(kept, r#"{"a":"","b":"2","ünï cödé":"x/y@z"}"#);
        assert_eq!(Tags::from_bytes(&kept), Some(tags));
        assert_eq!(Tags::from_bytes(&Bytes::from_static(b"[1]")), None);
        assert_eq!(Tags::default().count(), None);
    }

    #[test]
    fn a_header_says_tags_in_the_form_of_a_query() {
        let read = |text| Tags::from_header(Some(text)).unwrap().unwrap().to_set();
        assert_eq!(read("foo=bar&bar"), [tag("bar", ""), tag("foo", "bar")]);
        assert_eq!(read("a%20b=c+d%2F"), [tag("a b", "c d/")]);
        assert_eq!(Tags::from_header(None).unwrap(), None);
        assert_eq!(Tags::from_header(Some("")).unwrap(), None);
        for bad in ["a%2=b", "a=%zz", "%ff=1", "a=b&a=c", "a=b&%61"] {
            let error = Tags::from_header(Some(bad)).unwrap_err();
            assert_eq!(*error.code(), S3ErrorCode::InvalidArgument, "{bad}");
        }
        let error = Tags::from_header(Some("a=b&=c")).unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::InvalidTag);
    }

    proptest! {
        #[test]
        fn no_header_and_no_bytes_make_it_panic(
            text in "[a%&=+0-9é]{0,40}|.{0,20}",
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let _unknown = Tags::from_bytes(&bytes.into());
            if let Ok(Some(tags)) = Tags::from_header(Some(&text)) {
                assert_eq!(Tags::from_set(tags.to_set(), OF_OBJECT_MAX).unwrap(), tags);
            }
        }
    }

    #[test]
    fn tags_beyond_the_limits_of_s3_are_refused() {
        let many = |n: usize| (0..n).map(|n| tag(&n.to_string(), "v")).collect::<Vec<_>>();
        assert_eq!(refusal(many(OF_OBJECT_MAX)), None);
        assert_eq!(refusal(many(OF_OBJECT_MAX + 1)), Some(S3ErrorCode::InvalidTag));
        assert!(Tags::from_set(many(OF_BUCKET_MAX), OF_BUCKET_MAX).is_ok());
        assert!(Tags::from_set(many(OF_BUCKET_MAX + 1), OF_BUCKET_MAX).is_err());
        assert_eq!(refusal(vec![tag(&"ü".repeat(KEY_MAX), &"ü".repeat(VALUE_MAX))]), None);
        let bad = [
            tag("", "v"),
            tag(&"k".repeat(KEY_MAX + 1), "v"),
            tag("k", &"v".repeat(VALUE_MAX + 1)),
            tag("aws:k", "v"),
            tag("AWS:k", "v"),
            tag("k", "<v>"),
        ];
        for bad in bad {
            assert_eq!(refusal(vec![bad.clone()]), Some(S3ErrorCode::InvalidTag), "{bad:?}");
        }
        assert_eq!(refusal(vec![Tag { key: None, value: None }]), Some(S3ErrorCode::MalformedXML));
        assert_eq!(refusal(vec![tag("a", "1"), tag("a", "2")]), Some(S3ErrorCode::InvalidTag));
    }
}
