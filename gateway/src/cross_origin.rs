//! Answers to web pages of other origins: preflights, and what a browser needs to see in an answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use model::BucketName;
use s3s::{Body, HttpResponse, S3Result};

use crate::{
    documents::cors::{Asked, Rule},
    errors,
    host::Hosts,
    names, query,
    settings::AllSettings,
};

/// What a browser may keep an answer for: it is another for another origin.
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// A request that a browser sent for a page of some origin.
pub(crate) struct CrossOrigin {
    bucket: BucketName,
    origin: String,
    /// Of a preflight that of the request to come.
    method: String,
    headers: Option<String>,
}

impl CrossOrigin {
    /// Of a request, if it is one.
    pub(crate) fn of(request: &Request<Body>, hosts: &Hosts) -> Option<Self> {
        let origin = text(request.headers(), &header::ORIGIN)?;
        let asked = text(request.headers(), &header::ACCESS_CONTROL_REQUEST_METHOD);
        let method = asked.unwrap_or_else(|| request.method().to_string());
        let headers = text(request.headers(), &header::ACCESS_CONTROL_REQUEST_HEADERS);
        let headers = headers.filter(|_| request.method() == Method::OPTIONS);
        let host = request.headers().get(header::HOST);
        let bucket = query::decoded_path(&hosts.bucket_of(request.uri(), host)?)?;
        Some(Self { bucket: names::bucket(bucket).ok()?, origin, method, headers })
    }

    /// Adds to an answer what lets the page read it, if the bucket's rules do.
    pub(crate) fn mark(&self, settings: &AllSettings, answer: &mut HttpResponse) {
        // What cannot be read was an error of the request itself already.
        let Ok(Some(settings)) = settings.of(&self.bucket) else { return };
        let asked = self.asked();
        if let Some((rule, origin)) = settings.cors.as_ref().and_then(|cors| cors.allows(&asked)) {
            set_headers(answer.headers_mut(), (rule, origin), None);
        }
    }

    fn asked(&self) -> Asked<'_> {
        let headers = self.headers.as_deref();
        Asked { origin: &self.origin, method: &self.method, headers }
    }
}

/// Answers a preflight: whether a page may send what it wants to. Nobody signs those.
pub(crate) fn preflight(
    settings: &AllSettings,
    request: &Request<Body>,
    asked: Option<&CrossOrigin>,
) -> S3Result<HttpResponse> {
    let asked = asked.ok_or_else(|| errors::insufficient("Origin request header and bucket"))?;
    if !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return Err(errors::insufficient("Access-Control-Request-Method request header"));
    }
    let settings = settings.of(&asked.bucket)?.ok_or_else(errors::no_such_bucket)?;
    let cors = settings
        .cors
        .as_ref()
        .ok_or_else(|| errors::forbidden("CORSResponse: CORS is not enabled for this bucket"))?;
    let wish = asked.asked();
    let found = cors.allows(&wish).ok_or_else(|| {
        errors::forbidden(
            "CORSResponse: no rule of the bucket allows this origin, method and headers",
        )
    })?;
    let mut answer = HttpResponse::new(Body::empty());
    *answer.status_mut() = StatusCode::OK;
    set_headers(answer.headers_mut(), found, asked.headers.as_deref());
    Ok(answer)
}

fn set_headers(headers: &mut HeaderMap, (rule, origin): (&Rule, &str), asked: Option<&str>) {
    let mut set = |name: HeaderName, value: &str| {
        // Whatever was set once came in a header or in XML, and may hold what no header can.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    set(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
    if origin != "*" {
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    if let Some(asked) = asked {
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, &asked.to_ascii_lowercase());
    }
    if !rule.exposed.is_empty() {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age {
        set(header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(header::VARY, VARY);
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
