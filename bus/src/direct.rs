//! The log without Kafka: the origin's history, pushed through the change feed of its fetch
//! service. The same events with the same positions; from the subscriber on, the same code.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ops::link::{LinkClient, LinkError, full};

use crate::{
    BusError, HeartbeatCodec, Log, Message, Start, Subscriber,
    wire::{self, Frame, Frames},
};

/// Heartbeats come every second: a feed that is silent for this long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Most that one batch gathers: bounds the memory of a batch and the time of its commit.
const BATCH_BYTES: usize = 1 << 20;

/// The change feed of one origin.
pub struct DirectLog {
    link: LinkClient,
    heartbeats: Arc<dyn HeartbeatCodec>,
}

impl DirectLog {
    /// The feed behind a link.
    #[must_use]
    pub fn new(link: LinkClient, heartbeats: Arc<dyn HeartbeatCodec>) -> Self {
        Self { link, heartbeats }
    }
}

#[async_trait]
impl Log for DirectLog {
    async fn subscribe(&self, starts: Vec<Start>) -> Result<Box<dyn Subscriber>, BusError> {
        let from = starts.into_iter().map(|Start { partition, epoch, after }| wire::From {
            partition,
            epoch,
            after,
        });
        let body = serde_json::to_vec(&from.collect::<Vec<_>>())
            .map_err(|error| BusError::Unavailable(error.to_string()))?;
        let request = Request::post(wire::CHANGES).body(full(body));
        let request = request.map_err(|error| BusError::Unavailable(error.to_string()))?;
        let response = self.link.request(request).await.map_err(link_error)?;
        if response.status() != StatusCode::OK {
            let text = response.status().to_string();
            return Err(BusError::Rejected(format!("change feed answered `{text}`")));
        }
        let (body, heartbeats) = (response.into_body(), Arc::clone(&self.heartbeats));
        Ok(Box::new(DirectSubscriber {
            body,
            frames: Frames::default(),
            taken: 0,
            over: None,
            heartbeats,
        }))
    }
}

struct DirectSubscriber {
    body: Incoming,
    frames: Frames,
    /// Bytes taken for the batch that is being gathered.
    taken: usize,
    /// Why the feed ended, told once everything before it was handed out: also over a link that
    /// is cut again and again, each piece that came is progress.
    over: Option<BusError>,
    heartbeats: Arc<dyn HeartbeatCodec>,
}

impl DirectSubscriber {
    fn take(
        &mut self,
        piece: Option<Result<http_body::Frame<Bytes>, hyper::Error>>,
    ) -> Result<(), BusError> {
        let ended = || BusError::Unavailable("the origin ended the change feed".to_owned());
        if let Ok(piece) = piece.ok_or_else(ended)?.map_err(broken)?.into_data() {
            self.taken += piece.len();
            self.frames.push(&piece);
        }
        Ok(())
    }

    /// Whole messages of what has arrived.
    fn ready(&mut self) -> Result<Vec<Message>, BusError> {
        let mut messages = Vec::new();
        while let Some(frame) = self.frames.next_frame().map_err(broken)? {
            messages.push(match frame {
                Frame::Event(event) => Message::Event(event),
                Frame::Heartbeat(bytes) => {
                    Message::Heartbeat(self.heartbeats.decode(&bytes).map_err(broken)?)
                }
            });
        }
        Ok(messages)
    }
}

#[async_trait]
impl Subscriber for DirectSubscriber {
    async fn next(&mut self) -> Result<Vec<Message>, BusError> {
        if let Some(error) = self.over.clone() {
            return Err(error);
        }
        let mut messages = self.ready()?;
        while messages.is_empty() {
            let piece = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let piece = piece.map_err(|_| {
                BusError::Unavailable(format!("change feed was silent for {SILENCE_MAX:?}"))
            })?;
            self.take(piece)?;
            messages = self.ready()?;
        }
        // What has come meanwhile goes along: one commit for all of it instead of one for each.
        while self.over.is_none()
            && self.taken < BATCH_BYTES
            && let Some(piece) = self.body.frame().now_or_never()
        {
            self.over = self.take(piece).err();
        }
        self.taken = 0;
        messages.extend(self.ready()?);
        Ok(messages)
    }
}

fn broken(error: impl std::fmt::Display) -> BusError {
    BusError::Unavailable(format!("change feed broke: {error}"))
}

fn link_error(error: LinkError) -> BusError {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    match error {
        LinkError::Refused { .. } => BusError::Rejected(format!("{error}: {cause}")),
        _ => BusError::Unavailable(format!("{error}: {cause}")),
    }
}
