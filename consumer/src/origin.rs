//! The origin's fetch service, as this site asks it.

mod blocks;
mod nodes;
mod tree;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::wire::{self, Acks, Frame, Frames, Registration, Run, SiteInfo, tree::Building};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use model::{BlockRef, Heartbeat, SealedEvent, SiteName};
use ops::link::{LinkClient, LinkError, full};
use schemas::Codec;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::{blocks::BlockAnswers, nodes::Sought};

/// For the head of an answer; the peer reads one block or one commit for it.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// For the next piece of an answer that streams: as long as pieces come, it may take its time.
const PIECE_MAX: Duration = Duration::from_secs(20);
/// Answers that are neither blocks nor history: heartbeats of 1,024 partitions are 150 KiB.
const SMALL_BYTES_MAX: usize = 1 << 20;

/// Why the origin did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("site `{peer}` did not answer in time")]
    TimedOut { peer: SiteName },
    /// Nothing names the block there any more, or history was trimmed.
    #[error("site `{peer}` has freed it")]
    Freed { peer: SiteName },
    #[error("site `{peer}` does not know it")]
    Unknown { peer: SiteName },
    #[error("site `{peer}` is busy")]
    Busy { peer: SiteName },
    /// Its hash trees, out of what an earlier release stored.
    #[error("site `{peer}` is still building its hash tree, {} of {} records", .at.done, .at.of)]
    Building { peer: SiteName, at: Building },
    #[error("site `{peer}` answered {status}: {text}")]
    Refused { peer: SiteName, status: StatusCode, text: String },
    #[error("site `{peer}` answered something else than was asked: {what}")]
    Nonsense { peer: SiteName, what: String },
}

impl OriginError {
    /// Name in metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Link(_) => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Freed { .. } => "freed",
            Self::Unknown { .. } => "unknown",
            Self::Busy { .. } | Self::Building { .. } => "busy",
            Self::Refused { .. } | Self::Nonsense { .. } => "refused",
        }
    }

    fn refused(peer: &SiteName, status: StatusCode, text: String) -> Self {
        let peer = peer.clone();
        match status {
            StatusCode::GONE => Self::Freed { peer },
            StatusCode::NOT_FOUND => Self::Unknown { peer },
            StatusCode::SERVICE_UNAVAILABLE => match serde_json::from_str(&text) {
                Ok(at) => Self::Building { peer, at },
                Err(_) => Self::Busy { peer },
            },
            status => Self::Refused { peer, status, text },
        }
    }

    fn nonsense(peer: &SiteName, what: &dyn std::fmt::Display) -> Self {
        Self::Nonsense { peer: peer.clone(), what: what.to_string() }
    }
}

/// The site that this one replicates from.
#[derive(Clone, Debug)]
pub struct Origin {
    link: LinkClient,
    meter: Arc<Meter>,
}

/// What was asked of an origin, and what came of it.
#[derive(Default, Debug)]
pub(crate) struct Meter {
    requests: AtomicU64,
    bytes: AtomicU64,
    /// Of these bytes, what was content of objects.
    content: AtomicU64,
}

/// What the head of a request and of its answer take, once the link has seen a few.
const HEADS_BYTES: u64 = 100;

impl Meter {
    fn request(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(HEADS_BYTES + bytes as u64, Ordering::Relaxed);
    }

    fn came(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Requests, each a round trip, though many are under way at once.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Takes note that so many of the bytes that are counted were content of objects. To be said
    /// before anything else is waited for, or they are shown as part of the comparison meanwhile.
    pub(crate) fn carried(&self, content: usize) {
        self.content.fetch_add(content as u64, Ordering::Relaxed);
    }

    /// Bytes of requests and answers, besides the content of objects.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).saturating_sub(self.content.load(Ordering::Relaxed))
    }
}

