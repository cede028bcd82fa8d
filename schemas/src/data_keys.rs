//! How the key of an object's body is kept. What must stay true:
//!
//! * at rest it is under a key of this site, and in an event under a class key: whoever has a site's
//!   disk needs the keys of that site, and whoever has the log needs the class keys;
//! * its check is made of itself, and so survives every wrap: two sites compare by it (law 11).
//!
//! The beginning of the check is the nonce. One data key under one key always has the same, and no two
//! have: what is wrapped twice is the same bytes. Under a named key, where the associated data is the
//! client's own, it is drawn instead.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use model::{Change, Digest, NamedWrapped, SealedSecret, SiteWrapped, WrappedKey};
use ring::hkdf;

use crate::{
    Codec, Keys, KeysError,
    error::CodecError,
    keys::{Cipher, NONCE_BYTES},
};

/// What a wrapped data key is bound to: it is taken for nothing else, and nothing else for it. A name
/// of this form is no id of a key pair.
const DATA_KEY: &[u8] = b"towline data key";
const NAMED_DATA_KEY: &[u8] = b"towline named data key";
const FOR_CHECK: &[u8] = b"towline check of data key";

const KEY_BYTES: usize = 32;

impl Codec {
    /// The same with keys of this site: data keys rest under the first of them, and open under any,
    /// and under class keys, as before there were any.
    ///
    /// # Errors
    /// If one has the name of a class key and is another: nobody could tell what rests under which.
    pub fn with_site_keys(mut self, keys: Keys) -> Result<Self, KeysError> {
        if let Some(id) = keys.differs_from(&self.keys) {
            return Err(KeysError::OfBoth { id: id.to_owned() });
        }
        self.site = Some(Arc::new(keys));
        Ok(self)
    }

    /// The same with keys that clients can name.
    #[must_use]
    pub fn with_named_keys(mut self, keys: Keys) -> Self {
        self.named = Some(Arc::new(keys));
        self
    }

    fn at_rest(&self) -> &Keys {
        self.site.as_ref().unwrap_or(&self.keys)
    }

    /// The key that data keys rest under from now on: its id, and what stands for it.
    #[must_use]
    pub fn rests_under(&self) -> (&str, Digest) {
        (self.at_rest().active(), self.at_rest().fingerprints()[0])
    }

    /// Keys of the site beside that one. Where it has none of its own, there are none: class keys are
    /// for events too.
    #[must_use]
    pub fn other_site_keys(&self) -> &[String] {
        self.site.as_ref().map_or(&[][..], |keys| &keys.ids()[1..])
    }

    /// Wraps a data key as it rests here.
    #[must_use]
    pub fn wrap_data_key(&self, key: &[u8; KEY_BYTES]) -> SiteWrapped {
        wrap(self.at_rest(), key)
    }

    /// The data key that rests here.
    ///
    /// # Errors
    /// If this site does not hold the key that it is under, or what was wrapped was changed.
    pub fn unwrap_data_key(&self, wrapped: &SiteWrapped) -> Result<[u8; KEY_BYTES], CodecError> {
        let of_site = self.site.as_ref().and_then(|keys| keys.cipher(&wrapped.key_id));
        unwrap(of_site.or_else(|| self.keys.cipher(&wrapped.key_id)), wrapped)
    }

    /// The data key as it is to rest here from now on; `None`: it does already.
    ///
    /// # Errors
    /// As [`Codec::unwrap_data_key`].
    pub fn rewrap(&self, wrapped: &SiteWrapped) -> Result<Option<SiteWrapped>, CodecError> {
        if wrapped.key_id == self.at_rest().active() {
            return Ok(None);
        }
        self.unwrap_data_key(wrapped).map(|key| Some(self.wrap_data_key(&key)))
    }

    /// Whether there are keys that clients can name.
    #[must_use]
    pub fn has_named_keys(&self) -> bool {
        self.named.is_some()
    }

    /// The key of this name, or the one that is taken where none is named.
    #[must_use]
    pub fn named_key(&self, id: Option<&str>) -> Option<&str> {
        let keys = self.named.as_ref()?;
        let id = id.unwrap_or(keys.active());
        keys.ids().iter().find(|held| *held == id).map(String::as_str)
    }

    /// Wraps a data key under a named key; `None`: this site does not hold it.
    #[must_use]
    pub fn wrap_named(
        &self,
        (id, context): (&str, &BTreeMap<String, String>),
        key: &[u8; KEY_BYTES],
    ) -> Option<SealedSecret> {
        let cipher = self.named.as_ref()?.cipher(id)?;
        let nonce = rand::Rng::random(&mut rand::rng());
        let mut sealed = key.to_vec();
        cipher.seal(&nonce, &bound_to(context), &mut sealed);
        Some(SealedSecret { key_id: id.to_owned(), nonce, sealed: sealed.into() })
    }

