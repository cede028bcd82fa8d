//! Over a real socket.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::SiteName;
use s3s::Body;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig, crypto,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_util::sync::CancellationToken;

use super::site::{Site, ask, bytes, limits};
use crate::Live;

/// The request as HTTP/1.1 writes it.
pub(super) async fn wire(request: Request<Body>) -> (Vec<u8>, Vec<u8>) {
    let (parts, body) = request.into_parts();
    let mut head = format!("{} {} HTTP/1.1\r\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str("\r\n");
    (head.into_bytes(), body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_site_stops() {
    let site = Site::with_bucket().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(site.gateway.clone().serve(listener, stop.clone()));

    let body = bytes(1_000);
    let (head, body) = wire(ask("PUT", "/photos/a").body(&body).sign()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&head).await.unwrap();
    client.write_all(&body[..500]).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let (head, _) = wire(ask("GET", "/photos").sign()).await;
    idle.write_all(&head).await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    stop.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    client.write_all(&body[500..]).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(site.get("/photos/a").await.body, body);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_commits_nothing() {
    let site = Site::with_bucket().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(site.gateway.clone().serve(listener, stop.clone()));
    let (head, body) = wire(ask("PUT", "/photos/a").body(&bytes(1_000)).sign()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&head).await.unwrap();
    client.write_all(&body[..500]).await.unwrap();
    drop(client);
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert_eq!(site.get("/photos/a").await.status, 404);
}

/// Certificates of a site, and what a client needs to trust them.
pub(super) fn certificates(alpn: &[u8]) -> (Arc<ServerConfig>, TlsConnector) {
    let home = tempfile::tempdir().unwrap();
    let name = SiteName::try_from("site-1".to_owned()).unwrap();
    ops::certs::make(home.path(), &[name]).unwrap();
    let path = |file| home.path().join(file);
    let (cert, key) = (path("site-1.pem"), path("site-1.key"));
    let pair = ops::tls::PemPair::read(("s3.tls_cert", &cert), ("s3.tls_key", &key)).unwrap();
    let server = ops::tls::s3_server(&pair).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    (server, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn https_speaks_both_versions_of_http() {
    let site = Site::with_bucket().await;
    site.put("/photos/a", b"hello").await;
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let (server, client) = certificates(alpn);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let live = Live { tls: Some(server), limits: limits() };
        let gateway = site.gateway.clone().with_live(watch::channel(live).1);
        let serving = tokio::spawn(gateway.serve(listener, stop.clone()));
        let nobody = TcpStream::connect(address).await.unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = client.connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(alpn));
        let request = ask("GET", "/photos/a").sign();
        if alpn == b"h2" {
            let (executor, io) = (TokioExecutor::new(), TokioIo::new(tls));
            let (mut send, connection) = http2::handshake(executor, io).await.unwrap();
            let driving = tokio::spawn(connection);
            let (mut parts, body) = request.into_parts();
            parts.uri = "https://localhost/photos/a".parse().unwrap();
            parts.headers.remove("host");
            let answer = send.send_request(Request::from_parts(parts, body)).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), &b"hello"[..]);
            // HTTP/2 knows no answer to HEAD but its head, and none with a body to 304. A head
            // that is too large it refuses by itself.
            let requests = [
                ask("HEAD", "/photos/absent"),
                ask("GET", "/photos/a").header("if-none-match", "*"),
                ask("GET", "/photos/a").header("x-amz-meta-large", &"a".repeat(40 << 10)),
            ];
            for (request, status) in requests.into_iter().zip([404, 304, 431]) {
                let (mut parts, body) = request.sign().into_parts();
                parts.uri = format!("https://localhost{}", parts.uri).parse().unwrap();
                parts.headers.remove("host");
                let answer = send.send_request(Request::from_parts(parts, body)).await.unwrap();
                assert_eq!(answer.status(), status);
                assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
            }
            drop(send);
            driving.await.unwrap().unwrap();
        } else {
            let (head, _) = wire(request).await;
            tls.write_all(&head).await.unwrap();
            let mut status = [0; 15];
            tls.read_exact(&mut status).await.unwrap();
            assert_eq!(&status, b"HTTP/1.1 200 OK");
        }
        stop.cancel();
        serving.await.unwrap().unwrap();
        drop(nobody);
    }
}
