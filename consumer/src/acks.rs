//! Telling the origin how far this site has come: the origin's fence waits for it.

use std::time::Duration;

use bus::wire::{Ack, Acks, Claim};
use model::SiteId;
use store::{LineProgress, Store};
use tokio_util::sync::CancellationToken;

use crate::origin::Origin;

/// At most so often: an acknowledgement costs the origin a commit.
const INTERVAL: Duration = Duration::from_millis(200);

/// What this site says of every line of an origin's current epoch.
pub(crate) fn claims(store: &Store, origin: SiteId) -> Vec<Ack> {
    let ack = |line: model::Line, progress: &LineProgress| {
        let claim = Claim {
            epoch: line.epoch,
            partition: line.partition,
            seq: progress.handled.seq,
            digest: progress.handled.digest,
        };
        (line, Ack { claim, applied: progress.applied(), complete: progress.complete() })
    };
    let all = store.lines(ack).into_iter().filter(|(line, _)| line.site == origin);
    let all: Vec<_> = all.collect();
    let newest = all.iter().map(|(line, _)| line.epoch).max();
    all.into_iter().filter(|(line, _)| Some(line.epoch) == newest).map(|(_, ack)| ack).collect()
}

/// Acknowledges whenever something has changed, until cancelled or the origin does not answer.
pub(crate) async fn acknowledge(
    store: &Store,
    origin: &Origin,
    site: SiteId,
    cancelled: &CancellationToken,
) -> Result<(), crate::origin::OriginError> {
    let mut changed = store.lines_changed();
    let mut before = Vec::new();
    loop {
        changed.mark_unchanged();
        let acks = claims(store, site);
        if acks != before {
            ops::crash::point(ops::crash::ACKNOWLEDGE);
            let said = Acks { site: store.identity().site, acks: acks.clone() };
            origin.acknowledge(&said).await?;
            before = acks;
        }
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            _ = changed.changed() => {}
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
