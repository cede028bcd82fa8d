//! Frames of a stream: a kind, a length, a body; and blocks: a status, a length, the bytes.
//!
//! An event's frame is `1`, the length of what follows (4 bytes, big-endian), then site (16),
//! epoch (8), partition (2), seq (8), version (24), entity (32) and the payload. A heartbeat's is
//! `2`, the length, and the encoded heartbeat. A block's is its status as of HTTP (2), the length
//! (4) and the bytes; a status other than 200 has no bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{
    Digest, EVENT_BYTES_MAX, EntityHash, Epoch, Partition, Position, SealedEvent, Seq, SiteId,
    Version,
};

const EVENT: u8 = 1;
const HEARTBEAT: u8 = 2;
const HEAD: usize = 5;
const EVENT_HEAD: usize = 34 + Version::LEN + 32;
const BLOCK_HEAD: usize = 6;
/// No block is larger: the configuration allows 8 MiB.
const BLOCK_BYTES_MAX: usize = 8 << 20;

/// A stream that is no stream of frames.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    #[error("frame of unknown kind {0}")]
    Kind(u8),
    #[error("frame of {0} bytes is longer than any may be, or shorter than its head")]
    Length(usize),
}

/// The frame of an event, head and payload: the payload is not copied.
#[must_use]
pub fn event_frame(event: &SealedEvent) -> [Bytes; 2] {
    let mut head = BytesMut::with_capacity(HEAD + EVENT_HEAD);
    head.put_u8(EVENT);
    let length = EVENT_HEAD + event.payload.len();
    head.put_u32(u32::try_from(length).expect("an event is at most `EVENT_BYTES_MAX`"));
    head.put_slice(&event.position.site.0);
    head.put_u64(event.position.epoch.0);
    head.put_u16(event.position.partition.0);
    head.put_u64(event.position.seq.0);
    head.put_slice(&event.version.to_bytes());
    head.put_slice(&event.entity.0.0);
    [head.freeze(), event.payload.clone()]
}

/// The frame of an encoded heartbeat.
#[must_use]
pub fn heartbeat_frame(encoded: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + encoded.len());
    frame.put_u8(HEARTBEAT);
    frame.put_u32(u32::try_from(encoded.len()).expect("a heartbeat is small"));
    frame.put_slice(encoded);
    frame.freeze()
}

/// The head of a block in a stream of many.
#[must_use]
pub fn block_head(status: u16, length: usize) -> Bytes {
    let mut head = BytesMut::with_capacity(BLOCK_HEAD);
    head.put_u16(status);
    head.put_u32(u32::try_from(length).expect("a block is at most `BLOCK_BYTES_MAX`"));
    head.freeze()
}

/// One answer of a stream of many blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockAnswer {
    pub status: u16,
    pub bytes: Bytes,
}

/// One frame of the change feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    Event(SealedEvent),
    Heartbeat(Bytes),
}

/// Takes frames out of the pieces of a stream as they come.
#[derive(Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that are not a whole frame yet.
    #[must_use]
    pub fn rest(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame of a change feed, if there is one.
    ///
    /// # Errors
    /// If the stream is not one of frames; it cannot be read further.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((head, _)) = self.buffer.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        let least = match kind {
            EVENT => EVENT_HEAD,
            HEARTBEAT => 0,
            other => return Err(FrameError::Kind(other)),
        };
        if !(least..=EVENT_HEAD + EVENT_BYTES_MAX).contains(&length) {
            return Err(FrameError::Length(length));
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        let mut body = self.buffer.split_to(length).freeze();
        Ok(Some(match kind {
            EVENT => Frame::Event(event(&mut body)),
            _ => Frame::Heartbeat(body),
        }))
    }

    /// The next whole answer of a stream of blocks, if there is one.
    ///
    /// # Errors
    /// If a block is said to be longer than any may be.
    pub fn next_block(&mut self) -> Result<Option<BlockAnswer>, FrameError> {
        let Some((head, _)) = self.buffer.split_first_chunk::<BLOCK_HEAD>() else {
            return Ok(None);
        };
        let [s0, s1, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if length > BLOCK_BYTES_MAX {
            return Err(FrameError::Length(length));
        }
        if self.buffer.len() < BLOCK_HEAD + length {
            // At once, and not by doubling while the pieces come.
            self.buffer.reserve(BLOCK_HEAD + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(BLOCK_HEAD);
        let bytes = self.buffer.split_to(length).freeze();
        Ok(Some(BlockAnswer { status: u16::from_be_bytes([s0, s1]), bytes }))
    }
}

/// The caller has seen that the head is there.
fn event(body: &mut Bytes) -> SealedEvent {
    let mut site = [0; 16];
    body.copy_to_slice(&mut site);
    let position = Position {
        site: SiteId(site),
        epoch: Epoch(body.get_u64()),
        partition: Partition(body.get_u16()),
        seq: Seq(body.get_u64()),
    };
    let version = body.split_to(Version::LEN);
    let version = Version::from_bytes(&version).expect("the slice has the length of a version");
    let mut entity = [0; 32];
    body.copy_to_slice(&mut entity);
    let payload = std::mem::take(body);
    SealedEvent { position, version, entity: EntityHash(Digest(entity)), payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> SealedEvent {
        SealedEvent {
            position: Position {
                site: SiteId([1; 16]),
                epoch: Epoch(2),
                partition: Partition(3),
                seq: Seq(4),
            },
            version: Version { hlc: model::Hlc(5), site: SiteId([6; 16]) },
            entity: EntityHash(Digest([7; 32])),
            payload: Bytes::from_static(b"payload"),
        }
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let [head, payload] = event_frame(&sealed());
        let stream = [&head[..], &payload, &heartbeat_frame(b"beat")].concat();
        for cut in 1..stream.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for piece in stream.chunks(cut) {
                frames.push(piece);
                while let Some(frame) = frames.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            let beat = Frame::Heartbeat(Bytes::from_static(b"beat"));
            assert_eq!(found, [Frame::Event(sealed()), beat]);
            assert_eq!(frames.rest(), 0);
        }
    }

    #[test]
    fn streams_of_something_else_are_refused() {
        let refuse = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.push(bytes);
            frames.next_frame().unwrap_err()
        };
        assert_eq!(refuse(b"HTTP/1.1"), FrameError::Kind(b'H'));
        assert_eq!(refuse(&[1, 255, 255, 255, 255]), FrameError::Length(u32::MAX as usize));
        assert_eq!(refuse(&[1, 0, 0, 0, 1, 0]), FrameError::Length(1));
        let mut frames = Frames::default();
        frames.push(&[0, 200, 255, 0, 0, 0]);
        assert!(frames.next_block().is_err());
    }

    #[test]
    fn blocks_come_out_as_they_went_in() {
        let mut frames = Frames::default();
        frames.push(&block_head(410, 0));
        frames.push(&block_head(200, 3));
        frames.push(b"abc");
        let freed = BlockAnswer { status: 410, bytes: Bytes::new() };
        assert_eq!(frames.next_block(), Ok(Some(freed)));
        let found = BlockAnswer { status: 200, bytes: Bytes::from_static(b"abc") };
        assert_eq!(frames.next_block(), Ok(Some(found)));
        assert_eq!(frames.next_block(), Ok(None));
    }
}
