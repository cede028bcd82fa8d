//! The file that records are appended to.
//!
//! It may be moved away at any time, as `logrotate` does: before each write its path is looked at,
//! and what is not the file that stands there is let go.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Its owner writes, and who reads logs is of its group.
const MODE: u32 = 0o640;

pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The last write broke off, perhaps in the middle of a record.
    torn: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open(path)?, path: path.to_owned(), torn: false })
    }

    /// Appends whole records; `anew`: to a file that is opened for it.
    pub(super) fn append(&mut self, records: &[u8], anew: bool) -> io::Result<()> {
        if anew || self.is_moved() {
            (self.file, self.torn) = (open(&self.path)?, false);
        }
        if records.is_empty() {
            return Ok(());
        }
        // What broke off is a line by itself, and the records behind it are whole.
        let end: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = self.file.write_all(end).and_then(|()| self.file.write_all(records));
        self.torn = written.is_err();
        written
    }

    /// Whether another file, or none, is where it was opened.
    fn is_moved(&self) -> bool {
        let id = |found: io::Result<std::fs::Metadata>| {
            found.ok().map(|found| (found.dev(), found.ino()))
        };
        id(std::fs::metadata(&self.path)) != id(self.file.metadata())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "0\n").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"1\n", false).unwrap();
        fs::rename(&path, &old).unwrap();
        file.append(b"2\n", false).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "0\n1\n", "what was there stays");
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
        fs::remove_file(&path).unwrap();
        file.append(b"", false).unwrap();
        assert!(path.exists(), "also while there is nothing to write");
        fs::rename(&path, &old).unwrap();
        fs::write(&path, "").unwrap();
        file.append(b"3\n", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777 & !MODE, 0);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/log");
        assert!(LogFile::open(&path).is_err());
        fs::create_dir(folder.path().join("logs")).unwrap();
        let mut file = LogFile::open(&path).unwrap();
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        assert!(file.append(b"1\n", false).is_err());
        fs::create_dir(folder.path().join("logs")).unwrap();
        file.append(b"2\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[test]
    fn a_record_behind_one_that_broke_off_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "brok").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.torn = true;
        file.append(b"1\n", false).unwrap();
        file.append(b"2\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "brok\n1\n2\n");
    }
}
