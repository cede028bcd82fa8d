//! librdkafka reads certificates when a client is made: renewed files need a new client.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::config::KafkaTls;

/// How often the files are looked at: often against the days that a certificate overlaps the
/// one before it.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Certificate files as they were when a client was made.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Vec<PathBuf>,
    read: Vec<Option<SystemTime>>,
    looked: Instant,
}

impl Certificates {
    /// The files as they are now.
    pub(super) fn read(tls: Option<&KafkaTls>) -> Self {
        let files: Vec<_> = tls
            .into_iter()
            .flat_map(|tls| [tls.ca.clone(), tls.cert.clone(), tls.key.clone()])
            .collect();
        Self { read: files.iter().map(modified).collect(), files, looked: Instant::now() }
    }

    /// Whether a file was renewed since. A file that is missing just now was not.
    pub(super) fn renewed(&mut self) -> bool {
        if self.files.is_empty() || self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        let mut pairs = self.files.iter().map(modified).zip(&self.read);
        pairs.any(|(now, read)| now.is_some() && now != *read)
    }
}

fn modified(file: &PathBuf) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|data| data.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test(start_paused = true)]
    async fn only_a_file_that_was_written_again_is_renewed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str| dir.path().join(name);
        let tls = KafkaTls { ca: file("ca"), cert: file("cert"), key: file("key") };
        for name in ["ca", "cert", "key"] {
            fs::write(file(name), name).expect("writes");
        }
        let set_time = |seconds| {
            let cert = fs::File::options().write(true).open(&tls.cert);
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            cert.expect("opens").set_modified(time).expect("sets");
        };
        set_time(1);
        let mut certificates = Certificates::read(Some(&tls));
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!certificates.renewed());
        set_time(2);
        assert!(!certificates.renewed(), "it looked just now");
        tokio::time::advance(LOOK_EVERY).await;
        assert!(certificates.renewed());
        fs::remove_file(&tls.cert).expect("removes");
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!certificates.renewed(), "it is being written");
        assert!(!Certificates::read(None).renewed());
    }
}
