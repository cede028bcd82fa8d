//! Reading back what is on disk: a block that nobody reads rots unseen.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use model::{BlockHash, BlockRef};
use object_store::PutPayload;

use crate::{
    engine::Table,
    errors::{BlockError, KeepError, ReadError, UploadError},
    pins::Lease,
    records::{BlockRecord, Record, ScrubRecord},
    replication::KeepBlockError,
    section::SectionError,
    store::Store,
};

/// What a look at the file of a block says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockCheck {
    /// Its bytes are what its name says.
    Good,
    /// They are not, or the disk does not give them.
    Rotten,
    /// There is no file.
    Missing,
    /// Nothing names it any more, or it has not come yet.
    NotHere,
}

impl Store {
    /// The first blocks behind one, by hash, that are named and should be on disk.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn blocks_here(
        &self,
        after: Option<BlockHash>,
        limit: usize,
    ) -> Result<Vec<BlockRef>, ReadError> {
        let (mut blocks, mut unreadable) = (Vec::new(), None);
        let start = after.map(BlockRecord::key);
        let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.shared.engine.scan(Table::Blocks, (start, Bound::Unbounded), &mut |key, value| {
            match BlockRecord::decode(value) {
                Ok(record) if record.here && record.refs > 0 => {
                    blocks.extend(BlockRecord::hash(key).map(|hash| record.block(hash)));
                }
                Ok(_) => {}
                Err(error) => unreadable = Some(error),
            }
            let more = blocks.len() < limit && unreadable.is_none();
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        unreadable.map_or(Ok(blocks), |error| Err(error.into()))
    }

    /// Reads a block back and compares it with its name.
    ///
    /// # Errors
    /// If the store cannot be read; a file that cannot is rotten.
    pub async fn check_block(&self, hash: BlockHash) -> Result<BlockCheck, ReadError> {
        // The collector leaves it alone meanwhile.
        let mut lease = Lease::new(&self.shared.pins);
        lease.add(hash).await;
        if !self.is_here(hash)? {
            return Ok(BlockCheck::NotHere);
        }
        Ok(match self.shared.blocks.get_once(hash).await {
            Ok(None) => BlockCheck::Missing,
            Ok(Some(bytes)) => match ops::blocking(move || BlockHash::of(&bytes)).await == hash {
                true => BlockCheck::Good,
                false => BlockCheck::Rotten,
            },
            Err(error) => {
                tracing::warn!(%hash, error = %ops::chain(&error), "a block cannot be read");
                BlockCheck::Rotten
            }
        })
    }

    /// Writes a block in place of its file, which is rotten or gone. `false`: nothing was to be
    /// done, since nothing names it any more or it has not come yet.
    ///
    /// # Errors
    /// `BlockError::Damaged` if the bytes are not what the name says; `DiskFull`; a failed disk.
    pub async fn replace_block(
        &self,
        hash: BlockHash,
        bytes: Bytes,
    ) -> Result<bool, KeepBlockError> {
        if BlockHash::of(&bytes) != hash {
            return Err(BlockError::Damaged(hash).into());
        }
        self.shared.gate.room().map_err(UploadError::from)?;
        let mut lease = Lease::new(&self.shared.pins);
        lease.add(hash).await;
        if !self.is_here(hash).map_err(BlockError::from)? {
            return Ok(false);
        }
        self.shared.blocks.put(hash, PutPayload::from(bytes)).await?;
        Ok(true)
    }

    fn is_here(&self, hash: BlockHash) -> Result<bool, ReadError> {
        let record = self.shared.block_record(hash)?;
        Ok(record.is_some_and(|record| record.here && record.refs > 0))
    }

    /// Up to where a scrub under way has come; `None`: none is.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn scrubbed(&self) -> Result<Option<BlockHash>, ReadError> {
        let record = self.shared.get::<ScrubRecord>(&ScrubRecord::key())?;
        Ok(record.map(|record| record.up_to))
    }

    /// Takes note of where a scrub has come, so that it goes on from there after a restart; `None`:
    /// it has ended.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn set_scrubbed(&self, up_to: Option<BlockHash>) -> Result<(), KeepError> {
        let rule = move |section: &mut crate::section::Section<'_>| {
            match up_to {
                Some(up_to) => section.put(ScrubRecord::key(), &ScrubRecord { up_to }),
                None => section.remove::<ScrubRecord>(ScrubRecord::key()),
            }
            Ok::<_, SectionError>(())
        };
        self.shared.committer.run(move |section| rule(section).map_err(KeepError::from)).await
    }
}

#[cfg(test)]
mod tests {
    use model::Content;

    use super::*;
    use crate::store::tests::{bucket, key, pair, put, read};

    async fn blocks_of(store: &Store, name: &str) -> Vec<BlockRef> {
        let object = store.object(&bucket(), &key(name)).await.unwrap().unwrap();
        let Content::Blocks(blocks) = object.manifest.content else { panic!("small") };
        blocks
    }

    #[tokio::test]
    async fn law_5_a_rotten_or_missing_file_is_found_and_replaced() {
        let (east, _, homes) = pair().await;
        put(&east, "a", b"first block second").await.unwrap();
        let named = blocks_of(&east, "a").await;
        let mut here = east.blocks_here(None, 9).unwrap();
        assert_eq!(here.len(), 3);
        assert_eq!(east.blocks_here(Some(here[0].hash), 1).unwrap(), here[1..2]);
        here.sort();
        let mut sorted = named.clone();
        sorted.sort();
        assert_eq!(here, sorted);

        let file = |block: BlockRef| {
            let name = block.hash.to_string();
            homes[0].path().join("blocks").join(&name[..2]).join(&name)
        };
        let bytes = east.block(named[0]).await.unwrap().unwrap();
        let (rotten, missing) = (named[0], named[1]);
        let other = east.block(missing).await.unwrap().unwrap();
        std::fs::write(file(rotten), b"forged!!").unwrap();
        std::fs::remove_file(file(missing)).unwrap();
        assert_eq!(east.check_block(rotten.hash).await.unwrap(), BlockCheck::Rotten);
        assert_eq!(east.check_block(missing.hash).await.unwrap(), BlockCheck::Missing);
        assert_eq!(east.check_block(named[2].hash).await.unwrap(), BlockCheck::Good);

        let wrong = east.replace_block(rotten.hash, Bytes::from_static(b"wrong")).await;
        assert!(matches!(wrong, Err(KeepBlockError::Block(BlockError::Damaged(_)))));
        assert!(east.replace_block(rotten.hash, bytes).await.unwrap());
        assert!(east.replace_block(missing.hash, other).await.unwrap());
        assert_eq!(read(&east, "a").await.unwrap().unwrap(), b"first block second");
        let unknown = Bytes::from_static(b"unknown");
        let hash = BlockHash::of(&unknown);
        assert_eq!(east.check_block(hash).await.unwrap(), BlockCheck::NotHere);
        assert!(!east.replace_block(hash, unknown).await.unwrap());
    }

    #[tokio::test]
    async fn a_scrub_goes_on_from_where_it_was() {
        let (east, _, _homes) = pair().await;
        assert_eq!(east.scrubbed().unwrap(), None);
        let at = BlockHash::of(b"at");
        east.set_scrubbed(Some(at)).await.unwrap();
        assert_eq!(east.scrubbed().unwrap(), Some(at));
        east.set_scrubbed(None).await.unwrap();
        assert_eq!(east.scrubbed().unwrap(), None);
    }
}
