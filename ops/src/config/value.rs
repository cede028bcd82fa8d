//! Values that people write with a unit, and values that must not be shown.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

/// A value that no log, message or dump shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The value, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// By hand, because serde's own error for another type shows the value.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer);
        text.map(Self).map_err(|_| D::Error::custom("must be a text in quotes"))
    }
}

/// `"64KiB"`, `"1MiB"`, `"2GiB"` or `"512B"`.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    with_unit(&text, &units)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no size; write it like \"64KiB\"")))
}

/// As [`bytes`], for a key that may be left out.
pub(super) fn some_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    bytes(deserializer).map(Some)
}

/// `"6h"`, `"15m"`, `"30s"` or `"500ms"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no duration; write it like \"30s\"")))
}

/// As [`duration`]; `"off"` and `"0s"` are `None`: never by itself.
pub(super) fn interval<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    let interval = parse_duration(&text).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no interval; write it like \"6h\", or \"off\""))
    })?;
    Ok((!interval.is_zero()).then_some(interval))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    with_unit(text, &units).map(Duration::from_millis)
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor)
    })
}
