use http::Response;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{http::serve_plain, link::full};

async fn listen() -> (TcpListener, Uri) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health/ready?x=1", listener.local_addr().unwrap());
    (listener, url.parse().unwrap())
}

#[tokio::test]
async fn what_the_server_says_is_what_is_got() {
    let (listener, url) = listen().await;
    let stop = CancellationToken::new();
    let answer = async |request: Request<hyper::body::Incoming>| {
        let mut response = Response::new(full(request.uri().to_string()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    };
    let server = tokio::spawn(serve_plain(listener, answer, stop.clone()));
    let got = get(&url).await.unwrap();
    assert_eq!(got, (StatusCode::SERVICE_UNAVAILABLE, "/health/ready?x=1".to_owned()));
    stop.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let (listener, url) = listen().await;
    drop(listener);
    let error = get(&url).await.unwrap_err();
    assert!(matches!(error, GetError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn another_protocol_is_no_answer() {
    let (listener, url) = listen().await;
    let other = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"220 mail\r\n").await.unwrap();
    });
    let error = get(&url).await.unwrap_err();
    assert!(matches!(error, GetError::Broken { .. }), "{error:?}");
    other.await.unwrap();
}

#[tokio::test]
async fn silence_is_given_up() {
    let (_listener, url) = listen().await;
    let error = within(Duration::from_millis(20), &url).await.unwrap_err();
    assert!(matches!(error, GetError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn only_plain_http_is_asked() {
    for url in ["https://127.0.0.1:1/", "/health"] {
        let error = get(&url.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, GetError::Address { .. }), "{error:?}");
    }
}
