//! Sealing the bodies of objects: what keeps a stolen disk, or a peer's, from telling what is on it.
//!
//! A body has a random *data key*, kept wrapped in its manifest. Each upload of a body, or of a part of
//! one, draws a salt, and seals its blocks with AES-256-GCM under the key that data key and salt make
//! together, by HKDF; the salt stands in front of each block. The nonce is where in the body or part the
//! block begins, so no two blocks under one key have the same; a part that is sent again has another
//! salt. The number of the part is associated data. So a block opens only in its own place: swapped,
//! cut short or changed, it is an error and never bytes (law 5).
//!
//! Stored block: salt (16), ciphertext, tag (16).

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use model::{ClientWrapped, Encryption, Manifest, NamedWrapped, Parts, SEAL_BYTES, WrappedKey};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};
use schemas::CodecError;
use subtle::ConstantTimeEq;

use crate::{store::Store, upload::Upload};

const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// What each derived key is for: none is ever used as another.
const FOR_BLOCKS: &[u8] = b"towline blocks";
const FOR_WRAPPING: &[u8] = b"towline wrap of data key";
const FOR_CHECK: &[u8] = b"towline check of client key";

/// The key that a body is sealed under. `Debug` does not show it.
#[derive(Clone)]
pub struct DataKey([u8; KEY_BYTES]);

/// A key that a client sends with its requests, and this site never keeps. `Debug` does not show it.
#[derive(Clone)]
pub struct ClientKey([u8; KEY_BYTES]);

/// A key that the sites share and a client names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedKey {
    pub id: String,
    /// As the client wrote it.
    pub shown: String,
    /// Associated data of the client's own.
    pub context: BTreeMap<String, String>,
    pub bucket_key: bool,
}

/// What a data key is wrapped under.
#[derive(Clone, Copy, Debug)]
pub enum Under<'a> {
    /// A key of this site.
    Site,
    Client(&'a ClientKey),
    Named(&'a NamedKey),
}

/// Why the data key of an object could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the object is encrypted under a key of its client, and none was given")]
    NoClientKey,
    #[error("the object is encrypted under another key of its client")]
    OtherClientKey,
    #[error("the object is not encrypted under a key of its client, and one was given")]
    NotOfClient,
    #[error("key `{id}` is none of the named keys of this site (`keys.named_file`)")]
    NoNamedKey { id: String },
    #[error("open the data key of an object with the keys of this site (`keys.site_file`)")]
    Site(#[from] CodecError),
    #[error("the data key of an object is damaged")]
    Damaged,
}

/// A stored block that was not sealed for its place, or was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the block at byte {at} of the body does not open: it is damaged, or of another place")]
pub struct NotOpened {
    pub at: u64,
}

impl ClientKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    fn wrap(&self, key: &DataKey) -> ClientWrapped {
        let salt: [u8; 32] = rand::Rng::random(&mut rand::rng());
        let (wrapping, check) = self.derive(&salt);
        let mut sealed = key.0.to_vec();
        wrapping
            .seal_in_place_append_tag(nonce(0), Aad::empty(), &mut sealed)
            .expect("32 bytes are far below what the cipher takes");
        ClientWrapped { salt, check, sealed: sealed.into() }
    }

    fn unwrap(&self, wrapped: &ClientWrapped) -> Result<DataKey, KeyError> {
        let (wrapping, check) = self.derive(&wrapped.salt);
        if !bool::from(check.ct_eq(&wrapped.check)) {
            return Err(KeyError::OtherClientKey);
        }
        let mut sealed = wrapped.sealed.to_vec();
        let opened = wrapping.open_in_place(nonce(0), Aad::empty(), &mut sealed);
        let opened = opened.map_err(|_| KeyError::Damaged)?;
        <[u8; KEY_BYTES]>::try_from(&*opened).map(DataKey).map_err(|_| KeyError::Damaged)
    }

    /// The key that wraps, which the salt makes one of its own for each data key, and the check.
    fn derive(&self, salt: &[u8; 32]) -> (LessSafeKey, [u8; 32]) {
        let wrapping = LessSafeKey::new(derived(&self.0, salt, FOR_WRAPPING, &AES_256_GCM));
        let mut check = [0; 32];
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&self.0);
        let filled = secret.expand(&[FOR_CHECK], Length).and_then(|okm| okm.fill(&mut check));
        filled.expect("32 bytes are one step of HKDF");
        (wrapping, check)
    }
}

