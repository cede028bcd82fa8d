//! Answers that come as streams: branches and states, each a length and its bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{EVENT_BYTES_MAX, tree::Rest};

use super::code::{CodeError, Home, end};

/// The frame of a branch in a stream of many: its length (2) and its bytes.
pub fn rest_frame(out: &mut BytesMut, home: Home, rest: &Rest) {
    let mut body = BytesMut::new();
    home.put_rest(&mut body, rest);
    out.put_u16(u16::try_from(body.len()).expect("32 leaves are 8 KiB at most"));
    out.extend_from_slice(&body);
}

/// Takes branches out of the pieces of a stream as they come.
pub struct RestFrames {
    home: Home,
    buffer: BytesMut,
}

impl RestFrames {
    /// Of a cut.
    #[must_use]
    pub fn new(home: Home) -> Self {
        Self { home, buffer: BytesMut::new() }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole branch, if there is one.
    ///
    /// # Errors
    /// If the stream is not one of branches; it cannot be read further.
    pub fn next_rest(&mut self) -> Result<Option<Rest>, CodeError> {
        let Some((length, _)) = self.buffer.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if self.buffer.len() < 2 + length {
            return Ok(None);
        }
        self.buffer.advance(2);
        let mut body = self.buffer.split_to(length).freeze();
        let rest = self.home.rest(&mut body)?;
        end(&body)?;
        Ok(Some(rest))
    }
}

/// The frame of a state, a sealed event without what its envelope says too: the length (4), and the
/// payload, which is not copied.
#[must_use]
pub fn state_frame(payload: &Bytes) -> [Bytes; 2] {
    let length = u32::try_from(payload.len()).expect("an event is at most `EVENT_BYTES_MAX`");
    [Bytes::copy_from_slice(&length.to_be_bytes()), payload.clone()]
}

/// Takes states out of the pieces of a stream as they come.
#[derive(Default)]
pub struct StateFrames {
    buffer: BytesMut,
}

impl StateFrames {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that are not a whole state yet.
    #[must_use]
    pub fn rest(&self) -> usize {
        self.buffer.len()
    }

    /// The payload of the next whole state, if there is one.
    ///
    /// # Errors
    /// If it is said to be longer than any may be.
    pub fn next_state(&mut self) -> Result<Option<Bytes>, CodeError> {
        let Some((length, _)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > EVENT_BYTES_MAX {
            let (what, most) = ("bytes of a state", EVENT_BYTES_MAX);
            return Err(CodeError::Many { what, found: length as u64, most });
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}
