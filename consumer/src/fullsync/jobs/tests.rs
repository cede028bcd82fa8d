use std::{collections::VecDeque, path::Path};

use async_trait::async_trait;
use model::{
    Epoch, PartitionCount,
    tree::{Cut, Summary},
};
use ops::{Clock, config::MaxDeletes};
use schemas::{Codec, Keys};
use store::{Memory, Options, Sizes};
use tokio::time::Instant;

use super::*;
use crate::{
    fullsync::{Phase, Reason},
    origin::OriginError,
};

/// The wall clock of a runtime whose time is paused.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Millis {
        Millis(1_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// What a run does.
enum Act {
    End(Result<Report, RunError>),
    /// Tells this and goes on until it is cancelled.
    Hang(Progress, &'static [u8]),
    /// The same, and does not end then.
    Deaf,
}

#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    /// Requests as they came, each with the checkpoint it came with.
    seen: Mutex<Vec<(Request, Bytes)>>,
}

#[async_trait]
impl Runner for Script {
    async fn run(
        &self,
        request: &Request,
        told: &Told,
        cancelled: &CancellationToken,
    ) -> Result<Report, RunError> {
        self.seen.lock().unwrap().push((request.clone(), told.checkpoint.borrow().clone()));
        let act = self.acts.lock().unwrap().pop_front();
        match act.expect("as many runs as there are acts") {
            Act::End(outcome) => return outcome,
            Act::Hang(progress, checkpoint) => {
                told.progress.send_replace(progress);
                told.checkpoint.send_replace(Bytes::from_static(checkpoint));
                cancelled.cancelled().await;
            }
            Act::Deaf => std::future::pending().await,
        }
        Err(RunError::Cancelled)
    }
}

fn settings() -> Settings {
    Settings {
        interval: None,
        jitter: Duration::ZERO,
        on_connect: false,
        max_deletes: MaxDeletes::Default,
        scrub_interval: None,
        bytes_per_second: None,
        parallel: 1,
    }
}

/// A site that may be started again, and what its runs do.
struct Bench {
    home: tempfile::TempDir,
    engine: Arc<Memory>,
    clock: Arc<TokioClock>,
    script: Arc<Script>,
    metrics: Metrics,
    stopped: CancellationToken,
    settings: watch::Sender<Settings>,
}

impl Bench {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let script = Script { acts: Mutex::new(acts.into_iter().collect()), ..Script::default() };
        Self {
            home: tempfile::tempdir().unwrap(),
            engine: Arc::default(),
            clock: Arc::new(TokioClock(Instant::now())),
            script: Arc::new(script),
            metrics: Metrics::new(),
            stopped: CancellationToken::new(),
            settings: watch::channel(settings()).0,
        }
    }

    fn options(&self, directory: &Path) -> Options {
        let keys = Keys::parse(&format!("main:{}", "11".repeat(32)), "test").unwrap();
        let clock: Arc<TokioClock> = Arc::clone(&self.clock);
        Options {
            directory: directory.to_owned(),
            name: SiteName::try_from("west".to_owned()).unwrap(),
            partitions: PartitionCount::new(1).unwrap(),
            new_site: SiteId([2; 16]),
            sizes: Sizes { block: 8, inline_max: 4 },
            reserve: 0,
            codec: Codec::new(keys),
            clock,
            metrics: self.metrics.clone(),
        }
    }

    /// Opens what is there, and carries jobs out.
    async fn start(&mut self) -> Jobs {
        self.stopped = CancellationToken::new();
        let engine: Arc<Memory> = Arc::clone(&self.engine);
        let store = Store::open_on(engine, self.options(self.home.path())).await.unwrap();
        let runner: Arc<Script> = Arc::clone(&self.script);
        let parts = JobsParts {
            store,
            metrics: self.metrics.clone(),
            origin: SiteName::try_from("east".to_owned()).unwrap(),
            pulse: None,
            runner,
            settings: self.settings.subscribe(),
        };
        let jobs = Jobs::open(parts).unwrap();
        tokio::spawn(jobs.clone().run_forever(self.stopped.clone()));
        jobs
    }

    fn seen(&self) -> Vec<(Request, Bytes)> {
        self.script.seen.lock().unwrap().clone()
    }
}

