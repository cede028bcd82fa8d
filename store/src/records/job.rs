//! A full sync as a job. Key: `job/` id.
//!
//! What the job is, its owner writes as JSON, which grows fields without a new format: a release
//! reads those it knows.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// A job as it was last kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StoredJob {
    /// JSON.
    pub job: Bytes,
    /// Where it goes on after a restart; only what runs the job can read it.
    pub checkpoint: Bytes,
}

super::record!(StoredJob, Table::Meta, "job", format 1);

impl StoredJob {
    pub(crate) const PREFIX: &'static [u8] = b"job/";

    /// Big-endian, so that rows sort by id.
    pub(crate) fn key(id: u64) -> Bytes {
        super::join(&[Self::PREFIX, &id.to_be_bytes()])
    }

    pub(crate) fn id(key: &[u8]) -> Option<u64> {
        Some(u64::from_be_bytes(key.strip_prefix(Self::PREFIX)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Record;

    #[test]
    fn a_job_is_its_two_texts_with_their_lengths() {
        let job = StoredJob { job: "{}".into(), checkpoint: Bytes::from_static(&[9]) };
        let golden = [1, 2, b'{', b'}', 1, 9];
        assert_eq!(&job.encode()[..], golden);
        assert_eq!(StoredJob::decode(&Bytes::copy_from_slice(&golden)).unwrap(), job);
        assert_eq!(StoredJob::id(&StoredJob::key(258)), Some(258));
        assert_eq!(StoredJob::id(b"job/1"), None);
    }
}
