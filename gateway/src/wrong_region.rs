//! A signature for a region that cannot be one, as s3cmd makes it (`US`) unless it is told
//! otherwise. S3 answers with the right region, and the client signs again for that.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use s3s::{Body, HttpResponse};

/// The answer to a request that is signed for a region with upper-case letters. Any other region
/// is taken: what it is called means nothing to a site.
pub(crate) fn refusal(headers: &HeaderMap, region: &str) -> Option<HttpResponse> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let credential = authorization.split("Credential=").nth(1)?.split(',').next()?;
    let signed_for = credential.rsplit('/').nth(2)?;
    if signed_for == region || !signed_for.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed\
         </Code><Message>The request is signed for another region</Message>\
         <Region>{region}</Region></Error>"
    );
    let mut answer = Response::new(Body::from(xml.into_bytes()));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let content_type = HeaderValue::from_static("application/xml");
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_a_region_is_told_the_right_one() {
        let status = |authorization: &str| {
            let value = HeaderValue::from_str(authorization).expect("a header");
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            refusal(&headers, "eu-1").map(|answer| answer.status())
        };
        let signed = |region: &str| {
            let scope = format!("A/K/20260101/{region}/s3/aws4_request");
            status(&format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"))
        };
        assert_eq!(signed("US"), Some(StatusCode::BAD_REQUEST));
        assert!(refusal(&HeaderMap::new(), "EU").is_none());
        assert_eq!((signed("us-east-1"), signed("garage")), (None, None));
        assert_eq!((status("AWS AK:signature"), status("Credential=US")), (None, None));
        assert!(refusal(&HeaderMap::new(), "eu-1").is_none());
    }
}
