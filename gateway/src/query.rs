//! The query of a URL, and what has its form.

use http::Uri;

/// The first parameter of this name, if there is one: read as the operation itself will read it, wrong
/// escapes included, so that nothing else is judged than what is done. (Of two, s3s takes neither.)
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
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
    use super::*;

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
    }
}
