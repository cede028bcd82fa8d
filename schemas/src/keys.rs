//! Keys out of a file: what leaves a site is sealed under a class key, and what rests at one under its own.
//!
//! Key bytes are never shown, neither by `Debug` nor in an error.

use std::{collections::BTreeMap, fmt, path::Path};

use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305, XNonce};
use model::{Digest, Hasher, SealedSecret};

use crate::error::CodecError;

/// Bytes of a nonce: enough that random ones never meet under one key.
pub(crate) const NONCE_BYTES: usize = 24;
/// Bytes by which sealing makes a change longer.
pub(crate) const TAG_BYTES: usize = 16;

/// Keys by id. The first of a file seals; all open.
#[derive(Clone)]
pub struct Keys {
    /// In the order of the file; at least one.
    ids: Vec<String>,
    ciphers: BTreeMap<String, Cipher>,
    /// Of id and key: two sites compare them without telling a key.
    fingerprints: Vec<Digest>,
}

/// What seals and opens under one key.
#[derive(Clone)]
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// Seals bytes in place; they grow by [`TAG_BYTES`].
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], bytes: &mut Vec<u8>) {
        self.0
            .encrypt_in_place(XNonce::from_slice(nonce), associated, bytes)
            .expect("a change is far below the 256 GiB that the cipher takes");
    }

    /// Opens bytes in place, which shrink by [`TAG_BYTES`]; `None`: wrong key, or they were changed.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Option<()> {
        self.0.decrypt_in_place(XNonce::from_slice(nonce), associated, bytes).ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.ciphers.keys().collect::<Vec<_>>())
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("read key file `{path}`")]
    Read {
        path: String,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "key file `{path}`, line {line}: expected `id:` and 64 hexadecimal digits, the id 1 to 64 \
         characters of A-Z, a-z, 0-9, ., - and _; `towline certs` makes a key file"
    )]
    Line { path: String, line: usize },
    #[error("key file `{path}`, line {line}: key `{id}` stands on an earlier line already")]
    Twice { path: String, line: usize, id: String },
    #[error("key file `{path}` holds no key; `towline certs` makes a key file")]
    Empty { path: String },
    #[error(
        "key `{id}` of `keys.site_file` is another than that of the same name in `keys.file`: give it \
         a name of its own"
    )]
    OfBoth { id: String },
}

impl Keys {
    /// Reads a key file: a line for each key, `id:64 hexadecimal digits`; `#` begins a comment.
    ///
    /// # Errors
    /// If the file cannot be read, a line is wrong, or there is no key.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| KeysError::Read { path: path.display().to_string(), cause })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a key file; `path` is for messages.
    ///
    /// # Errors
    /// If a line is wrong, an id stands twice, or there is no key.
    pub fn parse(text: &str, path: &str) -> Result<Self, KeysError> {
        let path = || path.to_owned();
        let (mut ids, mut ciphers, mut fingerprints) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let (id, key) =
                parse_key(content).ok_or_else(|| KeysError::Line { path: path(), line })?;
            ids.push(id.to_owned());
            fingerprints.push(fingerprint(id, &key));
            let cipher = Cipher(XChaCha20Poly1305::new(&key.into()));
            if ciphers.insert(id.to_owned(), cipher).is_some() {
                let (path, id) = (path(), id.to_owned());
                return Err(KeysError::Twice { path, line, id });
            }
        }
        if ids.is_empty() {
            return Err(KeysError::Empty { path: path() });
        }
        Ok(Self { ids, ciphers, fingerprints })
    }

    /// Seals the secret half of a key pair under the active key. `id` names the pair: under
    /// another name the secret does not open.
    pub(crate) fn seal_secret(&self, id: &str, secret: &str) -> SealedSecret {
        let nonce = rand::Rng::random(&mut rand::rng());
        let mut sealed = secret.as_bytes().to_vec();
        self.seal(&nonce, id.as_bytes(), &mut sealed);
        SealedSecret { key_id: self.active().to_owned(), nonce, sealed: sealed.into() }
    }

    /// Opens the secret half of the key pair `id`.
    pub(crate) fn open_secret(
        &self,
        id: &str,
        secret: &SealedSecret,
    ) -> Result<String, CodecError> {
        let SealedSecret { key_id, nonce, sealed } = secret;
        let mut text = sealed.to_vec();
        self.open(key_id, nonce, id.as_bytes(), &mut text)?;
        String::from_utf8(text).map_err(|_| CodecError::Sealed { key_id: key_id.clone() })
    }

    /// What stands for each key where it must not be told.
    pub(crate) fn fingerprints(&self) -> &[Digest] {
        &self.fingerprints
    }

    /// Id of the key that seals.
    pub(crate) fn active(&self) -> &str {
        &self.ids[0]
    }

    /// In the order of the file.
    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The first key that is another than that of the same name among others.
    pub(crate) fn differs_from(&self, others: &Self) -> Option<&str> {
        let differs = |(id, fingerprint): &(&String, &Digest)| {
            others.ciphers.contains_key(*id) && !others.fingerprints.contains(fingerprint)
        };
        self.ids.iter().zip(&self.fingerprints).find(differs).map(|(id, _)| id.as_str())
    }

    pub(crate) fn cipher(&self, id: &str) -> Option<&Cipher> {
        self.ciphers.get(id)
    }

    pub(crate) fn active_cipher(&self) -> &Cipher {
        self.cipher(self.active()).expect("the active key is one of the keys")
    }

    /// Seals `change` in place under the active key; it grows by [`TAG_BYTES`].
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], change: &mut Vec<u8>) {
        self.active_cipher().seal(nonce, associated, change);
    }

    /// Opens `sealed` in place; it shrinks by [`TAG_BYTES`].
    pub(crate) fn open(
        &self,
        key_id: &str,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let (cipher, key_id) = (self.cipher(key_id), || key_id.to_owned());
        cipher
            .ok_or_else(|| CodecError::NoKey { key_id: key_id() })?
            .open(nonce, associated, sealed)
            .ok_or_else(|| CodecError::Sealed { key_id: key_id() })
    }
}

/// Whether this can be the id of a key.
pub(crate) fn is_key_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

/// Nothing can be learnt from it: a key has 256 bits that nobody can guess.
fn fingerprint(id: &str, key: &[u8; 32]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"towline class key");
    hasher.field(id.as_bytes());
    hasher.field(key);
    hasher.finish()
}

fn parse_key(line: &str) -> Option<(&str, [u8; 32])> {
    let (id, digits) = line.split_once(':')?;
    let id = id.trim();
    let mut key = [0; 32];
    hex::decode_to_slice(digits.trim(), &mut key).ok()?;
    is_key_id(id).then_some((id, key))
}