async fn until(jobs: &Jobs, holds: impl Fn(&Job) -> bool) -> Job {
    until_in_steps(jobs, Duration::from_millis(10), holds).await
}

/// The store's own thread lives by the real clock, so all but the schedule, where hours pass, do too.
/// There the clock stands still but for these steps, each with a moment in which the store can answer.
async fn until_in_steps(jobs: &Jobs, step: Duration, holds: impl Fn(&Job) -> bool) -> Job {
    loop {
        if let Some(job) = jobs.all().pop().filter(&holds) {
            return job;
        }
        std::thread::sleep(Duration::from_millis(1));
        tokio::time::sleep(step).await;
    }
}

async fn over(jobs: &Jobs) -> Job {
    until(jobs, |job| job.state.is_over()).await
}

fn converged() -> Act {
    Act::End(Ok(Report { converged: true, ..Report::default() }))
}

fn away() -> Act {
    let peer = SiteName::try_from("east".to_owned()).unwrap();
    Act::End(Err(RunError::Origin(OriginError::TimedOut { peer })))
}

fn moved(bytes_moved: u64) -> Progress {
    let repaired = [(Reason::Missing, bytes_moved)].into();
    let wire_bytes = bytes_moved + 1;
    Progress { phase: Phase::Repairing, bytes_moved, wire_bytes, repaired, ..Progress::default() }
}

#[tokio::test]
async fn one_job_at_a_time_with_dense_ids() {
    let mut bench = Bench::new([Act::Hang(Progress::default(), b""), converged()]);
    let jobs = bench.start().await;
    assert_eq!(jobs.start(Request::default()).await.unwrap().id, JobId(1));
    let refused = jobs.start(Request::default()).await.unwrap_err();
    assert_eq!(refused.to_string(), "full sync 1 is under way");
    until(&jobs, |job| job.state == State::Running).await;
    jobs.cancel().await.unwrap();
    assert_eq!(over(&jobs).await.state, State::Cancelled);
    assert!(matches!(jobs.cancel().await, Err(CancelError::NoneRuns)));
    assert_eq!(jobs.start(Request::default()).await.unwrap().id, JobId(2));
    let done = over(&jobs).await;
    assert_eq!((done.state, done.converged, done.cause), (State::Done, Some(true), Cause::ByHand));
}

