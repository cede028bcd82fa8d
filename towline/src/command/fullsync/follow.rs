//! Following a job at a running site: a moving line on a terminal, plain lines elsewhere.

use std::{io::IsTerminal, time::Duration};

use gateway::admin::FullSyncJob;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::text::{self, Rate};
use crate::{client::Client, command::Failure};

/// Between two questions to the site.
const POLL: Duration = Duration::from_millis(500);
/// A site that is started again answers by then.
const SILENT_MAX: Duration = Duration::from_mins(1);
/// Seconds of the job between two plain lines, unless there is news.
const LINE_SECONDS: f64 = 10.0;

/// Where progress is shown.
pub(super) enum Screen {
    /// It is for a program, which waits for the end.
    None,
    Terminal(ProgressBar),
    /// With the phase and the second of the last line.
    Lines(String, f64),
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        if json {
            return Self::None;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines(String::new(), 0.0);
        }
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::Terminal(ProgressBar::new_spinner().with_style(style))
    }

    fn show(&mut self, job: &FullSyncJob, rate: &Rate) {
        match self {
            Self::None => {}
            Self::Terminal(bar) => {
                bar.tick();
                bar.set_message(text::progress(job, rate));
            }
            Self::Lines(phase, at) => {
                let now = text::phase(job);
                if *phase != now || job.seconds >= *at + LINE_SECONDS {
                    eprintln!("{}", text::progress(job, rate));
                    (*phase, *at) = (now.to_owned(), job.seconds);
                }
            }
        }
    }

    fn say(&self, line: &str) {
        match self {
            Self::None | Self::Lines(..) => eprintln!("{line}"),
            Self::Terminal(bar) => bar.println(line),
        }
    }

    fn end(&self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Asks for a job until it is over. Ctrl-C leaves it running, and says so.
pub(super) async fn until_over(
    client: &Client,
    mut job: FullSyncJob,
    mut screen: Screen,
) -> Result<FullSyncJob, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failure::of(&error))?;
    let path = format!("/v1/fullsync/jobs/{}", job.id);
    let (mut rate, mut silent) = (Rate::default(), None::<Instant>);
    loop {
        rate.see(&job);
        screen.show(&job, &rate);
        if job.state.is_over() {
            screen.end();
            return Ok(job);
        }
        tokio::select! {
            _ = interrupt.recv() => {
                screen.end();
                return Err(Failure::Failed(left(job.id)));
            }
            () = tokio::time::sleep(POLL) => {}
        }
        match (client.get(&path), silent) {
            (Ok(now), _) => (job, silent) = (now, None),
            (Err(failure), Some(since)) if since.elapsed() > SILENT_MAX => {
                screen.end();
                return Err(failure);
            }
            (Err(_), Some(_)) => {}
            (Err(_), None) => {
                screen.say("the site does not answer; it goes on with the job when it is back");
                silent = Some(Instant::now());
            }
        }
    }
}

fn left(id: u64) -> String {
    format!(
        "full sync {id} goes on at the site; `towline fullsync status` shows it, `towline fullsync \
         cancel` ends it"
    )
}
