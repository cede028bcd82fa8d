//! Counting again who names each block.
//!
//! A record that cannot be read, or that went behind the store's back, leaves its blocks counted, and
//! nothing would ever free them. What must stay true here: no block is freed that anything names. So
//!
//! * a count changes by as much as it was wrong in a snapshot of everything. Each commit since has
//!   moved counts and names alike, so that the difference is the same whenever it is taken off;
//! * nothing is freed while it is counted: a segment that was there is there to be read;
//! * as long as anything cannot be read, it may name anything: counts that are too high stay;
//! * they stay also until every registered site has what was written before (law 7): it may have been
//!   the record that is gone.

mod pass;

use std::time::Duration;

use model::{BlockRef, Partition};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    errors::{KeepError, ReadError},
    records::Written,
    rules::blocks,
    section::Section,
    store::Store,
};

use pass::{Count, Pass};

/// Counts that are set right in one commit: clients' commits between wait little.
const ROWS_PER_COMMIT: usize = 256;
/// Between two looks at what other sites have acknowledged.
const LOOK: Duration = Duration::from_millis(200);

/// How to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecountOptions {
    /// Set wrong counts right: what nothing names is freed by the collector then.
    pub repair: bool,
    /// How long other sites may take to acknowledge what was written before.
    pub wait: Duration,
    /// Blocks of one pass over all records, each of which is some 80 bytes of memory.
    pub at_once: usize,
    /// At most so many leaked blocks are kept by name; all are counted.
    pub leaked_max: usize,
}

impl Default for RecountOptions {
    /// A pass is 20 MiB of memory, and 256 GiB of full blocks.
    fn default() -> Self {
        Self { repair: false, wait: Duration::ZERO, at_once: 256 << 10, leaked_max: 1_000 }
    }
}

/// What was counted, and what was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BlockCounts {
    pub blocks: u64,
    /// Blocks that count more often than they are named: they would never be freed.
    pub leaked: u64,
    /// Of those that nothing names at all.
    pub leaked_bytes: u64,
    /// Blocks that count less often than they are named: they might be freed too soon.
    pub short: u64,
    /// Names of blocks that nothing is known of.
    pub unknown: u64,
    /// Records and segments that cannot be read.
    pub unreadable: u64,
    /// Counts that are right again.
    pub repaired: u64,
}

impl BlockCounts {
    /// Wrong counts, repaired or not.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.leaked + self.short + self.unknown
    }
}

/// Why counts that are too high stay so for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Kept {
    #[error(
        "records or segments that cannot be read may name these blocks: discard what is set aside \
         (`towline quarantine discard`), then count again"
    )]
    Unreadable,
    #[error("other sites may still need these blocks: they have not acknowledged all events")]
    Unacknowledged,
}

/// What counting came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recounted {
    pub counts: BlockCounts,
    /// By name, up to the bound.
    pub leaked: Vec<BlockRef>,
    /// Leaked blocks were not let go of, and why.
    pub kept: Option<Kept>,
}

impl Store {
    /// Compares the count of every block with who names it. Others go on writing meanwhile; the
    /// collector frees no block.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn recount_blocks(&self, options: RecountOptions) -> Result<Recounted, KeepError> {
        let _counting = self.shared.pins.counting.lock().await;
        let until = Instant::now() + options.wait;
        let (mut done, mut after) = (Recounted::default(), None);
        loop {
            let pass = self.count(after, options.at_once).await?;
            done.take(&pass, options.leaked_max);
            let (short, leaked): (Vec<_>, Vec<_>) =
                pass.wrong().partition(|(_, count)| count.named > count.counted);
            if !leaked.is_empty() && done.kept.is_none() {
                done.kept = self.kept(&pass, until).await?;
            }
            let may = if done.kept.is_none() { leaked } else { Vec::new() };
            if options.repair {
                done.counts.repaired += self.set_right(&short).await?;
                done.counts.repaired += self.set_right(&may).await?;
            }
            after = pass.last;
            if after.is_none() {
                self.tell_of_counts(&done);
                return Ok(done);
            }
        }
    }

    async fn kept(&self, pass: &Pass, until: Instant) -> Result<Option<Kept>, ReadError> {
        if pass.unreadable > 0 {
            return Ok(Some(Kept::Unreadable));
        }
        while !self.is_fenced(&pass.written)? {
            if Instant::now() >= until {
                return Ok(Some(Kept::Unacknowledged));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(None)
    }

    fn is_fenced(&self, written: &[(Partition, Written)]) -> Result<bool, ReadError> {
        let fence = self.fence()?;
        let passed = |(partition, written): &(Partition, Written)| {
            fence.get(partition).is_some_and(|fenced| *fenced >= written.seq)
        };
        Ok(written.iter().all(passed))
    }

    async fn set_right(&self, wrong: &[(BlockRef, Count)]) -> Result<u64, KeepError> {
        let mut repaired = 0;
        for counts in wrong.chunks(ROWS_PER_COMMIT) {
            let counts = counts.to_vec();
            let rule = move |section: &mut Section<'_>| {
                let mut repaired = 0;
                for (block, Count { counted, named, .. }) in counts {
                    repaired += u64::from(blocks::recount(section, block.hash, (counted, named))?);
                }
                Ok::<u64, KeepError>(repaired)
            };
            repaired += self.shared.committer.run(rule).await?;
        }
        Ok(repaired)
    }

    fn tell_of_counts(&self, done: &Recounted) {
        let BlockCounts { leaked, short, unknown, repaired, .. } = done.counts;
        if short + unknown > 0 {
            self.shared.metrics.alarm("block_counts");
            tracing::error!(
                short,
                unknown,
                repaired,
                "blocks are named that do not count so often"
            );
        }
        if leaked > 0 {
            let kept = done.kept.map(|kept| kept.to_string());
            tracing::info!(leaked, repaired, kept, "blocks count that nothing names any more");
        }
    }
}

impl Recounted {
    fn take(&mut self, pass: &Pass, leaked_max: usize) {
        let counts = &mut self.counts;
        counts.blocks += pass.blocks();
        counts.unknown += pass.unknown;
        // Every pass reads all of them.
        counts.unreadable = pass.unreadable;
        for (block, Count { counted, named, .. }) in pass.wrong() {
            if named > counted {
                counts.short += 1;
                continue;
            }
            counts.leaked += 1;
            counts.leaked_bytes += if named == 0 { u64::from(block.length) } else { 0 };
            if self.leaked.len() < leaked_max {
                self.leaked.push(block);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
