use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

use super::*;

fn site(n: u8) -> SiteId {
    SiteId([n; 16])
}

fn version(millis: u64, of: u8) -> Version {
    Version { hlc: Hlc::at(Millis(millis)), site: site(of) }
}

/// A version at one site, where requests come one after the other.
#[derive(Clone, Default)]
struct Held {
    attributes: Attributes,
    site: u8,
}

impl Held {
    fn at(site: u8) -> Self {
        Self { site, ..Self::default() }
    }

    fn lock(&self) -> Lock {
        Lock::of(&self.attributes)
    }

    fn take(&mut self, registers: BTreeMap<String, Bytes>, now: u64) {
        let version = version(now, self.site);
        let set = |(name, value)| (name, Register { version, value });
        self.attributes.0.extend(registers.into_iter().map(set));
    }

    /// A retention by a user who may bypass; whether it was let through.
    fn retain(&mut self, asked: Option<(LockMode, u64)>, now: u64, bypass: bool) -> bool {
        let asked = asked.map(|(mode, until)| Retention { mode, until: Millis(until) });
        let set = self.lock().retain(site(self.site), asked, (Millis(now), bypass));
        set.map(|registers| self.take(registers, now)).is_ok()
    }

    fn hold(&mut self, on: bool, now: u64) {
        self.take(self.lock().set_hold(site(self.site), on), now);
    }

    fn merge(&mut self, other: &Self) {
        self.attributes.merge(&other.attributes);
    }

    fn shown(&self, now: u64) -> Option<(LockMode, u64)> {
        self.lock().retention(Millis(now)).map(|shown| (shown.mode, shown.until.0))
    }

    fn removable(&self, now: u64, bypass: bool) -> bool {
        self.lock().lets_go(Millis(now), bypass).is_ok()
    }
}

const GOVERNANCE: LockMode = LockMode::Governance;
const COMPLIANCE: LockMode = LockMode::Compliance;

#[test]
fn compliance_can_only_be_extended() {
    let mut held = Held::at(1);
    assert!(held.retain(Some((COMPLIANCE, 100)), 1, false));
    for (asked, bypass) in
        [(None, true), (Some((COMPLIANCE, 99)), true), (Some((GOVERNANCE, 200)), true)]
    {
        assert!(!held.retain(asked, 2, bypass), "{asked:?}");
    }
    assert!(held.retain(Some((COMPLIANCE, 100)), 2, false), "the same again");
    assert!(held.retain(Some((COMPLIANCE, 150)), 3, false));
    assert_eq!(held.shown(4), Some((COMPLIANCE, 150)));
    assert!(!held.removable(149, true));
    assert!(held.removable(150, false), "it is over");
    assert!(held.retain(Some((GOVERNANCE, 300)), 150, false));
    assert_eq!(held.shown(151), Some((GOVERNANCE, 300)));
}

#[test]
fn governance_is_shortened_by_whoever_may_bypass_it() {
    let mut held = Held::at(1);
    assert!(held.retain(Some((GOVERNANCE, 100)), 1, false));
    assert!(held.retain(Some((GOVERNANCE, 120)), 2, false), "longer");
    for asked in [None, Some((GOVERNANCE, 110)), Some((COMPLIANCE, 200))] {
        let mut other = held.clone();
        assert!(!other.retain(asked, 3, false), "{asked:?}");
        assert_eq!(other.attributes, held.attributes);
        assert!(other.retain(asked, 3, true), "{asked:?}");
        assert_eq!(other.shown(4), asked);
    }
    assert!(!held.removable(119, false));
    assert!(held.removable(119, true));
    assert!(held.retain(None, 120, false), "it is over");
}

#[test]
fn a_legal_hold_keeps_a_version_whoever_asks_until_it_is_taken_back() {
    let mut held = Held::at(1);
    assert_eq!(held.lock().hold(), None);
    held.hold(false, 1);
    assert_eq!(held.lock().hold(), Some(false));
    held.hold(true, 2);
    assert_eq!(held.lock().hold(), Some(true));
    assert!(!held.removable(1_000, true));
    let before = held.attributes.clone();
    held.hold(true, 3);
    assert_eq!(held.attributes, before, "nothing is set that is so already");
    held.hold(false, 4);
    assert!(held.removable(5, false));
    held.hold(true, 6);
    assert!(!held.removable(7, true), "and once more");
}

#[test]
fn of_two_sites_that_lock_at_once_the_stricter_holds_at_both() {
    let merged = |of_east: &[(LockMode, u64)], of_west: &[(LockMode, u64)]| {
        let (mut east, mut west) = (Held::at(1), Held::at(2));
        for (now, &asked) in (1..).zip(of_east) {
            assert!(east.retain(Some(asked), now, true));
        }
        for (now, &asked) in (10..).zip(of_west) {
            assert!(west.retain(Some(asked), now, true));
        }
        let before = east.clone();
        east.merge(&west);
        west.merge(&before);
        assert_eq!(east.attributes, west.attributes);
        (east.shown(20), east)
    };
    let later = merged(&[(GOVERNANCE, 500)], &[(GOVERNANCE, 400)]);
    assert_eq!(later.0, Some((GOVERNANCE, 500)), "the later date, which was set first");
    let mode = merged(&[(COMPLIANCE, 300)], &[(GOVERNANCE, 400)]);
    assert_eq!(mode.0, Some((COMPLIANCE, 300)));
    assert_eq!(mode.1.shown(300), Some((GOVERNANCE, 400)), "what outlasts it is still there");
    assert!(!mode.1.removable(350, false));
    let both = merged(&[(COMPLIANCE, 500)], &[(COMPLIANCE, 400)]);
    assert_eq!(both.0, Some((COMPLIANCE, 500)));
}

