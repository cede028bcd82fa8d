//! Which client request caused a change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Id of one request at a site's endpoint: in its answer, in the log lines of every site about
/// it, and in the event of what it changed.
///
/// Random, so unique enough to search for; zero means "no request", as of a change that the site
/// made by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RequestId(pub u64);

impl RequestId {
    /// No client asked for it.
    pub const NONE: Self = Self(0);
}

/// As S3 shows them: 16 hexadecimal digits, upper case.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
