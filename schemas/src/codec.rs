//! Events to bytes and back.

use std::sync::Arc;

use model::{EVENT_BYTES_MAX, Event, Heartbeat, SealedEvent};

use crate::{
    change,
    envelope::{Envelope, EnvelopeRecord, HeartbeatRecord, fixed},
    error::CodecError,
    keys::Keys,
    registry::{Kind, REGISTRY},
};

/// Seals events and opens them. Clones share the keys.
#[derive(Clone, Debug)]
pub struct Codec {
    keys: Arc<Keys>,
}

impl Codec {
    /// A codec that seals under the first of `keys` and opens under any.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            keys: Arc::new(keys),
        }
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
        nonce: [u8; 24],
    ) -> Result<SealedEvent, CodecError> {
        let envelope = Envelope {
            position: event.position,
            version: event.version,
            entity: event.change.entity().hash(),
            prev: event.prev,
            volume: event.volume,
            key_id: self.keys.active().to_owned(),
        };
        let plain = change::encode(&REGISTRY, &event.change)?;
        let sealed = self.keys.seal(&nonce, &plain, &envelope.clear_bytes());
        let record = EnvelopeRecord::new(&envelope, nonce, sealed);
        let payload = REGISTRY.encode(Kind::Envelope, &record)?;
        if payload.len() > EVENT_BYTES_MAX {
            return Err(CodecError::TooLarge {
                bytes: payload.len(),
            });
        }
        Ok(envelope.sealed_event(payload.into()))
    }

    /// Reads the clear part, which needs no key and no knowledge of the change.
    ///
    /// # Errors
    /// If the bytes are no envelope of a known schema.
    pub fn envelope(&self, payload: &[u8]) -> Result<Envelope, CodecError> {
        REGISTRY
            .decode::<EnvelopeRecord>(Kind::Envelope, payload)?
            .envelope()
    }

    /// Reads an event whole.
    ///
    /// # Errors
    /// If any part cannot be read, was changed on the way, or is of another entity than the
    /// envelope says; [`CodecError::is_curable`] tells what a newer release could read.
    pub fn open(&self, payload: &[u8]) -> Result<Event, CodecError> {
        let record: EnvelopeRecord = REGISTRY.decode(Kind::Envelope, payload)?;
        let envelope = record.envelope()?;
        let nonce = fixed("nonce", &record.nonce)?;
        let clear = envelope.clear_bytes();
        let plain = self
            .keys
            .open(&envelope.key_id, &nonce, &record.sealed, &clear)?;
        let change = change::decode(&REGISTRY, &plain)?;
        if change.entity().hash() != envelope.entity {
            return Err(CodecError::Entity);
        }
        let Envelope {
            position,
            version,
            prev,
            volume,
            ..
        } = envelope;
        Ok(Event {
            position,
            version,
            prev,
            volume,
            change,
        })
    }

    /// Encodes a heartbeat, which carries nothing secret.
    ///
    /// # Errors
    /// Never in practice; the library's encoder is fallible.
    pub fn encode_heartbeat(&self, heartbeat: &Heartbeat) -> Result<Vec<u8>, CodecError> {
        REGISTRY.encode(Kind::Heartbeat, &HeartbeatRecord::from(heartbeat))
    }

    /// Decodes a heartbeat.
    ///
    /// # Errors
    /// If the bytes are no heartbeat of a known schema.
    pub fn decode_heartbeat(&self, bytes: &[u8]) -> Result<Heartbeat, CodecError> {
        REGISTRY
            .decode::<HeartbeatRecord>(Kind::Heartbeat, bytes)?
            .try_into()
    }
}

#[cfg(test)]
mod tests;
