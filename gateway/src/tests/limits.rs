//! Bounds on what clients can hold open.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, future::join_all};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::{
    Body, StdError,
    stream::{ByteStream, DynByteStream},
};

use store::Sizes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::{
    server::{certificates, wire},
    site::{Ask, Site, ask, bytes, limits},
};
use crate::{Limits, Live, Rate, connection, gateway::UPLOADS_MAX, limits::Client, places::Places};

/// A body of which nothing comes.
pub(super) struct Silence;

impl Stream for Silence {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl ByteStream for Silence {}

#[tokio::test]
async fn silent_clients_are_given_up_and_do_not_fill_the_memory() {
    let site = Site::with_bucket().await;
    tokio::time::pause();
    let put = ask("PUT", "/photos/a")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .header("content-length", "2000000");
    let puts = (0..=UPLOADS_MAX).map(|_| {
        let silence: DynByteStream = Box::pin(Silence);
        site.send_raw(put.clone().sign().map(|_| Body::from(silence)))
    });
    let mut codes: Vec<_> = join_all(puts).await.iter().map(|answer| answer.error()).collect();
    codes.sort();
    assert_eq!(codes.pop(), Some((503, "SlowDown".to_owned())));
    assert_eq!(codes, vec![(400, "RequestTimeout".to_owned()); UPLOADS_MAX]);
}

/// A site that serves on a socket, with limits that can change.
struct Served {
    site: Site,
    address: SocketAddr,
    live: watch::Sender<Live>,
    _stop: tokio_util::sync::DropGuard,
}

impl Served {
    async fn with(limits: Limits) -> Self {
        let site = Site::with_bucket().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (live, shown) = watch::channel(Live { tls: None, limits });
        let stop = CancellationToken::new();
        let gateway = site.gateway.clone().with_live(shown);
        tokio::spawn(gateway.serve(listener, stop.clone()));
        Self { site, address, live, _stop: stop.drop_guard() }
    }

    fn limit(&self, limits: Limits) {
        self.live.send_modify(|live| live.limits = limits);
    }