#[test]
fn what_is_taken_back_is_what_the_site_had_seen() {
    let (mut east, mut west) = (Held::at(1), Held::at(2));
    east.retain(Some((GOVERNANCE, 500)), 1, false);
    east.hold(true, 2);
    west.merge(&east);
    // West takes back what it sees, while east, which has not heard of it, asks for more.
    west.retain(None, 10, true);
    west.hold(false, 11);
    east.retain(Some((GOVERNANCE, 600)), 5, false);
    let before = east.clone();
    east.merge(&west);
    west.merge(&before);
    assert_eq!(east.attributes, west.attributes);
    assert_eq!(east.shown(20), Some((GOVERNANCE, 600)), "this was not seen, though it is older");
    assert_eq!(east.lock().hold(), Some(false), "this was");
    // Now both have seen everything.
    west.retain(Some((GOVERNANCE, 550)), 21, true);
    east.merge(&west);
    assert_eq!(east.shown(22), Some((GOVERNANCE, 550)));
    assert!(east.removable(22, true) && !east.removable(22, false));
}

#[test]
fn a_removal_is_void_before_the_lock_lets_go_and_stays_so() {
    let mut held = Held::at(1);
    let void = |held: &Held, now| held.lock().voids(version(now, 2));
    assert!(!void(&held, 5));
    held.retain(Some((GOVERNANCE, 100)), 10, false);
    assert!(void(&held, 5), "also one from before the lock: whoever made it had not seen it");
    assert!(void(&held, 99) && !void(&held, 100));
    held.hold(true, 20);
    assert!(void(&held, 100));
    held.hold(false, 150);
    assert!(void(&held, 149) && !void(&held, 151), "taking it back says nothing of the past");
    held.retain(Some((COMPLIANCE, 300)), 200, false);
    assert!(void(&held, 299) && !void(&held, 300));
    held.retain(Some((COMPLIANCE, u64::MAX)), 250, false);
    assert!(void(&held, (1 << 48) - 1));
}

#[test]
fn what_cannot_be_read_is_strict() {
    let register = |value: &'static [u8]| Register {
        version: version(1, 1),
        value: Bytes::from_static(value),
    };
    let of = |name: &str, value| {
        Lock::of(&Attributes(BTreeMap::from([(name.to_owned(), register(value))])))
    };
    assert!(of("lock-compliance", b"newer").is_in_force(Millis(1 << 47)));
    assert!(of("lock-governance/x", b"").is_in_force(Millis(1 << 47)));
    assert!(of("lock-hold/x", b"MAYBE").is_in_force(Millis(0)));
    assert!(!of("lock-hold/x", b"OFF").is_in_force(Millis(0)));
    assert!(is_of_lock("lock-hold/x") && !is_of_lock("tags"));
}

#[derive(Clone, Debug)]
enum Op {
    Retain(Option<(bool, u64)>, bool),
    Hold(bool),
    /// What one site knows comes to the other.
    Tell,
}

fn ops() -> impl Strategy<Value = Vec<(bool, Op)>> {
    let op = prop_oneof![
        4 => (any::<Option<(bool, u64)>>(), any::<bool>()).prop_map(|(asked, bypass)| {
            Op::Retain(asked.map(|(strict, until)| (strict, until % 60)), bypass)
        }),
        2 => any::<bool>().prop_map(Op::Hold),
        2 => proptest::prelude::Just(Op::Tell),
    ];
    prop::collection::vec((any::<bool>(), op), 1..24)
}

proptest! {
    /// Whatever two sites do, and whenever they hear of each other: what they say in the end is the
    /// same, no compliance was shortened, and what was removed with leave stays removed.
    #[test]
    fn law_3_locks_merge_in_any_order_and_no_compliance_is_shortened(ops in ops()) {
        let mut sites = [Held::at(1), Held::at(2)];
        let (mut states, mut strictest) = (Vec::new(), 0);
        for (now, (west, op)) in (1..).zip(ops) {
            let [here, there] = if west { [1, 0] } else { [0, 1] };
            match op {
                Op::Retain(asked, bypass) => {
                    let mode = |strict| if strict { COMPLIANCE } else { GOVERNANCE };
                    let asked = asked.map(|(strict, until)| (mode(strict), until));
                    let done = sites[here].retain(asked, now, bypass);
                    if let (true, Some((COMPLIANCE, until))) = (done, asked) {
                        strictest = strictest.max(until);
                    }
                }
                Op::Hold(on) => sites[here].hold(on, now),
                Op::Tell => {
                    let told = sites[there].clone();
                    sites[here].merge(&told);
                }
            }
            states.push(sites[here].clone());
        }
        let fold = |states: &mut dyn Iterator<Item = &Held>| {
            let mut merged = Held::at(3);
            states.for_each(|state| merged.merge(state));
            merged.attributes
        };
        let all = fold(&mut states.iter());
        assert_eq!(fold(&mut states.iter().rev()), all);
        assert_eq!(fold(&mut states.iter().rev().chain(&states)), all);
        let lock = Lock::of(&all);
        assert!(lock.compliance.is_none_or(|until| until.0 >= strictest));
        assert!(strictest == 0 || lock.compliance.is_some());
        // Void is closed downwards: of several removals the newest decides.
        let void: Vec<bool> = (0..80).map(|now| lock.voids(version(now, 2))).collect();
        assert!(void.windows(2).all(|pair| pair[0] || !pair[1]));
        // Who may remove it now makes a removal that is not void.
        for now in 0..80 {
            let known = lock.lifted.is_none_or(|lifted| lifted < version(now, 2));
            assert!(!(lock.lets_go(Millis(now), false).is_ok() && known && void[now as usize]));
        }
    }
}
