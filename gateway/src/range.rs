//! Which bytes of an object a read asks for.

use std::ops::Range;

use model::Parts;

/// What a `Range` header asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// `a-b`, both included; `a-` has no end.
    From { first: u64, last: Option<u64> },
    /// `-n`: the last n bytes.
    Last(u64),
}

/// Asked for bytes that the object does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unsatisfiable;

/// The bytes of a body of `size` that are asked for: never none, as RFC 9110 asks.
pub(crate) fn satisfy(asked: Asked, size: u64) -> Result<Range<u64>, Unsatisfiable> {
    let range = match asked {
        Asked::From { first, last } => {
            first..last.map_or(size, |last| last.saturating_add(1).min(size))
        }
        Asked::Last(length) => size.saturating_sub(length)..size,
    };
    if range.is_empty() { Err(Unsatisfiable) } else { Ok(range) }
}

/// The bytes that a copy's range names, which must give both ends: `bytes=a-b`, both included.
pub(crate) fn exact(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parse = |text: &str| Some(text).filter(|t| digits(t)).and_then(|t| t.parse::<u64>().ok());
    let (first, end) = (parse(first)?, parse(last)?.checked_add(1)?);
    (first < end).then_some(first..end)
}

/// The bytes of one part, counted from 1. An object that was uploaded whole is its only part.
pub(crate) fn part(parts: &Parts, size: u64, number: u32) -> Option<Range<u64>> {
    let before = usize::try_from(number).ok()?.checked_sub(1)?;
    match parts {
        Parts::Whole => (before == 0).then_some(0..size),
        Parts::Listed(parts) => {
            let length = parts.get(before)?.size;
            let start: u64 = parts[..before].iter().map(|part| part.size).sum();
            Some(start..start + length)
        }
    }
}

/// `Content-Range` of an answer with some of the bytes.
pub(crate) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use model::Part;
    use proptest::prelude::*;

    use super::*;

    fn from(first: u64, last: Option<u64>) -> Asked {
        Asked::From { first, last }
    }

    #[test]
    fn every_form_of_a_range_is_cut_to_the_body() {
        assert_eq!(satisfy(from(0, Some(0)), 10), Ok(0..1));
        assert_eq!(satisfy(from(2, Some(5)), 10), Ok(2..6));
        assert_eq!(satisfy(from(2, Some(99)), 10), Ok(2..10));
        assert_eq!(satisfy(from(2, Some(u64::MAX)), 10), Ok(2..10));
        assert_eq!(satisfy(from(9, None), 10), Ok(9..10));
        assert_eq!(satisfy(Asked::Last(3), 10), Ok(7..10));
        assert_eq!(satisfy(Asked::Last(99), 10), Ok(0..10));
    }

    #[test]
    fn the_range_of_a_copy_has_both_ends() {
        assert_eq!(exact("bytes=0-0"), Some(0..1));
        assert_eq!(exact("bytes=5-9"), Some(5..10));
        for bad in ["0-1", "bytes=1-", "bytes=-1", "bytes=2-1", "bytes=+1-2", "bytes=1-2,4-5"] {
            assert_eq!(exact(bad), None, "{bad}");
        }
        assert_eq!(exact(&format!("bytes=0-{}", u64::MAX)), None);
    }

    #[test]
    fn a_range_without_bytes_is_unsatisfiable() {
        for asked in [from(10, None), from(10, Some(20)), Asked::Last(0)] {
            assert_eq!(satisfy(asked, 10), Err(Unsatisfiable), "{asked:?}");
        }
        for asked in [from(0, None), from(0, Some(0)), Asked::Last(1)] {
            assert_eq!(satisfy(asked, 0), Err(Unsatisfiable), "{asked:?}");
        }
    }

    #[test]
    fn parts_are_counted_from_one() {
        let listed = Parts::Listed([5, 3].map(|size| Part { size, md5: [0; 16] }).to_vec());
        assert_eq!(part(&listed, 8, 1), Some(0..5));
        assert_eq!(part(&listed, 8, 2), Some(5..8));
        assert_eq!(part(&listed, 8, 3), None);
        assert_eq!(part(&listed, 8, 0), None);
        assert_eq!(part(&Parts::Whole, 8, 1), Some(0..8));
        assert_eq!(part(&Parts::Whole, 8, 2), None);
    }

    #[test]
    fn content_range_counts_the_last_byte_in() {
        assert_eq!(content_range(&(2..6), 10), "bytes 2-5/10");
    }

    proptest! {
        #[test]
        fn any_range_lies_within_the_body(first: u64, last: Option<u64>, size: u64) {
            for asked in [from(first, last), Asked::Last(first)] {
                if let Ok(range) = satisfy(asked, size) {
                    prop_assert!(range.start < range.end && range.end <= size);
                }
            }
        }

        #[test]
        fn any_range_of_a_copy_has_bytes_or_is_none(text: String, digits in "[0-9-]{0,45}") {
            for text in [text, format!("bytes={digits}")] {
                prop_assert!(exact(&text).is_none_or(|range| !range.is_empty()));
            }
        }

        #[test]
        fn any_part_lies_within_the_body(
            sizes in proptest::collection::vec(0..1_000_u64, 0..5),
            number: u32,
        ) {
            let size = sizes.iter().sum();
            let parts = sizes.into_iter().map(|size| Part { size, md5: [0; 16] }).collect();
            let listed = Parts::Listed(parts);
            for number in [number, number % 7] {
                let part = part(&listed, size, number);
                prop_assert!(part.is_none_or(|part| part.start <= part.end && part.end <= size));
            }
        }
    }
}
