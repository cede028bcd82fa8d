//! Branches and states of a cut, read while the peer takes those before.

use std::sync::Arc;

use bus::wire::tree::{Asked, Home, Places, Sketched, rest_frame, state_frame};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, channel::mpsc};
use http_body::Frame;
use model::{
    EntityHash, SealedEvent,
    tree::{Rest, Scope, TreeError},
};
use ops::{
    Metrics,
    link::{LinkBody, Pieces, pushed},
};
use schemas::Codec;

use super::held::Cut;

/// Pieces that wait for a slow peer.
const PIECES: usize = 4;
/// Branches read at once: some 40 KiB of answer, if the peer has nothing of them.
const BRANCHES: usize = 64;
/// States read at once: 16 of the largest events are 8 MiB.
const STATES: usize = 16;

/// What the peer lacks of the branches that were asked for, in their order.
pub(super) fn branches(
    cut: Arc<Cut>,
    asked: Asked<Sketched>,
    home: Home,
    metrics: Metrics,
) -> LinkBody {
    pushed(PIECES, async move |pieces| {
        let read = move |cut: &Cut, places: &[(Scope, Sketched)]| -> Result<_, TreeError> {
            let mut out = BytesMut::new();
            for (scope, Sketched { path, here }) in places {
                rest_frame(&mut out, home, &Rest::of(cut.view.node(scope, *path)?, here));
            }
            metrics.tree_nodes.inc_by(places.len() as u64);
            Ok(vec![out.freeze()])
        };
        push(cut, asked, (BRANCHES, read), pieces).await;
    })
}

/// The states that were asked for, in their order. Of an entity that has none,
/// there are none.
pub(super) fn states(
    cut: Arc<Cut>,
    asked: Asked<EntityHash>,
    codec: Codec,
    metrics: Metrics,
) -> LinkBody {
    pushed(PIECES, async move |pieces| {
        let read = move |cut: &Cut, places: &[(Scope, EntityHash)]| -> Result<_, TreeError> {
            let mut frames = Vec::new();
            for (scope, entity) in places {
                match state(cut, scope, *entity, &codec) {
                    Ok(events) => {
                        frames.extend(events.iter().flat_map(|event| state_frame(&event.payload)));
                    }
                    // The others come all the same; the peer sees that this one does not.
                    Err(error) => {
                        let error = ops::chain(&*error);
                        tracing::error!(%scope, ?entity, error, "a state cannot be given to a peer");
                    }
                }
                metrics.tree_states.inc();
            }
            Ok(frames)
        };
        push(cut, asked, (STATES, read), pieces).await;
    })
}

fn state(
    cut: &Cut,
    scope: &Scope,
    entity: EntityHash,
    codec: &Codec,
) -> Result<Vec<SealedEvent>, Box<dyn std::error::Error + Send + Sync>> {
    let change = cut.view.change(scope, entity)?;
    Ok(change.iter().map(|event| codec.seal(event)).collect::<Result<_, _>>()?)
}

/// Reads so many places at once on a thread that may block, and pushes what they come to. A
/// failure breaks the stream, so that no peer takes its beginning for the whole.
async fn push<P, R>(cut: Arc<Cut>, asked: Asked<P>, how: (usize, R), mut pieces: Pieces)
where
    P: Places + Send + Sync + 'static,
    R: Fn(&Cut, &[(Scope, P)]) -> Result<Vec<Bytes>, TreeError> + Clone + Send + 'static,
{
    let (at_once, read) = how;
    let places: Vec<_> = asked
        .scopes
        .into_iter()
        .flat_map(|(scope, places)| places.into_iter().map(move |place| (scope.clone(), place)))
        .collect();
    for part in places.chunks(at_once) {
        cut.touch();
        let (cut, read, part) = (Arc::clone(&cut), read.clone(), part.to_vec());
        let sent = match ops::blocking(move || read(&cut, &part)).await {
            Ok(frames) => send(&mut pieces, frames).await,
            Err(error) => {
                tracing::error!(error = %ops::chain(&error), "the hash tree cannot be read for a peer");
                let broken = std::io::Error::other(error);
                let _ = pieces.send(Err(broken)).await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn send(pieces: &mut Pieces, frames: Vec<Bytes>) -> Result<(), mpsc::SendError> {
    for frame in frames {
        pieces.send(Ok(Frame::data(frame))).await?;
    }
    Ok(())
}
