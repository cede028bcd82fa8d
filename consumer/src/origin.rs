//! The origin's fetch service, as this site asks it.

use std::time::Duration;

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
/// For one block after its head: 8 MiB at 300 KB/s.
const BLOCK_MAX: Duration = Duration::from_secs(30);
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

    /// The bytes of one block, unverified.
    pub(crate) async fn block(&self, block: BlockRef) -> Result<Bytes, OriginError> {
        let path = format!("{}/{}", wire::BLOCKS, block.hash);
        let response = self.ask(Method::GET, &path, &()).await?;
        let body = Limited::new(response.into_body(), block.length as usize).collect();
        let body = tokio::time::timeout(BLOCK_MAX, body).await.map_err(|_| self.timed_out())?;
        let body = body.map_err(|error| self.nonsense(&error))?.to_bytes();
        if body.len() == block.length as usize {
            Ok(body)
        } else {
            Err(self.nonsense(&format!("{} bytes of {}", body.len(), block.length)))
        }
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
        loop {
            let piece = tokio::time::timeout(BLOCK_MAX, body.frame());
            let piece = piece.await.map_err(|_| self.timed_out())?;
            let Some(piece) = piece else {
                return Ok(events);
            };
            let piece = piece.map_err(|error| self.nonsense(&error))?;
            frames.push(piece.data_ref().map_or(&[], |data| &data[..]));
            while let Some(frame) = frames.next_frame().map_err(|error| self.nonsense(&error))? {
                match frame {
                    Frame::Event(event) => events.push(event),
                    Frame::Heartbeat(_) => return Err(self.nonsense(&"a heartbeat in a run")),
                }
            }
        }
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
        let peer = self.name().clone();
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::GONE => Err(OriginError::Freed { peer }),
            StatusCode::NOT_FOUND => Err(OriginError::Unknown { peer }),
            StatusCode::SERVICE_UNAVAILABLE => Err(OriginError::Busy { peer }),
            status => {
                let text = Limited::new(response.into_body(), SMALL_BYTES_MAX).collect().await;
                let text = text.map(|text| text.to_bytes()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                Err(OriginError::Refused { peer, status, text })
            }
        }
    }

    fn timed_out(&self) -> OriginError {
        OriginError::TimedOut { peer: self.name().clone() }
    }

    fn nonsense(&self, what: &dyn std::fmt::Display) -> OriginError {
        OriginError::Nonsense { peer: self.name().clone(), what: what.to_string() }
    }
}
