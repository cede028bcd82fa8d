//! Conditions of a statement: tests of what is known of a request.

use std::net::IpAddr;

use serde::Deserialize;
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    PolicyError,
    pattern::{Circumstance, Pattern, canonical},
    text::{Entries, OneOrMore},
};

/// Operator to key to values, as they stand in the text.
pub(super) type Tests = Entries<Entries<OneOrMore<Scalar>>>;

/// A value: numbers and booleans may be written as such.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

/// One key under one operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Condition {
    /// In lower case, but for the key of a tag, which is behind a slash.
    pub(super) key: String,
    pub(super) values: Vec<Pattern>,
    pub(super) operator: Operator,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Operator {
    pub(super) test: Test,
    pub(super) negated: bool,
    /// Holds too if the request has no such key.
    if_exists: bool,
    /// Of keys with several values; otherwise one that fits is enough.
    all: bool,
    /// The key must be there.
    any: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Equals,
    EqualsIgnoringCase,
    Like,
    Number(Compare),
    Date(Compare),
    Bool,
    Ip,
    /// The key is absent.
    Null,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

pub(super) fn read(tests: Tests, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, keys) in tests.0 {
        let operator = Operator::named(&name).ok_or(PolicyError::Operator(name))?;
        for (key, values) in keys.0 {
            let values: Vec<String> = values.into_vec().into_iter().map(Scalar::text).collect();
            if let Some(value) = values.iter().find(|value| !operator.test.takes(value)) {
                let value = value.clone();
                return Err(PolicyError::Value { key, value });
            }
            let values = values.iter().map(|value| Pattern::new(value, variables)).collect();
            conditions.push(Condition { key: canonical(&key), values, operator });
        }
    }
    Ok(conditions)
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
        }
    }
}

impl Operator {
    fn named(name: &str) -> Option<Self> {
        let (all, rest) = match name.strip_prefix("ForAllValues:") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (any, rest) = match rest.strip_prefix("ForAnyValue:") {
            Some(rest) if !all => (true, rest),
            _ => (false, rest),
        };
        let (if_exists, rest) = match rest.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (test, negated) = Test::named(rest)?;
        // Of whether a key is there, nothing can be said in case that it is there.
        let sound = test != Test::Null || !(if_exists || all || any);
        sound.then_some(Self { test, negated, if_exists, all, any })
    }

    /// Whether a request without the key is outside of it.
    pub(super) fn needs_the_key(self) -> bool {
        !self.if_exists && !self.all
    }
}

impl Test {
    fn named(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "StringEquals" => (Self::Equals, false),
            "StringNotEquals" => (Self::Equals, true),
            "StringEqualsIgnoreCase" => (Self::EqualsIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Self::EqualsIgnoringCase, true),
            "StringLike" | "ArnEquals" | "ArnLike" => (Self::Like, false),
            "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Self::Like, true),
            "Bool" => (Self::Bool, false),
            "IpAddress" => (Self::Ip, false),
            "NotIpAddress" => (Self::Ip, true),
            "Null" => (Self::Null, false),
            _ => {
                let number = name.strip_prefix("Numeric").map(|rest| (rest, true));
                let (rest, number) = number.or(name.strip_prefix("Date").map(|r| (r, false)))?;
                let (compare, negated) = Compare::named(rest)?;
                let test = if number { Self::Number } else { Self::Date };
                (test(compare), negated)
            }
        })
    }

    /// Whether a value of the policy can be tested against at all.
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Equals | Self::EqualsIgnoringCase | Self::Like => true,
            Self::Number(_) => number(value).is_some(),
            Self::Date(_) => date(value).is_some(),
            Self::Bool | Self::Null => {
                ["true", "false"].iter().any(|b| value.eq_ignore_ascii_case(b))
            }
            Self::Ip => network(value).is_some(),
        }
    }

    fn fits(self, wanted: &Pattern, found: &str, circumstance: Circumstance<'_>) -> bool {
        if self == Self::Like {
            return wanted.matches(found, circumstance);
        }
        let Some(wanted) = wanted.literal(circumstance) else { return false };
        let wanted: &str = &wanted;
        match self {
            Self::Equals => wanted == found,
            Self::EqualsIgnoringCase => wanted.to_lowercase() == found.to_lowercase(),
            Self::Number(compare) => both(number(found), number(wanted), compare),
            Self::Date(compare) => both(date(found), date(wanted), compare),
            Self::Bool => wanted.eq_ignore_ascii_case(found),
            Self::Ip => {
                let parsed = network(wanted).zip(found.parse::<IpAddr>().ok());
                parsed.is_some_and(|(network, address)| holds(network, address))
            }
            Self::Like | Self::Null => false,
        }
    }
}

impl Compare {
    fn named(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "Equals" => (Self::Equal, false),
            "NotEquals" => (Self::Equal, true),
            "LessThan" => (Self::Less, false),
            "LessThanEquals" => (Self::LessOrEqual, false),
            "GreaterThan" => (Self::Greater, false),
            "GreaterThanEquals" => (Self::GreaterOrEqual, false),
            _ => return None,
        })
    }
}

fn both<T: PartialOrd>(found: Option<T>, wanted: Option<T>, compare: Compare) -> bool {
    found.zip(wanted).is_some_and(|(found, wanted)| match compare {
        Compare::Equal => found == wanted,
        Compare::Less => found < wanted,
        Compare::LessOrEqual => found <= wanted,
        Compare::Greater => found > wanted,
        Compare::GreaterOrEqual => found >= wanted,
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A time, a day, or seconds since 1970.
fn date(text: &str) -> Option<OffsetDateTime> {
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    time.or_else(|| {
        let format = time::format_description::parse_borrowed::<2>("[year]-[month]-[day]").ok()?;
        Some(Date::parse(text, &format).ok()?.midnight().assume_utc())
    })
}

/// An address, or a network: an address and how many of its bits count.
pub(super) fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
    (bits <= width).then_some((address, bits))
}

fn holds((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl Condition {
    pub(super) fn holds(&self, circumstance: Circumstance<'_>) -> bool {
        let found = circumstance(&self.key).filter(|found| !found.is_empty());
        let Operator { test, negated, if_exists, all, any } = self.operator;
        if test == Test::Null {
            let absent = if found.is_some() { "false" } else { "true" };
            return self.values.iter().any(|value| value.as_str().eq_ignore_ascii_case(absent));
        }
        let Some(found) = found else {
            return if_exists || all || negated && !any;
        };
        let fits = |found: &String| {
            self.values.iter().any(|wanted| test.fits(wanted, found, circumstance))
        };
        // "Not" is of each value by itself: none of those wanted is the one found.
        if all || negated && !any {
            found.iter().all(|found| fits(found) != negated)
        } else {
            found.iter().any(|found| fits(found) != negated)
        }
    }
}
