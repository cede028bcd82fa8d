//! A site that was evicted, kept until it registers again or is forgotten. Key: `evicted/` name.

use bytes::Bytes;
use model::{Millis, SiteId, SiteName};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A site that held up too much: what it missed by then is lost to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evicted {
    pub site: SiteId,
    pub name: SiteName,
    pub at: Millis,
    /// The setting that it passed.
    pub limit: String,
}

super::record!(Evicted, Table::Meta, "evicted site", format 1);

impl Evicted {
    pub(crate) const PREFIX: &'static [u8] = b"evicted/";

    /// Of sites that had one name, the last counts.
    pub(crate) fn key(name: &SiteName) -> Bytes {
        super::join(&[Self::PREFIX, name.as_str().as_bytes()])
    }
}
