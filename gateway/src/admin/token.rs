//! Who may use the API: whoever sends the token.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::error::ApiError;

/// The token of a site, if it has one.
pub(super) struct Token(Option<String>);

impl Token {
    pub(super) fn new(token: Option<String>) -> Self {
        Self(token)
    }

    /// Lets a request through that carries the token.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.0 else {
            return Err(ApiError::no_token());
        };
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.split_once(' '));
        let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // In constant time: how long it takes tells nothing of how much of it was right.
        let same = |sent: &str| bool::from(sent.trim().as_bytes().ct_eq(token.as_bytes()));
        match sent {
            Some((_, sent)) if same(sent) => Ok(()),
            _ => Err(ApiError::unauthorized()),
        }
    }
}
