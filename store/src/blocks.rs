//! Block files: content-addressed, written once, synced before they count.
//!
//! A file is named by the SHA-256 of its bytes and verified on every read (law 5), by whoever
//! uses the bytes. Which files ought to be there is in the records; a file that no record names
//! is swept at start.

mod direct;

use std::{
    io,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use model::{BlockHash, Digest, Hasher};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path};

use self::direct::DirectFiles;
use crate::errors::BlockError;

/// The files of one store.
#[derive(Clone)]
pub(crate) struct Blocks {
    files: Arc<dyn ObjectStore>,
    /// Where the file system can; writes, and reads for peers, go this way.
    direct: Option<DirectFiles>,
}

impl Blocks {
    /// Files below a directory that exists, each synced with its directory when written.
    pub(crate) fn local(directory: &FilePath) -> io::Result<Self> {
        let files = LocalFileSystem::new_with_prefix(directory).map_err(io::Error::other)?;
        let folders = (0..=u8::MAX).map(|first| hex::encode([first]));
        let direct = DirectFiles::open(directory, folders)?;
        Ok(Self { files: Arc::new(files.with_fsync(true)), direct })
    }

    /// Writes a block whose name the caller has computed; durable when this returns. Again is
    /// the same.
    pub(crate) async fn put(&self, hash: BlockHash, payload: PutPayload) -> Result<(), BlockError> {
        if let Some(direct) = &self.direct {
            let written = direct.write(file(hash), payload.into_iter().collect()).await;
            return written.map_err(|cause| BlockError::Io(hash, cause.into()));
        }
        let put = self.files.put(&path(hash), payload).await;
        put.map(|_| ()).map_err(|cause| BlockError::Io(hash, Box::new(cause)))
    }

    /// The verified bytes; `None` if there is no such file.
    pub(crate) async fn get(&self, hash: BlockHash) -> Result<Option<Bytes>, BlockError> {
        match self.get_cached(hash).await? {
            Some(bytes) if BlockHash::of(&bytes) != hash => Err(BlockError::Damaged(hash)),
            found => Ok(found),
        }
    }

    /// The bytes as they are on disk; `None` if there is no such file. Meant for one reader: what
    /// it reads does not push what clients read again and again out of the page cache.
    pub(crate) async fn get_once(&self, hash: BlockHash) -> Result<Option<Bytes>, BlockError> {
        match &self.direct {
            Some(direct) => {
                let read = direct.read(file(hash)).await;
                read.map_err(|cause| BlockError::Io(hash, cause.into()))
            }
            None => self.get_cached(hash).await,
        }
    }

    async fn get_cached(&self, hash: BlockHash) -> Result<Option<Bytes>, BlockError> {
        let found = match self.files.get(&path(hash)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(BlockError::Io(hash, Box::new(cause))),
        };
        let bytes = found.bytes().await.map_err(|cause| BlockError::Io(hash, Box::new(cause)))?;
        Ok(Some(bytes))
    }

    /// Deletes a file; one that is not there is deleted already.
    pub(crate) async fn delete(&self, hash: BlockHash) -> Result<(), BlockError> {
        match self.files.delete(&path(hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(BlockError::Io(hash, Box::new(cause))),
        }
    }

    /// Names of all files.
    pub(crate) fn list(&self) -> BoxStream<'static, Result<BlockHash, object_store::Error>> {
        let named = |meta: object_store::ObjectMeta| async move {
            Ok(meta.location.filename().and_then(Digest::parse).map(BlockHash))
        };
        self.files.list(None).try_filter_map(named).boxed()
    }
}

fn path(hash: BlockHash) -> Path {
    // 256 directories keep each one small enough for any file system.
    let name = hash.to_string();
    Path::from_iter([&name[..2], &name])
}

fn file(hash: BlockHash) -> PathBuf {
    PathBuf::from(path(hash).as_ref())
}

/// Name of a block that lies in pieces.
pub(crate) fn hash_pieces(pieces: &[Bytes]) -> BlockHash {
    let mut hasher = Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    BlockHash(hasher.finish())
}

#[cfg(test)]
mod tests;
