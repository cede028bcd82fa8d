//! One HTTP request: what s3s cannot do itself, and what is counted.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use model::RequestId;
use s3s::{
    Body, HttpError, HttpResponse, S3Error,
    config::{S3Config, StaticConfigProvider},
    service::{S3Service, S3ServiceBuilder},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    access::Guard,
    access_log::{self, AccessLog, Noted},
    auth::{Auth, RootKeys},
    chunk_limit,
    cross_origin::{self, CrossOrigin},
    dates,
    encryption::of_secure_connection,
    error_document::{self, About},
    form::{self, Forms},
    handler::{Handler, get::HeadStatus, object_attributes::BareETag},
    host::Hosts,
    meter::Meter,
    names::BucketNames,
    operation::OperationSlot,
    presigned,
    settings::AllSettings,
    subresource, version_two, wrong_region,
};

/// Bytes of a request's XML: 1,000 keys of 1 KiB in `DeleteObjects`, each byte of them escaped.
const XML_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Names a request in its answer, and in every log line about it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Names who answered: the site.
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Answers requests.
pub(crate) struct Service {
    s3: S3Service,
    forms: Arc<Forms>,
    meter: Meter,
    region: Arc<str>,
    /// The id of the site.
    host: Arc<str>,
    host_header: HeaderValue,
    settings: AllSettings,
    log: AccessLog,
}

