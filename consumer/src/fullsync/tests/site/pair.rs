//! Two sites in memory, and a link between them that can fail.

use super::*;

/// Answers that are not given: one of so many, if it is set.
#[derive(Default)]
pub(in crate::fullsync::tests) struct Faults {
    every: AtomicUsize,
    asked: AtomicUsize,
    seen: AtomicUsize,
}

impl Faults {
    pub(in crate::fullsync::tests) fn set(&self, every: usize) {
        self.every.store(every, Ordering::SeqCst);
    }

    pub(in crate::fullsync::tests) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// What is said instead of an answer, if anything.
    fn instead(&self) -> Option<StatusCode> {
        let every = self.every.load(Ordering::SeqCst);
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        // Without a rhythm, in which requests could fall into step with it; the same in every run.
        let draw = usize::from(Digest::of(&asked.to_be_bytes()).0[0]);
        if every == 0 || !draw.is_multiple_of(every) {
            return None;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let codes = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GONE, StatusCode::BAD_GATEWAY];
        Some(codes[seen % 3])
    }
}

/// Two sites and a link; `west` follows `east`.
pub(in crate::fullsync::tests) struct Pair {
    pub(in crate::fullsync::tests) east: Arc<MemorySite>,
    pub(in crate::fullsync::tests) west: Arc<MemorySite>,
    pub(in crate::fullsync::tests) metrics: Metrics,
    pub(in crate::fullsync::tests) faults: Arc<Faults>,
    origin: Origin,
    _home: tempfile::TempDir,
    _serving: DropGuard,
}

/// What a first run tells, and its progress.
pub(in crate::fullsync::tests) fn told() -> (Told, watch::Receiver<Progress>) {
    let (progress, seen) = watch::channel(Progress::default());
    (Told { progress, checkpoint: watch::channel(Bytes::new()).0 }, seen)
}

pub(in crate::fullsync::tests) fn name(name: &str) -> SiteName {
    SiteName::try_from(name.to_owned()).unwrap()
}

pub(in crate::fullsync::tests) fn codec() -> Codec {
    Codec::new(Keys::parse(&format!("main:{}", "11".repeat(32)), "test").unwrap())
}

pub(in crate::fullsync::tests) fn tls(
    home: &std::path::Path,
    site: &str,
) -> watch::Receiver<LinkTls> {
    let pair = (home.join(format!("{site}.pem")), home.join(format!("{site}.key")));
    let pair = PemPair::read(("link.cert", &pair.0), ("link.key", &pair.1)).unwrap();
    let ca = PemFile::read("link.ca", &home.join("ca.pem")).unwrap();
    watch::channel(LinkTls::new(&ca, &pair, &[name("east"), name("west")]).unwrap()).1
}

impl Pair {
    pub(in crate::fullsync::tests) async fn new() -> Self {
        Self::with_store(None).await
    }

    /// With a store behind the origin, for its blocks.
    pub(in crate::fullsync::tests) async fn with_store(store: Option<Store>) -> Self {
        let home = tempfile::tempdir().unwrap();
        certs::make(home.path(), &[name("east"), name("west")]).unwrap();
        let (east, west) = (MemorySite::new([1; 16]), MemorySite::new([2; 16]));
        let (east, west) = (Arc::new(east), Arc::new(west));
        let info = SiteInfo {
            site: east.site,
            name: name("east"),
            epoch: EPOCH,
            past_epochs: vec![],
            partitions: PartitionCount::new(1).unwrap(),
        };
        let source: Arc<dyn TreeSource> = Arc::<MemorySite>::clone(&east);
        let trees = Trees::new(source, info, codec(), Metrics::new());
        let faults = Arc::new(Faults::default());
        let server = LinkServer::bind(([127, 0, 0, 1], 0).into(), tls(home.path(), "east"));
        let server = server.await.unwrap();
        let address = server.address().unwrap().to_string();
        let cancelled = CancellationToken::new();
        let failing = Arc::clone(&faults);
        let service = store.map(|store| {
            FetchService::new(store, codec(), Metrics::new(), Heard::new(Millis(0)))
                .with_trees(trees.clone())
        });
        let answer = move |peer, request| {
            let (trees, failing) = (trees.clone(), Arc::clone(&failing));
            let service = service.clone();
            async move {
                let Some(status) = failing.instead() else {
                    return match service {
                        Some(service) => service.answer(peer, request).await,
                        None => trees.answer(peer, request).await,
                    };
                };
                let mut response = Response::new(full("a fault"));
                *response.status_mut() = status;
                response
            }
        };
        tokio::spawn(server.serve(answer, cancelled.clone()));
        let client = LinkClient::new(name("east"), address, tls(home.path(), "west"));
        Self {
            east,
            west,
            metrics: Metrics::new(),
            faults,
            origin: Origin::new(client),
            _home: home,
            _serving: cancelled.drop_guard(),
        }
    }

    pub(in crate::fullsync::tests) fn parts(&self, options: Options) -> Parts {
        let here: Arc<dyn Here> = Arc::<MemorySite>::clone(&self.west);
        Parts {
            here,
            origin: self.origin.clone(),
            codec: codec(),
            metrics: self.metrics.clone(),
            blocks: None,
            throttle: Throttle::new(4, None, Urgent::default()),
            scrub: Throttle::new(4, None, Urgent::default()),
            options,
            without: Arc::default(),
        }
    }

    /// A run without real time.
    pub(in crate::fullsync::tests) async fn run(
        &self,
        request: &Request,
    ) -> Result<Report, RunError> {
        self.run_with(request, Options { realtime: false, ..Options::default() }).await
    }

    pub(in crate::fullsync::tests) async fn run_with(
        &self,
        request: &Request,
        options: Options,
    ) -> Result<Report, RunError> {
        let (told, seen) = told();
        let report = run(&self.parts(options), request, &told, &CancellationToken::new()).await?;
        assert_eq!(*seen.borrow(), report.progress);
        Ok(report)
    }
}
