//! The one writer: takes rules from everyone, runs them in a commit section, and makes a whole
//! batch durable with one disk sync (group commit).
//!
//! While a sync runs, the next batch gathers. Answers go out only after the sync, so an answer
//! means durable. After a failed commit the outcome of the batch is unknown and every later rule
//! is refused: the site must restart and recover.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::Partition;
use schemas::Codec;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    bucket_views::BucketViews,
    engine::{Batch, Engine, EngineError, Table},
    gate::Gate,
    lines::Lines,
    recent::Recent,
    records::{Identity, Written},
    section::{Counters, Finished, Limits, Section},
};

/// Rules that wait while a batch syncs. More callers than this wait for a place.
const QUEUE_RULES: usize = 1_024;
/// Rules in one batch: bounds the memory of a batch and the wait of its first caller.
const BATCH_RULES: usize = 512;

/// The commit of a batch failed, or an earlier one did: what is on disk is unknown until a
/// restart.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store stopped after a failed commit; restart the site to recover")]
pub struct CommitError(#[source] pub(crate) Option<Arc<EngineError>>);

type Answer = Box<dyn FnOnce(Result<(), CommitError>) + Send>;
type Rule = Box<dyn FnOnce(&mut Section<'_>) -> Answer + Send>;

/// What each partition is written up to, in order of partitions.
pub type WrittenAll = Arc<[Written]>;

/// What the committer needs of its site.
pub(crate) struct Parts {
    pub(crate) identity: Arc<Identity>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) codec: Codec,
    pub(crate) clock: Arc<dyn ops::Clock>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) recent: Arc<Recent>,
    pub(crate) counters: Counters,
    pub(crate) metrics: ops::Metrics,
    pub(crate) gate: Arc<Gate>,
    pub(crate) views: Arc<BucketViews>,
}

