//! The smallest S3 client: one HTTP/1.1 connection, signature v4 without the payload's hash.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Outcome;

/// Between two reads of what is not there yet: the precision of a lag.
const POLL: Duration = Duration::from_micros(500);
/// What is not there by then will never be.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whom to ask, and as whom.
#[derive(Clone, clap::Args)]
pub(crate) struct Target {
    /// `host:port` of the S3 endpoint.
    #[arg(long)]
    pub(crate) endpoint: String,
    #[arg(long, default_value = "root")]
    pub(crate) access_key: String,
    #[arg(long)]
    pub(crate) secret_key: String,
    #[arg(long, default_value = "bench")]
    pub(crate) bucket: String,
}

/// Bytes of an answer's body that are kept, about.
const SHORT_BYTES: usize = 16 << 10;

/// What a site answered.
pub(crate) struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: Vec<u8>,
}

/// One connection.
pub(crate) struct Client {
    target: Target,
    stream: TcpStream,
    buffer: BytesMut,
    /// Key of the day, and the day.
    signing: (String, [u8; 32]),
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length of key will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

impl Client {
    pub(crate) async fn connect(target: Target) -> Outcome<Self> {
        let stream = TcpStream::connect(&target.endpoint).await?;
        stream.set_nodelay(true)?;
        let day = time::OffsetDateTime::now_utc().date().to_string().replace('-', "");
        let key = mac(format!("AWS4{}", target.secret_key).as_bytes(), &day);
        let key = mac(&mac(&mac(&key, "us-east-1"), "s3"), "aws4_request");
        Ok(Self { target, stream, buffer: BytesMut::new(), signing: (day, key) })
    }

    /// The time, as signatures write it.
    fn now(&self) -> String {
        let now = time::OffsetDateTime::now_utc();
        let (h, m, s) = (now.hour(), now.minute(), now.second());
        format!("{}T{h:02}{m:02}{s:02}Z", self.signing.0)
    }

    /// Signs a canonical request; returns scope and signature.
    fn sign(&self, at: &str, canonical: &str) -> (String, String) {
        let (day, key) = &self.signing;
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
        let signature = mac(key, &format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"));
        (scope, hex::encode(signature))
    }

    /// `query` is canonical: sorted, each name with `=`.
    fn head(&self, method: &str, (path, query): (&str, &str), length: usize) -> String {
        let at = self.now();
        let host = &self.target.endpoint;
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{at}\n\n\
             host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD"
        );
        let (scope, signature) = self.sign(&at, &canonical);
        let user = &self.target.access_key;
        let mark = if query.is_empty() { "" } else { "?" };
        format!(
            "{method} {path}{mark}{query} HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {at}\r\n\
             x-amz-content-sha256: UNSIGNED-PAYLOAD\r\ncontent-length: {length}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={user}/{scope}, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}\r\n\r\n"
        )
    }

    /// A link to a key, good for an hour: path and query.
    pub(crate) fn presigned(&self, key: &str) -> String {
        let at = self.now();
        let (day, user) = (&self.signing.0, &self.target.access_key);
        let path = format!("/{}/{key}", self.target.bucket);
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={user}%2F{day}%2Fus-east-1%2Fs3%2F\
             aws4_request&X-Amz-Date={at}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
        );
        let host = &self.target.endpoint;
        let canonical = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let (_, signature) = self.sign(&at, &canonical);
        format!("{path}?{query}&X-Amz-Signature={signature}")
    }

    /// Reads what is behind a link. Returns the status.
    pub(crate) async fn follow(&mut self, link: &str) -> Outcome<u16> {
        let head = format!("GET {link} HTTP/1.1\r\nhost: {}\r\n\r\n", self.target.endpoint);
        self.stream.write_all(head.as_bytes()).await?;
        Ok(self.answer(false).await?.status)
    }

    /// Reads a key again and again until it is there, whole.
    pub(crate) async fn until_readable(&mut self, key: &str) -> Outcome<()> {
        let poll = async {
            while self.request("GET", key, &Bytes::new()).await? != 200 {
                // The runtime's timers count whole milliseconds; a thread sleeps as long as it is told.
                tokio::task::spawn_blocking(|| std::thread::sleep(POLL)).await?;
            }
            Ok(())
        };
        let found = tokio::time::timeout(PATIENCE, poll).await;
        found.unwrap_or_else(|_| Err(format!("`{key}` did not arrive in {PATIENCE:?}").into()))
    }

    /// Sends a request and reads the whole answer. Returns the status.
    pub(crate) async fn request(&mut self, method: &str, key: &str, body: &Bytes) -> Outcome<u16> {
        Ok(self.send(method, key, "", body).await?.status)
    }

    /// Sends a request and reads the whole answer; `query` is canonical.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        key: &str,
        query: &str,
        body: &Bytes,
    ) -> Outcome<Answer> {
        let path = format!("/{}{}{key}", self.target.bucket, if key.is_empty() { "" } else { "/" });
        let head = self.head(method, (&path, query), body.len());
        if body.len() < 16 << 10 {
            let whole = [head.as_bytes(), body].concat();
            self.stream.write_all(&whole).await?;
        } else {
            self.stream.write_all(head.as_bytes()).await?;
            self.stream.write_all(body).await?;
        }
        self.answer(method == "HEAD").await
    }

    async fn answer(&mut self, head_only: bool) -> Outcome<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.advance(end);
        let mut body = Vec::new();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let mut left: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if head.contains("transfer-encoding: chunked") {
            return Err("an answer in chunks is not read here".into());
        }
        if head_only {
            left = 0;
        }
        while left > 0 {
            if self.buffer.is_empty() && self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed in a body".into());
            }
            let taken = left.min(self.buffer.len());
            // Only short answers are looked at.
            if body.len() < SHORT_BYTES {
                body.extend_from_slice(&self.buffer[..taken.min(SHORT_BYTES)]);
            }
            self.buffer.advance(taken);
            left -= taken;
        }
        let status = status.ok_or("an answer without status")?;
        Ok(Answer { status, head, body })
    }
}

impl Answer {
    /// The answer, if it says that all went well.
    pub(crate) fn ok(self) -> Outcome<Self> {
        let Self { status, body, .. } = &self;
        match status {
            200 => Ok(self),
            _ => Err(format!("{status}: {}", String::from_utf8_lossy(body)).into()),
        }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value =
            |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
        self.head.lines().find_map(value)
    }

    /// Text of the first element of this name.
    pub(crate) fn tag(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let rest = text.split(&format!("<{name}>")).nth(1)?;
        rest.split("</").next().map(str::to_owned)
    }
}
