//! A site to send requests to, and a client that signs them.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use model::{BlockKind, BlockRef, PartitionCount, SiteId, SiteName};
use ops::Clock;
use s3s::Body;
use schemas::{Codec, Keys};
use sha2::{Digest, Sha256};
use store::{Options as StoreOptions, Sizes, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    AccessLog, Day, Gateway, Limits, Live, MissError, Options, Pace, ReadMiss, Recorder, RootKeys,
};

pub(crate) const BLOCK: usize = 64;
/// By itself nothing is delivered before the end.
const PACE: Pace = Pace { interval: std::time::Duration::from_secs(3_600), bytes: 1 << 20 };
pub(crate) const INLINE_MAX: usize = 16;
pub(crate) const ACCESS: &str = "ROOT";
pub(crate) const SECRET: &str = "very secret";

/// No test comes near these.
pub(crate) fn limits() -> Limits {
    Limits {
        connections_max: NonZeroUsize::new(1_024).unwrap(),
        connections_per_client_max: NonZeroUsize::new(1_024).unwrap(),
        header_bytes_max: 32 << 10,
        rate: None,
    }
}

pub(crate) fn codec() -> Codec {
    let keys = |id: &str, key: &str| Keys::parse(&format!("{id}:{}", key.repeat(32)), "test");
    let named =
        Keys::parse(&format!("first:{}\nsecond:{}", "22".repeat(32), "33".repeat(32)), "test");
    let codec = Codec::new(keys("main", "11").unwrap()).with_named_keys(named.unwrap());
    codec.with_site_keys(keys("site", "44").unwrap()).unwrap()
}

/// Brings blocks out of another store, until told otherwise.
#[derive(Default)]
pub(crate) struct FakeMiss {
    pub(crate) from: Mutex<Option<Store>>,
    pub(crate) failure: Mutex<Option<MissError>>,
    /// Fetches that work before the failure shows.
    pub(crate) works: AtomicUsize,
    pub(crate) fetched: Mutex<Vec<(BlockRef, BlockKind)>>,
}

#[async_trait]
impl ReadMiss for FakeMiss {
    async fn fetch(
        &self,
        origin: SiteId,
        block: BlockRef,
        kind: BlockKind,
    ) -> Result<Bytes, MissError> {
        let works =
            self.works.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if works.is_err()
            && let Some(failure) = self.failure.lock().unwrap().clone()
        {
            return Err(failure);
        }
        self.fetched.lock().unwrap().push((block, kind));
        let store = self.from.lock().unwrap().clone().expect("a store to fetch from");
        assert_eq!(origin, store.identity().site);
        let bytes = store.block(block).await.unwrap();
        bytes.ok_or_else(|| MissError::Gone { site: "east".to_owned(), block: block.hash })
    }
}

pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) gateway: Gateway,
    pub(crate) miss: Arc<FakeMiss>,
    pub(crate) metrics: ops::Metrics,
    pub(crate) home: tempfile::TempDir,
    pub(crate) recorder: Mutex<Option<Recorder>>,
}

fn options(access_log: AccessLog) -> Options {
    Options {
        region: "us-east-1".to_owned(),
        domain: Some("s3.example.com".to_owned()),
        root: RootKeys { access_key: ACCESS.to_owned(), secret_key: SECRET.to_owned() },
        day: Day::WHOLE,
        tls_in_front: false,
        live: watch::channel(Live { tls: None, limits: limits() }).1,
        access_log,
    }
}

/// What a client sees of an answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body ended with an error.
    pub(crate) broken: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.tag("Code").unwrap_or_default())
    }

    /// Text of the first element of this name.
    pub(crate) fn tag(&self, name: &str) -> Option<String> {
        self.tags(name).into_iter().next()
    }

    /// Texts of all elements of this name, in order.
    pub(crate) fn tags(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = |part: &str| part.split(&close).next().unwrap().to_owned();
        text.split(&open).skip(1).map(inner).collect()
    }
}

impl Site {
    pub(crate) async fn new(site: u8) -> Self {
        let sizes = Sizes { block: BLOCK, inline_max: INLINE_MAX };
        Self::with_sizes(site, sizes).await
    }

    pub(crate) async fn with_sizes(site: u8, sizes: Sizes) -> Self {
        Self::open(site, sizes, None).await
    }

    /// With an access log in a file of this name in its home.
    pub(crate) async fn with_access_log(name: &str) -> Self {
        let sizes = Sizes { block: BLOCK, inline_max: INLINE_MAX };
        Self::open(1, sizes, Some(name)).await
    }

    async fn open(site: u8, sizes: Sizes, access_log: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let metrics = ops::Metrics::new();
        let path = access_log.map(|name| home.path().join(name));
        let (access_log, recorder) = AccessLog::open(path.as_deref(), metrics.clone()).unwrap();
        let store = Store::open(StoreOptions {
            directory: home.path().to_owned(),
            name: SiteName::try_from(format!("site-{site}")).unwrap(),
            partitions: PartitionCount::new(4).unwrap(),
            new_site: SiteId([site; 16]),
            sizes,
            reserve: 0,
            codec: codec(),
            clock: Arc::new(ops::SystemClock),
            metrics: metrics.clone(),
        });
        let store = store.await.unwrap();
        let miss = Arc::new(FakeMiss::default());
        let options = options(access_log);
        let recorder = Mutex::new(Some(recorder));
        let port: Arc<dyn ReadMiss> = Arc::clone(&miss) as _;
        let gateway = Gateway::new(options, store.clone(), Some(port), metrics.clone());
        Self { store, gateway, miss, metrics, home, recorder }
    }

