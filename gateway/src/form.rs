//! Uploads by HTML form: what a browser posts to a bucket.
//!
//! A form becomes a `PutObject`, so that whatever a put can do and keep, a form can. s3s would take
//! the file into memory whole; here the fields in front of it are bounded and the file is streamed.

use std::ops::RangeInclusive;

use http::{HeaderMap, Request, Uri, header};
use model::{RequestId, UserId};
use s3s::{
    Body, HttpResponse, S3ErrorCode, S3Request, S3Result,
    dto::{PutObjectInput, StreamingBlob},
    path::S3Path,
};

use crate::{
    access::{Asked, Guard},
    access_log::Noted,
    auth::Auth,
    encryption::of_secure_connection,
    errors,
    handler::{
        Handler,
        put::{PUT_BYTES_MAX, Within, put_object},
    },
    host::{Addressed, Hosts},
    messages::plain,
    operation::{Operation, OperationSlot},
};

mod answer;
mod fields;
mod file;
mod input;
mod policy;
mod reader;
mod signature;

use fields::Fields;
use policy::Policy;
use reader::Reader;

/// Takes in forms.
#[derive(Clone)]
pub(crate) struct Forms {
    pub(crate) handler: Handler,
    pub(crate) auth: Auth,
    pub(crate) access: Guard,
    pub(crate) hosts: Hosts,
}

/// Whether a request is a form: `POST` of `multipart/form-data`.
pub(crate) fn is_form(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    request.method() == http::Method::POST
        && content_type.is_some_and(|value| {
            let form = b"multipart/form-data";
            value.as_bytes().get(..form.len()).is_some_and(|v| v.eq_ignore_ascii_case(form))
        })
}

impl Forms {
    /// Answers a request that [`is_form`].
    pub(crate) async fn answer(&self, request: Request<Body>) -> S3Result<HttpResponse> {
        let (parts, body) = request.into_parts();
        if let Some(slot) = parts.extensions.get::<OperationSlot>() {
            slot.set(Operation::PostObject);
        }
        let id = parts.extensions.get().copied().unwrap_or(RequestId::NONE);
        let addressed = self.hosts.addressed(&parts.uri, parts.headers.get(header::HOST));
        let Addressed::Bucket { name: bucket, hosted } = addressed else {
            return Err(plain(S3ErrorCode::MethodNotAllowed));
        };
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let boundary = content_type.and_then(|value| reader::boundary(value.to_str().ok()?));
        let boundary = boundary.ok_or_else(errors::malformed_form)?;
        let (fields, file) = Reader::new(body, &boundary).form().await?;

        let key = fields.key()?;
        let user = self.user(&fields).await?;
        let permitted = self.permitted(&fields, &bucket)?;
        let noted = Noted::of(&parts.extensions);
        if let Some(noted) = &noted {
            noted.key(&key);
        }
        let mut input = input::put_object(&fields, (bucket.clone().into_owned(), key.clone()))?;
        let (headers, peer) = (input::headers(&fields, &input), parts.extensions.get().copied());
        of_secure_connection(&headers, peer)?;
        let asked = Asked {
            operation: Operation::PostObject.name(),
            path: &S3Path::object(&bucket, &key),
            headers: &headers,
            uri: &parts.uri,
            user: &user,
            peer,
            noted: noted.as_ref(),
        };
        let reader = self.access.let_in(&asked, id)?;
        input.body = Some(StreamingBlob::new(file));
        let most = PUT_BYTES_MAX.min(*permitted.end()).min(form_bytes(&parts.headers));
        let mut put = request_of(input, id);
        if let Some(noted) = noted {
            put.extensions.insert(noted);
        }
        put.extensions.insert(Within(*permitted.start()..=most));
        reader.leave(&mut put.extensions);
        let made = put_object(&self.handler, put).await?.output;
        answer::answer(&fields, (&bucket, &key, hosted), &made)
    }

    /// Asks the form's policy, if it has one; how many bytes it lets the file have.
    fn permitted(&self, fields: &Fields, bucket: &str) -> S3Result<RangeInclusive<u64>> {
        let Some(encoded) = fields.get("policy") else {
            return Ok(0..=u64::MAX);
        };
        let policy = Policy::parse(encoded)?;
        policy.check(fields, bucket, self.handler.store.now())?;
        Ok(policy.bytes())
    }

    /// Who posts a form; nobody, if it is not signed.
    async fn user(&self, fields: &Fields) -> S3Result<UserId> {
        let Some(signed) = signature::Signed::read(fields)? else {
            return Ok(UserId::anonymous());
        };
        let secret = s3s::auth::S3Auth::get_secret_key(&self.auth, signed.access_key()).await?;
        signed.verify(secret.expose())?;
        self.access.user(signed.access_key())
    }
}

/// Bytes of a form, if they were announced; the file has fewer.
fn form_bytes(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(u64::MAX)
}

/// A put as s3s would hand it on. The headers of a form say nothing of the object.
pub(crate) fn request_of(input: PutObjectInput, id: RequestId) -> S3Request<PutObjectInput> {
    let mut extensions = http::Extensions::new();
    extensions.insert(id);
    S3Request {
        input,
        method: http::Method::PUT,
        uri: Uri::default(),
        headers: HeaderMap::new(),
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}
