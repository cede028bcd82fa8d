//! How the sessions with an origin go, kept for whoever asks: nobody should have to read logs.

use std::sync::{Arc, Mutex, PoisonError};

use model::{BlockHash, Millis};

/// The session with the origin, or the time since the last one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Session {
    /// Events are being followed.
    pub connected: bool,
    /// When that began, or ended.
    pub since: Millis,
    /// When events were last applied, and when a block was last pulled.
    pub applied: Option<Millis>,
    pub pulled: Option<Millis>,
    /// Of the blocks that were asked for and did not come, the first.
    pub block: Option<BlockWait>,
    /// What last stood in the way, also if it is over.
    pub last_error: Option<LastError>,
}

/// A block that was asked for and did not come, though its origin answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockWait {
    pub hash: BlockHash,
    /// When it did not come for the first time.
    pub since: Millis,
    /// Why it did not come the last time.
    pub why: String,
}

/// Something that went wrong, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastError {
    pub at: Millis,
    pub what: String,
}

/// Takes note of how sessions go. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Pulse(Arc<Mutex<Session>>);

impl Pulse {
    /// No session since this time.
    pub(crate) fn new(since: Millis) -> Self {
        Self(Arc::new(Mutex::new(Session { since, ..Session::default() })))
    }

    pub(crate) fn get(&self) -> Session {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn connected(&self, now: Millis) {
        self.change(|session| {
            session.connected = true;
            session.since = now;
        });
    }

    /// A session ended, or another try to begin one failed.
    pub(crate) fn ended(&self, now: Millis, why: &str) {
        self.change(|session| {
            if std::mem::take(&mut session.connected) {
                session.since = now;
            }
            session.last_error = Some(LastError { at: now, what: why.to_owned() });
        });
    }

    /// Something went wrong that did not end the session.
    pub(crate) fn failed(&self, now: Millis, what: String) {
        self.change(|session| session.last_error = Some(LastError { at: now, what }));
    }

    pub(crate) fn applied(&self, now: Millis) {
        self.change(|session| session.applied = Some(now));
    }

    pub(crate) fn pulled(&self, now: Millis) {
        self.change(|session| session.pulled = Some(now));
    }

    pub(crate) fn waits_for(&self, block: Option<BlockWait>) {
        self.change(|session| session.block = block);
    }

    fn change(&self, change: impl FnOnce(&mut Session)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_fail_do_not_move_the_time_since_when_there_is_no_session() {
        let pulse = Pulse::new(Millis(1));
        pulse.ended(Millis(2), "away");
        assert_eq!((pulse.get().connected, pulse.get().since), (false, Millis(1)));
        pulse.connected(Millis(3));
        pulse.failed(Millis(4), "a block is gone".to_owned());
        assert_eq!((pulse.get().connected, pulse.get().since), (true, Millis(3)));
        pulse.ended(Millis(5), "broken");
        pulse.ended(Millis(6), "away");
        let last = LastError { at: Millis(6), what: "away".to_owned() };
        assert_eq!(
            pulse.get(),
            Session { since: Millis(5), last_error: Some(last), ..Session::default() }
        );
    }
}
