//! Writes the records that requests leave: into the file, and into parcels for delivery.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use model::attribute;
use ops::Metrics;
use store::{ReadError, Refusal, Store};
use tokio::{
    signal::unix::Signal,
    sync::{
        mpsc::{self, UnboundedSender},
        watch,
    },
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    LOST_FILE, LOST_FULL, LOST_MEMORY, Wanted,
    buffers::{Buffers, Parcel},
    delivery::{Delivery, Order},
    file::LogFile,
    key::Source,
    lines,
    seen::Entry,
};

/// Records that are taken on in one step.
const STEP: usize = 256;

/// How long it lets records come together once it has written those that were there: to be woken
/// for each of them would cost more than all the rest. The channel holds many times as many.
const REST: Duration = Duration::from_millis(20);

/// Between two writes to the file, if there are not so many bytes before.
const FLUSH: Duration = Duration::from_secs(1);
const FLUSH_BYTES: usize = 256 << 10;

/// Between two lines about records that are lost.
const COMPLAIN: Duration = Duration::from_secs(60);

/// For changes of buckets that come together.
const SETTLE: Duration = Duration::from_millis(500);

/// How long requests under way may take when the site stops: a second more than they are given.
const DRAIN_MAX: Duration = Duration::from_secs(11);

/// How long the last delivery may take.
const LAST_MAX: Duration = Duration::from_secs(3);

/// When records are delivered into buckets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    pub interval: Duration,
    /// Records of one bucket that are not put off any longer.
    pub bytes: usize,
}

/// The other end of the access log.
pub struct Recorder {
    entries: mpsc::Receiver<Box<Entry>>,
    desk: Desk,
}

/// What it writes with.
struct Desk {
    file: Option<LogFile>,
    /// Of the file, and not written yet.
    text: Vec<u8>,
    records: u64,
    buffers: Buffers,
    wanted: Arc<Wanted>,
    metrics: Metrics,
    /// What went wrong with the file last.
    failure: Option<String>,
    complained: Option<Instant>,
    /// Records that found no room, as far as somebody was told.
    told: u64,
}

impl Recorder {
    pub(super) fn new(
        entries: mpsc::Receiver<Box<Entry>>,
        file: Option<LogFile>,
        wanted: Arc<Wanted>,
        metrics: Metrics,
    ) -> Self {
        let desk = Desk {
            file,
            text: Vec::new(),
            records: 0,
            buffers: Buffers::default(),
            wanted,
            metrics,
            failure: None,
            complained: None,
            told: 0,
        };
        Self { entries, desk }
    }

    /// Writes until cancelled, and then what requests under way still leave. `hangup`: the file is to be
    /// opened anew.
    ///
    /// # Errors
    /// Never: what fails is counted and logged.
    pub async fn run(
        mut self,
        delivery: Delivery,
        pace: watch::Receiver<Pace>,
        hangup: Option<Signal>,
        cancelled: CancellationToken,
    ) -> Result<(), Infallible> {
        // What stands in it counts in the one budget of `Buffers` until it is delivered or given up.
        let (orders, taken) = mpsc::unbounded_channel();
        let mut delivering = AbortOnDropHandle::new(tokio::spawn(delivery.clone().run(taken)));
        self.serve((&delivery, &orders), pace, hangup, cancelled).await;
        self.desk.flush(false).await;
        self.desk.deliver(&orders);
        drop(orders);
        if timeout(LAST_MAX, &mut delivering).await.is_err() {
            tracing::warn!(limit = ?LAST_MAX, "records were not delivered before the site stopped");
        }
        Ok(())
    }

    async fn serve(
        &mut self,
        (delivery, orders): (&Delivery, &UnboundedSender<Order>),
        mut pace: watch::Receiver<Pace>,
        mut hangup: Option<Signal>,
        cancelled: CancellationToken,
    ) {
        let Self { entries, desk } = self;
        let mut changes = delivery.handler.store.buckets_changed();
        changes.mark_unchanged();
        desk.look(&delivery.handler.store).await;
        let over = async {
            cancelled.cancelled().await;
            sleep(DRAIN_MAX).await;
        };
        tokio::pin!(over);
        let mut seconds = interval(FLUSH);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now() + pace.borrow().interval;
        let (mut look, mut rest, mut step) = (None, None, Vec::with_capacity(STEP));
        loop {
            tokio::select! {
                () = &mut over => return,
                count = entries.recv_many(&mut step, STEP), if rest.is_none() => {
                    match count {
                        0 => return,
                        STEP => {}
                        _ => rest = Some(Instant::now() + REST),
                    }
                    let bytes = pace.borrow().bytes;
                    for entry in step.drain(..) {
                        desk.record(&entry, (delivery, orders), bytes);
                    }
                    if desk.text.len() >= FLUSH_BYTES {
                        desk.flush(false).await;
                    }
                }
                () = sleep_until(rest.unwrap_or(due)), if rest.is_some() => rest = None,
                _ = seconds.tick() => desk.flush(false).await,
                () = hung_up(&mut hangup) => desk.flush(true).await,
                () = sleep_until(due) => {
                    due = Instant::now() + pace.borrow().interval;
                    let _gone = orders.send(Order::Again);
                    desk.deliver(orders);
                }
                Ok(()) = pace.changed() => due = due.min(Instant::now() + pace.borrow().interval),
                Ok(()) = changes.changed(), if look.is_none() => look = Some(Instant::now() + SETTLE),
                () = sleep_until(look.unwrap_or(due)), if look.is_some() => {
                    look = None;
                    desk.look(&delivery.handler.store).await;
                }
            }
        }
    }
}

