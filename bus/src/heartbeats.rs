//! How heartbeats are written, which the contract between sites says and not the log.

use model::Heartbeat;
use schemas::Codec;

/// Heartbeats to bytes and back.
pub trait HeartbeatCodec: Send + Sync {
    /// The heartbeat in bytes.
    fn encode(&self, heartbeat: &Heartbeat) -> Vec<u8>;

    /// Inverse of [`HeartbeatCodec::encode`].
    ///
    /// # Errors
    /// Why the bytes are no heartbeat.
    fn decode(&self, bytes: &[u8]) -> Result<Heartbeat, String>;
}

impl HeartbeatCodec for Codec {
    fn encode(&self, heartbeat: &Heartbeat) -> Vec<u8> {
        self.encode_heartbeat(heartbeat)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Heartbeat, String> {
        self.decode_heartbeat(bytes).map_err(|error| format!("decode heartbeat: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{codec, heartbeat};
    use model::Partition;

    #[test]
    fn heartbeats_survive_their_bytes() {
        let beat = heartbeat(Partition(3), 9, 7);
        let codec = codec();
        let bytes = codec.encode(&beat);
        assert_eq!(codec.decode(&bytes), Ok(beat));
        let cut = codec.decode(&bytes[1..]).expect_err("no heartbeat");
        assert!(cut.starts_with("decode heartbeat: "), "{cut}");
    }
}
