//! Who this store is. Key: `identity`.

use bytes::Bytes;
use model::{Epoch, Millis, PartitionCount, SiteId, SiteName};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// Identity of the site whose state this is; drawn when the store is made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    pub site: SiteId,
    pub name: SiteName,
    /// Current incarnation of the site's numbering.
    pub epoch: Epoch,
    /// Epochs before it, in order: their history may still be asked for.
    pub past_epochs: Vec<Epoch>,
    pub partitions: PartitionCount,
    pub created: Millis,
}

super::record!(Identity, Table::Meta, "identity", format 1);

impl Identity {
    pub(crate) fn key() -> Bytes {
        Bytes::from_static(b"identity")
    }
}
