//! Events to bytes and back.

use std::sync::Arc;

use bytes::Bytes;
use model::{Digest, EVENT_BYTES_MAX, Event, Heartbeat, SealedEvent, SealedSecret};

use crate::{
    change,
    envelope::{Envelope, EnvelopeRecord},
    error::CodecError,
    heartbeat::HeartbeatRecord,
    keys::{Keys, NONCE_BYTES},
    kind::Kind,
    registry::{HEADER_BYTES, REGISTRY, Registry},
};

/// Most that the clear part of an event takes, its key id of at most 64 bytes included.
const CLEAR_BYTES_MAX: usize = HEADER_BYTES + 320;

/// Seals events and opens them. Clones share the keys.
#[derive(Clone)]
pub struct Codec {
    pub(crate) keys: Arc<Keys>,
    /// What data keys rest under, if not under a class key.
    pub(crate) site: Option<Arc<Keys>>,
    pub(crate) named: Option<Arc<Keys>>,
    registry: &'static Registry,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({:?})", self.keys)
    }
}

impl Codec {
    /// A codec that seals under the first of `keys` and opens under any.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self::of(keys, &REGISTRY)
    }

    /// A codec of another release than this.
    pub(crate) fn of(keys: Keys, registry: &'static Registry) -> Self {
        Self { keys: Arc::new(keys), site: None, named: None, registry }
    }

    /// What stands for each class key of this site where the key itself must not be told: two sites
    /// with none in common cannot read each other's events.
    #[must_use]
    pub fn fingerprints(&self) -> &[Digest] {
        self.keys.fingerprints()
    }

    /// Encodes an event and seals its change, under a random nonce: the same event sealed twice
    /// has two digests.
    ///
    /// # Errors
    /// `TooLarge` if the result would pass [`EVENT_BYTES_MAX`].
    pub fn seal(&self, event: &Event) -> Result<SealedEvent, CodecError> {
        self.seal_with(event, rand::Rng::random(&mut rand::rng()))
    }

    pub(crate) fn seal_with(
        &self,
        event: &Event,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<SealedEvent, CodecError> {
        let envelope = Envelope {
            position: event.position,
            version: event.version,
            entity: event.change.entity().hash(),
            prev: event.prev,
            volume: event.volume,
            request: event.request,
            key_id: self.keys.active().to_owned(),
        };
        let kind = change::kind(&event.change).name();
        let change = self.outgoing(&event.change)?;
        let plain = change::encode(self.registry, &change)?;
        let payload = self.seal_change(&envelope, kind, nonce, plain)?;
        if payload.len() > EVENT_BYTES_MAX {
            let bytes = payload.len();
            return Err(CodecError::TooLarge { bytes });
        }
        Ok(envelope.sealed_event(payload))
    }

    /// Seals a change that is encoded already.
    pub(crate) fn seal_change(
        &self,
        envelope: &Envelope,
        kind: &str,
        nonce: [u8; NONCE_BYTES],
        mut change: Vec<u8>,
    ) -> Result<Bytes, CodecError> {
        let associated = envelope.associated(kind);
        self.keys.seal(&nonce, &associated, &mut change);
        let record = EnvelopeRecord::new(envelope, kind, nonce, &change);
        let payload = self.registry.encode(&record, CLEAR_BYTES_MAX + change.len())?;
        Ok(payload.into())
    }

    /// Reads the clear part, which needs no key and no knowledge of the change.
    ///
    /// # Errors
    /// If the bytes are no envelope of a known schema.
    pub fn envelope(&self, payload: &[u8]) -> Result<Envelope, CodecError> {
        self.registry.decode::<EnvelopeRecord>(payload)?.envelope()
    }

    /// Reads an event whole.
    ///
    /// # Errors
    /// If any part cannot be read, was changed on the way, or is of another entity than the
    /// envelope says; [`CodecError::is_curable`] tells what a newer release could read. It says
    /// `UnknownKind` only of an event that did open, so that no tampering looks like a new kind.
    pub fn open(&self, payload: &[u8]) -> Result<Event, CodecError> {
        let record: EnvelopeRecord = self.registry.decode(payload)?;
        let envelope = record.envelope()?;
        let associated = envelope.associated(&record.kind);
        let mut change = record.sealed.into_owned();
        self.keys.open(&envelope.key_id, &record.nonce, &associated, &mut change)?;
        let Some(kind) = Kind::of_change(&record.kind) else {
            let kind = record.kind.into_owned();
            return Err(CodecError::UnknownKind { kind });
        };
        let mut change = change::decode(self.registry, kind, &change)?;
        self.incoming(&mut change)?;
        if change.entity().hash() != envelope.entity || !change.may_be(envelope.version) {
            return Err(CodecError::Entity);
        }
        Ok(Event {
            position: envelope.position,
            version: envelope.version,
            prev: envelope.prev,
            volume: envelope.volume,
            request: envelope.request,
            change,
        })
    }

    /// Seals the secret half of the key pair `id`, as a user's state keeps it.
    #[must_use]
    pub fn seal_secret(&self, id: &str, secret: &str) -> SealedSecret {
        self.keys.seal_secret(id, secret)
    }

    /// Opens the secret half of the key pair `id`.
    ///
    /// # Errors
    /// If this site does not hold the class key, or the secret is of another pair.
    pub fn open_secret(&self, id: &str, secret: &SealedSecret) -> Result<String, CodecError> {
        self.keys.open_secret(id, secret)
    }

    /// Encodes a heartbeat, which carries nothing secret.
    #[must_use]
    pub fn encode_heartbeat(&self, heartbeat: &Heartbeat) -> Vec<u8> {
        self.registry
            .encode(&HeartbeatRecord::from(heartbeat), CLEAR_BYTES_MAX)
            .expect("the type of a heartbeat has the fields of its schema")
    }

    /// Decodes a heartbeat.
    ///
    /// # Errors
    /// If the bytes are no heartbeat of a known schema.
    pub fn decode_heartbeat(&self, bytes: &[u8]) -> Result<Heartbeat, CodecError> {
        self.registry.decode::<HeartbeatRecord>(bytes)?.try_into()
    }
}