impl Origin {
    /// The site behind a link.
    #[must_use]
    pub fn new(link: LinkClient) -> Self {
        Self { link, meter: Arc::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SiteName {
        self.link.peer()
    }

    pub(crate) async fn info(&self) -> Result<SiteInfo, OriginError> {
        self.json(Method::GET, wire::SITE, &()).await
    }

    pub(crate) async fn register(&self, who: &Registration) -> Result<SiteInfo, OriginError> {
        self.json(Method::PUT, wire::PEERS, who).await
    }

    pub(crate) async fn acknowledge(&self, acks: &Acks) -> Result<(), OriginError> {
        self.json(Method::POST, wire::ACKS, acks).await
    }

    /// Asks for blocks, which come in this order.
    pub(crate) async fn blocks(
        &self,
        asked: VecDeque<BlockRef>,
    ) -> Result<BlockAnswers, OriginError> {
        let hashes: Vec<_> = asked.iter().map(|block| block.hash).collect();
        let body = self.ask(Method::POST, wire::BLOCKS, &hashes).await?.into_body();
        Ok(BlockAnswers::new(self.clone(), asked, body))
    }

    /// What the origin says of every partition now, beside whatever is still on its way.
    pub(crate) async fn heartbeats(&self, codec: &Codec) -> Result<Vec<Heartbeat>, OriginError> {
        let response = self.ask(Method::GET, wire::HEARTBEATS, &()).await?;
        let mut frames = Frames::default();
        frames.push(&self.small(response, SMALL_BYTES_MAX).await?);
        let mut beats = Vec::new();
        while let Some(frame) = frames.next_frame().map_err(|error| self.nonsense(&error))? {
            let Frame::Heartbeat(bytes) = frame else {
                return Err(self.nonsense(&"an event among heartbeats"));
            };
            let beat = codec.decode_heartbeat(&bytes);
            beats.push(beat.map_err(|error| self.nonsense(&error))?);
        }
        Ok(beats)
    }

    /// A run of events, whole and in order.
    pub(crate) async fn history(&self, run: Run) -> Result<Vec<SealedEvent>, OriginError> {
        let response = self.ask(Method::POST, wire::HISTORY, &run).await?;
        let (mut body, mut frames) = (response.into_body(), Frames::default());
        let mut events = Vec::new();
        while let Some(piece) = self.piece(&mut body).await? {
            frames.push(&piece);
            while let Some(frame) = frames.next_frame().map_err(|error| self.nonsense(&error))? {
                match frame {
                    Frame::Event(event) => events.push(event),
                    Frame::Heartbeat(_) => return Err(self.nonsense(&"a heartbeat in a run")),
                }
            }
        }
        Ok(events)
    }

    /// The next piece of an answer that is read as it comes; `None` at its end.
    async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, OriginError> {
        let piece = self.uncounted(body).await?;
        self.meter.came(piece.as_ref().map_or(0, Bytes::len));
        Ok(piece)
    }

    /// A piece of what may be content: whoever takes it apart counts it.
    async fn uncounted(&self, body: &mut Incoming) -> Result<Option<Bytes>, OriginError> {
        let frame = tokio::time::timeout(PIECE_MAX, body.frame()).await;
        let Some(frame) = frame.map_err(|_| self.timed_out())? else {
            return Ok(None);
        };
        let broken = |cause| LinkError::Broken { peer: self.name().clone(), cause };
        Ok(Some(frame.map_err(broken)?.into_data().unwrap_or_default()))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, OriginError> {
        let response = self.ask(method, path, body).await?;
        let body = self.small(response, SMALL_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|error| self.nonsense(&error))
    }

    async fn small(&self, response: Response<Incoming>, most: usize) -> Result<Bytes, OriginError> {
        let body = Limited::new(response.into_body(), most).collect();
        let body = tokio::time::timeout(ANSWER_MAX, body).await.map_err(|_| self.timed_out())?;
        let body = body.map_err(|error| self.broken_or_nonsense(error))?.to_bytes();
        self.meter.came(body.len());
        Ok(body)
    }

    /// A link that breaks in the middle of an answer says nothing of the origin.
    fn broken_or_nonsense(&self, error: Box<dyn std::error::Error + Send + Sync>) -> OriginError {
        match error.downcast::<hyper::Error>() {
            Ok(cause) => LinkError::Broken { peer: self.name().clone(), cause: *cause }.into(),
            Err(error) => self.nonsense(&error),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<Incoming>, OriginError> {
        let body = serde_json::to_vec(body).map_err(|error| self.nonsense(&error))?;
        self.send(method, path, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, OriginError> {
        self.meter.request(path.len() + body.len());
        let request = Request::builder().method(method).uri(path).body(full(body));
        let request = request.map_err(|error| self.nonsense(&error))?;
        let response = tokio::time::timeout(ANSWER_MAX, self.link.request(request)).await;
        let response = response.map_err(|_| self.timed_out())??;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let text = Limited::new(response.into_body(), SMALL_BYTES_MAX).collect().await;
        let text = text.map(|text| text.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        Err(OriginError::refused(self.name(), status, text))
    }

    fn timed_out(&self) -> OriginError {
        OriginError::TimedOut { peer: self.name().clone() }
    }

    fn nonsense(&self, what: &dyn std::fmt::Display) -> OriginError {
        OriginError::nonsense(self.name(), what)
    }
}
