//! What several records share: how versions, numbers and borrowed bytes stand in them.

use apache_avro::serde_avro_fixed;
use model::{Hlc, SiteId, Version};
use serde::{Deserialize, Serialize};

use crate::error::CodecError;

/// `version` of the `.avsc` files.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    hlc: i64,
    #[serde(with = "serde_avro_fixed")]
    site: [u8; 16],
}

impl From<Version> for VersionRecord {
    fn from(version: Version) -> Self {
        Self { hlc: version.hlc.0.cast_signed(), site: version.site.0 }
    }
}

impl From<VersionRecord> for Version {
    fn from(record: VersionRecord) -> Self {
        Self { hlc: Hlc(record.hlc.cast_unsigned()), site: SiteId(record.site) }
    }
}

/// A number of the contract as the narrower one that the model keeps.
pub(crate) fn narrow<N: TryFrom<i64>>(field: &'static str, found: i64) -> Result<N, CodecError> {
    N::try_from(found).map_err(|_| CodecError::Range { field, found })
}

/// For bytes that are borrowed when written and owned when read: written without a copy.
pub(crate) mod cow_bytes {
    use std::borrow::Cow;

    use apache_avro::serde_avro_bytes;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        serde_avro_bytes::serialize(bytes, to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Cow<'static, [u8]>, D::Error> {
        serde_avro_bytes::deserialize(from).map(Cow::Owned)
    }
}
