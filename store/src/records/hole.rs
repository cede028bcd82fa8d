//! A hole in what is handled of a line. Key: `h` line first-seq. Format 2 added the reason `Adopted`.

use bytes::Bytes;
use model::{Hole, Line, Seq};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct HoleRecord(pub(crate) Hole);

super::record!(HoleRecord, Table::Queues, "hole", format 2);

impl HoleRecord {
    pub(crate) const PREFIX: &'static [u8] = b"h";

    /// Rows of a line.
    pub(crate) fn prefix(line: Line) -> Bytes {
        super::join(&[Self::PREFIX, &super::line_bytes(line)])
    }

    pub(crate) fn key(line: Line, first: Seq) -> Bytes {
        super::join(&[Self::PREFIX, &super::line_bytes(line), &first.0.to_be_bytes()])
    }

    pub(crate) fn line(key: &[u8]) -> Option<Line> {
        super::line_from(key.strip_prefix(Self::PREFIX)?).map(|(line, _)| line)
    }
}