impl Desk {
    /// Writes the records of a request, without any wait.
    fn record(
        &mut self,
        entry: &Entry,
        (delivery, orders): (&Delivery, &UnboundedSender<Order>),
        bytes: usize,
    ) {
        let Self { file, text, records, buffers, metrics, .. } = self;
        let delivers = delivers(&delivery.handler.store);
        lines::write(entry, &delivery.reading(), &mut |known, line| {
            if file.is_some() {
                text.extend(line);
                *records += 1;
            }
            let Some(known) = known.filter(|_| delivers) else { return };
            let Some(logging) = &known.settings.logging else { return };
            let (bucket, owner) = (known.name.clone(), known.settings.owner().clone());
            let source = Source { bucket, owner };
            match buffers.add((&source, logging), (entry.seen.time, line), bytes) {
                Ok(parcels) => hand_over(parcels, orders),
                Err(_) => metrics.access_log_lost.with_label_values(&[LOST_MEMORY]).inc(),
            }
        });
    }

    /// Has everything delivered that waits for it.
    fn deliver(&mut self, orders: &UnboundedSender<Order>) {
        hand_over(self.buffers.take(), orders);
    }

    /// Appends to the file; `anew`: it is to be opened again.
    async fn flush(&mut self, anew: bool) {
        if let Some(mut file) = self.file.take() {
            let text = std::mem::take(&mut self.text);
            let records = std::mem::take(&mut self.records);
            let appended = tokio::task::spawn_blocking(move || {
                let appended = file.append(&text, anew);
                (file, text, appended)
            });
            match appended.await {
                Ok((file, mut text, appended)) => {
                    self.file = Some(file);
                    text.clear();
                    self.text = text;
                    self.count(records, appended);
                }
                Err(error) => {
                    tracing::error!(error = %ops::chain(&error), "the access log has ended");
                }
            }
        }
        self.complain();
    }

    fn count(&mut self, records: u64, appended: std::io::Result<()>) {
        match appended {
            Ok(()) => {
                self.metrics.access_log_records.with_label_values(&["file"]).inc_by(records);
            }
            Err(error) => {
                self.failure = Some(error.to_string());
                self.metrics.access_log_lost.with_label_values(&[LOST_FILE]).inc_by(records);
            }
        }
    }

    /// Says that records are lost, but not again and again.
    fn complain(&mut self) {
        let full = self.metrics.access_log_lost.with_label_values(&[LOST_FULL]).get();
        let recent = self.complained.is_some_and(|at| at.elapsed() < COMPLAIN);
        if recent || self.failure.is_none() && full == self.told {
            return;
        }
        if let Some(error) = self.failure.take() {
            tracing::warn!(error, "key `s3.access_log`: records are lost: the file is not written");
        }
        if full > self.told {
            let records = full - self.told;
            tracing::warn!(records, "access log: records are lost: they came too fast");
        }
        (self.told, self.complained) = (full, Some(Instant::now()));
    }

    /// Looks which buckets want records.
    async fn look(&mut self, store: &Store) {
        let of = store.clone();
        let found = tokio::task::spawn_blocking(move || logged(&of)).await;
        match found {
            Ok(Ok(buckets)) => self.wanted.set(buckets),
            Ok(Err(error)) => {
                tracing::error!(error = %ops::chain(&error), "buckets cannot be read");
            }
            Err(error) => tracing::error!(error = %ops::chain(&error), "buckets cannot be read"),
        }
    }
}

fn hand_over(parcels: impl IntoIterator<Item = Parcel>, orders: &UnboundedSender<Order>) {
    for parcel in parcels {
        // It is there as long as this is.
        let _gone = orders.send(Order::Deliver(parcel));
    }
}

/// A secondary writes nothing by itself, into its buckets either.
fn delivers(store: &Store) -> bool {
    !matches!(store.refusal(), Some(Refusal::Secondary { .. }))
}

fn logged(store: &Store) -> Result<BTreeSet<String>, ReadError> {
    let mut logged = BTreeSet::new();
    if delivers(store) {
        for (bucket, _) in store.buckets()? {
            let view = store.bucket_view(&bucket)?;
            if view.attributes.value(attribute::LOGGING).is_some() {
                logged.insert(bucket.as_str().to_owned());
            }
        }
    }
    Ok(logged)
}

/// Waits for the signal, if there is one to wait for.
async fn hung_up(hangup: &mut Option<Signal>) {
    if let Some(hangup) = hangup
        && hangup.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}