    /// The data key under a named key.
    ///
    /// # Errors
    /// As [`Codec::unwrap_data_key`].
    pub fn unwrap_named(&self, wrapped: &NamedWrapped) -> Result<[u8; KEY_BYTES], CodecError> {
        let SealedSecret { key_id, nonce, sealed } = &wrapped.sealed;
        let cipher = self.named.as_ref().and_then(|keys| keys.cipher(key_id));
        let cipher = cipher.ok_or_else(|| CodecError::NoKey { key_id: key_id.clone() })?;
        let mut key = sealed.to_vec();
        let opened = cipher.open(nonce, &bound_to(&wrapped.context), &mut key);
        opened.and_then(|()| key.try_into().ok()).ok_or_else(|| damaged(key_id))
    }

    /// A change as it leaves this site.
    pub(crate) fn outgoing<'a>(&self, change: &'a Change) -> Result<Cow<'a, Change>, CodecError> {
        let Some(wrapped) = site_wrapped(change) else { return Ok(Cow::Borrowed(change)) };
        if self.site.is_none() && wrapped.key_id == self.keys.active() {
            return Ok(Cow::Borrowed(change));
        }
        let key = self.unwrap_data_key(wrapped)?;
        let mut change = change.clone();
        if let Some(wrapped) = site_wrapped_mut(&mut change) {
            *wrapped = wrap(&self.keys, &key);
        }
        Ok(Cow::Owned(change))
    }

    /// Makes a change that has come what it is to be here.
    pub(crate) fn incoming(&self, change: &mut Change) -> Result<(), CodecError> {
        if let Some(wrapped) = site_wrapped_mut(change) {
            let key = unwrap(self.keys.cipher(&wrapped.key_id), wrapped)?;
            *wrapped = self.wrap_data_key(&key);
        }
        Ok(())
    }
}

fn site_wrapped(change: &Change) -> Option<&SiteWrapped> {
    let Change::ObjectPut { manifest, .. } = change else { return None };
    match &manifest.encryption.as_ref()?.key {
        WrappedKey::Site(wrapped) => Some(wrapped),
        WrappedKey::Client(_) | WrappedKey::Named(_) => None,
    }
}

fn site_wrapped_mut(change: &mut Change) -> Option<&mut SiteWrapped> {
    let Change::ObjectPut { manifest, .. } = change else { return None };
    match &mut manifest.encryption.as_mut()?.key {
        WrappedKey::Site(wrapped) => Some(wrapped),
        WrappedKey::Client(_) | WrappedKey::Named(_) => None,
    }
}

fn wrap(keys: &Keys, key: &[u8; KEY_BYTES]) -> SiteWrapped {
    let check = check(key);
    let mut sealed = key.to_vec();
    keys.active_cipher().seal(nonce(&check), DATA_KEY, &mut sealed);
    SiteWrapped { check, key_id: keys.active().to_owned(), sealed: sealed.into() }
}

fn unwrap(cipher: Option<&Cipher>, wrapped: &SiteWrapped) -> Result<[u8; KEY_BYTES], CodecError> {
    let SiteWrapped { check: told, key_id, sealed } = wrapped;
    let cipher = cipher.ok_or_else(|| CodecError::NoKey { key_id: key_id.clone() })?;
    let mut key = sealed.to_vec();
    let opened = cipher.open(nonce(told), DATA_KEY, &mut key);
    let key: Option<[u8; KEY_BYTES]> = opened.and_then(|()| key.try_into().ok());
    key.filter(|key| check(key) == *told).ok_or_else(|| damaged(key_id))
}

fn damaged(key_id: &str) -> CodecError {
    CodecError::DataKey { key_id: key_id.to_owned() }
}

/// What the client's own associated data comes to, unambiguously.
fn bound_to(context: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bound = NAMED_DATA_KEY.to_vec();
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    bound
}

fn nonce(check: &[u8; 32]) -> &[u8; NONCE_BYTES] {
    check.first_chunk().expect("24 bytes are fewer than 32")
}

fn check(key: &[u8; KEY_BYTES]) -> [u8; 32] {
    let mut check = [0; 32];
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
    let filled = secret.expand(&[FOR_CHECK], Length).and_then(|okm| okm.fill(&mut check));
    filled.expect("32 bytes are one step of HKDF");
    check
}

/// How long a check is, as HKDF asks it.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
