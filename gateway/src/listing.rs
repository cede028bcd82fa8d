//! The parts of listings that are pure: tokens, limits, encoded names.

use store::ListCursor;

/// Entries of a page, unless the client asks for fewer. S3 gives no more either.
pub(crate) const PAGE_MAX: usize = 1_000;

/// How many entries a page may have; `None` if the client asks for a negative number.
pub(crate) fn page(max_keys: Option<i32>) -> Option<usize> {
    max_keys.map_or(Some(PAGE_MAX), |asked| {
        usize::try_from(asked).ok().map(|asked| asked.min(PAGE_MAX))
    })
}

/// The opaque form of a place in a listing.
pub(crate) fn token(cursor: &ListCursor) -> String {
    let (kind, text) = match cursor {
        ListCursor::Key(text) => ('k', text),
        ListCursor::Prefix(text) => ('p', text),
    };
    let mut token = String::with_capacity(1 + 2 * text.len());
    token.push(kind);
    token.push_str(&hex::encode(text));
    token
}

/// Inverse of [`token`].
pub(crate) fn parse_token(token: &str) -> Option<ListCursor> {
    let cursor = match token.as_bytes().first()? {
        b'k' => ListCursor::Key,
        b'p' => ListCursor::Prefix,
        _ => return None,
    };
    let text = hex::decode(&token[1..]).ok()?;
    String::from_utf8(text).ok().map(cursor)
}

/// Where a listing by `marker` goes on. A marker that is a common prefix stands behind all its
/// keys, because that is what a page that ends with one gives as the next marker.
pub(crate) fn after_marker(marker: String, prefix: &str, delimiter: Option<&str>) -> ListCursor {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
    let rest = marker.strip_prefix(prefix);
    let ends_common_prefix = match (rest, delimiter) {
        (Some(rest), Some(delimiter)) => {
            rest.find(delimiter).is_some_and(|at| at + delimiter.len() == rest.len())
        }
        _ => false,
    };
    if ends_common_prefix { ListCursor::Prefix(marker) } else { ListCursor::Key(marker) }
}

/// Percent-encodes a name for `encoding-type=url`; slashes stay, as S3 leaves them.
pub(crate) fn url_encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_have_at_most_a_thousand_entries() {
        assert_eq!(page(None), Some(1_000));
        assert_eq!(page(Some(0)), Some(0));
        assert_eq!(page(Some(7)), Some(7));
        assert_eq!(page(Some(5_000)), Some(1_000));
        assert_eq!(page(Some(-1)), None);
    }

    #[test]
    fn tokens_of_others_are_refused() {
        for bad in ["", "k0", "x00", "kzz", "kff", "ß"] {
            assert_eq!(parse_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn marker_that_is_a_common_prefix_stands_behind_it() {
        let after =
            |marker: &str, prefix, delimiter| after_marker(marker.to_owned(), prefix, delimiter);
        let key = |text: &str| ListCursor::Key(text.to_owned());
        assert_eq!(after("a/", "", Some("/")), ListCursor::Prefix("a/".to_owned()));
        assert_eq!(after("a/b/", "a/", Some("/")), ListCursor::Prefix("a/b/".to_owned()));
        assert_eq!(after("a/", "", None), key("a/"));
        assert_eq!(after("a/", "", Some("")), key("a/"));
        assert_eq!(after("a/b", "", Some("/")), key("a/b"));
        assert_eq!(after("a/b/", "", Some("/")), key("a/b/"));
        assert_eq!(after("z/", "a", Some("/")), key("z/"));
    }

    #[test]
    fn names_are_encoded_byte_by_byte() {
        assert_eq!(url_encode("a/b c+d%\u{1}ü"), "a/b%20c%2Bd%25%01%C3%BC");
    }

    proptest! {
        #[test]
        fn token_survives_its_text(text: String, prefix: bool) {
            let cursor = if prefix { ListCursor::Prefix(text) } else { ListCursor::Key(text) };
            prop_assert_eq!(parse_token(&token(&cursor)), Some(cursor));
        }
    }
}
