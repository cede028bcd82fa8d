//! Text within XML that is not written by s3s.

use std::borrow::Cow;

/// Escapes text for an element. Characters that XML 1.0 cannot have at all are written as
/// references, as S3 does.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let special = |letter: char| letter < ' ' || "<>&\"'".contains(letter);
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            control if control < ' ' => escaped.push_str(&format!("&#x{:x};", u32::from(control))),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_have_is_escaped() {
        assert!(matches!(escape("a b/ü"), Cow::Borrowed("a b/ü")));
        assert_eq!(escape("<a&\"b'>\n"), "&lt;a&amp;&quot;b&apos;&gt;&#xa;");
    }
}
