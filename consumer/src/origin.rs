//! The origin's fetch service, as this site asks it.

use std::{collections::VecDeque, time::Duration};

use bus::wire::{self, Acks, Frame, Frames, Registration, Run, SiteInfo};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use model::{BlockRef, Heartbeat, SealedEvent, SiteName};
use ops::link::{LinkClient, LinkError, full};
use schemas::Codec;
use serde::{Serialize, de::DeserializeOwned};

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
            Self::Busy { .. } => "busy",
            Self::Refused { .. } | Self::Nonsense { .. } => "refused",
        }
    }
}

/// The site that this one replicates from.
#[derive(Clone, Debug)]
pub struct Origin {
    link: LinkClient,
}

impl Origin {
    /// The site behind a link.
    #[must_use]
    pub fn new(link: LinkClient) -> Self {
        Self { link }
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
        Ok(BlockAnswers { origin: self.clone(), asked, body, frames: Frames::default() })
    }

    /// What the origin says of every partition now, beside whatever is still on its way.
    pub(crate) async fn heartbeats(&self, codec: &Codec) -> Result<Vec<Heartbeat>, OriginError> {
        let response = self.ask(Method::GET, wire::HEARTBEATS, &()).await?;
        let mut frames = Frames::default();
        frames.push(&self.small(response).await?);
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
        let body = self.small(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.nonsense(&error))
    }

    async fn small(&self, response: Response<Incoming>) -> Result<Bytes, OriginError> {
        let body = Limited::new(response.into_body(), SMALL_BYTES_MAX).collect();
        let body = tokio::time::timeout(ANSWER_MAX, body).await.map_err(|_| self.timed_out())?;
        Ok(body.map_err(|error| self.nonsense(&error))?.to_bytes())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<Incoming>, OriginError> {
        let body = serde_json::to_vec(body).map_err(|error| self.nonsense(&error))?;
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
        Err(self.refused(status, String::from_utf8_lossy(&text).into_owned()))
    }

    fn refused(&self, status: StatusCode, text: String) -> OriginError {
        let peer = self.name().clone();
        match status {
            StatusCode::GONE => OriginError::Freed { peer },
            StatusCode::NOT_FOUND => OriginError::Unknown { peer },
            StatusCode::SERVICE_UNAVAILABLE => OriginError::Busy { peer },
            status => OriginError::Refused { peer, status, text },
        }
    }

    fn timed_out(&self) -> OriginError {
        OriginError::TimedOut { peer: self.name().clone() }
    }

    fn nonsense(&self, what: &dyn std::fmt::Display) -> OriginError {
        OriginError::Nonsense { peer: self.name().clone(), what: what.to_string() }
    }
}

/// Answers to what was asked for in one request of many blocks.
pub(crate) struct BlockAnswers {
    origin: Origin,
    /// What has not been answered yet.
    asked: VecDeque<BlockRef>,
    body: Incoming,
    frames: Frames,
}

impl BlockAnswers {
    /// The next block, unverified, or why the origin does not give that one; `None` after the
    /// last.
    ///
    /// # Errors
    /// If the stream broke: nothing more comes of it.
    pub(crate) async fn next(&mut self) -> Result<Option<Result<Bytes, OriginError>>, OriginError> {
        let origin = &self.origin;
        let Some(block) = self.asked.pop_front() else {
            return Ok(None);
        };
        let answer = loop {
            if let Some(answer) =
                self.frames.next_block().map_err(|error| origin.nonsense(&error))?
            {
                break answer;
            }
            let piece = origin.piece(&mut self.body).await?;
            let ended = || origin.nonsense(&"a stream that ends before the last block");
            self.frames.push(&piece.ok_or_else(ended)?);
        };
        let status = StatusCode::from_u16(answer.status).map_err(|e| origin.nonsense(&e))?;
        if status != StatusCode::OK {
            return Ok(Some(Err(origin.refused(status, String::new()))));
        }
        if answer.bytes.len() != block.length as usize {
            let what = format!("{} bytes of {}", answer.bytes.len(), block.length);
            return Err(origin.nonsense(&what));
        }
        Ok(Some(Ok(answer.bytes)))
    }
}