/// Handle to the committer's thread, which ends when the last handle is dropped.
pub(crate) struct Committer {
    rules: Option<mpsc::Sender<Rule>>,
    written: watch::Receiver<WrittenAll>,
    wanted: watch::Receiver<u64>,
    marked: watch::Receiver<u64>,
    failed: watch::Receiver<bool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Committer {
    pub(crate) fn start(parts: Parts) -> std::io::Result<Self> {
        let (rules, queue) = mpsc::channel(QUEUE_RULES);
        let (written, written_seen) = watch::channel(parts.counters.written.clone().into());
        let (wanted, wanted_seen) = watch::channel(0);
        let (marked, marked_seen) = watch::channel(parts.counters.marks.saturating_sub(1));
        let (failed, failed_seen) = watch::channel(false);
        let worker = Worker { parts, written, wanted, marked, failed };
        let thread = std::thread::Builder::new().name("committer".to_owned());
        let thread = thread.spawn(move || worker.run(queue))?;
        Ok(Self {
            rules: Some(rules),
            written: written_seen,
            wanted: wanted_seen,
            marked: marked_seen,
            failed: failed_seen,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs a rule in the next batch. Returns when what it did is durable, or what it refused.
    /// If the caller gives up waiting, the rule still runs whole or not at all.
    pub(crate) async fn run<T, E>(
        &self,
        rule: impl FnOnce(&mut Section<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CommitError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let rule: Rule = Box::new(move |section| {
            let outcome = section.attempt(rule);
            Box::new(move |commit| {
                // The caller may have gone; the commit stands all the same.
                let _ = answer.send(commit.map_err(E::from).and(outcome));
            })
        });
        let rules = self.rules.as_ref().expect("present until the handle is dropped");
        if rules.send(rule).await.is_err() {
            return Err(CommitError(None).into());
        }
        answered.await.unwrap_or_else(|_| Err(CommitError(None).into()))
    }

    pub(crate) fn written(&self) -> watch::Receiver<WrittenAll> {
        self.written.clone()
    }

    /// Counts the durable commits that opened wants.
    pub(crate) fn wanted(&self) -> watch::Receiver<u64> {
        self.wanted.clone()
    }

    /// Number of the last durable marks in the hash tree.
    pub(crate) fn marked(&self) -> watch::Receiver<u64> {
        self.marked.clone()
    }

    /// Waits for marks that `seen` does not know, and not before `at`. `false`: cancelled, or the
    /// committer has ended, and nothing will come.
    pub(crate) async fn marked_again(
        seen: &mut watch::Receiver<u64>,
        at: Instant,
        cancelled: &CancellationToken,
    ) -> bool {
        let wait = async {
            tokio::time::sleep_until(at).await;
            seen.changed().await
        };
        matches!(cancelled.run_until_cancelled(wait).await, Some(Ok(())))
    }

    pub(crate) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.clone()
    }
}

impl Drop for Committer {
    /// Waits for the batch under way, so that the engine is closed when the store is gone.
    fn drop(&mut self) {
        self.rules = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("committer thread panicked");
        }
    }
}

struct Worker {
    parts: Parts,
    written: watch::Sender<WrittenAll>,
    wanted: watch::Sender<u64>,
    marked: watch::Sender<u64>,
    failed: watch::Sender<bool>,
}

impl Worker {
    fn run(mut self, mut queue: mpsc::Receiver<Rule>) {
        let mut failure = None;
        while let Some(first) = queue.blocking_recv() {
            let mut rules = vec![first];
            while rules.len() < BATCH_RULES
                && let Ok(rule) = queue.try_recv()
            {
                rules.push(rule);
            }
            match &failure {
                None => failure = self.commit(rules).err(),
                Some(failure) => self.refuse(rules, failure),
            }
        }
    }

    fn commit(&mut self, rules: Vec<Rule>) -> Result<(), CommitError> {
        let started = Instant::now();
        let size = rules.len();
        let parts = &mut self.parts;
        let limits = (parts.clock.now(), parts.gate.limits());
        let engine = Arc::clone(&parts.engine);
        let mut section =
            Section::new(&parts.identity, &*engine, &parts.codec, limits, &mut parts.counters);
        let answers: Vec<Answer> = rules.into_iter().map(|rule| rule(&mut section)).collect();
        let Finished { rows, line_changes, events, marks, buckets } = section.finish();
        let wants = writes(&rows, Table::Wants, b"");
        ops::crash::point(ops::crash::COMMIT_BEFORE);
        let outcome = if rows.is_empty() { Ok(()) } else { engine.commit(rows) };
        ops::crash::point(ops::crash::COMMIT_AFTER);
        let outcome = outcome.map_err(|error| CommitError(Some(Arc::new(error))));
        if buckets {
            parts.views.changed();
        }
        if let Err(error) = &outcome {
            tracing::error!(error = %ops::chain(error), "commit failed, the store takes no more writes");
            self.failed.send_replace(true);
        } else {
            parts.lines.change(line_changes);
            // Before anybody is told that they are written.
            parts.recent.push(events);
            self.written.send_if_modified(|seen| {
                let changed = **seen != *parts.counters.written;
                if changed {
                    *seen = parts.counters.written.clone().into();
                }
                changed
            });
            if wants {
                self.wanted.send_modify(|count| *count += 1);
            }
            if let Some(number) = marks {
                self.marked.send_replace(number);
            }
        }
        parts.metrics.commit(size, started.elapsed());
        for answer in answers {
            answer(outcome.clone());
        }
        outcome
    }

    fn refuse(&mut self, rules: Vec<Rule>, failure: &CommitError) {
        let parts = &mut self.parts;
        let (engine, limits) = (Arc::clone(&parts.engine), (parts.clock.now(), Limits::default()));
        let mut section =
            Section::new(&parts.identity, &*engine, &parts.codec, limits, &mut parts.counters);
        for rule in rules {
            rule(&mut section)(Err(failure.clone()));
        }
    }
}

/// Whether a batch writes a row whose key begins with a prefix.
fn writes(rows: &Batch, table: Table, prefix: &'static [u8]) -> bool {
    let from = rows.range((table, Bytes::from_static(prefix))..);
    let mut those = from.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
    those.any(|(_, row)| row.is_some())
}

impl Drop for Worker {
    /// A panic leaves the store without a writer, which is a failed commit to everybody else.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.send_replace(true);
        }
    }
}

impl Identity {
    /// The line of one partition of the current epoch.
    #[must_use]
    pub fn line(&self, partition: Partition) -> model::Line {
        model::Line { site: self.site, epoch: self.epoch, partition }
    }
}