impl Service {
    pub(crate) fn new(handler: Handler, keys: RootKeys, hosts: Hosts, log: AccessLog) -> Self {
        let (meter, store) = (handler.meter.clone(), handler.store.clone());
        let region = Arc::from(handler.region.as_str());
        let host = store.identity().site.to_string();
        let host_header = HeaderValue::try_from(&host).expect("hexadecimal digits fit a header");
        let settings = handler.settings.clone();
        let access = Guard::new(keys.access_key.clone(), store.clone(), settings.clone());
        let auth = Auth::new(keys, store);
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        let mut builder = S3ServiceBuilder::new(handler.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(auth.clone());
        builder.set_access(access.clone());
        builder.set_validation(BucketNames);
        builder.set_host(hosts.clone());
        let forms = Arc::new(Forms { handler, auth, access, hosts });
        let (s3, host) = (builder.build(), host.into());
        Self { s3, forms, meter, region, host, host_header, settings, log }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Result<HttpResponse, HttpError> {
        let started = Instant::now();
        let head_only = request.method() == Method::HEAD;
        let slot = OperationSlot::default();
        let id = new_id();
        let pending = self.watch(&request, id);
        let uri = request.uri().clone();
        let cross_origin = CrossOrigin::of(&request, &self.forms.hosts);
        let answer = if request.method() == Method::OPTIONS {
            cross_origin::preflight(&self.settings, &request, cross_origin.as_ref()).or_else(show)
        } else if let Some(refusal) = wrong_region::refusal(request.headers(), &self.region) {
            Ok(refusal)
        } else {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(slot.clone());
            parts.extensions.insert(id);
            if let Some(pending) = &pending {
                parts.extensions.insert(pending.noted());
            }
            // Whatever is logged on the way carries the request's id.
            let span = tracing::info_span!("request", %id);
            self.dispatch(Request::from_parts(parts, body)).instrument(span).await
        };
        let code = pending.as_ref().and_then(|_| access_log::code(&answer));
        let mut answer = answer.map(|answer| self.adjust(answer, (id, uri.path()), head_only));
        if let (Some(cross_origin), Ok(answer)) = (cross_origin, &mut answer) {
            cross_origin.mark(&self.settings, answer);
        }
        let status = answer.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
        let (operation, took) = (slot.get(), started.elapsed());
        tracing::debug!(request = %id, operation = operation.name(), %status, ?took, "answered");
        self.meter.answered(operation, status, took);
        match pending {
            Some(pending) => pending.answered(answer, code),
            None => answer,
        }
    }

    /// Begins a record of a request, if somebody wants one.
    fn watch(&self, request: &Request<Body>, id: RequestId) -> Option<access_log::Pending> {
        let wanted = self.log.wants(request, &self.forms.hosts);
        wanted.then(|| self.log.begin(request, (id, self.forms.handler.store.now())))
    }

    async fn dispatch(&self, request: Request<Body>) -> Result<HttpResponse, HttpError> {
        let request = match Noted::of(request.extensions()) {
            Some(noted) => request.map(|body| access_log::receiving(body, noted)),
            None => request,
        };
        if form::is_form(&request) {
            let answered = Box::pin(self.forms.answer(request)).await;
            return answered.or_else(show);
        }
        let (mut parts, body) = request.into_parts();
        let addressed = self.forms.hosts.addressed(&parts.uri, parts.headers.get(header::HOST));
        let also_signed = version_two::also_signed(&parts.uri, &parts.headers, &addressed);
        let known = subresource::check(&parts.method, &parts.uri, &addressed);
        let now = self.forms.handler.store.now();
        let checked = known.and_then(|()| presigned::check(&parts.uri));
        let peer = parts.extensions.get().copied();
        let checked = checked.and_then(|()| of_secure_connection(&parts.headers, peer));
        if let Err(refusal) = checked.and_then(|()| dates::check(&mut parts.headers, now)) {
            return show(refusal);
        }
        let body = chunk_limit::limit(&parts.headers, body);
        if let Some(signed) = also_signed {
            return Box::pin(version_two::call(&self.s3, signed, (parts, body))).await;
        }
        self.s3.call(Request::from_parts(parts, body)).await
    }

    /// Answers a request that is not looked at any further.
    pub(crate) fn refuse(
        &self,
        request: &Request<Body>,
        error: S3Error,
    ) -> Result<HttpResponse, HttpError> {
        let id = new_id();
        let pending = self.watch(request, id);
        let answer = show(error);
        let code = pending.as_ref().and_then(|_| access_log::code(&answer));
        let answer = answer?;
        self.meter.answered(OperationSlot::default().get(), answer.status(), Duration::ZERO);
        let about = (id, request.uri().path());
        let answer = self.adjust(answer, about, request.method() == Method::HEAD);
        match pending {
            Some(pending) => pending.answered(Ok(answer), code),
            None => Ok(answer),
        }
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Names the request, sets the status that s3s could not, completes an error, and takes away
    /// the body where HTTP allows none: hyper does that for HTTP/1.1 only.
    fn adjust(
        &self,
        mut response: HttpResponse,
        (request, resource): (RequestId, &str),
        head_only: bool,
    ) -> HttpResponse {
        let headers = response.headers_mut();
        if let Ok(shown) = HeaderValue::try_from(request.to_string()) {
            headers.insert(REQUEST_ID, shown);
        }
        headers.insert(HOST_ID, self.host_header.clone());
        if let Some(HeadStatus(status)) = response.extensions_mut().remove::<HeadStatus>() {
            *response.status_mut() = status;
        }
        if head_only || response.status() == StatusCode::NOT_MODIFIED {
            *response.body_mut() = Body::empty();
            return response;
        }
        if response.extensions_mut().remove::<BareETag>().is_some() {
            response = response.map(bare);
        }
        error_document::complete(response, &About { resource, request, host: &self.host })
    }
}

/// Takes the quotes off an entity tag.
fn bare(body: Body) -> Body {
    let bytes = body.bytes();
    let text = bytes.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text {
        Some(text) => {
            let bare = text.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
            Body::from(bare.into_bytes())
        }
        None => body,
    }
}

fn show(error: S3Error) -> Result<HttpResponse, HttpError> {
    error.to_http_response().map_err(|error| HttpError::new(error.into()))
}

/// Never [`RequestId::NONE`].
pub(crate) fn new_id() -> RequestId {
    RequestId(rand::Rng::random_range(&mut rand::rng(), 1..=u64::MAX))
}