/// How long a check is, as HKDF asks it.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(***)")
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(***)")
    }
}

impl DataKey {
    fn draw() -> Self {
        Self(rand::Rng::random(&mut rand::rng()))
    }

    fn for_blocks(&self, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
        LessSafeKey::new(derived(&self.0, salt, FOR_BLOCKS, &AES_256_GCM))
    }
}

/// Seals the blocks of one upload of a body, or of a part.
pub(crate) struct Sealer {
    salt: [u8; SALT_BYTES],
    key: LessSafeKey,
    number: u16,
}

impl Sealer {
    /// Of the part with this number; of a body that is put whole, 0.
    pub(crate) fn new(key: &DataKey, number: u16) -> Self {
        let salt = rand::Rng::random(&mut rand::rng());
        Self { salt, key: key.for_blocks(&salt), number }
    }

    /// Seals the block that begins at a byte of the body or part.
    pub(crate) fn seal(&self, at: u64, pieces: &[Bytes]) -> Bytes {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let mut block = Vec::with_capacity(length + SEAL_BYTES as usize);
        block.extend_from_slice(&self.salt);
        pieces.iter().for_each(|piece| block.extend_from_slice(piece));
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(at), place(self.number), &mut block[SALT_BYTES..])
            .expect("a block is far below the 64 GiB that the cipher takes");
        block.extend_from_slice(tag.as_ref());
        block.into()
    }
}

/// Opens the blocks of one object.
#[derive(Clone, Debug)]
pub struct BodyKey {
    key: DataKey,
    /// Where in the body each part begins that has bytes, and its number.
    parts: Arc<[(u64, u16)]>,
}

impl BodyKey {
    /// Of an object with this manifest, as `encryption` in it says.
    #[must_use]
    pub fn new(key: DataKey, manifest: &Manifest, encryption: &Encryption) -> Self {
        let sizes: Vec<u64> = match &manifest.parts {
            Parts::Whole => vec![manifest.size],
            Parts::Listed(parts) => parts.iter().map(|part| part.size).collect(),
        };
        let mut start = 0;
        let begin = |(size, number): (u64, u16)| {
            let begin = (start, number);
            start += size;
            (size > 0).then_some(begin)
        };
        let numbers = encryption.numbers(&manifest.parts);
        Self { key, parts: sizes.into_iter().zip(numbers).filter_map(begin).collect() }
    }

    /// Opens the block that begins at a byte of the body.
    ///
    /// # Errors
    /// If it was not sealed for this place, or was changed.
    pub fn open(&self, at: u64, stored: Bytes) -> Result<Bytes, NotOpened> {
        let error = NotOpened { at };
        let behind = self.parts.partition_point(|(start, _)| *start <= at);
        let part = behind.checked_sub(1).and_then(|before| self.parts.get(before));
        let (start, number) = part.copied().ok_or(error)?;
        // In place, if nobody else holds the bytes.
        let stored = stored.try_into_mut();
        let mut block = stored.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let Some((salt, _)) = block.split_first_chunk::<SALT_BYTES>() else { return Err(error) };
        let key = self.key.for_blocks(salt);
        let _salt = block.split_to(SALT_BYTES);
        let opened = key.open_in_place(nonce(at - start), place(number), &mut block);
        let length = opened.map_err(|_| error)?.len();
        block.truncate(length);
        Ok(block.freeze())
    }
}

