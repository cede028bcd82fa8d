//! Files past the page cache (`O_DIRECT`).
//!
//! A block is written once, synced at once, and seldom read soon on the same site but by a peer:
//! the cache would cost a copy each way and ten times the processor time of the write (decision
//! 0006). Direct reads and writes want memory, offsets and lengths at multiples of [`ALIGN`].

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::sync::Semaphore;

/// What every disk in use is content with: a page.
const ALIGN: usize = 4096;
/// Writes at once; more do not make a disk faster, and each holds a block in memory.
const WRITERS: usize = 8;

/// Writes and reads whole files below a directory, past the page cache. Clones are the same.
#[derive(Clone)]
pub(super) struct DirectFiles {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    /// Where files are until they are whole; emptied at start.
    staging: PathBuf,
    staged: AtomicU64,
    turns: Semaphore,
    /// Buffers for the next writes: fresh memory costs as much as the copy into it.
    buffers: Mutex<Vec<Aligned>>,
}

impl DirectFiles {
    /// Makes the folders that files will lie in. `None` where the file system has no direct reads
    /// and writes.
    pub(super) fn open(
        root: &Path,
        folders: impl Iterator<Item = String>,
    ) -> io::Result<Option<Self>> {
        for folder in folders {
            fs::create_dir_all(root.join(folder))?;
        }
        File::open(root)?.sync_all()?;
        let staging = root.join("staging");
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(&staging)?,
        }
        let shared = Shared {
            root: root.to_owned(),
            staging,
            staged: AtomicU64::new(0),
            turns: Semaphore::new(WRITERS),
            buffers: Mutex::default(),
        };
        let files = Self { shared: Arc::new(shared) };
        match files.shared.stage(&mut Aligned::new(ALIGN), ALIGN) {
            Ok(probe) => fs::remove_file(probe).map(|()| Some(files)),
            Err(error) if refuses_direct(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file with these bytes, in place of one that may be there; durable when this
    /// returns. A caller that gives up leaves all of it or nothing.
    pub(super) async fn write(&self, name: PathBuf, pieces: Vec<Bytes>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let turn = self.shared.turns.acquire().await;
        let written = ops::blocking(move || shared.write(&name, &pieces)).await;
        drop(turn);
        written
    }

    /// The bytes of a file; `None` if there is none.
    pub(super) async fn read(&self, name: PathBuf) -> io::Result<Option<Bytes>> {
        let shared = Arc::clone(&self.shared);
        ops::blocking(move || match shared.read(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })
        .await
    }
}

impl Shared {
    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<Aligned>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, name: &Path, pieces: &[Bytes]) -> io::Result<()> {
        let length = pieces.iter().map(Bytes::len).sum();
        let held = self.buffers().pop().filter(|buffer| buffer.room() >= length);
        let mut buffer = held.unwrap_or_else(|| Aligned::new(length));
        buffer.fill(pieces);
        let staged = self.stage(&mut buffer, length);
        let mut buffers = self.buffers();
        if buffers.len() < WRITERS {
            buffers.push(buffer);
        }
        drop(buffers);
        self.place(&staged?, &self.root.join(name))
    }

    /// Writes a file that nobody knows of yet, durably but for its name.
    fn stage(&self, buffer: &mut Aligned, length: usize) -> io::Result<PathBuf> {
        let path = self.staging.join(self.staged.fetch_add(1, Ordering::Relaxed).to_string());
        let written = direct(OpenOptions::new().write(true).create_new(true), &path)
            .and_then(|file| write_all(file, buffer, length));
        match written {
            Ok(()) => Ok(path),
            Err(error) => {
                // What is left of it is deleted at the next start at the latest.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Gives a staged file its name, durably.
    fn place(&self, staged: &Path, path: &Path) -> io::Result<()> {
        if let Err(error) = fs::rename(staged, path) {
            // Nothing comes of it. What cannot be deleted now is at the next start.
            let _ = fs::remove_file(staged);
            return Err(error);
        }
        File::open(path.parent().unwrap_or(&self.root))?.sync_all()
    }

    fn read(&self, name: &Path) -> io::Result<Bytes> {
        let mut file = direct(OpenOptions::new().read(true), &self.root.join(name))?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut buffer = Aligned::new(length);
        let mut filled = 0;
        // A read ends short only at the end of the file; what follows it is then unaligned.
        while filled < length {
            match file.read(&mut buffer.aligned()[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(buffer.into_bytes(length))
    }
}

/// File systems without direct writes say so in one of these ways (`EINVAL`, `EOPNOTSUPP`).
fn refuses_direct(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

fn direct(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path)
}

/// A file that ends within a page is written up to the page's end, and then cut.
fn write_all(mut file: File, buffer: &mut Aligned, length: usize) -> io::Result<()> {
    let padded = length.next_multiple_of(ALIGN);
    file.write_all(&buffer.aligned()[..padded])?;
    if padded > length {
        file.set_len(length as u64)?;
    }
    file.sync_all()
}

/// Memory that begins and ends at multiples of [`ALIGN`].
struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let memory = vec![0; length.next_multiple_of(ALIGN) + ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN);
        Self { memory, start }
    }

    fn room(&self) -> usize {
        self.memory.len() - ALIGN
    }

    fn aligned(&mut self) -> &mut [u8] {
        let end = self.start + self.room();
        &mut self.memory[self.start..end]
    }

    fn fill(&mut self, pieces: &[Bytes]) {
        let mut rest = self.aligned();
        for piece in pieces {
            let (filled, after) = rest.split_at_mut(piece.len());
            filled.copy_from_slice(piece);
            rest = after;
        }
    }

    fn into_bytes(self, length: usize) -> Bytes {
        Bytes::from(self.memory).slice(self.start..self.start + length)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_a_file_system_without_direct_writes_is_written_to_the_other_way() {
        let is = |errno: Errno| refuses_direct(&errno.into());
        assert!([Errno::INVAL, Errno::OPNOTSUPP].into_iter().all(is));
        let others = [Errno::NOSPC, Errno::ROFS, Errno::IO, Errno::ACCESS, Errno::MFILE];
        assert!(!others.into_iter().any(is), "these would fail the other way, too");
    }
}
