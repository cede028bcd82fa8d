//! Object lock: what keeps a version from being removed before its time.
//!
//! A lock is made of registers of the version, and what must hold of them in any order of events is:
//! * the end of a COMPLIANCE retention only ever grows;
//! * each site has registers of its own for GOVERNANCE retention and legal hold, and taking one back
//!   says which setting of each site it lifts: what the lifting site had not seen stays in force;
//! * a removal is void if it comes before the lock that all sites have told of lets go
//!   ([`Lock::voids`]), so that a delete loses also where the lock was not known.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

use bytes::Bytes;

use crate::{Attributes, Hlc, Millis, Register, SiteId, Version};

mod config;

pub use config::{DefaultRetention, LockConfig, Period, UnknownLock};

const PREFIX: &str = "lock-";
const COMPLIANCE: &str = "lock-compliance";
/// Followed by the site that set it.
const GOVERNANCE: &str = "lock-governance/";
const HOLD: &str = "lock-hold/";
/// Followed by the register that is lifted: the version up to which it counts no more.
const LIFTED: &str = "lock-lifted/";

const ON: &[u8] = b"ON";
const OFF: &[u8] = b"OFF";

/// How strictly a version is retained.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LockMode {
    /// Whoever may bypass it may shorten it, and remove the version.
    Governance,
    /// Nobody may.
    Compliance,
}

impl LockMode {
    /// As S3 calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Until when a version is retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    pub mode: LockMode,
    pub until: Millis,
}

/// The lock does not let it be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the version is protected by object lock")]
pub struct Locked;

/// What a version's registers say together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lock {
    compliance: Option<Millis>,
    governance: Option<Millis>,
    hold: Option<bool>,
    /// When the last of what was lifted was.
    lifted: Option<Version>,
    /// Settings of GOVERNANCE and of holds that are in force or were, and are not lifted.
    governing: Vec<(String, Version)>,
    holding: Vec<(String, Version)>,
}

impl Lock {
    /// What is set of a version. What cannot be read counts as the strictest that it can be: a newer
    /// release knows why.
    #[must_use]
    pub fn of(attributes: &Attributes) -> Self {
        let mut lock = Self::default();
        for (name, Register { version, value }) in &attributes.0 {
            let lifts = || attributes.0.get(&lifting(name)).map(|by| by.value.as_ref());
            let counts = || lifts().is_none_or(|seen| seen < version.to_bytes().as_slice());
            if name == COMPLIANCE {
                lock.compliance = Some(time(value));
            } else if name.starts_with(GOVERNANCE) && counts() {
                lock.governance = lock.governance.max(Some(time(value)));
                lock.governing.push((name.clone(), *version));
            } else if name.starts_with(HOLD) {
                let on = **value != *OFF && counts();
                lock.hold = lock.hold.max(Some(on));
                match on {
                    true => lock.holding.push((name.clone(), *version)),
                    false => lock.lifted = lock.lifted.max(Some(*version)),
                }
            } else if name.starts_with(LIFTED) {
                lock.lifted = lock.lifted.max(Some(*version));
            }
        }
        lock
    }

    /// The legal hold, if one was ever set or taken back.
    #[must_use]
    pub fn hold(&self) -> Option<bool> {
        self.hold
    }

    /// The retention, as one asks at a time: the stricter as long as it lasts, then what outlasts it.
    #[must_use]
    pub fn retention(&self, now: Millis) -> Option<Retention> {
        let compliance = self.compliance.map(|until| (LockMode::Compliance, until));
        let governance = self.governance.map(|until| (LockMode::Governance, until));
        let lasting =
            compliance.filter(|(_, until)| *until > now || Some(*until) >= self.governance);
        lasting.or(governance).map(|(mode, until)| Retention { mode, until })
    }

    /// Whether a client may remove the version now.
    ///
    /// # Errors
    /// If it may not; `bypass`: it may in spite of GOVERNANCE.
    pub fn lets_go(&self, now: Millis, bypass: bool) -> Result<(), Locked> {
        let lasts = |until: Option<Millis>| until.is_some_and(|until| until > now);
        let kept = lasts(self.compliance) || lasts(self.governance) && !bypass;
        if kept || self.hold == Some(true) { Err(Locked) } else { Ok(()) }
    }

    /// Whether anything is in force at a time, whoever asks.
    #[must_use]
    pub fn is_in_force(&self, now: Millis) -> bool {
        self.lets_go(now, false).is_err()
    }

