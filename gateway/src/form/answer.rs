//! What a browser is answered once its form has become an object.

use http::{HeaderValue, Response, StatusCode, header};
use s3s::{Body, HttpResponse, S3Result, dto::PutObjectOutput};

use super::fields::Fields;
use crate::{errors, listing::url_encode, xml::escape};

/// The answer that the form asks for: to go on elsewhere, or a status.
pub(super) fn answer(
    fields: &Fields,
    (bucket, key): (&str, &str),
    made: &PutObjectOutput,
) -> S3Result<HttpResponse> {
    let etag = made.e_tag.as_ref().map(|etag| etag.value().to_owned()).unwrap_or_default();
    let location = format!("/{bucket}/{}", url_encode(key));
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
    let shown = [
        (header::ETAG, Some(format!("\"{etag}\""))),
        (header::LOCATION, Some(location)),
        (header::HeaderName::from_static("x-amz-version-id"), version),
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
    let encode = |text: &str| url_encode(text).replace('/', "%2F");
    let (bucket, key) = (encode(bucket), encode(key));
    Some(format!("{page}{before}bucket={bucket}&key={key}&etag=%22{etag}%22"))
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
