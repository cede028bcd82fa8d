//! The two halves of a key pair in the clear, as they are only until the secret is sealed.

use std::fmt;

use rand::{Rng, distr::Alphanumeric};

use crate::errors::UserError;

/// What the public half is drawn from: no two characters that people take for each other, with 100
/// bits in 20 of them.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// As long as those of AWS, which clients and people expect.
const ID_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 40;

/// A key pair that was just made or brought along. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    id: String,
    secret: String,
}

impl KeyPair {
    /// Draws a new one.
    #[must_use]
    pub fn draw() -> Self {
        let mut random = rand::rng();
        let letter = |at: usize| char::from(ID_ALPHABET[at]);
        let id = (0..ID_LENGTH).map(|_| letter(random.random_range(0..ID_ALPHABET.len())));
        let id = id.collect();
        let secret = random.sample_iter(Alphanumeric).take(SECRET_LENGTH).map(char::from).collect();
        Self { id, secret }
    }

    /// One that exists, of somebody who comes from elsewhere.
    ///
    /// # Errors
    /// `BadKey` if no client could sign with it.
    pub fn given(id: String, secret: String) -> Result<Self, UserError> {
        let in_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if !(3..=128).contains(&id.len()) || !id.bytes().all(in_id) {
            return Err(UserError::BadKey(
                "the access key must be 3 to 128 characters of A-Z, a-z, 0-9, ., - and _",
            ));
        }
        if !(8..=128).contains(&secret.len()) || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UserError::BadKey(
                "the secret key must be 8 to 128 visible characters of ASCII",
            ));
        }
        Ok(Self { id, secret })
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret half, to be shown once.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, ***)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_pair_looks_as_clients_expect_and_is_never_the_same() {
        let (one, other) = (KeyPair::draw(), KeyPair::draw());
        assert_ne!(one, other);
        assert!(one.id().len() == 20 && one.id().bytes().all(|b| ID_ALPHABET.contains(&b)));
        assert!(
            one.secret().len() == 40 && one.secret().bytes().all(|b| b.is_ascii_alphanumeric())
        );
        assert_eq!(format!("{one:?}"), format!("KeyPair({}, ***)", one.id()));
        assert!(KeyPair::given(one.id.clone(), one.secret.clone()).is_ok());
    }

    #[test]
    fn a_pair_that_nobody_could_sign_with_is_refused() {
        let given = |id: &str, secret: &str| KeyPair::given(id.to_owned(), secret.to_owned());
        assert!(given("minio.admin-1", "p4ss/w+rd=!").is_ok());
        for (id, secret) in
            [("ab", "12345678"), ("a/b", "12345678"), ("abc", "1234567"), ("abc", "1234 5678")]
        {
            assert!(matches!(given(id, secret), Err(UserError::BadKey(_))), "{id} {secret}");
        }
    }
}
