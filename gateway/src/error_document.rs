//! The body of an error, completed: what s3s writes has a code and perhaps a message; S3's also
//! says what was asked for, and names the request and who answered it.

use http::{Response, header};
use model::RequestId;
use s3s::{Body, HttpResponse};

use crate::{messages, xml::escape};

/// What the answer to one request is about.
pub(crate) struct About<'a> {
    /// The path that was asked for, as it was sent.
    pub(crate) resource: &'a str,
    pub(crate) request: RequestId,
    /// The site.
    pub(crate) host: &'a str,
}

/// Completes an answer that is an error with a body; others stay as they are.
pub(crate) fn complete(response: HttpResponse, about: &About<'_>) -> HttpResponse {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let whole = body.bytes().and_then(|bytes| document(std::str::from_utf8(&bytes).ok()?, about));
    let Some(whole) = whole else {
        return Response::from_parts(parts, body);
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(whole.into_bytes()))
}

fn document(text: &str, about: &About<'_>) -> Option<String> {
    let (mut whole, rest) = (text.strip_suffix("</Error>")?.to_owned(), "</Error>");
    if !whole.contains("<Message>") {
        let code = whole.split_once("<Code>")?.1.split_once("</Code>")?.0;
        let message = format!("<Message>{}</Message>", escape(messages::of(code)));
        let at = whole.find("</Code>")? + "</Code>".len();
        whole.insert_str(at, &message);
    }
    let About { resource, request, host } = about;
    let resource = escape(resource);
    Some(format!(
        "{whole}<Resource>{resource}</Resource><RequestId>{request}</RequestId>\
         <HostId>{host}</HostId>{rest}"
    ))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use s3s::{S3Error, S3ErrorCode};

    use super::*;

    fn completed(error: S3Error) -> String {
        let about = About { resource: "/a/<b>", request: RequestId(1), host: "east" };
        let answer = complete(error.to_http_response().expect("an answer"), &about);
        let body = answer.into_body().bytes().expect("whole");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[test]
    fn an_error_says_what_it_is_about_and_which_request_it_was() {
        let text = completed(S3Error::with_message(S3ErrorCode::NoSuchKey, "gone"));
        assert!(text.contains("<Code>NoSuchKey</Code><Message>gone</Message>"), "{text}");
        let rest = "<Resource>/a/&lt;b&gt;</Resource><RequestId>0000000000000001</RequestId>\
                    <HostId>east</HostId></Error>";
        assert!(text.ends_with(rest), "{text}");
    }

    #[test]
    fn an_error_without_a_message_gets_that_of_s3() {
        let text = completed(S3Error::new(S3ErrorCode::SignatureDoesNotMatch));
        assert!(text.contains("<Message>The request signature we calculated"), "{text}");
    }

    #[test]
    fn what_is_no_error_stays_as_it_is() {
        let about = About { resource: "/", request: RequestId(1), host: "east" };
        for (status, body) in [(StatusCode::OK, "</Error>"), (StatusCode::NOT_FOUND, "other")] {
            let mut answer = Response::new(Body::from(body.as_bytes().to_vec()));
            *answer.status_mut() = status;
            let kept = complete(answer, &about).into_body().bytes().expect("whole");
            assert_eq!(&kept[..], body.as_bytes());
        }
    }
}
