//! Class keys: what leaves a site is sealed under one of them.

use std::{collections::BTreeMap, fmt, path::Path};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::error::CodecError;

/// Keys by id. The first of a file seals; all open.
#[derive(Clone)]
pub struct Keys {
    active: String,
    ciphers: BTreeMap<String, XChaCha20Poly1305>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.ciphers.keys().collect::<Vec<_>>())
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("key file `{path}`")]
    Read {
        path: String,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "key file `{path}`, line {line}: expected `name:` and 64 hexadecimal digits; `towline \
         certs` makes a key file"
    )]
    Line { path: String, line: usize },
    #[error("key file `{path}` holds no key; `towline certs` makes a key file")]
    Empty { path: String },
}

impl Keys {
    /// Reads a key file: a line for each key, `name:64 hexadecimal digits`; `#` begins a comment.
    ///
    /// # Errors
    /// If the file cannot be read or a line is wrong. Key bytes are never shown.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path).map_err(|cause| KeysError::Read {
            path: path.display().to_string(),
            cause,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a key file; `path` is for messages.
    ///
    /// # Errors
    /// If a line is wrong or there is no key.
    pub fn parse(text: &str, path: &str) -> Result<Self, KeysError> {
        let mut active = None;
        let mut ciphers = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = || KeysError::Line {
                path: path.to_owned(),
                line: number + 1,
            };
            let (id, digits) = line.split_once(':').ok_or_else(wrong)?;
            let mut key = [0; 32];
            hex::decode_to_slice(digits.trim(), &mut key).map_err(|_| wrong())?;
            let id = id.trim().to_owned();
            active.get_or_insert_with(|| id.clone());
            ciphers.insert(id, XChaCha20Poly1305::new(&key.into()));
        }
        let active = active.ok_or_else(|| KeysError::Empty {
            path: path.to_owned(),
        })?;
        Ok(Self { active, ciphers })
    }

    pub(crate) fn active(&self) -> &str {
        &self.active
    }

    pub(crate) fn seal(&self, nonce: &[u8; 24], plain: &[u8], clear: &[u8]) -> Vec<u8> {
        let cipher = self
            .ciphers
            .get(&self.active)
            .expect("the active key is one of the keys");
        let payload = Payload {
            msg: plain,
            aad: clear,
        };
        cipher
            .encrypt(XNonce::from_slice(nonce), payload)
            .expect("an event is far below the cipher's limit")
    }

    pub(crate) fn open(
        &self,
        key_id: &str,
        nonce: &[u8; 24],
        sealed: &[u8],
        clear: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let Some(cipher) = self.ciphers.get(key_id) else {
            return Err(CodecError::NoKey {
                key_id: key_id.to_owned(),
            });
        };
        let payload = Payload {
            msg: sealed,
            aad: clear,
        };
        cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| CodecError::Sealed {
                key_id: key_id.to_owned(),
            })
    }
}
