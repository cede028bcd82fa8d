//! How the body of an object is encrypted where it rests.
//!
//! Each block, and an inline body, is sealed by itself under the object's data key; what is stored is
//! ciphertext, and a block's name is of what is stored. So whoever moves, checks or counts blocks
//! need not know of it, and only who presents the object to a client does.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Hasher, Parts, SealedSecret};

/// What sealing adds to a block: 16 bytes of salt in front, 16 of tag behind.
pub const SEAL_BYTES: u32 = 32;

/// What opens the body of one object version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Encryption {
    pub key: WrappedKey,
    /// The numbers of the parts that the body was uploaded in, by which their blocks are sealed. None,
    /// if they were 1, 2, 3 and so on, or the body was put whole.
    pub numbers: Vec<u16>,
}

/// A data key as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WrappedKey {
    /// Under a class key, which the sites share (SSE-S3).
    Class(SealedSecret),
    /// Under a key that only the client has (SSE-C).
    Client(ClientWrapped),
}

/// A data key under a client's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientWrapped {
    /// Random: with it, the client's key makes the key that wraps, and the check.
    pub salt: [u8; 32],
    /// Tells the right key from another, and nothing about either.
    pub check: [u8; 32],
    pub sealed: Bytes,
}

impl Encryption {
    /// Of a body that was put whole.
    #[must_use]
    pub fn of_whole(key: WrappedKey) -> Self {
        Self { key, numbers: Vec::new() }
    }

    /// Of a body made of the parts with these numbers, in order.
    #[must_use]
    pub fn of_parts(key: WrappedKey, numbers: Vec<u16>) -> Self {
        let plain = numbers.iter().copied().eq(1..=u16::try_from(numbers.len()).unwrap_or(0));
        Self { key, numbers: if plain { Vec::new() } else { numbers } }
    }

    /// Whether only the client has the key.
    #[must_use]
    pub fn is_of_client(&self) -> bool {
        matches!(self.key, WrappedKey::Client(_))
    }

    /// The number of the part at a place in the manifest's list, counted from 0; of a body that was
    /// put whole, 0.
    #[must_use]
    pub fn number(&self, parts: &Parts, place: usize) -> Option<u16> {
        match (parts, self.numbers.as_slice()) {
            (Parts::Whole, _) => (place == 0).then_some(0),
            (Parts::Listed(_), []) => u16::try_from(place).ok()?.checked_add(1),
            (Parts::Listed(_), numbers) => numbers.get(place).copied(),
        }
    }

    /// Whether it goes with an object of these parts.
    pub(crate) fn fits(&self, parts: &Parts) -> bool {
        let parts = match parts {
            Parts::Whole => 0,
            Parts::Listed(parts) => parts.len(),
        };
        self.numbers.is_empty() || self.numbers.len() == parts
    }

    pub(crate) fn hash(&self, hasher: &mut Hasher) {
        match &self.key {
            WrappedKey::Class(SealedSecret { key_id, nonce, sealed }) => {
                hasher.update(&[0]);
                hasher.field(key_id.as_bytes());
                hasher.update(nonce);
                hasher.field(sealed);
            }
            WrappedKey::Client(ClientWrapped { salt, check, sealed }) => {
                hasher.update(&[1]);
                hasher.update(salt);
                hasher.update(check);
                hasher.field(sealed);
            }
        }
        hasher.update(&(self.numbers.len() as u64).to_be_bytes());
        for number in &self.numbers {
            hasher.update(&number.to_be_bytes());
        }
    }
}
