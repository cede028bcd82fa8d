//! The query of a URL, and what has its form.

use std::borrow::Cow;

use http::Uri;
use memchr::{memchr, memchr2};

/// A parameter as it stands in a query. Its parts are read as the operation itself will read them, wrong
/// escapes included, so that nothing else is judged than what is done.
#[derive(Clone, Copy)]
pub(crate) struct Parameter<'u>(&'u str);

impl<'u> Parameter<'u> {
    pub(crate) fn name(self) -> Cow<'u, str> {
        let end = memchr(b'=', self.0.as_bytes()).unwrap_or(self.0.len());
        let name = self.0.get(..end).unwrap_or_default();
        // Every request is looked through more than once, and hardly a name has escapes.
        if memchr2(b'%', b'+', name.as_bytes()).is_none() {
            return Cow::Borrowed(name);
        }
        self.decode().map(|(name, _)| name).unwrap_or_default()
    }

    pub(crate) fn value(self) -> Cow<'u, str> {
        self.decode().map(|(_, value)| value).unwrap_or_default()
    }

    fn decode(self) -> Option<(Cow<'u, str>, Cow<'u, str>)> {
        form_urlencoded::parse(self.0.as_bytes()).next()
    }
}

/// The parameters of a query, in order.
pub(crate) fn parameters(uri: &Uri) -> impl Iterator<Item = Parameter<'_>> {
    let mut rest = uri.query().unwrap_or_default();
    let pieces = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind.strip_prefix('&').unwrap_or_default();
        Some(piece)
    });
    pieces.filter(|piece| !piece.is_empty()).map(Parameter)
}

/// The first parameter of this name, if there is one. (Of two, s3s takes neither.)
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let found = parameters(uri).find(|parameter| parameter.name() == name);
    found.map(|parameter| parameter.value().into_owned())
}

/// A piece of a path, where a plus is one. `None`: its escapes are wrong.
pub(crate) fn decoded_path(text: &str) -> Option<String> {
    decoded(&text.replace('+', "%2B"))
}

/// A piece of what has the form of a query. `None`: its escapes are wrong.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                decoded[0]
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_query_is_read_as_the_operations_read_it(query in "[a-c=&%2+é]{0,24}") {
            let Ok(uri) = format!("/photos?{query}").parse::<Uri>() else { return Ok(()) };
            let theirs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
            let ours = parameters(&uri).map(|one| (one.name(), one.value()));
            prop_assert!(ours.eq(theirs));
        }
    }

    #[test]
    fn parameters_are_found_by_name_and_decoded() {
        let uri = Uri::from_static("/photos?list-type=2&prefix=a%2Fb+c&acl&bad=%zz");
        let found = |name| parameter(&uri, name);
        assert_eq!(found("prefix").as_deref(), Some("a/b c"));
        assert_eq!(found("acl").as_deref(), Some(""));
        assert_eq!(found("bad").as_deref(), Some("%zz"));
        assert_eq!(found("delimiter"), None);
        assert_eq!(parameter(&Uri::from_static("/photos"), "acl"), None);
        assert_eq!((decoded("%2"), decoded("%ff")), (None, None));
        let both = |text| (decoded(text), decoded_path(text));
        assert_eq!(both("a+%2B"), (Some("a +".to_owned()), Some("a++".to_owned())));
    }
}
