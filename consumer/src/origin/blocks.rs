//! Blocks that were asked for in one request, as they come.

use std::collections::VecDeque;

use bus::wire::{BlockAnswer, Frames};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::Incoming;
use model::{BlockRef, SiteName};

use super::{Origin, OriginError};

/// Answers to what was asked for in one request of many blocks.
pub(crate) struct BlockAnswers {
    origin: Origin,
    /// What has not been answered yet.
    asked: VecDeque<BlockRef>,
    body: Incoming,
    frames: Frames,
}

impl BlockAnswers {
    pub(super) fn new(origin: Origin, asked: VecDeque<BlockRef>, body: Incoming) -> Self {
        Self { origin, asked, body, frames: Frames::default() }
    }

    /// The next block, unverified, or why the origin does not give that one; `None` after the
    /// last.
    ///
    /// # Errors
    /// If the stream broke: nothing more comes of it.
    pub(crate) async fn next(&mut self) -> Result<Option<Result<Bytes, OriginError>>, OriginError> {
        let origin = &self.origin;
        let Some(block) = self.asked.pop_front() else {
            return Ok(None);
        };
        loop {
            let held = self.frames.rest();
            if let Some(answer) =
                self.frames.next_block().map_err(|error| origin.nonsense(&error))?
            {
                origin.meter.came(held - self.frames.rest());
                return Ok(Some(block_of(origin.name(), block, answer)));
            }
            let piece = origin.uncounted(&mut self.body).await?;
            let ended = || origin.nonsense(&"a stream that ends before the last block");
            self.frames.push(&piece.ok_or_else(ended)?);
        }
    }
}

/// What an answer comes to. One that is wrong says nothing of those behind it: they begin where
/// it ends.
fn block_of(peer: &SiteName, asked: BlockRef, answer: BlockAnswer) -> Result<Bytes, OriginError> {
    let BlockAnswer { status, bytes } = answer;
    match StatusCode::from_u16(status) {
        Ok(StatusCode::OK) if bytes.len() == asked.length as usize => Ok(bytes),
        Ok(StatusCode::OK) => {
            let what = format!("{} bytes of {}", bytes.len(), asked.length);
            Err(OriginError::nonsense(peer, &what))
        }
        Ok(status) => Err(OriginError::refused(peer, status, String::new())),
        Err(error) => Err(OriginError::nonsense(peer, &error)),
    }
}

#[cfg(test)]
mod tests {
    use model::BlockHash;

    use super::*;

    #[test]
    fn a_wrong_answer_is_one_of_its_own_block_only() {
        let peer = SiteName::try_from("east".to_owned()).unwrap();
        let asked = BlockRef { hash: BlockHash::of(b"abc"), length: 3 };
        let of = |status, bytes: &'static [u8]| {
            let answer = BlockAnswer { status, bytes: Bytes::from_static(bytes) };
            block_of(&peer, asked, answer).map_err(|error| error.reason())
        };
        assert_eq!(of(200, b"abc"), Ok(Bytes::from_static(b"abc")));
        assert_eq!(of(200, b"ab"), Err("refused"));
        assert_eq!(of(7, b""), Err("refused"), "no status of HTTP");
        assert_eq!(of(410, b""), Err("freed"));
        assert_eq!(of(404, b""), Err("unknown"));
        assert_eq!(of(503, b""), Err("busy"));
        assert_eq!(of(500, b""), Err("refused"));
    }
}