    /// A site with the bucket `photos`.
    pub(crate) async fn with_bucket() -> Self {
        let site = Self::new(1).await;
        let created = site.send(ask("PUT", "/photos")).await;
        assert_eq!(created.status, 200, "{}", created.text());
        site
    }

    /// Ends the endpoint as a stop of the site does, until its records are written; then it is another,
    /// without a file for them.
    pub(crate) async fn ended(mut self) -> Self {
        let recorder = self.recorder.lock().unwrap().take().unwrap();
        let (log, next) = AccessLog::open(None, self.metrics.clone()).unwrap();
        let gateway = Gateway::new(options(log), self.store.clone(), None, self.metrics.clone());
        let delivery = std::mem::replace(&mut self.gateway, gateway).delivery();
        let stop = CancellationToken::new();
        recorder.run(delivery, watch::channel(PACE).1, None, stop).await.unwrap();
        *self.recorder.lock().unwrap() = Some(next);
        self
    }

    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        self.send_raw(ask.sign()).await
    }

    pub(crate) async fn send_raw(&self, request: Request<Body>) -> Answer {
        let answer = self.gateway.service().answer(request).await.unwrap();
        let (parts, mut body) = answer.into_parts();
        let (mut bytes, mut broken) = (Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => broken = true,
            }
        }
        Answer { status: parts.status, headers: parts.headers, body: bytes, broken }
    }

    pub(crate) async fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.send(ask("PUT", path).body(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(ask("GET", path)).await
    }
}

/// A request that is being put together.
#[derive(Clone)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    pub(crate) access: &'static str,
    pub(crate) secret: &'static str,
}

/// A request; the path is encoded as in a URL, and may have a query behind it.
pub(crate) fn ask(method: &'static str, path: &str) -> Ask {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    Ask {
        method,
        path: path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
        headers: BTreeMap::from([("host".to_owned(), "localhost".to_owned())]),
        body: Vec::new(),
        access: ACCESS,
        secret: SECRET,
    }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let length = self.body.len().to_string();
        self.headers.entry("content-length".to_owned()).or_insert(length);
        self
    }

    /// Signs with these keys instead of the root user's.
    pub(crate) fn by(mut self, access: &'static str, secret: &'static str) -> Self {
        (self.access, self.secret) = (access, secret);
        self
    }

    pub(crate) fn sign(self) -> Request<Body> {
        let body = self.body.clone();
        self.sign_streaming(|_| body)
    }

    /// Signs the head, and lets the body be made with what the signature of its first chunk
    /// follows.
    pub(crate) fn sign_streaming(mut self, body: impl FnOnce(Signer) -> Vec<u8>) -> Request<Body> {
        let format = time::format_description::parse_borrowed::<2>(
            "[year][month][day]T[hour][minute][second]Z",
        );
        let seconds = i64::try_from(ops::SystemClock.now().0 / 1_000).unwrap();
        let now = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let date = now.format(&format.unwrap()).unwrap();
        let hash = self.headers.get("x-amz-content-sha256").cloned();
        let hash = hash.unwrap_or_else(|| hex::encode(Sha256::digest(&self.body)));
        self = self.header("x-amz-date", &date).header("x-amz-content-sha256", &hash);
        let names: Vec<&str> = self.headers.keys().map(String::as_str).collect();
        let signed = names.join(";");
        let pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let query = pairs.join("&");
        let canonical = [self.method, &self.path, &query, &headers, &signed, &hash].join("\n");
        let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
        let mut signer =
            Signer { key: key(self.secret, &date[..8]), date, scope, previous: String::new() };
        signer.previous = signer.sign("AWS4-HMAC-SHA256", &hex::encode(Sha256::digest(canonical)));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed}, Signature={}",
            self.access, signer.scope, signer.previous
        );
        let uri = if query.is_empty() { self.path } else { format!("{}?{query}", self.path) };
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = body(signer);
        request.header("authorization", authorization).body(Body::from(body)).unwrap()
    }

    /// Leaves the signature away.
    pub(crate) fn unsigned(self) -> Request<Body> {
        let mut request = self.sign();
        request.headers_mut().remove("authorization");
        request
    }
}

/// Signs one chunk after the other.
pub(crate) struct Signer {
    key: [u8; 32],
    date: String,
    scope: String,
    previous: String,
}

impl Signer {
    fn sign(&self, kind: &str, rest: &str) -> String {
        let text = [kind, &self.date, &self.scope, rest].join("\n");
        hex::encode(hmac(&self.key, text.as_bytes()))
    }

    /// A chunk with its signature.
    pub(crate) fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        let (empty, hash) = (hex::encode(Sha256::digest(b"")), hex::encode(Sha256::digest(data)));
        let rest = [self.previous.as_str(), &empty, &hash].join("\n");
        self.previous = self.sign("AWS4-HMAC-SHA256-PAYLOAD", &rest);
        let line = format!("{:x};chunk-signature={}\r\n", data.len(), self.previous);
        [line.as_bytes(), data, b"\r\n"].concat()
    }
}

pub(super) fn key(secret: &str, day: &str) -> [u8; 32] {
    let mut key = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
    for part in ["us-east-1", "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    key
}

/// RFC 2104 over SHA-256, for keys of up to a block.
pub(super) fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text);
    let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

/// Bytes in which every block is another.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n * 7 + n / 251) % 256).to_be_bytes()[7]).collect()
}
