//! What the signer of a form lets whoever posts it do: a POST policy. Pure.
//!
//! Each field of a form must be named by a condition that holds; a field that no condition names
//! is as wrong as one that breaks its condition.

use std::ops::RangeInclusive;

use base64_simd::STANDARD;
use model::Millis;
use s3s::{
    S3Error, S3Result,
    dto::{Timestamp, TimestampFormat},
    s3_error,
};
use serde_json::Value;

use super::fields::Fields;

/// Conditions of a policy; many more than a form has fields.
const CONDITIONS_MAX: usize = 1_000;

/// A policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Policy {
    expires: i128,
    conditions: Vec<Condition>,
    bytes: RangeInclusive<u64>,
}

/// What must hold of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Condition {
    /// In lower case.
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Is,
    BeginsWith,
}

enum Parsed {
    Condition(Condition),
    Bytes(RangeInclusive<u64>),
}

impl Policy {
    /// Reads a policy as a form carries it: JSON in Base64.
    pub(super) fn parse(encoded: &str) -> S3Result<Self> {
        let compact: String = encoded.split_ascii_whitespace().collect();
        let json = STANDARD.decode_to_vec(compact).map_err(|_| invalid("it is not Base64"))?;
        let policy: Value =
            serde_json::from_slice(&plain(&json)).map_err(|_| invalid("it is not valid JSON"))?;
        let expires = policy.get("expiration").and_then(Value::as_str);
        let expires = expires.ok_or_else(|| invalid("it has no expiration"))?;
        // Other ways to write a time are read as well, and would be another moment elsewhere.
        let expires = Some(expires).filter(|text| text.contains('T') && text.ends_with('Z'));
        let expires =
            expires.and_then(|text| Timestamp::parse(TimestampFormat::DateTime, text).ok());
        let expires = expires.ok_or_else(|| {
            invalid("its expiration is not a time as `2026-12-31T12:00:00.000Z` is")
        })?;
        let expires = time::OffsetDateTime::from(expires).unix_timestamp_nanos() / 1_000_000;
        let listed = policy.get("conditions").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| invalid("it has no conditions"))?;
        if listed.len() > CONDITIONS_MAX {
            return Err(invalid("it has too many conditions"));
        }
        let (mut conditions, mut bytes) = (Vec::new(), 0..=u64::MAX);
        for one in listed {
            match parse(one).ok_or_else(|| invalid(&format!("condition {one}")))? {
                Parsed::Condition(condition) => conditions.push(condition),
                // Of several, all count.
                Parsed::Bytes(range) => {
                    bytes = *bytes.start().max(range.start())..=*bytes.end().min(range.end());
                }
            }
        }
        Ok(Self { expires, conditions, bytes })
    }

    /// How many bytes the file may have.
    pub(super) fn bytes(&self) -> RangeInclusive<u64> {
        self.bytes.clone()
    }

    /// Checks a form that is posted to a bucket.
    pub(super) fn check(&self, fields: &Fields, bucket: &str, now: Millis) -> S3Result<()> {
        if i128::from(now.0) >= self.expires {
            return Err(s3_error!(AccessDenied, "Invalid according to Policy: Policy expired."));
        }
        for condition in &self.conditions {
            let sent = fields.get(&condition.field);
            let sent = if condition.field == "bucket" { Some(bucket) } else { sent };
            if !condition.holds(sent.unwrap_or_default()) {
                return Err(s3_error!(
                    AccessDenied,
                    "Invalid according to Policy: Policy Condition failed: {}",
                    condition.shown()
                ));
            }
        }
        let named = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        let extra = |name: &&str| !is_exempt(name) && !named(name);
        match std::iter::once("bucket").chain(fields.iter().map(|(name, _)| name)).find(extra) {
            Some(name) => Err(s3_error!(
                AccessDenied,
                "Invalid according to Policy: Extra input fields: {name}"
            )),
            None => Ok(()),
        }
    }
}

impl Condition {
    fn holds(&self, sent: &str) -> bool {
        match self.operator {
            Operator::Is => sent == self.value,
            // Several content types are each looked at.
            Operator::BeginsWith if self.field == "content-type" => {
                sent.split(',').all(|one| one.trim_start().starts_with(&self.value))
            }
            Operator::BeginsWith => sent.starts_with(&self.value),
        }
    }

    fn shown(&self) -> String {
        let operator = match self.operator {
            Operator::Is => "eq",
            Operator::BeginsWith => "starts-with",
        };
        serde_json::json!([operator, format!("${}", self.field), self.value]).to_string()
    }
}

/// Fields that no condition needs to name: the signature itself, what is left out on purpose, and
/// checksums, which let nobody do more.
fn is_exempt(name: &str) -> bool {
    matches!(name, "policy" | "x-amz-signature" | "signature" | "awsaccesskeyid" | "file")
        || name.starts_with("x-ignore-")
        || name.starts_with("x-amz-checksum-")
}

/// `{"field": "value"}`, `["eq" or "starts-with", "$field", "value"]`, or
/// `["content-length-range", least, most]`.
fn parse(condition: &Value) -> Option<Parsed> {
    if let Some(pairs) = condition.as_object() {
        let (field, value) = pairs.iter().next().filter(|_| pairs.len() == 1)?;
        let (field, value) = (field.to_ascii_lowercase(), value.as_str()?.to_owned());
        return Some(Parsed::Condition(Condition { field, operator: Operator::Is, value }));
    }
    let [operator, first, second] = condition.as_array()?.as_slice() else {
        return None;
    };
    let operator = match operator.as_str()?.to_ascii_lowercase().as_str() {
        "eq" => Operator::Is,
        "starts-with" => Operator::BeginsWith,
        "content-length-range" => {
            let (least, most) = (bytes(first)?, bytes(second)?);
            return (least <= most).then_some(Parsed::Bytes(least..=most));
        }
        _ => return None,
    };
    let field = first.as_str()?.strip_prefix('$')?.to_ascii_lowercase();
    let value = second.as_str()?.to_owned();
    Some(Parsed::Condition(Condition { field, operator, value }))
}

/// S3 lets a policy escape two characters that JSON does not: `\$`, and `\v` for a vertical tab.
fn plain(json: &[u8]) -> Vec<u8> {
    let (mut plain, mut escaped) = (Vec::with_capacity(json.len()), false);
    for &byte in json {
        match (escaped, byte) {
            (true, b'$') => {
                plain.pop();
                plain.push(b'$');
            }
            (true, b'v') => plain.extend_from_slice(b"u000b"),
            _ => plain.push(byte),
        }
        escaped = byte == b'\\' && !escaped;
    }
    plain
}

fn bytes(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn invalid(why: &str) -> S3Error {
    s3_error!(InvalidPolicyDocument, "Invalid Policy: {why}.")
}

#[cfg(test)]
mod tests;