impl Store {
    /// Draws a data key, and wraps it as it is to be kept.
    ///
    /// # Errors
    /// As [`Store::wrap_data_key`].
    pub fn draw_data_key(&self, under: Under<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        let key = DataKey::draw();
        let wrapped = self.wrap_data_key(&key, under)?;
        Ok((key, wrapped))
    }

    /// Wraps a data key that is in use already: what is sealed under it stays as it is.
    ///
    /// # Errors
    /// `NoNamedKey`.
    pub fn wrap_data_key(&self, key: &DataKey, under: Under<'_>) -> Result<WrappedKey, KeyError> {
        Ok(match under {
            Under::Site => WrappedKey::Site(self.shared.codec.wrap_data_key(&key.0)),
            Under::Client(client) => WrappedKey::Client(client.wrap(key)),
            Under::Named(NamedKey { id, shown, context, bucket_key }) => {
                let sealed = self.shared.codec.wrap_named((id, context), &key.0);
                let sealed = sealed.ok_or_else(|| KeyError::NoNamedKey { id: id.clone() })?;
                let (shown, context, bucket_key) = (shown.clone(), context.clone(), *bucket_key);
                WrappedKey::Named(NamedWrapped { shown, context, bucket_key, sealed })
            }
        })
    }

    /// The data key that was wrapped.
    ///
    /// # Errors
    /// If the client's key is not the one it was wrapped under, or is missing or one too many; or if
    /// this site does not hold the key.
    pub fn data_key(
        &self,
        wrapped: &WrappedKey,
        client: Option<&ClientKey>,
    ) -> Result<DataKey, KeyError> {
        let codec = &self.shared.codec;
        match (wrapped, client) {
            (WrappedKey::Client(wrapped), Some(client)) => client.unwrap(wrapped),
            (WrappedKey::Client(_), None) => Err(KeyError::NoClientKey),
            (WrappedKey::Site(_) | WrappedKey::Named(_), Some(_)) => Err(KeyError::NotOfClient),
            (WrappedKey::Site(wrapped), None) => Ok(DataKey(codec.unwrap_data_key(wrapped)?)),
            (WrappedKey::Named(wrapped), None) => match codec.unwrap_named(wrapped) {
                Ok(key) => Ok(DataKey(key)),
                Err(CodecError::NoKey { key_id: id }) => Err(KeyError::NoNamedKey { id }),
                Err(_) => Err(KeyError::Damaged),
            },
        }
    }

    /// Whether clients can name keys here.
    #[must_use]
    pub fn has_named_keys(&self) -> bool {
        self.shared.codec.has_named_keys()
    }

    /// The id of a named key, or of the one that is taken where none is named; `None`: there is none
    /// of this name.
    #[must_use]
    pub fn named_key(&self, id: Option<&str>) -> Option<&str> {
        self.shared.codec.named_key(id)
    }

    /// Begins to take in a body that rests sealed.
    #[must_use]
    pub fn sealed_upload(&self, key: &DataKey) -> Upload {
        Upload::new(&self.shared).sealed(Sealer::new(key, 0))
    }

    /// Begins to take in a part that rests sealed.
    #[must_use]
    pub fn sealed_part(&self, key: &DataKey, number: u16) -> Upload {
        Upload::in_blocks(&self.shared).sealed(Sealer::new(key, number))
    }
}

fn derived<T: hkdf::KeyType + Copy>(
    secret: &[u8],
    salt: &[u8],
    purpose: &[u8],
    kind: T,
) -> UnboundKey
where
    UnboundKey: for<'a> From<hkdf::Okm<'a, T>>,
{
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let purpose = [purpose];
    let okm = secret.expand(&purpose, kind).expect("32 bytes are one step of HKDF");
    okm.into()
}

fn nonce(at: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&at.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn place(number: u16) -> Aad<[u8; 2]> {
    Aad::from(number.to_be_bytes())
}

#[cfg(test)]
mod tests;
