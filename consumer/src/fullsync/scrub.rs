//! Deep mode: every block is read back and hashed, here and, with `both`, at the origin.
//!
//! What is rotten or gone comes from the other site by its hash, is verified, and takes the place
//! of the file. Where this has come is in the store, so that a restart goes on from there.

use std::collections::VecDeque;

use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use model::{
    BlockRef, EntityHash,
    tree::{Scope, Verdict},
};
use store::{BlockCheck, BlockError, KeepBlockError, Store};

use super::{
    Difference, HereError, Phase, Reason,
    checkpoint::Stand,
    comparison::{Comparison, Stop},
};
use crate::origin::OriginError;

/// Blocks between two checkpoints: some seconds of a disk.
const PAGE: usize = 512;
/// Blocks read at once.
const READS: usize = 4;

/// What became of a block that is not what it was.
enum Mended {
    Yes,
    /// The other site does not have it either, or has something else.
    No(String),
}

impl Comparison<'_> {
    /// Reads back every block.
    pub(crate) async fn scrub(&self, store: &Store) -> Result<(), Stop> {
        self.phase(Phase::Scrubbing);
        let here = self.tally().checkpoint.blocks.clone();
        if !here.is_done() {
            self.scrub_here(store).await?;
            self.come_to(|checkpoint| checkpoint.blocks = Stand::Done);
        }
        if self.request.both {
            self.scrub_origin(store).await?;
        }
        Ok(())
    }

    async fn scrub_here(&self, store: &Store) -> Result<(), Stop> {
        let mut after = store.scrubbed().map_err(HereError::from)?;
        loop {
            let of = store.clone();
            let blocks = ops::blocking(move || of.blocks_here(after, PAGE)).await;
            let blocks = blocks.map_err(HereError::from)?;
            after = blocks.last().map(|block| block.hash);
            let bad = self.read_back(store, blocks).await?;
            if !bad.is_empty() {
                self.fetch(store, bad).await?;
            }
            if !self.request.dry_run {
                store.set_scrubbed(after).await.map_err(HereError::from)?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Which of these blocks are not what they were.
    async fn read_back(&self, store: &Store, blocks: Vec<BlockRef>) -> Result<Vec<BlockRef>, Stop> {
        let (mut bad, mut blocks) = (Vec::new(), blocks.into_iter());
        let mut reads: FuturesOrdered<BoxFuture<'_, Result<_, Stop>>> = FuturesOrdered::new();
        loop {
            while reads.len() < READS
                && let Some(block) = blocks.next()
            {
                reads.push_back(Box::pin(self.check(store, block)));
            }
            let Some(read) = reads.next().await else { return Ok(bad) };
            if let (block, BlockCheck::Rotten | BlockCheck::Missing) = read? {
                bad.push(block);
            }
            self.tell(|tally| tally.progress.compared += 1);
        }
    }

    async fn check(&self, store: &Store, block: BlockRef) -> Result<(BlockRef, BlockCheck), Stop> {
        self.parts.scrub.spend(block.length as usize).await;
        let check = store.check_block(block.hash).await.map_err(HereError::from)?;
        Ok((block, check))
    }

    /// Brings good copies from the origin.
    async fn fetch(&self, store: &Store, bad: Vec<BlockRef>) -> Result<(), Stop> {
        if self.request.dry_run {
            bad.iter().for_each(|block| self.list(block, 0));
            return Ok(());
        }
        let _turn = self.parts.throttle.turn().await;
        let mut answers = self.origin.blocks(VecDeque::from(bad.clone())).await?;
        for block in bad {
            let Some(answer) = answers.next().await? else { break };
            if let Ok(bytes) = &answer {
                self.origin.meter().carried(bytes.len());
            }
            self.parts.throttle.spend(block.length as usize).await;
            let mended = match answer {
                Ok(bytes) => match store.replace_block(block.hash, bytes).await {
                    Ok(_) => Mended::Yes,
                    Err(KeepBlockError::Block(BlockError::Damaged(_))) => {
                        Mended::No("the origin sent other bytes than its name says".to_owned())
                    }
                    Err(error) => return Err(HereError::from(error).into()),
                },
                Err(OriginError::Busy { peer }) => return Err(OriginError::Busy { peer }.into()),
                Err(error) => Mended::No(ops::chain(&error)),
            };
            self.mended(&block, &mended, "here");
        }
        Ok(())
    }

    /// Has the origin read back its own, and gives it good copies.
    async fn scrub_origin(&self, store: &Store) -> Result<(), Stop> {
        let mut stand = self.tally().checkpoint.origin_blocks.clone();
        while !stand.is_done() {
            let turn = self.parts.throttle.turn().await;
            let page = self.origin.scrub(stand.place()).await?;
            drop(turn);
            self.parts.scrub.spend(usize::try_from(page.bytes).unwrap_or(usize::MAX)).await;
            self.tell(|tally| tally.progress.compared += page.blocks);
            for block in page.bad {
                if self.request.dry_run {
                    self.list(&block, 0);
                    continue;
                }
                let mended = match store.block(block).await {
                    Ok(Some(bytes)) => {
                        let length = bytes.len();
                        self.origin.give_block(block.hash, bytes).await?;
                        self.origin.meter().carried(length);
                        Mended::Yes
                    }
                    Ok(None) => Mended::No("it is not here either".to_owned()),
                    Err(error) => Mended::No(ops::chain(&error)),
                };
                self.mended(&block, &mended, "at the origin");
            }
            stand = Stand::behind(page.last);
            self.come_to(|checkpoint| checkpoint.origin_blocks = stand.clone());
        }
        Ok(())
    }

    fn list(&self, block: &BlockRef, moved: u64) {
        let difference = difference(block, Verdict::Behind, block.length.into());
        self.tell(|tally| {
            tally.found += 1;
            tally.note(difference, moved);
        });
    }

    fn mended(&self, block: &BlockRef, mended: &Mended, place: &str) {
        let moved = if matches!(mended, Mended::Yes) { block.length } else { 0 };
        self.list(block, moved.into());
        let hash = block.hash;
        match mended {
            Mended::Yes => {
                tracing::info!(%hash, place, "a block was rotten or gone; a good copy was put in its place");
                self.tell(|tally| {
                    *tally.progress.repaired.entry(Reason::Block).or_default() += 1;
                });
            }
            Mended::No(why) => {
                tracing::error!(%hash, place, why, "a block is rotten or gone and there is no good copy");
                self.tell(|tally| tally.progress.unrepaired += 1);
            }
        }
    }
}

/// A block as a report lists it.
pub(super) fn difference(block: &BlockRef, verdict: Verdict, bytes: u64) -> Difference {
    let name = Some(format!("block {}", block.hash));
    Difference { scope: Scope::Entities, entity: EntityHash(block.hash.0), name, verdict, bytes }
}
