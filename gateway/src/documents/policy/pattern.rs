//! Patterns of policies: `*` stands for any text, `?` for one character.

use std::{borrow::Cow, fmt};

/// The values of a condition key, if a request has it.
pub(super) type Circumstance<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// What a policy names of a resource, without the beginning that all have, or wants of a condition key.
///
/// `${KEY}` stands for the value of a condition key, and `${KEY, 'DEFAULT'}` for the default where the
/// request has no such key; `${*}`, `${?}` and `${$}` stand for the character itself. A variable without
/// a value matches nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    text: String,
    variable: bool,
}

impl Pattern {
    /// Policies of the older version of the language have no `variables`.
    pub(super) fn new(text: &str, variables: bool) -> Self {
        Self { text: text.to_owned(), variable: variables && text.contains("${") }
    }

    /// As it stands in the policy.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether anything of a bucket could be meant.
    pub(super) fn is_of(&self, bucket: &str) -> bool {
        let of = self.text.split_once('/').map_or(self.text.as_str(), |(bucket, _)| bucket);
        matches(of, bucket)
    }

    pub(super) fn matches(&self, text: &str, circumstance: Circumstance<'_>) -> bool {
        if !self.variable {
            return matches(&self.text, text);
        }
        expand(&self.text, circumstance).is_some_and(|pattern| wildcard(&pattern, text))
    }

    /// The text that is meant where no wildcards are. `None`: a variable has no value.
    pub(super) fn literal(&self, circumstance: Circumstance<'_>) -> Option<Cow<'_, str>> {
        if !self.variable {
            return Some(Cow::Borrowed(&self.text));
        }
        let character = |piece| match piece {
            Piece::One(c) => c,
            Piece::AnyOne => '?',
            Piece::AnyText => '*',
        };
        let pieces = expand(&self.text, circumstance)?;
        Some(Cow::Owned(pieces.into_iter().map(character).collect()))
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
fn expand(text: &str, circumstance: Circumstance<'_>) -> Option<Vec<Piece>> {
    let mut expanded = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        expanded.extend(pieces(before));
        let (name, behind) = behind.split_once('}')?;
        match name {
            "*" | "?" | "$" => expanded.extend(name.chars().map(Piece::One)),
            _ => expanded.extend(variable(name, circumstance)?.chars().map(Piece::One)),
        }
        rest = behind;
    }
    expanded.extend(pieces(rest));
    Some(expanded)
}

/// `KEY`, or `KEY, 'DEFAULT'`. A key with several values has none that could stand in a text.
fn variable(text: &str, circumstance: Circumstance<'_>) -> Option<String> {
    let (key, default) = text.split_once(',').map_or((text, None), |(k, rest)| (k, Some(rest)));
    let values = circumstance(&canonical(key.trim())).unwrap_or_default();
    match <[String; 1]>::try_from(values) {
        Ok([value]) => Some(value),
        Err(_) => {
            let default = default?.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            Some(default.to_owned())
        }
    }
}

/// Condition keys have no case; the key of a tag, behind the slash, has.
pub(super) fn canonical(key: &str) -> String {
    match key.split_once('/') {
        None => key.to_ascii_lowercase(),
        Some((name, tag)) => format!("{}/{tag}", name.to_ascii_lowercase()),
    }
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
        let known = |key: &str| match key {
            "aws:username" => Some(vec!["ma*n".to_owned()]),
            "s3:existingobjecttag/Team" => Some(vec!["red".to_owned()]),
            "s3:requestobjecttagkeys" => Some(vec!["a".to_owned(), "b".to_owned()]),
            _ => None,
        };
        let matches = |pattern: &str, text| Pattern::new(pattern, true).matches(text, &known);
        assert!(matches("home/${aws:UserName}/*", "home/ma*n/a"));
        assert!(!matches("home/${aws:username}/*", "home/alt/a"));
        assert!(!matches("home/${aws:username}/*", "home/main/a"), "a value has no wildcards");
        assert!(matches("${s3:ExistingObjectTag/Team}", "red"));
        assert!(matches("${*}${?}${$}", "*?$") && !matches("${*}", "a"));
        assert!(
            matches("${aws:userid, 'all'}/?", "all/1") && matches("${aws:username,'all'}", "ma*n")
        );
        for none in ["${aws:PrincipalTag/team}", "${open", "${s3:RequestObjectTagKeys}", "${a, b}"]
        {
            assert!(!matches(none, "") && !matches(none, none), "{none}");
        }
        let literal = |pattern| Pattern::new(pattern, true).literal(&known).map(Cow::into_owned);
        assert_eq!(literal("*${aws:username}?").as_deref(), Some("*ma*n?"));
        assert_eq!((literal("${aws:userid}"), literal("a").as_deref()), (None, Some("a")));
        let older = Pattern::new("${aws:username}", false);
        assert!(older.matches("${aws:username}", &known) && !older.matches("ma*n", &known));
    }

    #[test]
    fn a_resource_is_of_a_bucket_if_it_could_name_anything_there() {
        for of in ["photos", "photos/*", "*", "ph*/a", "photo?/*"] {
            assert!(Pattern::new(of, true).is_of("photos"), "{of}");
        }
        for other in ["music", "music/*", "photos2/*", "photo/photos"] {
            assert!(!Pattern::new(other, true).is_of("photos"), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[ab*?]{0,20}", text in "[ab]{0,20}") {
            let _matches = matches(&pattern, &text);
            assert!(matches("*", &text));
            assert!(matches(&text, &text));
        }

        #[test]
        fn any_variable_ends(pattern in "[a${},'*? /é]{0,30}", text in "[a$é]{0,10}") {
            let pattern = Pattern::new(&pattern, true);
            let echo = |key: &str| (key.len() < 3).then(|| vec![key.to_owned()]);
            let _matches = pattern.matches(&text, &echo);
            let _literal = pattern.literal(&echo);
        }
    }
}
