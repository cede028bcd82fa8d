//! History into the log, in order, one batch in flight a partition.
//!
//! *Published* is only a mark: on start and after any error it is read back from the end of the
//! log, and publishing goes on right after it. What the log lost is so published again.

use std::{sync::Arc, time::Duration};

use bus::{BusError, Publisher, Tail, wire::Claim};
use futures::{StreamExt, stream::FuturesUnordered};
use model::{Partition, Seq};
use ops::Metrics;
use store::{ReadError, Store};
use tokio_util::sync::CancellationToken;

use crate::{heartbeat, past};

/// Events of one batch.
const BATCH_BYTES: usize = 1 << 20;
/// Between two tries while the log is away.
const RETRY: Duration = Duration::from_secs(1);
/// Failures in a row that are worth a person's look: a leader that moves is over after one or two.
const FAILURES_TOLD: u32 = 3;

/// Why publishing ended for good.
#[derive(Debug, thiserror::Error)]
#[error("publisher cannot read history")]
pub struct PublishError(#[from] ReadError);

/// Where publishing goes on in a partition: after what the log ends with, if that is of the
/// current epoch, else from what history still has of it.
fn resume(tail: Option<Tail>, epoch: model::Epoch, trimmed: Seq) -> Seq {
    match tail {
        Some(tail) if tail.epoch == epoch => tail.seq.max(trimmed),
        _ => trimmed,
    }
}

/// Publishes until cancelled.
///
/// # Errors
/// If history cannot be read. A log that is away or refuses is logged and tried again.
pub async fn publish_forever(
    store: Store,
    publisher: Arc<dyn Publisher>,
    metrics: Metrics,
    cancelled: CancellationToken,
) -> Result<(), PublishError> {
    // Until the log has told what it holds, nothing may be trimmed.
    store.set_published(vec![Seq::NONE; usize::from(store.identity().partitions.get())]);
    let mut failures = 0;
    loop {
        let began = tokio::time::Instant::now();
        let round = publish(&store, &publisher, &metrics);
        let ended = tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            ended = round => ended,
        };
        let error = match ended {
            Ok(never) => match never {},
            Err(Ended::Read(error)) => return Err(error.into()),
            Err(Ended::Log(error)) => error,
        };
        metrics.kafka_up.with_label_values(&["publisher"]).set(0);
        metrics.publish_failures.inc();
        failures = if began.elapsed() > RETRY { 1 } else { failures + 1 };
        let rejected = matches!(error, BusError::Rejected(_)) && failures == 1;
        if rejected || failures == FAILURES_TOLD {
            let error = ops::chain(&error);
            tracing::warn!(error, "publishing waits for the log, history keeps everything");
        } else {
            tracing::info!(error = %ops::chain(&error), failures, "publishing tries again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

enum Ended {
    Log(BusError),
    Read(ReadError),
}

enum Never {}

async fn publish(
    store: &Store,
    publisher: &Arc<dyn Publisher>,
    metrics: &Metrics,
) -> Result<Never, Ended> {
    let epoch = store.identity().epoch;
    let tails = publisher.tails().await.map_err(Ended::Log)?;
    let claims = tails.iter().filter_map(|(partition, tail)| {
        let Tail { epoch, seq, digest } = (*tail)?;
        Some(Claim { epoch, partition: *partition, seq, digest })
    });
    let disputed = past::compare(store, "the log", &claims.collect::<Vec<_>>());
    if disputed.map_err(Ended::Read)?.is_some() {
        metrics.alarm("history_disputed");
        return Err(Ended::Log(BusError::Rejected("history is disputed".to_owned())));
    }
    metrics.kafka_up.with_label_values(&["publisher"]).set(1);
    let published: Vec<tokio::sync::watch::Sender<Seq>> = tails
        .iter()
        .map(|(partition, tail)| {
            let trimmed = store.written_in(epoch, *partition).map(|written| written.trimmed);
            Ok(tokio::sync::watch::channel(resume(*tail, epoch, trimmed?)).0)
        })
        .collect::<Result<_, ReadError>>()
        .map_err(Ended::Read)?;
    let mut partitions: FuturesUnordered<_> = tails
        .iter()
        .zip(&published)
        .map(|((partition, _), mark)| one(store, publisher, metrics, (*partition, mark)))
        .collect();
    let mut beats = tokio::time::interval(heartbeat::INTERVAL);
    loop {
        tokio::select! {
            ended = partitions.next() => {
                if let Some(Err(ended)) = ended {
                    return Err(ended);
                }
            }
            _ = beats.tick() => {
                let marks: Vec<Seq> = published.iter().map(|mark| *mark.borrow()).collect();
                let gauge = &metrics.position;
                for (partition, mark) in marks.iter().enumerate() {
                    let labels = [store.identity().name.as_str(), &partition.to_string(), "published"];
                    gauge.with_label_values(&labels).set(mark.0.cast_signed());
                }
                store.set_published(marks);
                // Best effort: lag rises where they do not arrive, as it should.
                if let Err(error) = publisher.heartbeat(&heartbeat::heartbeats(store)).await {
                    tracing::debug!(error = %ops::chain(&error), "heartbeats were not sent");
                }
            }
        }
    }
}

/// Publishes one partition, batch after batch.
async fn one(
    store: &Store,
    publisher: &Arc<dyn Publisher>,
    metrics: &Metrics,
    (partition, mark): (Partition, &tokio::sync::watch::Sender<Seq>),
) -> Result<(), Ended> {
    let epoch = store.identity().epoch;
    let mut written = store.written();
    loop {
        let end = written.borrow_and_update()[usize::from(partition.0)].seq;
        while *mark.borrow() < end {
            let after = *mark.borrow();
            let events =
                store.history(epoch, partition, after, BATCH_BYTES).map_err(Ended::Read)?;
            let Some(last) = events.last().map(|event| event.position.seq) else {
                break;
            };
            publisher.publish(partition, &events).await.map_err(Ended::Log)?;
            ops::crash::point(ops::crash::PUBLISHED);
            metrics.events_published.inc_by(events.len() as u64);
            mark.send_replace(last);
        }
        if written.changed().await.is_err() {
            return Err(Ended::Log(BusError::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Digest, Epoch};

    #[test]
    fn publishing_goes_on_where_the_log_ends() {
        let tail =
            |epoch, seq| Some(Tail { epoch: Epoch(epoch), seq: Seq(seq), digest: Digest::ZERO });
        assert_eq!(resume(tail(2, 7), Epoch(2), Seq(0)), Seq(7));
        assert_eq!(resume(tail(1, 7), Epoch(2), Seq(0)), Seq(0), "a new epoch begins at 1");
        assert_eq!(resume(None, Epoch(2), Seq(3)), Seq(3), "a new topic gets what is kept");
    }
}