#[tokio::test]
async fn law_12_a_lost_link_is_waited_for_and_told() {
    let mut bench = Bench::new([away(), away(), converged()]);
    let jobs = bench.start().await;
    jobs.start(Request::default()).await.unwrap();
    let waiting = until(&jobs, |job| job.state == State::Waiting).await;
    assert!(waiting.next_try.is_some() && waiting.last_error.is_some(), "{waiting:?}");
    assert_eq!(over(&jobs).await.state, State::Done);
    assert_eq!(bench.seen().len(), 3);
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once_and_one_that_is_deaf_in_half_a_minute() {
    let mut bench = Bench::new([away(), Act::Deaf]);
    let jobs = bench.start().await;
    jobs.start(Request::default()).await.unwrap();
    until(&jobs, |job| job.state == State::Waiting).await;
    assert_eq!(jobs.cancel().await.unwrap().state, State::Cancelled);
    jobs.start(Request::default()).await.unwrap();
    until(&jobs, |job| job.state == State::Running).await;
    jobs.cancel().await.unwrap();
    assert_eq!(over(&jobs).await.state, State::Cancelled);
}

#[tokio::test]
async fn a_job_that_a_stop_interrupted_goes_on_under_its_id_with_its_counters_and_checkpoint() {
    let mut bench = Bench::new([Act::Hang(moved(3), b"block 17"), Act::Hang(moved(2), b"")]);
    let jobs = bench.start().await;
    let request = Request { deep: true, ..Request::default() };
    jobs.start(request.clone()).await.unwrap();
    until(&jobs, |job| job.progress.bytes_moved == 3).await;
    // Kept every few seconds: a kill takes no more than that.
    let kept = |(_, job): (u64, StoredJob)| job.checkpoint == Bytes::from_static(b"block 17");
    until(&jobs, |_| jobs.0.parts.store.jobs().unwrap().into_iter().any(kept)).await;
    bench.stopped.cancel();
    drop(jobs);
    let jobs = bench.start().await;
    let job = until(&jobs, |job| job.progress.bytes_moved == 5).await;
    assert_eq!((job.id, job.state, job.request), (JobId(1), State::Running, request.clone()));
    assert_eq!(job.progress.repaired[&Reason::Missing], 5);
    let seen = bench.seen();
    assert_eq!(seen[0], (request.clone(), Bytes::new()));
    assert_eq!(seen[1], (request, Bytes::from_static(b"block 17")));
    let counter = bench.metrics.keys_repaired.with_label_values(&["east", "missing"]);
    assert_eq!(counter.get(), 5, "counted once");
    let moved = |what| bench.metrics.full_sync_bytes.with_label_values(&["east", what]).get();
    assert_eq!((moved("objects"), moved("comparison")), (5, 7), "of both tries");
}

#[tokio::test]
async fn law_9_proofs_are_kept_and_a_whole_one_makes_the_site_converged() {
    let cut =
        Cut { site: SiteId([1; 16]), epoch: Epoch(1), written: [].into(), trimmed: [].into() };
    let proof = Proof { scope: Scope::Entities, root: Summary::EMPTY, cut, at: Millis(1_000_000) };
    let report = Report { converged: true, proofs: vec![proof], ..Report::default() };
    let mut bench = Bench::new([Act::End(Ok(report))]);
    let jobs = bench.start().await;
    assert_eq!(jobs.standing().unwrap(), Standing::default());
    jobs.start(Request::default()).await.unwrap();
    assert_eq!(over(&jobs).await.proofs, 1);
    until(&jobs, |_| bench.metrics.full_syncs.with_label_values(&["east", "done"]).get() == 1)
        .await;
    bench.stopped.cancel();
    let jobs = bench.start().await;
    let standing = jobs.standing().unwrap();
    assert_eq!((standing.converged, standing.proved), (true, Some(Millis(1_000_000))));
    jobs.report().unwrap();
    assert_eq!(bench.metrics.converged.with_label_values(&["east"]).get(), 1);
    assert!(bench.metrics.proof_age_seconds.with_label_values(&["east"]).get() >= 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_begins_jobs_and_takes_on_a_new_interval() {
    let mut bench = Bench::new([converged(), converged(), converged()]);
    let jobs = bench.start().await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(jobs.all(), [], "it is off");
    bench.settings.send_modify(|settings| settings.interval = Some(Duration::from_hours(6)));
    let minutes = Duration::from_mins(1);
    let first = until_in_steps(&jobs, minutes, |job| job.state.is_over()).await;
    assert_eq!((first.id, first.cause), (JobId(1), Cause::Schedule));
    let second = |job: &Job| job.id == JobId(2) && job.state.is_over();
    let second = until_in_steps(&jobs, minutes, second).await;
    let between = second.asked.since(first.ended.unwrap());
    assert!((21_600..21_610).contains(&between.as_secs()), "{between:?}");
}

#[tokio::test]
async fn a_job_that_is_refused_is_an_alarm() {
    let refused = RunError::Refused("another site".to_owned());
    let mut bench = Bench::new([Act::End(Err(refused))]);
    let jobs = bench.start().await;
    jobs.start(Request::default()).await.unwrap();
    let job = over(&jobs).await;
    assert_eq!((job.state, &job.last_error.unwrap().what[..]), (State::Refused, "another site"));
    let alarms = bench.metrics.alarms.with_label_values(&["full_sync_refused"]);
    until(&jobs, |_| alarms.get() == 1).await;
    let standing = jobs.standing().unwrap();
    assert!(matches!(standing.failed, Some((State::Refused, _))), "{standing:?}");
}

#[tokio::test]
async fn a_job_that_cannot_be_read_back_is_told() {
    let mut bench = Bench::new([]);
    let jobs = bench.start().await;
    let job = StoredJob { job: Bytes::from_static(b"{"), checkpoint: Bytes::new() };
    jobs.0.parts.store.put_job(1, job).await.unwrap();
    let parts = &jobs.0.parts;
    let again = Jobs::open(JobsParts {
        store: parts.store.clone(),
        metrics: parts.metrics.clone(),
        origin: parts.origin.clone(),
        pulse: None,
        runner: Arc::clone(&parts.runner),
        settings: parts.settings.clone(),
    });
    let error = again.err().unwrap();
    assert_eq!(ops::chain(&error), "read the store: job record is damaged");
}
