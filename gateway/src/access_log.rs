//! The access log: a record of each request in the format of S3's server access logs, in a file of
//! this site, and as objects in the buckets that other buckets name for it (decision 0016).
//!
//! A request only takes down what it is, and hands that over when its answer has gone out. If
//! nobody wants a record, it costs one look at a flag; and it never waits: a record that finds no
//! room is lost, and counted. Everything else is done by the [`Recorder`].

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Request;
use model::{Millis, RequestId};
use ops::Metrics;
use s3s::Body;
use tokio::sync::mpsc;

use crate::{host::Hosts, query};

mod buffers;
mod delivery;
mod file;
mod key;
mod lines;
mod noted;
mod operation;
mod pending;
mod record;
mod recorder;
mod seen;
mod target;

pub use delivery::Delivery;
pub(crate) use key::sample as sample_key;
pub(crate) use noted::{DeletedKey, Noted};
pub(crate) use pending::{Pending, code, receiving};
pub use recorder::{Pace, Recorder};
pub(crate) use target::check as check_target;

#[cfg(test)]
pub(crate) use record::tests::fields;

use file::LogFile;
use seen::{Entry, Outcome, Seen};

/// Records that wait to be written; each has about a kilobyte.
const WAITING_MAX: usize = 8_192;

/// Why records were lost, as metrics say it.
pub(crate) const LOST_FULL: &str = "full";
pub(crate) const LOST_FILE: &str = "file";
pub(crate) const LOST_MEMORY: &str = "memory";
pub(crate) const LOST_DELIVERY: &str = "delivery";

/// Where requests leave their records. Clones are the same.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

struct Shared {
    wanted: Arc<Wanted>,
    entries: mpsc::Sender<Box<Entry>>,
    metrics: Metrics,
}

/// Which requests somebody wants a record of.
#[derive(Default)]
struct Wanted {
    /// None, unless this is set.
    any: AtomicBool,
    /// All of them: there is a file.
    all: bool,
    /// Those of these buckets.
    of: RwLock<Arc<BTreeSet<String>>>,
}

impl AccessLog {
    /// A log, with a file if there is a path for one; written once its recorder runs.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: Option<&Path>, metrics: Metrics) -> std::io::Result<(Self, Recorder)> {
        let file = path.map(LogFile::open).transpose()?;
        let all = file.is_some();
        let wanted = Arc::new(Wanted { any: AtomicBool::new(all), all, ..Wanted::default() });
        let (entries, written) = mpsc::channel(WAITING_MAX);
        let recorder = Recorder::new(written, file, Arc::clone(&wanted), metrics.clone());
        Ok((Self(Arc::new(Shared { wanted, entries, metrics })), recorder))
    }

    /// Whether a record of a request is wanted.
    pub(crate) fn wants(&self, request: &Request<Body>, hosts: &Hosts) -> bool {
        let wanted = &self.0.wanted;
        wanted.any.load(Ordering::Relaxed) && wanted.wants(request, hosts)
    }

    /// Takes down a request.
    pub(crate) fn begin(
        &self,
        request: &Request<Body>,
        (id, time): (RequestId, Millis),
    ) -> Pending {
        let seen = Seen::of(request, id, time);
        let (noted, outcome) = (Noted::default(), Outcome::default());
        Pending::new(self.clone(), Box::new(Entry { seen, noted, outcome }))
    }

    fn send(&self, entry: Box<Entry>) {
        if self.0.entries.try_send(entry).is_err() {
            self.0.metrics.access_log_lost.with_label_values(&[LOST_FULL]).inc();
        }
    }
}

impl Wanted {
    fn wants(&self, request: &Request<Body>, hosts: &Hosts) -> bool {
        self.all || {
            let of = Arc::clone(&self.of.read().unwrap_or_else(PoisonError::into_inner));
            let host = request.headers().get(http::header::HOST);
            let named = hosts.bucket_of(request.uri(), host);
            let source = request.headers().get("x-amz-copy-source");
            let source = source.and_then(lines::source);
            named.is_some_and(|named| of.contains(&*decoded(&named)))
                || source.is_some_and(|source| of.contains(&source.bucket))
        }
    }

    fn set(&self, buckets: BTreeSet<String>) {
        self.any.store(self.all || !buckets.is_empty(), Ordering::Relaxed);
        *self.of.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(buckets);
    }
}

/// A name of a path, as s3s reads it; what cannot be read is no name of anything.
fn decoded(text: &str) -> String {
    query::decoded_path(text).unwrap_or_default()
}
