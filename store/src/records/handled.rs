//! How far this site has handled one line of another. Key: `handled/` line.

use bytes::Bytes;
use model::{Line, progress::Handled};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct HandledRecord(pub(crate) Handled);

super::record!(HandledRecord, Table::Meta, "handled", format 1);

impl HandledRecord {
    pub(crate) const PREFIX: &'static [u8] = b"handled/";

    pub(crate) fn key(line: Line) -> Bytes {
        super::join(&[Self::PREFIX, &super::line_bytes(line)])
    }

    pub(crate) fn line(key: &[u8]) -> Option<Line> {
        super::line_from(key.strip_prefix(Self::PREFIX)?).map(|(line, _)| line)
    }
}
