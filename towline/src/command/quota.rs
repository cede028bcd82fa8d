//! Quotas, as people write and read them.

use gateway::admin::{ChangeQuota, QuotaShown};
use indicatif::BinaryBytes;

/// What to set of a quota; what is not named stays.
#[derive(Clone, Copy, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct QuotaArgs {
    /// Bytes of all versions, as in `500GiB`; `off` takes the limit away.
    #[arg(long, value_name = "SIZE|off", value_parser = bytes)]
    bytes: Option<Limit>,
    /// Versions of objects, each of which counts as one; `off` takes the limit away.
    #[arg(long, value_name = "COUNT|off", value_parser = objects)]
    objects: Option<Limit>,
}

/// `None`: off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Limit(Option<u64>);

impl QuotaArgs {
    pub(super) fn change(self) -> ChangeQuota {
        let limit = |given: Option<Limit>| given.map(|Limit(most)| most);
        ChangeQuota { bytes: limit(self.bytes), objects: limit(self.objects) }
    }
}

/// A quota in words.
pub(super) fn quota_text(QuotaShown { bytes, objects }: &QuotaShown) -> String {
    let bytes = bytes.map(|most| BinaryBytes(most).to_string());
    let objects = objects.map(|most| format!("{most} objects"));
    let limits: Vec<String> = bytes.into_iter().chain(objects).collect();
    if limits.is_empty() { "no quota".to_owned() } else { limits.join(", ") }
}

fn bytes(text: &str) -> Result<Limit, String> {
    let units = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("PiB", 1 << 50),
        ("B", 1),
    ];
    let size = units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor)
    });
    limit(text, size, "no size; write it like `500GiB`, or `off`")
}

fn objects(text: &str) -> Result<Limit, String> {
    limit(text, text.parse().ok(), "no count; write it like `1000`, or `off`")
}

fn limit(text: &str, most: Option<u64>, otherwise: &str) -> Result<Limit, String> {
    match most {
        _ if text == "off" => Ok(Limit(None)),
        None => Err(otherwise.to_owned()),
        most => Ok(Limit(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_with_a_unit_and_read_the_same() {
        assert_eq!(bytes("500GiB"), Ok(Limit(Some(500 << 30))));
        assert_eq!(bytes("7B"), Ok(Limit(Some(7))));
        assert_eq!(bytes("off"), Ok(Limit(None)));
        assert_eq!(objects("1000"), Ok(Limit(Some(1000))));
        assert_eq!(objects("off"), Ok(Limit(None)));
        for bad in ["", "7", "-1B", "1XiB", "99999999999PiB"] {
            assert!(bytes(bad).is_err_and(|why| why.contains("`500GiB`")), "{bad}");
        }
        for bad in ["", "1k", "-1"] {
            assert!(objects(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_quota_is_told_in_words() {
        let quota = QuotaShown { bytes: Some(3 << 29), objects: Some(7) };
        assert_eq!(quota_text(&quota), "1.50 GiB, 7 objects");
        assert_eq!(quota_text(&QuotaShown::default()), "no quota");
    }
}
