//! Blocks of this site that another site asks to be read back, and good copies of those that are
//! not what they were.

use std::time::Duration;

use bus::wire::{ScrubAsked, ScrubPage};
use bytes::Bytes;
use http::StatusCode;
use model::{BlockHash, SiteName};
use store::{BlockCheck, BlockError, KeepBlockError, ReadError, Store};
use tokio::time::Instant;

/// Blocks of one page, and how long reading them may take: a peer waits for the answer.
const PAGE: usize = 256;
const PAGE_MAX: Duration = Duration::from_secs(5);

/// Reads back the next blocks, one at a time: whoever asks says how fast by asking.
pub(crate) async fn page(store: &Store, asked: ScrubAsked) -> Result<ScrubPage, ReadError> {
    let mut page = ScrubPage { last: None, blocks: 0, bytes: 0, bad: Vec::new() };
    let until = Instant::now() + PAGE_MAX;
    for block in store.blocks_here(asked.after, PAGE)? {
        match store.check_block(block.hash).await? {
            BlockCheck::Good | BlockCheck::NotHere => {}
            BlockCheck::Rotten | BlockCheck::Missing => page.bad.push(block),
        }
        page.last = Some(block.hash);
        page.blocks += 1;
        page.bytes += u64::from(block.length);
        if Instant::now() >= until {
            break;
        }
    }
    Ok(page)
}

/// Takes a block in place of one that is rotten or gone; says whether it was. Bytes that are not
/// what the name says are refused, and a good block is left as it is.
pub(crate) async fn take(
    store: &Store,
    peer: &SiteName,
    hash: BlockHash,
    bytes: Bytes,
) -> Result<bool, StatusCode> {
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(%hash, error = %ops::chain(error), "a block cannot be replaced");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    match store.check_block(hash).await.map_err(|error| failed(&error))? {
        BlockCheck::Good | BlockCheck::NotHere => return Ok(false),
        BlockCheck::Rotten | BlockCheck::Missing => {}
    }
    match store.replace_block(hash, bytes).await {
        Ok(replaced) => {
            tracing::info!(%hash, %peer, "a block that was not what it had been was replaced");
            Ok(replaced)
        }
        Err(KeepBlockError::Block(BlockError::Damaged(_))) => Err(StatusCode::BAD_REQUEST),
        Err(KeepBlockError::Room(_)) => Err(StatusCode::INSUFFICIENT_STORAGE),
        Err(error) => Err(failed(&error)),
    }
}
