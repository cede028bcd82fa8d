//! Law 3: the one conflict rule. Live apply, replay and full sync all go through [`decide`].
//!
//! The rule is a join of a total order (version, then content digest), so it is commutative,
//! associative and idempotent: any order and any repetition of the same events gives one state.

use crate::{Digest, Version};

/// An entity's state, as far as the rule looks: its version and the digest of its content.
/// A tombstone has the content [`Digest::ZERO`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct State {
    pub version: Version,
    pub content: Digest,
}

/// What to do with an incoming state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is newer: it takes the place of what is held.
    Replace,
    /// What is held is newer.
    Stale,
    /// It is what is held.
    Duplicate,
    /// The same version with other content: an alarm. Which one stays is decided by the digest
    /// until the origin's copy has been asked for, so that all sites hold the same one.
    Conflict { replace: bool },
}

/// Compares what is held with what comes in.
#[must_use]
pub fn decide(held: Option<State>, incoming: State) -> Decision {
    let Some(held) = held else {
        return Decision::Replace;
    };
    if held.version == incoming.version && held.content != incoming.content {
        return Decision::Conflict { replace: incoming > held };
    }
    match incoming.cmp(&held) {
        std::cmp::Ordering::Greater => Decision::Replace,
        std::cmp::Ordering::Equal => Decision::Duplicate,
        std::cmp::Ordering::Less => Decision::Stale,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::*;
    use crate::{Hlc, SiteId};

    fn states() -> impl Strategy<Value = Vec<State>> {
        let state = (0u64..6, 0u8..3, any::<bool>()).prop_map(|(hlc, site, other)| State {
            version: Version { hlc: Hlc(hlc), site: SiteId([site; 16]) },
            content: Digest([u8::from(other); 32]),
        });
        prop::collection::vec(state, 1..12)
    }

    fn fold(states: &[State]) -> Option<State> {
        states.iter().fold(None, |held, &incoming| match decide(held, incoming) {
            Decision::Replace | Decision::Conflict { replace: true } => Some(incoming),
            _ => held,
        })
    }

    proptest! {
        #[test]
        fn law_3_any_order_and_repetition_gives_one_state(
            states in states(),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let mut shuffled: Vec<State> = order.iter().map(|i| *i.get(&states)).collect();
            shuffled.extend(states.iter().rev());
            assert_eq!(fold(&states), fold(&shuffled));
            assert_eq!(fold(&states), states.iter().copied().max());
        }
    }
}
