//! How a new secondary begins: at a cut, where the origin's history no longer tells everything.

use bus::wire::tree::{CutAsked, CutMade};
use model::{Line, Seq};
use store::{ApplyError, Step, Store};

use crate::origin::{Origin, OriginError};

/// Why a site could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootstrapError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("begin at a cut")]
    Apply(#[from] ApplyError),
}

/// Has a site that has handled nothing of its origin begin at what is written there now, with a hole
/// below that full sync closes. The fence holds all above since the site registered, so no event
/// is missed, and none comes twice. Where history tells everything it is followed from its beginning.
pub(crate) async fn begin(store: &Store, origin: &Origin) -> Result<(), BootstrapError> {
    let site = store.identity().site;
    let asked = CutAsked { site, release: env!("CARGO_PKG_VERSION").to_owned() };
    let made = match origin.make_cut(&asked).await {
        Ok(made) => made,
        // A release without full sync: its history is followed as far as it goes.
        Err(OriginError::Unknown { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let steps = adoptions(&made);
    if !steps.is_empty() {
        let lines = steps.len();
        store.apply(steps).await?;
        tracing::info!(origin = %origin.name(), lines, "begins at a cut; full sync brings what is below");
    }
    origin.end_cut(made.id).await?;
    Ok(())
}

/// All lines, if history of one has been trimmed, or an epoch has ended, whose history may be.
fn adoptions(made: &CutMade) -> Vec<Step> {
    let told = made.ends.iter().all(|end| end.history == Seq::NONE);
    if told && made.site.past_epochs.is_empty() {
        return Vec::new();
    }
    let written = made.ends.iter().filter(|end| end.seq > Seq::NONE);
    let adopt = written.map(|end| {
        let (site, epoch) = (made.site.site, made.site.epoch);
        let line = Line { site, epoch, partition: end.partition };
        Step::Adopt { line, handled: end.handled() }
    });
    adopt.collect()
}

#[cfg(test)]
mod tests {
    use bus::wire::{SiteInfo, tree::End};
    use model::{Digest, Epoch, Millis, Partition, PartitionCount, SiteId, SiteName};

    use super::*;

    fn end(partition: u16, seq: u64, history: u64) -> End {
        End {
            partition: Partition(partition),
            seq: Seq(seq),
            digest: Digest::of(&[7]),
            volume: 5,
            time: Millis(6),
            trimmed: Seq::NONE,
            history: Seq(history),
        }
    }

    fn made(past_epochs: Vec<Epoch>, ends: Vec<End>) -> CutMade {
        let site = SiteInfo {
            site: SiteId([1; 16]),
            name: SiteName::try_from("east".to_owned()).unwrap(),
            epoch: Epoch(5),
            past_epochs,
            partitions: PartitionCount::new(2).unwrap(),
        };
        CutMade { id: 1, site, release: String::new(), ends, leaves: 0, keys: Vec::new() }
    }

    #[test]
    fn where_history_tells_everything_it_is_followed_from_its_beginning() {
        assert_eq!(adoptions(&made(Vec::new(), vec![end(0, 9, 0), end(1, 0, 0)])), []);
    }

    #[test]
    fn where_it_does_not_every_line_that_has_begun_begins_at_the_cut() {
        for (past, history) in [(vec![], 3), (vec![Epoch(4)], 0)] {
            let (begun, new) = (end(0, 9, history), end(1, 0, 0));
            let line = Line { site: SiteId([1; 16]), epoch: Epoch(5), partition: Partition(0) };
            let adopt = Step::Adopt { line, handled: begun.handled() };
            assert_eq!(adoptions(&made(past, vec![begun, new])), [adopt]);
        }
    }
}