    /// Whether a removal is void, wherever it was made: the version is on hold, retained at the time of
    /// the removal, or the removal is older than the last lifting, so that whoever made it had not seen
    /// it. What makes a removal void does so to every older one.
    #[must_use]
    pub fn voids(&self, removal: Version) -> bool {
        let retained = self.compliance.max(self.governance);
        self.hold == Some(true)
            || retained.is_some_and(|until| removal.hlc < end(until))
            || self.lifted.is_some_and(|lifted| removal < lifted)
    }

    /// The registers with which a site sets the retention, or takes it away; none, if it is so already.
    ///
    /// # Errors
    /// If the retention in force does not allow it; `bypass`: GOVERNANCE does.
    pub fn retain(
        &self,
        site: SiteId,
        asked: Option<Retention>,
        (now, bypass): (Millis, bool),
    ) -> Result<BTreeMap<String, Bytes>, Locked> {
        let asks = |mode| asked.filter(|asked| asked.mode == mode).map(|asked| asked.until);
        let (compliance, governance) = (asks(LockMode::Compliance), asks(LockMode::Governance));
        let lasts = |until: &Millis| *until > now;
        if self.compliance.filter(lasts) > compliance {
            return Err(Locked);
        }
        let lowers = self.governance.is_some() && self.governance > governance;
        if lowers && self.governance.is_some_and(|until| lasts(&until)) && !bypass {
            return Err(Locked);
        }
        let mut registers = if lowers { lift(&self.governing) } else { BTreeMap::new() };
        if let Some(until) = compliance.filter(|_| self.compliance < compliance) {
            registers.insert(COMPLIANCE.to_owned(), bytes(until));
        }
        if let Some(until) = governance.filter(|_| self.governance != governance) {
            registers.insert(format!("{GOVERNANCE}{site}"), bytes(until));
        }
        Ok(registers)
    }

    /// The registers with which a site sets the legal hold on or off; none, if it is so already.
    #[must_use]
    pub fn set_hold(&self, site: SiteId, on: bool) -> BTreeMap<String, Bytes> {
        if self.hold == Some(on) {
            return BTreeMap::new();
        }
        let mut registers = if on { BTreeMap::new() } else { lift(&self.holding) };
        let value = Bytes::from_static(if on { ON } else { OFF });
        registers.insert(format!("{HOLD}{site}"), value);
        registers
    }

    /// The registers with which a removal in spite of GOVERNANCE lifts it.
    #[must_use]
    pub fn lift_governance(&self) -> BTreeMap<String, Bytes> {
        lift(&self.governing)
    }
}

/// Whether a register is of a lock.
#[must_use]
pub fn is_of_lock(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether a register is of a retention.
#[must_use]
pub fn is_of_retention(name: &str) -> bool {
    name == COMPLIANCE || name.starts_with(GOVERNANCE)
}

/// Whether of a register the greatest value stays, whoever set it last.
pub(crate) fn only_grows(name: &str) -> bool {
    name == COMPLIANCE || name.starts_with(LIFTED)
}

/// The least register that is not below either of two that only grow.
pub(crate) fn grown(ours: &Register, theirs: &Register) -> Register {
    let value = match ours.value.cmp(&theirs.value) {
        Ordering::Less => &theirs.value,
        Ordering::Equal | Ordering::Greater => &ours.value,
    };
    Register { version: ours.version.max(theirs.version), value: value.clone() }
}

fn lift(settings: &[(String, Version)]) -> BTreeMap<String, Bytes> {
    let lifts = |(name, version): &(String, Version)| {
        (lifting(name), Bytes::copy_from_slice(&version.to_bytes()))
    };
    settings.iter().map(lifts).collect()
}

fn lifting(name: &str) -> String {
    format!("{LIFTED}{name}")
}

/// Big-endian, so that a later time is a greater value.
fn bytes(time: Millis) -> Bytes {
    Bytes::copy_from_slice(&time.0.to_be_bytes())
}

fn time(value: &Bytes) -> Millis {
    Millis(value.as_ref().try_into().map_or(u64::MAX, u64::from_be_bytes))
}

/// The first reading of the clock that is not before a time.
fn end(until: Millis) -> Hlc {
    // Beyond what a version can say: for ever.
    if until.0 >= 1 << 48 { Hlc(u64::MAX) } else { Hlc::at(until) }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
