use std::{fs, path::PathBuf};

use model::SiteName;

use super::*;

/// A site's files, and what looks at them.
struct Bench {
    home: tempfile::TempDir,
    reload: Reload,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        make_certs(&home);
        let file = home.path().join("site.toml");
        fs::write(&file, ops::config::EXAMPLE).unwrap();
        let source = Source::new(&file, std::iter::empty(), Vec::new());
        let settings = Settings::read(source.load().unwrap()).unwrap();
        let metrics = Metrics::new();
        let live = Live::new(Ready::new(&settings).unwrap(), metrics.clone());
        Self { reload: Reload::new(source, settings, live, metrics), home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn replace(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("site.toml")).unwrap();
        assert!(text.contains(from), "`{from}` is in the file");
        fs::write(self.path("site.toml"), text.replace(from, to)).unwrap();
    }

    fn look(&mut self, asked: bool) -> Verdict {
        let found = read(&self.reload.source);
        let verdict = self.reload.judge(&found, asked);
        let told = verdict.clone();
        self.reload.act(verdict, found, asked);
        told
    }

    fn count(&self, outcome: &str) -> u64 {
        self.reload.metrics.config_reloads.with_label_values(&[outcome]).get()
    }

    fn connections_max(&self) -> usize {
        self.reload.live.s3().borrow().limits.connections_max.get()
    }
}

fn make_certs(home: &tempfile::TempDir) {
    let east = SiteName::try_from("east".to_owned()).unwrap();
    ops::certs::make(home.path(), &[east]).unwrap();
}

#[test]
fn a_change_counts_once_it_has_settled_and_at_once_when_asked() {
    let mut bench = Bench::new();
    assert_eq!(bench.look(false), Verdict::Nothing);
    assert_eq!(bench.look(true), Verdict::Unchanged);
    bench.replace("connections_max = 1024", "connections_max = 7");
    assert_eq!(bench.look(false), Verdict::Unsettled);
    assert_eq!(bench.connections_max(), 1024);
    assert_eq!(bench.look(false), Verdict::TakeOn);
    assert_eq!(bench.connections_max(), 7);
    assert_eq!(bench.look(false), Verdict::Nothing);
    bench.replace("connections_max = 7", "connections_max = 8");
    assert_eq!(bench.look(true), Verdict::TakeOn);
    assert_eq!(bench.connections_max(), 8);
    assert_eq!((bench.count("done"), bench.count("unchanged")), (2, 1));
}

#[test]
fn what_is_not_good_as_a_whole_changes_nothing_and_is_told_once() {
    let mut bench = Bench::new();
    bench.replace("connections_max = 1024", "connections_max = 7");
    bench.replace("level = \"info\"", "level = \"loud\"");
    assert_eq!(bench.look(false), Verdict::Unsettled);
    let Verdict::Wrong(why) = bench.look(false) else { panic!("it is wrong") };
    assert!(why.contains("site.toml:") && why.contains("`log.level`"), "{why}");
    assert_eq!(bench.look(false), Verdict::Nothing);
    assert_eq!(bench.connections_max(), 1024);
    assert!(matches!(bench.look(true), Verdict::Wrong(_)), "who asks is told again");
    assert_eq!(bench.count("failed"), 2);
    bench.replace("level = \"loud\"", "level = \"info\"");
    assert_eq!(bench.look(false), Verdict::Unsettled);
    assert_eq!(bench.look(false), Verdict::TakeOn);
    assert_eq!(bench.connections_max(), 7);
}

#[test]
fn a_certificate_that_is_not_good_is_told_with_its_place() {
    let mut bench = Bench::new();
    let good = fs::read_to_string(bench.path("east.pem")).unwrap();
    fs::write(bench.path("east.pem"), "not a certificate").unwrap();
    bench.replace("connections_max = 1024", "connections_max = 7");
    bench.look(false);
    assert_eq!(bench.look(false), Verdict::TakeOn, "it can be read");
    let why = bench.reload.failure.clone().unwrap();
    let line =
        1 + ops::config::EXAMPLE.lines().position(|line| line.starts_with("cert =")).unwrap();
    assert!(why.contains(&format!("site.toml:{line}: key `link.cert`: `")), "{why}");
    assert!(why.contains("east.pem"), "{why}");
    bench.look(false);
    assert_eq!((bench.count("failed"), bench.connections_max()), (1, 1024));
    bench.look(true);
    assert_eq!(bench.count("failed"), 2);
    fs::remove_file(bench.path("east.pem")).unwrap();
    bench.look(false);
    let Verdict::Wrong(why) = bench.look(false) else { panic!("it is gone") };
    assert!(why.contains("`link.cert`") && why.contains("No such file"), "{why}");
    fs::write(bench.path("east.pem"), good).unwrap();
    bench.replace("connections_max = 7", "connections_max = 1024");
    assert_eq!(bench.look(false), Verdict::Mended);
    assert_eq!(bench.look(false), Verdict::Nothing);
}

#[test]
fn a_new_pair_is_taken_on_and_half_of_it_is_not() {
    let mut bench = Bench::new();
    let expiry = bench.reload.metrics.certificate_expiry.with_label_values(&["link"]).get();
    assert!(expiry > 0);
    let key = fs::read_to_string(bench.path("east.key")).unwrap();
    for name in ["east.pem", "east.key"] {
        fs::remove_file(bench.path(name)).unwrap();
    }
    make_certs(&bench.home);
    let new_key = fs::read_to_string(bench.path("east.key")).unwrap();
    fs::write(bench.path("east.key"), key).unwrap();
    bench.look(true);
    let why = bench.reload.failure.clone().unwrap();
    assert!(why.contains("do not work together"), "{why}");
    fs::write(bench.path("east.key"), new_key).unwrap();
    assert_eq!(bench.look(true), Verdict::TakeOn);
    assert_eq!((bench.count("done"), bench.reload.failure.clone()), (1, None));
}

#[test]
fn what_needs_a_restart_is_remembered_until_it_is_as_it_was() {
    let mut bench = Bench::new();
    bench.replace("region = \"us-east-1\"", "region = \"eu-west-1\"");
    assert_eq!(bench.look(true), Verdict::TakeOn);
    assert_eq!(bench.reload.restart, ["s3.region"]);
    assert_eq!((bench.count("done"), bench.count("unchanged")), (0, 1));
    bench.replace("connections_max = 1024", "connections_max = 7");
    bench.look(true);
    assert_eq!(bench.reload.restart, ["s3.region"], "compared with what was started");
    bench.replace("region = \"eu-west-1\"", "region = \"us-east-1\"");
    bench.look(true);
    assert_eq!(bench.reload.restart, Vec::<&str>::new());
}

#[test]
fn full_sync_takes_on_another_interval() {
    let mut bench = Bench::new();
    let live = bench.reload.live.fullsync();
    bench.replace("interval = \"6h\"", "interval = \"2h\"");
    assert_eq!(bench.look(true), Verdict::TakeOn);
    assert_eq!(live.borrow().interval, Some(Duration::from_hours(2)));
    assert_eq!((bench.count("done"), bench.reload.restart.len()), (1, 0));
}
