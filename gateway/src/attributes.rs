//! The descriptive headers of an object: what a put brings, what a read shows.

use std::collections::BTreeMap;

use model::Manifest;
use s3s::{
    S3Result,
    dto::{Metadata, Timestamp, TimestampFormat},
    s3_error,
};

/// Bytes of user metadata, names and values together; the limit of S3.
const METADATA_BYTES_MAX: usize = 2 * 1024;

/// What S3 says of an object whose put said nothing.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// Standard headers and user metadata, as a manifest keeps them.
pub(crate) struct Attributes {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The same as a client sent them.
pub(crate) struct Sent {
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) metadata: Option<Metadata>,
}

/// Takes them out of the input of any operation that makes an object.
macro_rules! sent {
    ($input:expr) => {
        crate::attributes::Sent {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        }
    };
}
pub(crate) use sent;

impl Attributes {
    /// Checks what was sent.
    pub(crate) fn new(sent: Sent) -> S3Result<Self> {
        let content_type = sent.content_type.filter(|value| !value.is_empty());
        let named = [
            ("cache-control", sent.cache_control),
            ("content-disposition", sent.content_disposition),
            ("content-encoding", sent.content_encoding.and_then(kept_encoding)),
            ("content-language", sent.content_language),
            ("content-type", content_type.or_else(|| Some(CONTENT_TYPE_DEFAULT.to_owned()))),
            ("expires", sent.expires.map(http_date).transpose()?),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let headers: BTreeMap<String, String> = named.collect();
        let metadata = user_metadata(sent.metadata.unwrap_or_default())?;
        match headers.iter().chain(&metadata).find(|(name, value)| !can_be_shown(name, value)) {
            Some((name, _)) => {
                Err(s3_error!(InvalidArgument, "`{name}` has characters that no header can have"))
            }
            None => Ok(Self { headers, metadata }),
        }
    }
}

/// A header that an object was put with.
pub(crate) fn header(manifest: &Manifest, name: &str) -> Option<String> {
    manifest.headers.get(name).cloned()
}

/// When the object says that it expires.
pub(crate) fn expires(manifest: &Manifest) -> Option<Timestamp> {
    let text = manifest.headers.get("expires")?;
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

/// User metadata as it is shown; `None` if there is none.
pub(crate) fn shown_metadata(manifest: &Manifest) -> Option<Metadata> {
    let pair = |(name, value): (&String, &String)| (name.clone(), value.clone());
    (!manifest.metadata.is_empty()).then(|| manifest.metadata.iter().map(pair).collect())
}

/// Whether a read can show this as a header. A form can bring what no header could, and so can the
/// encoding of metadata (RFC 2047): such an object could be put, and never be read.
fn can_be_shown(name: &str, value: &str) -> bool {
    let shown = |letter: char| letter == '\t' || !letter.is_ascii_control();
    http::HeaderName::from_bytes(name.as_bytes()).is_ok() && value.chars().all(shown)
}

/// Codings of the object itself: `aws-chunked` was only how it came.
fn kept_encoding(encoding: String) -> Option<String> {
    let own = |coding: &&str| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked");
    let all = encoding.split(',').map(str::trim);
    let kept: Vec<&str> = all.clone().filter(own).collect();
    if kept.len() == all.count() {
        return Some(encoding);
    }
    (!kept.is_empty()).then(|| kept.join(", "))
}

fn http_date(time: Timestamp) -> S3Result<String> {
    let mut text = Vec::new();
    let written = time.format(TimestampFormat::HttpDate, &mut text);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    text.ok_or_else(|| s3_error!(InvalidArgument, "Expires is out of range"))
}

fn user_metadata(metadata: Metadata) -> S3Result<BTreeMap<String, String>> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(s3_error!(
            MetadataTooLarge,
            "The metadata has {bytes} bytes, {METADATA_BYTES_MAX} are allowed"
        ));
    }
    Ok(metadata.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use s3s::{S3ErrorCode, dto::PutObjectInput};

    use super::*;

    fn take(change: impl FnOnce(&mut PutObjectInput)) -> S3Result<Attributes> {
        let input = PutObjectInput::builder().bucket("photos".to_owned()).key("a".to_owned());
        let mut input = input.build().expect("whole");
        change(&mut input);
        Attributes::new(sent!(input))
    }

    #[test]
    fn an_object_without_headers_has_a_content_type() {
        let kept = take(|put| put.content_type = Some(String::new())).expect("fine");
        let wanted = ("content-type".to_owned(), "binary/octet-stream".to_owned());
        assert_eq!(kept.headers, BTreeMap::from([wanted]));
        assert!(kept.metadata.is_empty());
    }

    #[test]
    fn what_a_read_could_not_show_is_refused() {
        let meta = |name: &str, value: &str| {
            let pair = (name.to_owned(), value.to_owned());
            take(|put| put.metadata = Some([pair].into_iter().collect())).map(|kept| kept.metadata)
        };
        assert_eq!(meta("a", "ü\t").expect("fine").len(), 1);
        for (name, value) in [("a", "\r\n"), ("a", "\u{7f}"), ("a b", "1"), ("ü", "1")] {
            let error = meta(name, value).expect_err("refused");
            assert_eq!(*error.code(), S3ErrorCode::InvalidArgument, "{name}: {value}");
        }
        let error = take(|put| put.content_type = Some("a\nb".to_owned())).err().expect("refused");
        assert_eq!(*error.code(), S3ErrorCode::InvalidArgument);
    }

    #[test]
    fn standard_headers_are_kept_and_aws_chunked_is_not() {
        let kept = take(|put| {
            put.content_encoding = Some("aws-chunked, gzip".to_owned());
            put.cache_control = Some("no-cache".to_owned());
            put.expires = Some(Timestamp::default());
        });
        let kept = kept.expect("fine").headers;
        assert_eq!(kept["content-encoding"], "gzip");
        assert_eq!(kept["cache-control"], "no-cache");
        assert_eq!(kept["expires"], "Thu, 01 Jan 1970 00:00:00 GMT");
        let kept = take(|put| put.content_encoding = Some("aws-chunked".to_owned()));
        assert!(!kept.expect("fine").headers.contains_key("content-encoding"));
    }

    #[test]
    fn metadata_over_two_kilobytes_is_refused() {
        let metadata = |bytes: usize| {
            let pair = ("n".to_owned(), "v".repeat(bytes - 1));
            take(move |put| put.metadata = Some(Metadata::from([pair])))
        };
        assert!(metadata(2_048).is_ok());
        let refused = metadata(2_049).err().map(|error| error.code().clone());
        assert_eq!(refused, Some(S3ErrorCode::MetadataTooLarge));
    }
}
