//! What a browser is answered once its form has become an object.

use http::{HeaderValue, Response, StatusCode, header};
use s3s::{Body, HttpResponse, S3Result, dto::PutObjectOutput};

use super::fields::Fields;
use crate::{errors, listing::url_encode, xml::escape};

/// The answer that the form asks for: to go on elsewhere, or a status.
pub(super) fn answer(
    fields: &Fields,
    (bucket, key, hosted): (&str, &str, bool),
    made: &PutObjectOutput,
) -> S3Result<HttpResponse> {
    let etag = made.e_tag.as_ref().map(|etag| etag.value().to_owned()).unwrap_or_default();
    // A path, which is right whatever name and port the browser knows this site by.
    let within = if hosted { String::new() } else { format!("/{bucket}") };
    let location = format!("{within}/{}", url_encode(key));
    let elsewhere = fields.text("success_action_redirect").or_else(|| fields.text("redirect"));
    let elsewhere = elsewhere.and_then(|page| redirected(&page, (bucket, key, &etag)));
    let mut answer = Response::new(Body::empty());
    let (status, location) = match (elsewhere, fields.get("success_action_status")) {
        (Some(page), _) => (StatusCode::SEE_OTHER, page),
        (None, Some("200")) => (StatusCode::OK, location),
        (None, Some("201")) => {
            *answer.body_mut() = Body::from(document(&location, (bucket, key, &etag)));
            let xml = HeaderValue::from_static("application/xml");
            answer.headers_mut().insert(header::CONTENT_TYPE, xml);
            (StatusCode::CREATED, location)
        }
        // Any other status is no wish that S3 knows.
        (None, _) => (StatusCode::NO_CONTENT, location),
    };
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let version = made.version_id.clone();
    let method = made.server_side_encryption.as_ref().map(|method| method.as_str().to_owned());
    let algorithm = made.sse_customer_algorithm.clone();
    let key_md5 = made.sse_customer_key_md5.clone();
    let bucket_key = made.bucket_key_enabled.map(|enabled| enabled.to_string());
    let named = header::HeaderName::from_static;
    let shown = [
        (header::ETAG, Some(format!("\"{etag}\""))),
        (header::LOCATION, Some(location)),
        (named("x-amz-version-id"), version),
        (named("x-amz-server-side-encryption"), method),
        (named("x-amz-server-side-encryption-customer-algorithm"), algorithm),
        (named("x-amz-server-side-encryption-customer-key-md5"), key_md5),
        (named("x-amz-server-side-encryption-aws-kms-key-id"), made.ssekms_key_id.clone()),
        (named("x-amz-server-side-encryption-context"), made.ssekms_encryption_context.clone()),
        (named("x-amz-server-side-encryption-bucket-key-enabled"), bucket_key),
    ];
    for (name, value) in shown {
        if let Some(value) = value {
            let value = HeaderValue::try_from(value).map_err(|_| errors::malformed_form())?;
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

/// The page to go on at, which is told what was made; `None` if it is no such page.
fn redirected(page: &str, (bucket, key, etag): (&str, &str, &str)) -> Option<String> {
    let uri: http::Uri = page.parse().ok()?;
    uri.scheme().filter(|scheme| matches!(scheme.as_str(), "http" | "https"))?;
    let before = if uri.query().is_some() { "&" } else { "?" };
    let (page, place) = page.split_at(page.find('#').unwrap_or(page.len()));
    let encode = |text: &str| url_encode(text).replace('/', "%2F");
    let (bucket, key) = (encode(bucket), encode(key));
    Some(format!("{page}{before}bucket={bucket}&key={key}&etag=%22{etag}%22{place}"))
}

fn document(location: &str, (bucket, key, etag): (&str, &str, &str)) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location>\
         <Bucket>{bucket}</Bucket><Key>{}</Key><ETag>&quot;{etag}&quot;</ETag></PostResponse>",
        escape(location),
        escape(key)
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_told_what_was_made() {
        let told = |page| redirected(page, ("photos", "a b", "x"));
        let query = "bucket=photos&key=a%20b&etag=%22x%22";
        assert_eq!(told("http://a.b"), Some(format!("http://a.b?{query}")));
        assert_eq!(told("https://a.b/c?d=1#e"), Some(format!("https://a.b/c?d=1&{query}#e")));
        for none in ["", "/c", "a.b", "javascript:alert(1)", "ftp://a.b", "http://a b"] {
            assert_eq!(told(none), None, "{none}");
        }
    }

    #[test]
    fn a_location_leads_to_the_object_from_where_the_form_was_posted() {
        let location = |hosted| {
            let made = PutObjectOutput::default();
            let answer = answer(&Fields::default(), ("photos", "a/b c", hosted), &made);
            answer.expect("an answer").headers()[header::LOCATION].clone()
        };
        assert_eq!(location(false), "/photos/a/b%20c");
        assert_eq!(location(true), "/a/b%20c");
    }

    proptest! {
        #[test]
        fn any_page_is_one_or_not(page: String) {
            for page in [page.clone(), format!("http://a/{page}")] {
                let told = redirected(&page, ("photos", "a", "x"));
                // The object is there by now: nothing may fail for the sake of the page.
                prop_assert!(told.is_none_or(|told| HeaderValue::try_from(told).is_ok()));
            }
        }
    }
}
