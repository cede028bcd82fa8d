//! One HTTP request: what s3s cannot do itself, and what is counted.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use model::RequestId;
use s3s::{
    Body, HttpError, HttpResponse, S3Error,
    config::{S3Config, StaticConfigProvider},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    access::Guard,
    auth::{Auth, RootKeys},
    chunk_limit,
    cross_origin::{self, CrossOrigin},
    handler::{Handler, get::HeadStatus},
    meter::Meter,
    names::BucketNames,
    operation::OperationSlot,
    settings::AllSettings,
    wrong_region,
};

/// Bytes of a request's XML: 1,000 keys of 1 KiB in `DeleteObjects`, each byte of them escaped.
const XML_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Names a request in its answer, and in every log line about it.
const REQUEST_ID: &str = "x-amz-request-id";

/// Answers requests; clones are handles to the same service.
#[derive(Clone)]
pub(crate) struct Service {
    s3: S3Service,
    meter: Meter,
    region: Arc<str>,
    settings: AllSettings,
}

impl Service {
    pub(crate) fn new(handler: Handler, keys: RootKeys) -> Self {
        let (meter, store) = (handler.meter.clone(), handler.store.clone());
        let region = Arc::from(handler.region.as_str());
        let settings = handler.settings.clone();
        let access = Guard::new(keys.access_key.clone(), store.clone(), settings.clone());
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        let mut builder = S3ServiceBuilder::new(handler);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(Auth::new(keys, store));
        builder.set_access(access);
        builder.set_validation(BucketNames);
        Self { s3: builder.build(), meter, region, settings }
    }

    /// Answers one request.
    pub(crate) async fn answer(self, request: Request<Body>) -> Result<HttpResponse, HttpError> {
        let started = Instant::now();
        let head_only = request.method() == Method::HEAD;
        let close = expects_of_nothing(&request);
        let slot = OperationSlot::default();
        let id = new_id();
        let cross_origin = CrossOrigin::of(&request);
        let answer = if request.method() == Method::OPTIONS {
            let answer = cross_origin::preflight(&self.settings, &request);
            answer
                .or_else(|error| error.to_http_response())
                .map_err(|error| HttpError::new(error.into()))
        } else if is_form(&request) {
            let error = s3_error!(NotImplemented, "Uploads by HTML form are not available");
            error.to_http_response().map_err(|error| HttpError::new(error.into()))
        } else if let Some(refusal) = wrong_region::refusal(request.headers(), &self.region) {
            Ok(refusal)
        } else {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(slot.clone());
            parts.extensions.insert(id);
            let body = chunk_limit::limit(&parts.headers, body);
            // Whatever is logged on the way carries the request's id.
            let span = tracing::info_span!("request", %id);
            self.s3.call(Request::from_parts(parts, body)).instrument(span).await
        };
        let mut answer = answer.map(|answer| adjust(answer, id, head_only));
        if let (true, Ok(answer)) = (close, &mut answer) {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let (Some(cross_origin), Ok(answer)) = (cross_origin, &mut answer) {
            cross_origin.mark(&self.settings, answer);
        }
        let status = answer.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
        let (operation, took) = (slot.get(), started.elapsed());
        tracing::debug!(request = %id, operation = operation.name(), %status, ?took, "answered");
        self.meter.answered(operation, status, took);
        answer
    }

    /// Answers a request that is not looked at any further.
    pub(crate) fn refuse(
        &self,
        request: &Request<Body>,
        error: S3Error,
    ) -> Result<HttpResponse, HttpError> {
        let answer = error.to_http_response().map_err(|error| HttpError::new(error.into()))?;
        self.meter.answered(OperationSlot::default().get(), answer.status(), Duration::ZERO);
        Ok(adjust(answer, new_id(), request.method() == Method::HEAD))
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// Never [`RequestId::NONE`].
pub(crate) fn new_id() -> RequestId {
    RequestId(rand::Rng::random_range(&mut rand::rng(), 1..=u64::MAX))
}

/// A form holds a whole object, which s3s takes into memory before it looks at the signature.
fn is_form(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    request.method() == Method::POST
        && content_type.is_some_and(|value| {
            let form = b"multipart/form-data";
            value.as_bytes().get(..form.len()).is_some_and(|v| v.eq_ignore_ascii_case(form))
        })
}

/// Whether a client waits for `100 Continue` before a body of no bytes, which hyper never sends.
/// Releases of botocore up to 1.42 take the final answer for it, and then misread the next answer
/// of the connection: such a connection is not used again.
fn expects_of_nothing(request: &Request<Body>) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_11
        && header(header::CONTENT_LENGTH) == Some(b"0")
        && header(header::EXPECT).is_some()
}

/// Names the request, sets the status that s3s could not, and takes away the body where HTTP
/// allows none: hyper does that for HTTP/1.1 only.
fn adjust(mut response: HttpResponse, id: RequestId, head_only: bool) -> HttpResponse {
    if let Ok(shown) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, shown);
    }
    if let Some(HeadStatus(status)) = response.extensions_mut().remove::<HeadStatus>() {
        *response.status_mut() = status;
    }
    if head_only || response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
    }
    response
}
