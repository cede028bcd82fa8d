//! Patterns of policies: `*` stands for any text, `?` for one character.

use std::fmt;

/// What a policy names of a resource, without the beginning that all have.
///
/// `${aws:username}` and `${aws:userid}` stand for the user's id, `${*}`, `${?}` and `${$}` for the
/// character itself; any other variable has no value here, and matches nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    text: String,
    variable: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), variable: text.contains("${") }
    }

    /// Whether anything of a bucket could be meant.
    pub(super) fn is_of(&self, bucket: &str) -> bool {
        let of = self.text.split_once('/').map_or(self.text.as_str(), |(bucket, _)| bucket);
        matches(of, bucket)
    }

    pub(super) fn matches(&self, resource: &str, user: &str) -> bool {
        if !self.variable {
            return matches(&self.text, resource);
        }
        expand(&self.text, user).is_some_and(|pattern| wildcard(&pattern, resource))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    One(char),
    AnyOne,
    AnyText,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece> + '_ {
    text.chars().map(|c| match c {
        '*' => Piece::AnyText,
        '?' => Piece::AnyOne,
        c => Piece::One(c),
    })
}

pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return pattern == text;
    }
    wildcard(&pieces(pattern).collect::<Vec<_>>(), text)
}

/// As [`matches`], for names whose letters have no case.
pub(super) fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// `None`: it has a variable without a value.
fn expand(text: &str, user: &str) -> Option<Vec<Piece>> {
    let mut expanded = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        expanded.extend(pieces(before));
        let (name, behind) = behind.split_once('}')?;
        match name.to_ascii_lowercase().as_str() {
            "aws:username" | "aws:userid" => expanded.extend(user.chars().map(Piece::One)),
            "*" => expanded.push(Piece::One('*')),
            "?" => expanded.push(Piece::One('?')),
            "$" => expanded.push(Piece::One('$')),
            _ => return None,
        }
        rest = behind;
    }
    expanded.extend(pieces(rest));
    Some(expanded)
}

/// In time of pattern times text at most: only the last `*` is ever tried again.
fn wildcard(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut piece) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(piece) {
            Some(Piece::AnyText) => {
                again = Some((piece + 1, at));
                piece += 1;
            }
            Some(Piece::AnyOne) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::One(c)) if *c == text[at] => (piece, at) = (piece + 1, at + 1),
            _ => {
                let Some((behind, from)) = again else { return false };
                again = Some((behind, from + 1));
                (piece, at) = (behind, from + 1);
            }
        }
    }
    pattern[piece..].iter().all(|piece| *piece == Piece::AnyText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_a_question_mark_for_one_character() {
        for (pattern, text) in [
            ("*", ""),
            ("a*", "a"),
            ("*/b?c*", "x/y/büc"),
            ("a**b", "ab"),
            ("a*b*c", "aXbYbZc"),
            ("photos/*", "photos/"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a?", "a"), ("a*b", "abc"), ("photos/*", "photos"), ("A", "a"), ("?", "")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(matches_ignoring_case("s3:get*", "s3:GetObject"));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let (pattern, text) = ("*a".repeat(2_000), "a".repeat(1_999) + "b");
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn variables_stand_for_the_user_and_for_characters() {
        let matches = |pattern: &str, text| Pattern::new(pattern).matches(text, "main");
        assert!(matches("home/${aws:username}/*", "home/main/a"));
        assert!(!matches("home/${aws:username}/*", "home/alt/a"));
        assert!(matches("${*}${?}${$}", "*?$") && !matches("${*}", "a"));
        assert!(!matches("${aws:PrincipalTag/team}", "") && !matches("${open", "${open"));
    }

    #[test]
    fn a_resource_is_of_a_bucket_if_it_could_name_anything_there() {
        for of in ["photos", "photos/*", "*", "ph*/a", "photo?/*"] {
            assert!(Pattern::new(of).is_of("photos"), "{of}");
        }
        for other in ["music", "music/*", "photos2/*", "photo/photos"] {
            assert!(!Pattern::new(other).is_of("photos"), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[ab*?]{0,20}", text in "[ab]{0,20}") {
            let _matches = matches(&pattern, &text);
            assert!(matches("*", &text));
            assert!(matches(&text, &text));
        }
    }
}
