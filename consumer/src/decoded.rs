//! An event as it came, and what could be read of it.

use model::{Digest, Event, SealedEvent};
use schemas::Codec;

/// An event of the log or the change feed.
pub struct Decoded {
    pub(crate) sealed: SealedEvent,
    pub(crate) digest: Digest,
    /// The event, or why it cannot be read here.
    pub(crate) event: Result<Event, String>,
    /// Digest of the event before it, which is readable without a key.
    pub(crate) prev: Option<Digest>,
}

impl Decoded {
    /// Reads what can be read.
    #[must_use]
    pub fn new(codec: &Codec, sealed: SealedEvent) -> Self {
        let digest = sealed.digest();
        let opened = codec.open(&sealed.payload);
        let (event, prev) = match opened {
            Ok(event) if event.position == sealed.position => {
                let prev = event.prev;
                (Ok(event), Some(prev))
            }
            Ok(event) => (Err(format!("payload is of position {}", event.position)), None),
            Err(error) => {
                let prev = codec.envelope(&sealed.payload).ok().map(|envelope| envelope.prev);
                (Err(error.to_string()), prev)
            }
        };
        Self { sealed, digest, event, prev }
    }
}
