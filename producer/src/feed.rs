//! The change feed: history pushed to one peer as it is written, and heartbeats between.

use bus::wire::{self, Run, event_frame};
use bytes::BytesMut;
use futures::{SinkExt, channel::mpsc};
use http_body::Frame;
use model::{Epoch, Partition, SealedEvent, Seq};
use ops::link::{LinkBody, Pieces, pushed};
use schemas::Codec;
use store::{ReadError, Store};

use crate::heartbeat;

/// Events read from history at once.
const READ_BYTES: usize = 1 << 20;
/// Bytes of small events that go as one piece.
const TOGETHER: usize = 64 << 10;
/// Pieces that wait for a slow peer; then history waits on disk, where it is anyway.
const PIECES: usize = 8;

/// A body that pushes everything after the given places, until the peer goes away.
pub(crate) fn changes(store: Store, codec: Codec, from: Vec<wire::From>) -> LinkBody {
    pushed(PIECES, async move |pieces| {
        if let Err(error) = push(store, codec, from, pieces).await {
            tracing::error!(error = %ops::chain(&error), "change feed cannot read history");
        }
    })
}

/// Events of one run, and then the end.
pub(crate) fn history(store: &Store, run: Run) -> Result<Option<LinkBody>, ReadError> {
    let first = store.history(run.epoch, run.partition, run.first.before(), 1)?;
    if first.first().is_none_or(|event| event.position.seq != run.first) {
        return Ok(None);
    }
    let store = store.clone();
    Ok(Some(pushed(PIECES, async move |mut pieces| {
        let mut after = run.first.before();
        while after < run.last {
            let events = store.history(run.epoch, run.partition, after, READ_BYTES);
            let Ok(events) = events else { return };
            let Some(last) = events.last().map(|event| event.position.seq) else {
                return;
            };
            after = last;
            let wanted: Vec<_> =
                events.into_iter().filter(|event| event.position.seq <= run.last).collect();
            if send(&mut pieces, &wanted).await.is_err() {
                return;
            }
        }
    })))
}

/// How far one partition has been pushed.
struct Place {
    partition: Partition,
    epoch: Epoch,
    after: Seq,
}

async fn push(
    store: Store,
    codec: Codec,
    from: Vec<wire::From>,
    mut pieces: Pieces,
) -> Result<(), ReadError> {
    let mut written = store.written();
    let mut beats = tokio::time::interval(heartbeat::INTERVAL);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut places: Vec<Place> = from
        .into_iter()
        .map(|wire::From { partition, epoch, after }| Place { partition, epoch, after })
        .collect();
    for place in &mut places {
        if push_past_epochs(&store, place, &mut pieces).await?.is_err() {
            return Ok(());
        }
    }
    loop {
        let now = written.borrow_and_update().clone();
        for place in &mut places {
            let Some(written) = now.get(usize::from(place.partition.0)) else {
                continue;
            };
            while place.after < written.seq {
                if push_some(&store, place, &mut pieces).await?.is_err() {
                    return Ok(());
                }
            }
        }
        tokio::select! {
            changed = written.changed() => if changed.is_err() { return Ok(()) },
            _ = beats.tick() => {
                let piece = Frame::data(heartbeat::frames(&store, &codec));
                if pieces.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// What a peer may have missed of epochs before the current one, as far as it is kept.
async fn push_past_epochs(
    store: &Store,
    place: &mut Place,
    pieces: &mut Pieces,
) -> Result<Result<(), mpsc::SendError>, ReadError> {
    let identity = store.identity().clone();
    let first = place.epoch;
    for epoch in identity.past_epochs.into_iter().filter(|epoch| *epoch >= first) {
        if epoch > place.epoch {
            (place.epoch, place.after) = (epoch, Seq::NONE);
        }
        let end = store.written_in(epoch, place.partition)?.seq;
        while place.after < end {
            let before = place.after;
            if let Err(gone) = push_some(store, place, pieces).await? {
                return Ok(Err(gone));
            }
            if place.after == before {
                break;
            }
        }
    }
    if place.epoch < identity.epoch {
        (place.epoch, place.after) = (identity.epoch, Seq::NONE);
    }
    Ok(Ok(()))
}

async fn push_some(
    store: &Store,
    place: &mut Place,
    pieces: &mut Pieces,
) -> Result<Result<(), mpsc::SendError>, ReadError> {
    let events = store.history(place.epoch, place.partition, place.after, READ_BYTES)?;
    match events.last() {
        Some(last) => place.after = last.position.seq,
        // Trimmed to the end: the peer learns of what it missed from the heartbeat.
        None => place.after = store.written_in(place.epoch, place.partition)?.seq,
    }
    Ok(send(pieces, &events).await)
}

/// Small events go together, so that a thousand of them are a few frames of the link and not
/// two thousand; that copies them once. A large one goes as it is.
async fn send(pieces: &mut Pieces, events: &[SealedEvent]) -> Result<(), mpsc::SendError> {
    let mut together = BytesMut::new();
    for event in events {
        let [head, payload] = event_frame(event);
        together.extend_from_slice(&head);
        if payload.len() < TOGETHER {
            together.extend_from_slice(&payload);
        }
        if payload.len() >= TOGETHER || together.len() >= TOGETHER {
            pieces.feed(Ok(Frame::data(together.split().freeze()))).await?;
        }
        if payload.len() >= TOGETHER {
            pieces.feed(Ok(Frame::data(payload))).await?;
        }
    }
    if !together.is_empty() {
        pieces.feed(Ok(Frame::data(together.freeze()))).await?;
    }
    pieces.flush().await
}
