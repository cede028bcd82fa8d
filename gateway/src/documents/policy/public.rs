//! Whether a policy opens anything to everybody, by AWS's meaning of "public": access that is not
//! limited to fixed values.

use super::{
    Principal, Statement,
    condition::{Condition, Test, network},
    pattern::Pattern,
};

/// Keys that limit access if they are tested for fixed values.
const LIMITING: [&str; 10] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
];

/// Bits of a network that are fixed at least, where it is to count as a limit.
const BITS_V4: u32 = 8;
const BITS_V6: u32 = 32;

impl Statement {
    pub(super) fn is_public(&self) -> bool {
        let everybody = self.who.all_but || self.who.named.contains(&Principal::Everybody);
        self.allows && everybody && !self.conditions.iter().any(Condition::limits)
    }
}

impl Condition {
    fn limits(&self) -> bool {
        if self.operator.negated || self.values.is_empty() || !self.operator.needs_the_key() {
            return false;
        }
        let fixed = |value: &Pattern| {
            let value = value.as_str();
            !value.contains(['*', '?']) && !value.contains("${")
        };
        match self.operator.test {
            Test::Ip if self.key == "aws:sourceip" => self.values.iter().all(|value| {
                network(value.as_str()).is_some_and(|(address, bits)| {
                    bits >= if address.is_ipv4() { BITS_V4 } else { BITS_V6 }
                })
            }),
            Test::Equals | Test::EqualsIgnoringCase | Test::Like => {
                LIMITING.contains(&self.key.as_str()) && self.values.iter().all(fixed)
            }
            _ => false,
        }
    }
}
