//! Deep mode, at last: how often each block here counts is compared with who names it, so that what
//! records that are gone or rotten have named is freed; and what is counted in each bucket with what
//! stands there.

use std::time::Duration;

use model::tree::Verdict;
use store::{RecountOptions, Recounted, Store};

use super::{
    HereError, Reason,
    comparison::{Comparison, Stop},
};

/// For sites that follow this one to have all that was written before the count: some heartbeats,
/// and a pull. One that takes longer is waited for by the next deep full sync.
const ACKNOWLEDGED_MAX: Duration = Duration::from_mins(1);

impl Comparison<'_> {
    /// Counts again what stands here, and who names the blocks. What has to stay for now is no difference between the
    /// sites; the log tells of it.
    pub(crate) async fn recount(&self, store: &Store) -> Result<(), Stop> {
        let repair = !self.request.dry_run;
        let wait = if repair { ACKNOWLEDGED_MAX } else { Duration::ZERO };
        let options = RecountOptions { repair, wait, ..RecountOptions::default() };
        store.verify_accounts(repair).await.map_err(HereError::from)?;
        let recounted = store.recount_blocks(options).await.map_err(HereError::from)?;
        let Recounted { counts, leaked, kept } = recounted;
        let (listed, found) = match (repair, kept) {
            (_, Some(_)) => (Vec::new(), counts.repaired),
            (true, None) => (leaked, counts.repaired),
            (false, None) => (leaked, counts.leaked + counts.short),
        };
        let differences =
            listed.iter().map(|block| super::scrub::difference(block, Verdict::Foreign, 0));
        let differences: Vec<_> = differences.collect();
        self.tell(|tally| {
            tally.found += found;
            differences.into_iter().for_each(|difference| tally.note(difference, 0));
            if repair && found > 0 {
                *tally.progress.repaired.entry(Reason::Count).or_default() += found;
            }
        });
        Ok(())
    }
}
