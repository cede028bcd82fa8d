//! The put that a form asks for.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::{
    S3Result,
    dto::{PutObjectInput, Tagging, Timestamp, TimestampFormat},
    s3_error, xml,
};

use super::fields::Fields;
use crate::{errors, listing::url_encode};

/// A put of an object with the attributes that a form's fields give it. Its body is not in it.
pub(super) fn put_object(
    fields: &Fields,
    (bucket, key): (String, String),
) -> S3Result<PutObjectInput> {
    let time = |name, format| {
        let parsed = fields.text(name).map(|text| Timestamp::parse(format, &text)).transpose();
        parsed.map_err(|_| s3_error!(InvalidArgument, "The field `{name}` is not a time"))
    };
    let metadata = fields.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("x-amz-meta-").filter(|name| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    });
    let metadata: s3s::dto::Metadata = metadata.collect();
    let input = PutObjectInput::builder()
        .bucket(bucket)
        .key(key)
        .acl(fields.text("acl").map(Into::into))
        .cache_control(fields.text("cache-control"))
        .checksum_algorithm(fields.text("x-amz-checksum-algorithm").map(Into::into))
        .checksum_crc32(fields.text("x-amz-checksum-crc32"))
        .checksum_crc32c(fields.text("x-amz-checksum-crc32c"))
        .checksum_crc64nvme(fields.text("x-amz-checksum-crc64nvme"))
        .checksum_sha1(fields.text("x-amz-checksum-sha1"))
        .checksum_sha256(fields.text("x-amz-checksum-sha256"))
        .content_disposition(fields.text("content-disposition"))
        .content_encoding(fields.text("content-encoding"))
        .content_language(fields.text("content-language"))
        .content_md5(fields.text("content-md5"))
        .content_type(fields.text("content-type"))
        .expires(time("expires", TimestampFormat::HttpDate)?)
        .metadata(Some(metadata).filter(|metadata| !metadata.is_empty()))
        .object_lock_legal_hold_status(fields.text("x-amz-object-lock-legal-hold").map(Into::into))
        .object_lock_mode(fields.text("x-amz-object-lock-mode").map(Into::into))
        .object_lock_retain_until_date(time(
            "x-amz-object-lock-retain-until-date",
            TimestampFormat::DateTime,
        )?)
        .server_side_encryption(fields.text("x-amz-server-side-encryption").map(Into::into))
        .sse_customer_algorithm(fields.text("x-amz-server-side-encryption-customer-algorithm"))
        .sse_customer_key(fields.text("x-amz-server-side-encryption-customer-key"))
        .sse_customer_key_md5(fields.text("x-amz-server-side-encryption-customer-key-md5"))
        .bucket_key_enabled(bucket_key(fields)?)
        .ssekms_encryption_context(fields.text("x-amz-server-side-encryption-context"))
        .ssekms_key_id(fields.text("x-amz-server-side-encryption-aws-kms-key-id"))
        .storage_class(fields.text("x-amz-storage-class").map(Into::into))
        .tagging(fields.text("tagging").map(|xml| tags(&xml)).transpose()?)
        .website_redirect_location(fields.text("x-amz-website-redirect-location"))
        .build();
    input.map_err(|_| errors::malformed_form())
}

fn bucket_key(fields: &Fields) -> S3Result<Option<bool>> {
    let name = "x-amz-server-side-encryption-bucket-key-enabled";
    let parse = |text: String| text.parse::<bool>();
    let parsed = fields.text(name).map(parse).transpose();
    parsed.map_err(|_| s3_error!(InvalidArgument, "The field `{name}` is neither true nor false"))
}

/// The fields as the headers of a put would say them, for the conditions of policies.
pub(super) fn headers(fields: &Fields, input: &PutObjectInput) -> HeaderMap {
    let named = |name: &str, value: &str| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let of_amazon = fields.iter().filter(|(name, _)| name.starts_with("x-amz-"));
    let mut headers: HeaderMap = of_amazon.filter_map(|(name, value)| named(name, value)).collect();
    let acl = input.acl.as_ref().map(|acl| ("x-amz-acl", acl.as_str()));
    let tags = input.tagging.as_ref().map(|tags| ("x-amz-tagging", tags.as_str()));
    headers.extend(acl.into_iter().chain(tags).filter_map(|(name, value)| named(name, value)));
    headers
}

/// Tags come as XML in a form, and as a query in the header of a put.
fn tags(text: &str) -> S3Result<String> {
    let mut reader = xml::Deserializer::new(text.as_bytes());
    let tagging = <Tagging as xml::Deserialize>::deserialize(&mut reader);
    let tagging = tagging.map_err(|_| errors::malformed_xml())?;
    let encoded = |text: Option<String>| url_encode(&text.unwrap_or_default()).replace('/', "%2F");
    let pairs = tagging.tag_set.into_iter();
    let pairs: Vec<String> =
        pairs.map(|tag| format!("{}={}", encoded(tag.key), encoded(tag.value))).collect();
    Ok(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(name: &str, value: &str) -> S3Result<PutObjectInput> {
        let fields = Fields::new(vec![(name.to_owned(), value.to_owned())], None);
        put_object(&fields, ("photos".to_owned(), "a".to_owned()))
    }

    #[test]
    fn tags_are_those_of_the_xml() {
        let xml = "<Tagging><TagSet><Tag><Key>a/b</Key><Value>1 &amp; 2</Value></Tag>\
                   <Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>";
        let made = put("tagging", xml).expect("a put");
        assert_eq!(made.tagging.as_deref(), Some("a%2Fb=1%20%26%202&c="));
        let code = |xml| put("tagging", xml).expect_err("no tags").code().as_str().to_owned();
        assert_eq!(code("<Tagging>"), "MalformedXML");
        assert_eq!(code("a=b"), "MalformedXML");
    }

    #[test]
    fn times_are_in_the_form_of_their_headers() {
        assert!(put("Expires", "Tue, 07 Jul 2026 21:53:04 GMT").expect("a put").expires.is_some());
        let until = "x-amz-object-lock-retain-until-date";
        let made = put(until, "2026-07-07T21:53:04Z").expect("a put");
        assert!(made.object_lock_retain_until_date.is_some());
        for name in ["expires", until] {
            let error = put(name, "tomorrow").expect_err("no time");
            assert_eq!(error.code().as_str(), "InvalidArgument");
        }
    }

    proptest! {
        #[test]
        fn any_value_of_a_field_is_taken_or_refused(value: String, time in "[0-9TZ:. +a-zA-Z,-]{0,40}") {
            for name in ["tagging", "expires", "x-amz-object-lock-retain-until-date"] {
                let _ = put(name, &value);
                let _ = put(name, &time);
            }
            let _ = put("tagging", &format!("<Tagging><TagSet>{value}</TagSet></Tagging>"));
        }
    }
}