    fn limited(&self, limit: &str) -> u64 {
        self.site.metrics.s3_limited.with_label_values(&[limit]).get()
    }
}

async fn send(stream: &mut TcpStream, ask: &Ask) {
    let (head, _) = wire(ask.clone().sign()).await;
    stream.write_all(&head).await.unwrap();
}

/// What comes until it holds `end`, or the connection ends.
async fn hear(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(end) {
        if stream.read_buf(&mut heard).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(heard).unwrap()
}

const END: &str = "</ListBucketResult>";
const ERROR_END: &str = "</Error>";

#[tokio::test]
async fn connections_beyond_a_clients_share_are_told_to_slow_down() {
    let share = NonZeroUsize::new(2).unwrap();
    let served = Served::with(Limits { connections_per_client_max: share, ..limits() }).await;
    let get = ask("GET", "/photos");
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        send(&mut stream, &get).await;
        assert!(hear(&mut stream, END).await.starts_with("HTTP/1.1 200 OK"));
        held.push(stream);
    }
    let mut third = TcpStream::connect(served.address).await.unwrap();
    send(&mut third, &get).await;
    let told = hear(&mut third, "\0").await;
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    for part in ["<Code>SlowDown</Code>", "retry-after: 1", "connection: close"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(served.limited("connections_per_client"), 1);
    drop(held);
    // The place is free when the server has seen the end of a connection.
    loop {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        send(&mut stream, &get).await;
        if hear(&mut stream, "\r\n").await.starts_with("HTTP/1.1 200 OK") {
            break;
        }
    }
}

#[tokio::test]
async fn when_all_connections_are_taken_the_next_one_waits() {
    let one = NonZeroUsize::new(1).unwrap();
    let served = Served::with(Limits { connections_max: one, ..limits() }).await;
    let get = ask("GET", "/photos");
    let mut first = TcpStream::connect(served.address).await.unwrap();
    send(&mut first, &get).await;
    hear(&mut first, END).await;
    let mut second = TcpStream::connect(served.address).await.unwrap();
    send(&mut second, &get).await;
    let wait = std::time::Duration::from_millis(100);
    let waits = tokio::time::timeout(wait, hear(&mut second, END)).await;
    assert!(waits.is_err(), "{waits:?}");
    served.limit(Limits { connections_max: NonZeroUsize::new(2).unwrap(), ..limits() });
    assert!(hear(&mut second, END).await.starts_with("HTTP/1.1 200 OK"), "there is room now");
    assert_eq!(served.limited("connections"), 1);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_in_the_clients_words() {
    let served = Served::with(Limits { header_bytes_max: 8 << 10, ..limits() }).await;
    let large = ask("GET", "/photos").header("x-amz-meta-large", &"a".repeat(9 << 10));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    send(&mut stream, &large).await;
    let told = hear(&mut stream, ERROR_END).await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("<Code>RequestHeaderSectionTooLarge</Code>"), "{told}");
    served.limit(limits());
    send(&mut stream, &large).await;
    let told = hear(&mut stream, END).await;
    assert!(told.starts_with("HTTP/1.1 200 OK"), "a new limit counts at once: {told}");

    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nx-large: {}", "a".repeat(600 << 10));
    // It may be cut off before all of it is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
    while served.limited("header_bytes") < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_asks_too_fast_is_told_when_to_come_again() {
    let number = |n| NonZeroU32::new(n).unwrap();
    let rate = Some(Rate { per_second: number(1), burst: number(3) });
    let served = Served::with(Limits { rate, ..limits() }).await;
    let get = ask("GET", "/photos");
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    for _ in 0..3 {
        send(&mut stream, &get).await;
        assert!(hear(&mut stream, END).await.starts_with("HTTP/1.1 200 OK"));
    }
    send(&mut stream, &get).await;
    let told = hear(&mut stream, ERROR_END).await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("retry-after: 1"), "{told}");
    assert!(told.contains("<Code>SlowDown</Code>"), "{told}");
    send(&mut stream, &ask("HEAD", "/photos")).await;
    let told = hear(&mut stream, "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.ends_with("\r\n\r\n"), "{told}");
    assert_eq!(served.limited("requests"), 2);
    served.limit(limits());
    send(&mut stream, &get).await;
    assert!(hear(&mut stream, END).await.starts_with("HTTP/1.1 200 OK"), "no limit any more");
    let text = served.site.metrics.render();
    assert!(text.contains("towline_s3_requests_total{op=\"none\",status=\"503\"} 2"), "{text}");
}

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let served = Served::with(limits()).await;
    let (first, trusts_first) = certificates(b"http/1.1");
    let (second, trusts_second) = certificates(b"http/1.1");
    let name = || ServerName::try_from("localhost").unwrap();
    let connect = || TcpStream::connect(served.address);
    served.live.send_modify(|live| live.tls = Some(first));
    let mut old = trusts_first.connect(name(), connect().await.unwrap()).await.unwrap();
    served.live.send_modify(|live| live.tls = Some(second));
    assert!(trusts_first.connect(name(), connect().await.unwrap()).await.is_err());
    trusts_second.connect(name(), connect().await.unwrap()).await.unwrap();
    let (head, _) = wire(ask("GET", "/photos").sign()).await;
    old.write_all(&head).await.unwrap();
    let mut status = [0; 15];
    old.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
}

/// A site that serves one HTTP/2 connection, and a client on it with the least of windows. The
/// last ends with the connection.
async fn over_http2(site: &Site) -> (http2::SendRequest<Body>, tokio::task::JoinHandle<()>) {
    let places = Arc::new(Places::default());
    let place = places.enter(Client::of(([192, 0, 2, 1], 1).into()), &limits()).unwrap();
    let (client, server) = tokio::io::duplex(1 << 20);
    let limited = site.gateway.limited(&place, None);
    let serving = tokio::spawn(connection::http2(server, limited, CancellationToken::new()));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let (send, driven) = builder.handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(driven);
    (send, serving)
}

fn over_https(ask: Ask) -> http::Request<Body> {
    let (mut parts, body) = ask.sign().into_parts();
    parts.uri = format!("https://localhost{}", parts.uri).parse().unwrap();
    parts.headers.remove("host");
    http::Request::from_parts(parts, body)
}

#[tokio::test]
async fn an_idle_http2_connection_is_ended_and_one_with_an_answer_under_way_is_not() {
    // Of small blocks the client takes the many frames that it has not read for an attack.
    let site = Site::with_sizes(1, Sizes { block: 64 << 10, inline_max: 16 }).await;
    site.send(ask("PUT", "/photos")).await;
    site.put("/photos/large", &bytes(400_000)).await;
    let (mut send, mut serving) = over_http2(&site).await;
    let answer = send.send_request(over_https(ask("GET", "/photos/large"))).await.unwrap();
    assert_eq!(answer.status(), 200);
    tokio::time::pause();
    let long = 10 * connection::IDLE_MAX;
    let ended = tokio::time::timeout(long, &mut serving).await;
    assert!(ended.is_err(), "the client has not read all of its answer");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), bytes(400_000));
    // Another request in the middle of the time begins it anew.
    tokio::time::advance(connection::IDLE_MAX / 2).await;
    let answer = send.send_request(over_https(ask("GET", "/photos"))).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let ended = tokio::time::timeout(connection::IDLE_MAX * 3 / 4, &mut serving).await;
    assert!(ended.is_err(), "not idle for so long");
    let ended = tokio::time::timeout(long, serving).await;
    assert!(ended.is_ok(), "idle, and still open");
}
