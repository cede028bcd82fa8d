//! The end that asks: one request, one short answer, within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// For connection, request and answer together: well below what supervisors wait for a check.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Answers are short texts.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    #[error("`{url}` is no address here; write it like `http://127.0.0.1:9002`")]
    Address { url: Uri },
    #[error("`{url}` cannot be reached")]
    Unreachable {
        url: Uri,
        #[source]
        cause: std::io::Error,
    },
    #[error("`{url}` did not answer within {limit:?}")]
    TimedOut { url: Uri, limit: Duration },
    #[error("`{url}` did not answer in HTTP")]
    Broken {
        url: Uri,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Status and text at a `http` address.
///
/// # Errors
/// If nothing answers in time, or not in HTTP.
pub async fn get(url: &Uri) -> Result<(StatusCode, String), GetError> {
    within(ANSWER_MAX, url).await
}

async fn within(limit: Duration, url: &Uri) -> Result<(StatusCode, String), GetError> {
    let answer = tokio::time::timeout(limit, ask(url)).await;
    answer.unwrap_or_else(|_| Err(GetError::TimedOut { url: url.clone(), limit }))
}

async fn ask(url: &Uri) -> Result<(StatusCode, String), GetError> {
    let host = url.authority().filter(|_| url.scheme_str() == Some("http"));
    let host = host.ok_or_else(|| GetError::Address { url: url.clone() })?;
    // An IPv6 address stands in brackets in a URL only.
    let name = host.host().trim_matches(['[', ']']);
    let tcp = TcpStream::connect((name, host.port_u16().unwrap_or(80))).await;
    let tcp = tcp.map_err(|cause| GetError::Unreachable { url: url.clone(), cause })?;
    let broken = |cause| GetError::Broken { url: url.clone(), cause };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(tcp)).await.map_err(|error| broken(error.into()))?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, host.as_str());
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| broken(error.into()))?;
    // Ends with the sender; whoever waits for the answer is told why it broke.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(broken)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests;
